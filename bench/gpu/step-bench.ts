/**
 * Time and memory of LoRA training steps on a random model: r16 on the seven linears, `blocks` × `length` tokens packed full. Two warm-up steps
 * (the first op by op, the second recorded as a graph), then steps that are timed together.
 */
import type { Backend } from "../../src/backend/backend.ts";
import { emptyBatch } from "../../src/data/batch.ts";
import type { CausalLM } from "../../src/models/causal-lm.ts";
import { Arena } from "../../src/tensor/arena.ts";
import type { RecomputePolicy } from "../../src/tensor/tape.ts";
import { nemoConfig } from "../../src/training/testing/nemo-shape.ts";
import { loraTrainables } from "../../src/training/trainables.ts";
import { TrainingStep } from "../../src/training/training-step.ts";
import { makeRandomModel, type RandomModelOptions } from "./random-model.ts";

export interface StepBench extends RandomModelOptions {
  readonly layers: number;
  readonly blocks: number;
  readonly length: number;
  readonly policy: RecomputePolicy;
  readonly steps: number;
  readonly optimizerState: "f32" | "8bit";
}

export interface StepResult {
  readonly tokensPerSecond: number;
  readonly stepMs: readonly number[];
  readonly losses: readonly number[];
  readonly gradNorm: number;
  readonly peakGb: number;
  readonly modelGb: number;
  readonly buildSeconds: number;
  readonly firstStepMs: number;
  readonly captureMs: number;
}

export async function benchSteps(backend: Backend, bench: StepBench, config = nemoConfig(bench.layers)): Promise<StepResult> {
  const started = performance.now();
  const arena = new Arena(backend);
  const model = await makeRandomModel(arena, config, bench);
  arena.trim();
  await backend.synchronize();
  const buildSeconds = (performance.now() - started) / 1000;
  const result = { ...(await stepsOf(backend, model, bench)), buildSeconds };
  model.dispose();
  arena.dispose();
  return result;
}

/** The steps alone, on a model that is there. `steps: 0` stops after the first. */
export async function stepsOf(
  backend: Backend,
  model: CausalLM,
  bench: Omit<StepBench, keyof RandomModelOptions | "layers">,
): Promise<Omit<StepResult, "buildSeconds">> {
  attachAdapters(model);
  await backend.synchronize();
  const modelBytes = backend.allocatedBytes;
  backend.resetPeak();
  const { blocks, length } = bench;
  model.prepare(length);
  const step = new TrainingStep(model, loraTrainables(model), {
    tokensPerPass: blocks * length,
    passes: 1,
    policy: bench.policy,
    maxGradNorm: 1,
    optimizer: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01, state: bench.optimizerState },
    dropout: { probability: 0, seed: 1 },
  });
  const batch = fullBatch(blocks, length, model.shape.vocabularySize);
  const losses: number[] = [];
  let gradNorm = 0;
  const timed = async (count: number, first: number): Promise<number> => {
    const start = performance.now();
    for (let i = 0; i < count; i++) step.run([batch], first + i, 1e-4);
    const results = await step.results();
    losses.push(results.loss);
    gradNorm = results.gradNorm;
    return (performance.now() - start) / count;
  };
  const firstStepMs = await timed(1, 1);
  const captureMs = bench.steps > 0 ? await timed(1, 2) : 0;
  const stepMs: number[] = [];
  for (let i = 0; bench.steps > 0 && i < 3; i++) stepMs.push(await timed(bench.steps, 3 + i * bench.steps));
  const median = [...stepMs].sort((a, b) => a - b)[1] ?? firstStepMs;
  const result = {
    tokensPerSecond: (blocks * length * 1000) / median,
    stepMs,
    losses,
    gradNorm,
    peakGb: backend.peakBytes / 1e9,
    modelGb: modelBytes / 1e9,
    firstStepMs,
    captureMs,
  };
  step.release();
  return result;
}

function attachAdapters(model: CausalLM): void {
  const settings = { rank: 16, alpha: 32, rankStabilized: false };
  const sites = [...model.linears()].map(({ path, inFeatures, outFeatures }) => ({ path, inFeatures, outFeatures, settings }));
  model.attachLora(sites, { trainable: true }).initialize(model.arena, 1);
}

/** Every block one row of its full length, every token but the last trained. */
function fullBatch(blocks: number, length: number, vocabulary: number) {
  const batch = emptyBatch(blocks, length, 0);
  let state = 12345;
  for (let i = 0; i < blocks * length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    batch.tokens[i] = state % vocabulary;
    batch.positions[i] = i % length;
    batch.segmentStart[i] = i - (i % length);
    batch.segmentEnd[i] = i - (i % length) + length;
  }
  for (let i = 0; i < blocks * length; i++) batch.targets[i] = i % length === length - 1 ? -1 : batch.tokens[i + 1]!;
  return { ...batch, trainedTokens: blocks * (length - 1), tokenCount: blocks * length, rows: Array.from({ length: blocks }, (_, i) => i) };
}

/**
 * Asking, timed: greedy answers of a random model through the generator, as `generate` and `chat` run it. The first answer warms up (kernels are
 * loaded, the step of this many rows is captured); the second is timed from its first token to its last.
 */
import { performance } from "node:perf_hooks";
import type { Backend } from "../../src/backend/backend.ts";
import { type GenerationRequest, Generator } from "../../src/generation/generator.ts";
import { GREEDY } from "../../src/generation/sampling.ts";
import { Arena } from "../../src/tensor/arena.ts";
import { nemoConfig } from "../../src/training/testing/nemo-shape.ts";
import { makeRandomModel, type RandomModelOptions } from "./random-model.ts";

export interface DecodeBench extends RandomModelOptions {
  readonly layers: number;
  /** Answers at once. */
  readonly batch: number;
  readonly promptTokens: number;
  readonly answerTokens: number;
}

export interface DecodeResult {
  /** All answers together. */
  readonly tokensPerSecond: number;
  readonly stepMs: number;
  /** From the request to its first token, warm. */
  readonly firstTokenMs: number;
  readonly ids: readonly number[];
  readonly peakGb: number;
  readonly buildSeconds: number;
}

/** @param afterWarmUp called before what is timed */
export async function benchDecode(
  backend: Backend,
  bench: DecodeBench,
  config = nemoConfig(bench.layers),
  afterWarmUp: () => void = () => {},
): Promise<DecodeResult> {
  const started = performance.now();
  const arena = new Arena(backend);
  const model = await makeRandomModel(arena, config, bench);
  arena.trim();
  await backend.synchronize();
  const buildSeconds = (performance.now() - started) / 1000;
  backend.resetPeak();
  const { batch, promptTokens, answerTokens } = bench;
  const generator = new Generator(model, { slots: batch, positions: promptTokens + answerTokens });
  const answer = async () => {
    const times: number[] = [];
    const onToken = () => {
      times.push(performance.now());
      return undefined;
    };
    const requests: GenerationRequest[] = Array.from({ length: batch }, (_, row) => ({
      ids: Array.from({ length: promptTokens }, (_, i) => (i * 7919 + row * 104729 + 1) % model.shape.vocabularySize),
      settings: GREEDY,
      maxTokens: answerTokens,
      endIds: new Set<number>(),
      onToken,
    }));
    generator.forget();
    const start = performance.now();
    const results = await generator.generate(requests);
    return { results, firstTokenMs: times[0]! - start, milliseconds: times.at(-1)! - times[batch - 1]! };
  };
  await answer();
  afterWarmUp();
  const { results, firstTokenMs, milliseconds } = await answer();
  const stepMs = milliseconds / (answerTokens - 1);
  const peakGb = backend.peakBytes / 1e9;
  generator.release();
  model.dispose();
  arena.dispose();
  return { tokensPerSecond: (1000 * batch) / stepMs, stepMs, firstTokenMs, ids: results[0]!.ids.slice(0, 8), peakGb, buildSeconds };
}

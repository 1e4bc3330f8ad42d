/**
 * One LoRA step of a SmolLM2-135M shape on the CPU: random bf16 weights, rank 16 on seven linears, packed 4 × 512 tokens, every token
 * trained, forward + backward + clip + AdamW. The same work as bench/peers/peft-cpu.py.
 *
 *   npx tsx bench/cpu/lora-step.ts [--base bf16|f32|nf4] [--compute bf16|f32] [--recompute none|cheap|layers] [--steps 6] [--profile]
 *
 * Prints one JSON line: tokens/s (median and best), peak memory of the process, and what it was before the model was made.
 */
import { parseArgs } from "node:util";
import { openCpuBackend } from "../../src/backend/cpu/open-cpu.ts";
import { CausalLM } from "../../src/models/causal-lm.ts";
import type { DecoderShape } from "../../src/models/decoder-shape.ts";
import { buildDecoder } from "../../src/models/load-model.ts";
import { findLoraSites } from "../../src/models/lora-targets.ts";
import { readDecoderShape } from "../../src/models/registry.ts";
import { Arena } from "../../src/tensor/arena.ts";
import { loraTrainables } from "../../src/training/trainables.ts";
import { TrainingStep } from "../../src/training/training-step.ts";
import { peakResidentBytes, residentBytes } from "./process-memory.ts";
import { randomMaker } from "./random-weights.ts";

export const SMOLLM2_135M = {
  model_type: "llama",
  vocab_size: 49152,
  hidden_size: 576,
  intermediate_size: 1536,
  num_hidden_layers: 30,
  num_attention_heads: 9,
  num_key_value_heads: 3,
  max_position_embeddings: 8192,
  rms_norm_eps: 1e-5,
  rope_theta: 100000,
  tie_word_embeddings: true,
};

const { values } = parseArgs({
  options: {
    base: { type: "string", default: "bf16" },
    compute: { type: "string", default: "auto" },
    recompute: { type: "string", default: "cheap" },
    steps: { type: "string", default: "6" },
    threads: { type: "string", default: "2" },
    profile: { type: "boolean", default: false },
  },
});

const ROWS = 4;
const LENGTH = 512;
const residentBefore = residentBytes();
const backend = openCpuBackend({ threads: Number(values.threads), profile: values.profile });
const compute = values.compute === "auto" ? backend.device.activationDTypes[0]! : (values.compute as "bf16" | "f32");
const arena = new Arena(backend);
const shape: DecoderShape = readDecoderShape(SMOLLM2_135M, "SmolLM2-135M shape");
const owned: { release(by?: string): void }[] = [];
const weights = await buildDecoder(shape, randomMaker(arena, values.base as "bf16" | "f32" | "nf4"), owned);
const model = new CausalLM(shape, arena, weights, compute, owned);
const targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];
model.attachLora(findLoraSites(shape, targets, { rank: 16, alpha: 16, rankStabilized: false }), { trainable: true }).initialize(arena, 1);
model.prepare(LENGTH);
const step = new TrainingStep(model, loraTrainables(model), {
  tokensPerPass: ROWS * LENGTH,
  passes: 1,
  policy: values.recompute as "none" | "cheap" | "layers",
  maxGradNorm: 1,
  optimizer: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, state: "f32" },
  dropout: { probability: 0, seed: 0 },
});

const count = ROWS * LENGTH;
const tokens = Int32Array.from({ length: count }, (_, i) => (i * 7919 + 13) % shape.vocabularySize);
const blockStart = (i: number) => i - (i % LENGTH);
const batch = {
  blockCount: ROWS,
  blockLength: LENGTH,
  tokens,
  targets: tokens.map((_, i) => tokens[(i + 1) % count]!),
  positions: tokens.map((_, i) => i % LENGTH),
  segmentStart: tokens.map((_, i) => blockStart(i)),
  segmentEnd: tokens.map((_, i) => blockStart(i) + LENGTH),
  trainedTokens: count,
  tokenCount: count,
  rows: [0, 1, 2, 3],
};
const seconds: number[] = [];
let loss = Number.NaN;
for (let index = 1; index <= Number(values.steps); index++) {
  const startedAt = performance.now();
  step.run([batch], index, 1e-4);
  ({ loss } = await step.results());
  seconds.push((performance.now() - startedAt) / 1000);
}
const timed = seconds.slice(1).sort((a, b) => a - b);
const times = (backend as { opTimes?: ReadonlyMap<string, { calls: number; ms: number }> | null }).opTimes;
console.log(
  JSON.stringify({
    what: "remora LoRA step, SmolLM2-135M shape, 4×512, r16",
    isa: backend.device.architecture,
    base: values.base,
    compute,
    recompute: values.recompute,
    threads: backend.device.threads,
    tokensPerSecond: { median: count / timed[Math.floor(timed.length / 2)]!, best: count / timed[0]! },
    loss,
    memory: { residentBefore, peakResident: peakResidentBytes(), arenaPeak: arena.peakBytes, scratch: backend.scratchBytes },
  }),
);
if (times) {
  const total = [...times.values()].reduce((sum, { ms }) => sum + ms, 0);
  for (const [op, { calls, ms }] of [...times].sort((a, b) => b[1].ms - a[1].ms).slice(0, 16)) {
    console.error(
      `${op.padEnd(24)} ${String(calls).padStart(6)} calls ${(ms / seconds.length).toFixed(1).padStart(9)} ms a step ${((100 * ms) / total).toFixed(1).padStart(5)}%`,
    );
  }
}

/**
 * What a rented card is asked first, in one process: a short training step of two layers in bf16 and NF4 (eager equals graph), then the 40-layer
 * Nemo shape with an NF4 base, timed; then the same op by op for a breakdown. Prints JSON lines; the last is the summary.
 *
 *   node .gpu/first-run.mjs [tiny] [two] [forty] [small] [host] [profile] [decode] [decode-profile] [cheap-profile] [fp8]      default: all
 */

import { formatOpTimes } from "../../src/backend/cpu/native-context.ts";
import type { CudaBackend } from "../../src/backend/cuda/cuda-backend.ts";
import { openBackend } from "../../src/backend/open-backend.ts";
import { nemoConfig } from "../../src/training/testing/nemo-shape.ts";
import { benchDecode, type DecodeBench } from "./decode-bench.ts";
import { benchSteps, type StepBench } from "./step-bench.ts";

const wanted = process.argv.slice(2);
const does = (name: string) => wanted.length === 0 || wanted.includes(name);
const device = process.env.REMORA_BENCH_DEVICE ?? "cuda:0";
const summary: Record<string, unknown> = {};

async function run(name: string, bench: StepBench, config?: Record<string, unknown>): Promise<void> {
  const backend = (await openBackend(device)) as CudaBackend;
  try {
    const result = await benchSteps(backend, bench, config);
    summary[name] = result;
    console.log(JSON.stringify({ name, bench, ...result }));
    if (backend.opTimes) console.log(formatOpTimes(backend.opTimes));
    if (process.env.REMORA_BENCH_PLANS === "1") for (const [shape, plan] of backend.productPlans) console.log(`  ${shape}: ${plan}`);
  } catch (error) {
    summary[name] = { error: String(error) };
    console.log(JSON.stringify({ name, bench, error: String((error as Error).stack) }));
  } finally {
    backend.dispose();
  }
}

async function decode(name: string, bench: DecodeBench, config?: Record<string, unknown>): Promise<void> {
  const backend = (await openBackend(device)) as CudaBackend;
  try {
    const result = await benchDecode(backend, bench, config, () => backend.opTimes && backend.resetOpTimes());
    summary[name] = result;
    console.log(JSON.stringify({ name, bench, ...result }));
    if (backend.opTimes) console.log(formatOpTimes(backend.opTimes));
  } catch (error) {
    summary[name] = { error: String(error) };
    console.log(JSON.stringify({ name, bench, error: String((error as Error).stack) }));
  } finally {
    backend.dispose();
  }
}

const common = { compute: "bf16", optimizerState: "f32", steps: 3 } as const;
const tiny = {
  ...nemoConfig(2),
  vocab_size: 512,
  hidden_size: 128,
  intermediate_size: 256,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 64,
};
if (does("tiny")) {
  const bench = { ...common, layers: 2, linears: "nf4", blocks: 2, length: 64, steps: 1, hostEmbedding: true } as const;
  await run("tiny nf4", { ...bench, policy: "cheap" }, tiny);
  await run("tiny nf4, layers made again", { ...bench, policy: "layers" }, tiny);
  await run("tiny nf4, inputs on the host", { ...bench, policy: "host" }, tiny);
  await decode("tiny decode", { compute: "bf16", layers: 2, linears: "nf4", batch: 2, promptTokens: 40, answerTokens: 8 }, tiny);
}
if (does("two")) {
  await run("two layers bf16", { ...common, layers: 2, linears: "bf16", blocks: 1, length: 2048, policy: "none" });
  await run("two layers nf4", { ...common, layers: 2, linears: "nf4", blocks: 4, length: 2048, policy: "none" });
  await run("two layers nf4, layers made again", { ...common, layers: 2, linears: "nf4", blocks: 4, length: 2048, policy: "layers" });
}
const forty = { ...common, layers: 40, linears: "nf4", blocks: 4, length: 2048 } as const;
if (does("forty")) {
  await run("forty layers nf4 4x2048, cheap recompute", { ...forty, policy: "cheap" });
  await run("forty layers nf4 4x2048, layers made again", { ...forty, policy: "layers" });
}
if (does("small")) {
  await run("forty layers nf4 2x2048, layers made again, 8-bit state", { ...forty, blocks: 2, policy: "layers", optimizerState: "8bit" });
}
const smallHead = () => {
  process.env.REMORA_CUDA_HEAD_ROWS = "0";
};
if (does("host")) {
  const small = { ...forty, blocks: 2, optimizerState: "8bit", hostEmbedding: true } as const;
  smallHead();
  await run("forty layers nf4 2x2048, 8-bit state, embedding on the host", { ...small, policy: "layers" });
  await run("forty layers nf4 2x2048, 8-bit state, embedding and layer inputs on the host", { ...small, policy: "host" });
  delete process.env.REMORA_CUDA_HEAD_ROWS;
}
const asking = { compute: "bf16", layers: 40, linears: "nf4", promptTokens: 128, answerTokens: 128 } as const;
if (does("decode")) {
  await decode("decode nf4, one row", { ...asking, batch: 1 });
  await decode("decode nf4, eight rows", { ...asking, batch: 8 });
}
if (does("decode-profile")) {
  process.env.REMORA_PROFILE = "1";
  await decode("decode nf4, one row, op by op", { ...asking, batch: 1, answerTokens: 32 });
}
if (does("profile")) {
  process.env.REMORA_PROFILE = "1";
  await run("forty profile 4x2048, layers made again", { ...forty, policy: "layers", steps: 1 });
}
if (does("cheap-profile")) {
  process.env.REMORA_PROFILE = "1";
  await run("forty profile 4x2048, cheap recompute", { ...forty, policy: "cheap", steps: 1 });
  delete process.env.REMORA_PROFILE;
}
if (does("fp8")) {
  await run("two layers fp8", { ...common, layers: 2, linears: "nf4", fp8: true, blocks: 4, length: 2048, policy: "none" });
  process.env.REMORA_PROFILE = "1";
  await run("forty layers fp8 4x2048, op by op", { ...forty, fp8: true, policy: "cheap", steps: 1 });
  delete process.env.REMORA_PROFILE;
}
console.log(JSON.stringify({ summary }));

/**
 * A process of its own that saves a model and says how much memory that took: `node --import tsx save-memory.ts MODEL OUT FORMAT…`.
 * Prints a JSON line for each format: bytes resident before, the most that were resident at any time until after, bytes of the largest tensor.
 * A format with `@nf4` merges into the weights as a QLoRA run saw them. The format `whole-shard` saves nothing and reads the model's file into memory instead: what the measure must not let pass.
 */
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { openCpuBackend } from "../../backend/cpu/open-cpu.ts";
import type { Delta } from "../../export/combine-adapters.ts";
import type { GgufSaveType } from "../../export/gguf-types.ts";
import { MergedWeights } from "../../export/merged-weights.ts";
import { largestTensorBytes, planSave, type SaveFormat } from "../../export/write-save.ts";
import type { BaseFormat } from "../../models/load-weights.ts";
import { Arena } from "../../tensor/arena.ts";
import { openModelFiles } from "../model-files.ts";

const RANK = 16;
const [model, out, ...formats] = process.argv.slice(2) as [string, string, ...string[]];
const { source, shape, tokenizer } = await openModelFiles(model, { offline: true });
const backend = openCpuBackend({ threads: 2 });
const plain = new MergedWeights(new Arena(backend), source, shape, [], "file");
const parts = plain.parameters
  .filter(({ role }) => role === "linear")
  .map(({ path, shape: [rows, cols] }): Delta => {
    const [a, b] = [new Float32Array(RANK * cols!).fill(0.01), new Float32Array(rows! * RANK).fill(0.01)];
    return { path: path.replace(/\.weight$/, ""), a, b, rank: RANK, alpha: RANK, scale: 1 };
  });

for (const name of formats) {
  const baseline = process.memoryUsage.rss();
  let kept: Buffer | undefined;
  if (name === "whole-shard") kept = readFileSync(join(model, "model.safetensors"));
  else {
    const [asked, trainedAs = "file"] = name.split("@") as [string, BaseFormat?];
    const [format, type = "q4_k_m"] = asked.split(":") as [SaveFormat, GgufSaveType?];
    const weights = new MergedWeights(new Arena(backend), source, shape, parts, trainedAs);
    const adapter = { parts, useRslora: false, dropout: 0, baseModel: undefined };
    const rest = { template: undefined, maxShardBytes: 5e9, remora: "test", onTensor: () => {} };
    mkdirSync(out);
    await planSave({ ...rest, format, type, weights, adapter, tokenizer, model }).write(out);
    rmSync(out, { recursive: true });
  }
  // In KiB, on every system.
  const peak = process.resourceUsage().maxRSS * 1024;
  process.stdout.write(`${JSON.stringify({ name, baseline, peak, largest: largestTensorBytes(plain), kept: kept?.length })}\n`);
}
backend.dispose();

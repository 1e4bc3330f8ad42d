/**
 * How fast saves are written, as ratios: 16-bit and NF4 against what the disk takes when nothing is computed, q4_k_m against llama.cpp's quantizer on
 * the same f16 file and the same cores. Each pair runs one after the other, several times; medians are reported.
 *
 *   npm --prefix bench/parity install --omit=optional --ignore-scripts --no-package-lock
 *   npx tsx bench/cpu/save.ts [--folder /tmp] [--layers 12] [--runs 3] [--threads 2]
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openCpuBackend } from "../../src/backend/cpu/open-cpu.ts";
import { writeTinyModelOf } from "../../src/cli/testing/tiny-model.ts";
import { openModelFiles } from "../../src/engine/model-files.ts";
import type { Delta } from "../../src/export/combine-adapters.ts";
import { GGUF_SAVE_FACTS } from "../../src/export/gguf-types.ts";
import { MergedWeights } from "../../src/export/merged-weights.ts";
import { planSave, type SaveFormat } from "../../src/export/write-save.ts";
import { AtomicFile } from "../../src/formats/atomic-file.ts";
import { WriteBehind } from "../../src/formats/write-behind.ts";
import { Arena } from "../../src/tensor/arena.ts";
import { INSTALL, isInstalled, openLlamaLibrary } from "../parity/llama-library.ts";

const { values } = parseArgs({
  options: {
    folder: { type: "string", default: tmpdir() },
    layers: { type: "string", default: "12" },
    runs: { type: "string", default: "3" },
    threads: { type: "string", default: "2" },
  },
});
const [layers, runs, threads] = [values.layers, values.runs, values.threads].map(Number) as [number, number, number];
const RANK = 16;
const folder = mkdtempSync(join(values.folder, "remora-save-bench-"));
const median = (list: number[]) => [...list].sort((a, b) => a - b)[list.length >> 1]!;
const print = (value: object) => process.stdout.write(`${JSON.stringify(value)}\n`);

async function seconds(run: () => Promise<unknown> | unknown): Promise<number> {
  const start = performance.now();
  await run();
  return (performance.now() - start) / 1000;
}

/** The disk alone: the same number of bytes in pieces of 8 MiB, flushed at the end, or also on the way as saves do. */
async function writePlain(path: string, bytes: number, flushes: boolean): Promise<void> {
  const piece = Buffer.alloc(8 * 2 ** 20, 7);
  const file = await AtomicFile.create(path);
  const disk = new WriteBehind(file);
  for (let at = 0; at < bytes; at += piece.length) {
    const part = piece.subarray(0, Math.min(piece.length, bytes - at));
    await (flushes ? disk.put(part, at) : file.writeAt(part, at));
  }
  await disk.drain();
  await file.commit();
}

async function save(model: string, format: SaveFormat, type: "f16" | "q4_k_m", out: string, withAdapter: boolean) {
  const { source, shape, tokenizer } = await openModelFiles(model, { offline: true });
  const backend = openCpuBackend({ threads });
  const probe = new MergedWeights(new Arena(backend), source, shape, [], "file");
  const linears = probe.parameters.filter(({ role }) => role === "linear");
  const parts: Delta[] = linears.map(({ path, shape: [rows, cols] }) => {
    const [a, b] = [new Float32Array(RANK * cols!).fill(0.01), new Float32Array(rows! * RANK).fill(0.01)];
    return { path: path.replace(/\.weight$/, ""), a, b, rank: RANK, alpha: RANK, scale: 1 };
  });
  const weights = new MergedWeights(new Arena(backend), source, shape, withAdapter ? parts : [], "file");
  const adapter = { parts: [], useRslora: false, dropout: 0, baseModel: undefined };
  const rest = { template: undefined, maxShardBytes: 5e9, remora: "bench", onTensor: () => {} };
  const planned = planSave({ ...rest, format, type, weights, adapter, tokenizer, model });
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out);
  const mapped = backend.allocatedBytes;
  backend.resetPeak();
  const time = await seconds(() => planned.write(out));
  const bytes = readdirSync(out).reduce((sum, name) => sum + statSync(join(out, name)).size, 0);
  const peakBytes = backend.peakBytes - mapped;
  backend.dispose();
  return { time, bytes, peakBytes, file: join(out, planned.opens) };
}

try {
  const shape = { hidden_size: 2048, intermediate_size: 5632, num_attention_heads: 16, num_key_value_heads: 4, num_hidden_layers: layers };
  const f32 = await writeTinyModelOf(join(folder, "f32"), { ...shape, max_position_embeddings: 2048 });
  const model = join(folder, "bf16");
  await save(f32, "16bit", "f16", model, false);
  rmSync(f32, { recursive: true });
  for (const format of ["16bit", "nf4"] as const) {
    const [ours, disk, flushedAtEnd]: [number[], number[], number[]] = [[], [], []];
    let last = { time: 0, bytes: 0, peakBytes: 0, file: "" };
    for (let run = 0; run < runs; run++) {
      last = await save(model, format, "f16", join(folder, "out"), true);
      ours.push(last.bytes / last.time / 1e6);
      const rate = async (flushes: boolean) => {
        const time = await seconds(() => writePlain(join(folder, "plain"), last.bytes, flushes));
        rmSync(join(folder, "plain"));
        return last.bytes / time / 1e6;
      };
      // Whichever way this disk likes better.
      flushedAtEnd.push(await rate(false));
      disk.push(Math.max(flushedAtEnd.at(-1)!, await rate(true)));
    }
    const [rate, sequential] = [median(ours), median(disk)];
    print({
      format,
      bytes: last.bytes,
      megabytesPerSecond: rate,
      sequential,
      share: rate / sequential,
      ours,
      disk,
      flushedAtEnd,
      peakBytes: last.peakBytes,
    });
  }
  if (!isInstalled()) throw new Error(INSTALL);
  const { file } = await save(model, "gguf", "f16", join(folder, "f16"), false);
  const [ours, theirs]: [number[], number[]] = [[], []];
  for (let run = 0; run < runs; run++) {
    ours.push((await save(file, "gguf", "q4_k_m", join(folder, "out"), false)).time);
    const { fileType } = GGUF_SAVE_FACTS.q4_k_m;
    theirs.push(await seconds(() => openLlamaLibrary().quantizeFile(file, join(folder, "theirs.gguf"), fileType, threads)));
  }
  print({
    format: "gguf:q4_k_m",
    seconds: median(ours),
    llamaCpp: median(theirs),
    timesAsFast: median(theirs) / median(ours),
    ours,
    theirs,
  });
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/**
 * From a folder of bf16 safetensors to the first training step over NF4: how long the start takes when the weights are in the page cache.
 *
 *   node .gpu/load-bench.mjs --folder /tmp/nemo [--layers 40] [--out file.json] [--keep]
 *
 * Writes a folder of Mistral Nemo's shape with random weights (fewer layers where the disk is small or slow), then starts a process of its own
 * that opens the card, streams the weights through pinned memory, encodes them to NF4 there, and trains one step. The clock starts before that process.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import process from "node:process";
import { openBackend } from "../../src/backend/open-backend.ts";
import { writeSafetensors } from "../../src/formats/safetensors-writer.ts";
import { decoderParameters } from "../../src/models/decoder-parameters.ts";
import { loadModel } from "../../src/models/load-model.ts";
import { readDecoderShape } from "../../src/models/registry.ts";
import { openWeightSource } from "../../src/models/weight-source.ts";
import { Arena } from "../../src/tensor/arena.ts";
import { nemoConfig } from "../../src/training/testing/nemo-shape.ts";
import { stepsOf } from "./step-bench.ts";

const list = process.argv.slice(2);
const option = (name: string, fallback: string) => (list.includes(name) ? list[list.indexOf(name) + 1]! : fallback);
const folder = option("--folder", "/tmp/remora-nemo");
/** Layers in one file. */
const SHARD_LAYERS = 8;
/** Writing stops after the shard that passes this. */
const WRITE_SECONDS = Number(option("--write-seconds", "70"));
const TINY = { vocab_size: 512, hidden_size: 128, intermediate_size: 256, num_attention_heads: 4, num_key_value_heads: 2, head_dim: 64 };
const configOf = (layers: number) => ({ ...nemoConfig(layers), ...(list.includes("--tiny") ? TINY : {}) });

if (list.includes("--load")) await load(Number(option("--since", "0")));
else await main();

async function main(): Promise<void> {
  const written = await writeFolder(Number(option("--layers", "40")));
  const runs = [1, 2].map(() => {
    const script = process.argv[1]!;
    const child = spawnSync(
      process.execPath,
      [...process.execArgv, script, "--folder", folder, "--load", "--since", String(Date.now()), ...list],
      {
        encoding: "utf8",
        stdio: ["ignore", "pipe", "inherit"],
        timeout: 180_000,
      },
    );
    const line = child.stdout.trim().split("\n").at(-1);
    return line?.startsWith("{") ? JSON.parse(line) : { error: `exit ${child.status}, signal ${child.signal}` };
  });
  if (!list.includes("--keep")) rmSync(folder, { recursive: true, force: true });
  const result = { written, runs };
  console.log(JSON.stringify(result));
  const out = option("--out", "");
  if (out) writeFileSync(out, `${JSON.stringify(result, null, 2)}\n`);
}

async function writeFolder(wanted: number): Promise<Record<string, number>> {
  mkdirSync(folder, { recursive: true });
  const { bavail, bsize } = statfsSync(folder);
  const started = performance.now();
  const parameters = decoderParameters(readDecoderShape(configOf(wanted), "bench"));
  const layerOf = (path: string) => Number(/layers\.(\d+)\./.exec(path)?.[1] ?? -1);
  const bytesOf = (size: readonly number[]) => 2 * size.reduce((product, n) => product * n, 1);
  const pieces = randomBytes();
  const weightMap: Record<string, string> = {};
  let [bytes, layers] = [0, 0];
  const write = async (name: string, entries: typeof parameters) => {
    bytes += await writeSafetensors(
      `${folder}/${name}`,
      entries.map(({ path, shape }) => ({ name: path, dtype: "BF16" as const, shape, read: () => pieces(bytesOf(shape)) })),
    );
    for (const { path } of entries) weightMap[path] = name;
  };
  await write(
    "model-ends.safetensors",
    parameters.filter(({ path }) => layerOf(path) < 0),
  );
  while (layers < wanted) {
    const shard = parameters.filter(({ path }) => layerOf(path) >= layers && layerOf(path) < layers + SHARD_LAYERS);
    const size = shard.reduce((sum, { shape }) => sum + bytesOf(shape), 0);
    if (bytes + size > bavail * bsize * 0.9 || (layers > 0 && performance.now() - started > WRITE_SECONDS * 1000)) break;
    await write(`model-${String(layers).padStart(3, "0")}.safetensors`, shard);
    layers = Math.min(wanted, layers + SHARD_LAYERS);
  }
  writeFileSync(`${folder}/model.safetensors.index.json`, JSON.stringify({ metadata: { total_size: bytes }, weight_map: weightMap }));
  writeFileSync(`${folder}/config.json`, JSON.stringify(configOf(layers)));
  return { layers, gb: bytes / 1e9, seconds: (performance.now() - started) / 1000 };
}

/** The same 8 MiB of normal bf16 values again and again: the loader does not look at them, the encoder takes any. */
function randomBytes(): (bytes: number) => Generator<Uint8Array> {
  const values = new Float32Array(2 ** 22);
  for (let i = 0; i < values.length; i += 2) {
    const radius = 0.02 * Math.sqrt(-2 * Math.log(1 - Math.random()));
    const angle = 2 * Math.PI * Math.random();
    values[i] = radius * Math.cos(angle);
    values[i + 1] = radius * Math.sin(angle);
  }
  const words = new Uint32Array(values.buffer);
  const bf16 = Uint16Array.from(words, (word) => word >>> 16);
  const piece = new Uint8Array(bf16.buffer);
  return function* (bytes) {
    for (let at = 0; at < bytes; at += piece.length) yield piece.subarray(0, Math.min(piece.length, bytes - at));
  };
}

async function load(since: number): Promise<void> {
  const seconds = () => (Date.now() - since) / 1000;
  const started = seconds();
  const backend = await openBackend(process.env.REMORA_BENCH_DEVICE ?? "cuda:0");
  const opened = seconds();
  const arena = new Arena(backend);
  const source = openWeightSource(folder);
  const model = await loadModel(arena, source, { base: "nf4", compute: "bf16" });
  await backend.synchronize();
  const loaded = seconds();
  const result = await stepsOf(backend, model, {
    blocks: list.includes("--tiny") ? 1 : 4,
    length: list.includes("--tiny") ? 64 : 2048,
    policy: "cheap",
    steps: 0,
    optimizerState: "f32",
  });
  console.log(
    JSON.stringify({
      layers: model.shape.layers.length,
      processSeconds: started,
      openSeconds: opened - started,
      loadSeconds: loaded - opened,
      firstStepSeconds: result.firstStepMs / 1000,
      startToFirstStepSeconds: seconds(),
      allocatedGb: backend.allocatedBytes / 1e9,
      loss: result.losses[0],
    }),
  );
  backend.dispose();
}

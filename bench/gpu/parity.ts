/**
 * A two-layer model of Mistral Nemo's shape against Transformers + PEFT, which `parity.py` ran on the same card: logits, the gradient of every
 * adapter, ten losses; in f32, bf16, and over an NF4 base in both. Then what is promised about equality on the card itself: a replayed graph
 * equals ops one by one, and a second run equals the first, to the bit.
 *
 *   node .gpu/parity.mjs FOLDER [--devices cuda:0,cpu] [--out file.json]
 *
 * Each case prints its largest normalized error against the reference's f32 run. A bf16 run may be as far from f32 as PEFT's own bf16 run is, and a
 * half more; an f32 run has a fixed tolerance. The CPU runs f32 alone.
 */
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import type { Backend } from "../../src/backend/backend.ts";
import { openBackend } from "../../src/backend/open-backend.ts";
import type { Batch } from "../../src/data/batch.ts";
import { readTensorBytes } from "../../src/formats/file-bytes.ts";
import { readSafetensors, type SafetensorsFile } from "../../src/formats/safetensors-reader.ts";
import { attachAdapter } from "../../src/models/attach-adapter.ts";
import type { CausalLM } from "../../src/models/causal-lm.ts";
import { loadModel } from "../../src/models/load-model.ts";
import { openWeightSource } from "../../src/models/weight-source.ts";
import { Arena } from "../../src/tensor/arena.ts";
import { attention } from "../../src/tensor/ops/attention.ts";
import { Tape } from "../../src/tensor/tape.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { DeviceBatch } from "../../src/training/device-batch.ts";
import { packRows } from "../../src/training/testing/pack-rows.ts";
import { loraTrainables } from "../../src/training/trainables.ts";
import { TrainingStep } from "../../src/training/training-step.ts";

const MODES = ["f32", "bf16", "nf4-f32", "nf4-bf16"] as const;
type Mode = (typeof MODES)[number];
/** Of an f32 run against the reference's f32 run: sums in another order over 14,336 terms. */
const F32_TOLERANCE = { logits: 1e-4, gradients: 1e-3, losses: 5e-4 };
/** A 16-bit run may be this many times as far from f32 as the reference's 16-bit run. */
const ROOM = 1.5;

interface Reference {
  learningRate: number;
  clip: number;
  rows: number;
  length: number;
  modes: Record<string, { losses?: number[]; gradNorms?: number[]; rows?: number[]; error?: string }>;
  versions: Record<string, string>;
}

interface Outcome {
  logits: Float32Array;
  gradients: Map<string, Float32Array>;
  losses: number[];
}

const [folder = "", ...rest] = process.argv.slice(2);
const option = (name: string, fallback: string) => (rest.includes(name) ? rest[rest.indexOf(name) + 1]! : fallback);
const expected = JSON.parse(readFileSync(`${folder}/expected.json`, "utf8")) as Reference;
const batches = readBatches();
const results: Record<string, unknown>[] = [];
let failed = 0;

for (const device of option("--devices", "cuda:0,cpu").split(",")) {
  for (const mode of MODES) {
    if (device === "cpu" && mode !== "f32" && option("--cpu-modes", "f32") === "f32") continue;
    await compare(device, mode).catch((error: unknown) => report({ case: `${device} ${mode}`, ok: false, error: String(error) }));
  }
  if (device !== "cpu") {
    await equalities(device).catch((error: unknown) => report({ case: `${device} equalities`, ok: false, error: String(error) }));
  }
}
const out = option("--out", "");
if (out) writeFileSync(out, `${JSON.stringify({ versions: expected.versions, results }, null, 2)}\n`);
process.exitCode = failed > 0 ? 1 : 0;

async function compare(device: string, mode: Mode): Promise<void> {
  const name = `${device} ${mode}`;
  const theirs = expected.modes[mode];
  const plain = mode.startsWith("nf4") ? "nf4-f32" : "f32";
  const exactRun = expected.modes[plain];
  if (!theirs?.losses || !exactRun?.losses)
    return report({ case: name, ok: false, error: `no reference: ${theirs?.error ?? exactRun?.error}` });
  const started = performance.now();
  const ours = await withModel(device, mode, (model) => outcome(model, theirs.rows!));
  const exact = referenceOutcome(plain);
  const peer = referenceOutcome(mode);
  const isF32 = mode.endsWith("f32");
  const logits = normalizedError(ours.logits, exact.logits);
  let gradients = { worst: 0, path: "", peer: 0 };
  let peerGradients = 0;
  for (const [path, reference] of exact.gradients) {
    const error = normalizedError(ours.gradients.get(path)!, reference);
    const peerError = normalizedError(peer.gradients.get(path)!, reference);
    peerGradients = Math.max(peerGradients, peerError);
    if (!(error <= gradients.worst)) gradients = { worst: error, path, peer: peerError };
  }
  const losses = largestDifference(ours.losses, exactRun.losses);
  const peerErrors = {
    logits: normalizedError(peer.logits, exact.logits),
    gradients: peerGradients,
    losses: largestDifference(theirs.losses, exactRun.losses),
  };
  const limit = isF32
    ? F32_TOLERANCE
    : {
        logits: ROOM * peerErrors.logits,
        gradients: ROOM * peerErrors.gradients,
        losses: Math.max(ROOM * peerErrors.losses, 2e-3),
      };
  const ok = logits <= limit.logits && gradients.worst <= limit.gradients && losses <= limit.losses;
  report({
    case: name,
    ok,
    against: `PEFT ${plain}`,
    logits,
    gradients: gradients.worst,
    worstGradient: gradients.path,
    losses,
    limit,
    peer: isF32 ? undefined : peerErrors,
    ourLosses: ours.losses,
    peftLosses: theirs.losses,
    seconds: (performance.now() - started) / 1000,
  });
}

/** A graph replayed, the same again, and ops one by one: ten steps each in bf16 over NF4, compared to the bit. */
async function equalities(device: string): Promise<void> {
  const run = (graph: boolean) =>
    withModel(device, "nf4-bf16", async (model) => {
      process.env.REMORA_CUDA_GRAPH = graph ? "1" : "0";
      try {
        const losses = await tenLosses(model);
        return { losses, adapter: Buffer.from(await model.backend.download(model.lora!.weights.tensor)) };
      } finally {
        delete process.env.REMORA_CUDA_GRAPH;
      }
    });
  const [graph, again, eager] = [await run(true), await run(true), await run(false)];
  const same = (a: typeof graph, b: typeof graph) => a.losses.join() === b.losses.join() && a.adapter.equals(b.adapter);
  report({ case: `${device} two equal runs, ten steps, to the bit`, ok: same(graph, again), losses: graph.losses });
  report({ case: `${device} graph replay equals eager, ten steps, to the bit`, ok: same(graph, eager), losses: eager.losses });
}

async function withModel<T>(device: string, mode: Mode, body: (model: CausalLM) => Promise<T>): Promise<T> {
  const backend = await openBackend(device);
  const arena = new Arena(backend);
  try {
    const compute = mode.endsWith("f32") ? "f32" : "bf16";
    const model = await loadModel(arena, openWeightSource(`${folder}/base`), { base: mode.startsWith("nf4") ? "nf4" : "file", compute });
    attachAdapter(model, `${folder}/init`, { trainable: true });
    model.prepare(expected.length);
    const result = await body(model);
    model.dispose();
    return result;
  } finally {
    backend.dispose();
  }
}

async function outcome(model: CausalLM, rows: readonly number[]): Promise<Outcome> {
  const { arena, backend, shape, weights, lora } = model;
  const data = batches[0]!;
  const batch = new DeviceBatch(arena, data.tokens.length);
  batch.upload(data);
  const rowLoss = Tensor.take(arena, "f32", [data.tokens.length], "row loss");
  const lossScale = Tensor.take(arena, "f32", [1], "loss scale");
  backend.upload(lossScale, new Uint8Array(Float32Array.of(1 / data.trainedTokens).buffer));
  const index = Tensor.take(arena, "i32", [rows.length], "rows");
  backend.upload(index, new Uint8Array(Int32Array.from(rows).buffer));
  const picked = Tensor.take(arena, model.dtype, [rows.length, shape.hiddenSize], "picked rows");
  const logits = Tensor.take(arena, model.dtype, [rows.length, shape.vocabularySize], "logits");
  backend.zero(lora!.gradients!.tensor);
  const tape = new Tape(arena, { recording: true, policy: "none" });
  tape.scope("parity", () => {
    const hidden = model.forward(tape, batch.tokens, batch.positions, (on, _layer, qkv, rule) => attention(on, qkv, batch.segments, rule));
    backend.gatherRows(hidden, index, picked);
    backend.linearForward({ parts: [{ weight: weights.head.weight }], dropout: 0 }, picked, logits, null);
    model.loss(tape, hidden, { targets: batch.targets, lossScale, rowLoss });
    tape.backward();
    return [];
  });
  const gradients = new Map<string, Float32Array>();
  for (const { path } of lora!.sites) {
    for (const letter of ["A", "B"])
      gradients.set(`${path}.lora_${letter}`, await floats(backend, lora!.gradients!.array(`${path}.lora_${letter}`)));
  }
  const wide = Tensor.take(arena, "f32", logits.shape, "logits in f32");
  if (model.dtype === "f32") backend.copy(logits, wide);
  else backend.convert(logits, wide);
  const values = await floats(backend, wide);
  for (const tensor of [rowLoss, lossScale, index, picked, logits, wide]) tensor.release();
  batch.release();
  backend.zero(lora!.gradients!.tensor);
  return { logits: values, gradients, losses: await tenLosses(model) };
}

async function tenLosses(model: CausalLM): Promise<number[]> {
  const step = new TrainingStep(model, loraTrainables(model), {
    tokensPerPass: batches[0]!.tokens.length,
    passes: 1,
    policy: "cheap",
    maxGradNorm: expected.clip,
    optimizer: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, state: "f32" },
    dropout: { probability: 0, seed: 0 },
  });
  const losses: number[] = [];
  for (const [index, batch] of batches.entries()) {
    step.run([batch], index + 1, expected.learningRate);
    losses.push((await step.results()).loss);
  }
  step.release();
  return losses;
}

function referenceOutcome(mode: string): Outcome {
  const file = readSafetensors(`${folder}/${mode}.safetensors`);
  const gradients = new Map<string, Float32Array>();
  for (const name of file.tensors.keys()) if (name.startsWith("grad.")) gradients.set(name.slice(5), floatsOf(file, name));
  return { logits: floatsOf(file, "logits"), gradients, losses: expected.modes[mode]!.losses! };
}

function readBatches(): Batch[] {
  const file = readSafetensors(`${folder}/batches.safetensors`);
  const view = file.tensors.get("tokens")!;
  const [count, rows, length] = view.shape as [number, number, number];
  const ids = new Int32Array(readTensorBytes(view).slice().buffer);
  return Array.from({ length: count }, (_, batch) =>
    packRows(
      Array.from({ length: rows }, (_, row) => Array.from(ids.subarray((batch * rows + row) * length, (batch * rows + row + 1) * length))),
    ),
  );
}

async function floats(backend: Backend, tensor: Parameters<Backend["download"]>[0]): Promise<Float32Array> {
  const bytes = await backend.download(tensor);
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
}

function floatsOf(file: SafetensorsFile, name: string): Float32Array {
  return new Float32Array(readTensorBytes(file.tensors.get(name)!).slice().buffer);
}

/** ‖found − reference‖ / ‖reference‖; NaN in either is Infinity. */
function normalizedError(found: Float32Array, reference: Float32Array): number {
  if (found.length !== reference.length) return Number.POSITIVE_INFINITY;
  let [difference, size] = [0, 0];
  for (let i = 0; i < reference.length; i++) {
    difference += (found[i]! - reference[i]!) ** 2;
    size += reference[i]! ** 2;
  }
  const error = Math.sqrt(difference / size);
  return Number.isNaN(error) ? Number.POSITIVE_INFINITY : error;
}

function largestDifference(a: readonly number[], b: readonly number[]): number {
  const worst = Math.max(...b.map((value, index) => Math.abs((a[index] ?? Number.NaN) - value)));
  return Number.isNaN(worst) ? Number.POSITIVE_INFINITY : worst;
}

function report(result: Record<string, unknown> & { case: string; ok: boolean }): void {
  results.push(result);
  if (!result.ok) failed++;
  const show = (value: unknown) => (typeof value === "number" ? value.toExponential(2) : "");
  const peer = result.peer as Record<string, number> | undefined;
  const numbers =
    result.logits === undefined
      ? ""
      : `logits ${show(result.logits)} gradients ${show(result.gradients)} losses ${show(result.losses)}${peer ? ` (PEFT's own: ${show(peer.logits)} ${show(peer.gradients)} ${show(peer.losses)})` : ""}`;
  console.log(`${result.ok ? "ok    " : "FAILED"} ${result.case}: ${result.error ?? numbers}`);
}

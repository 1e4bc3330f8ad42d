/**
 * Ten steps of LoRA, rank-stabilized LoRA, QLoRA and all-weights training against PyTorch + PEFT + bitsandbytes: the same base, the same first
 * A, the same batches. Fixtures: fixtures/README.md.
 */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import type { Backend } from "../backend/backend.ts";
import { describeOnEachDevice } from "../backend/testing/describe-on-each-device.ts";
import { expectClose } from "../backend/testing/expect-close.ts";
import type { Batch } from "../data/batch.ts";
import { readTensorBytes } from "../formats/file-bytes.ts";
import { readSafetensors } from "../formats/safetensors-reader.ts";
import { readAdapter } from "../models/adapter-file.ts";
import { attachAdapter } from "../models/attach-adapter.ts";
import { loadModel } from "../models/load-model.ts";
import { readDecoderShape } from "../models/registry.ts";
import { openWeightSource } from "../models/weight-source.ts";
import { Arena } from "../tensor/arena.ts";
import { loadFullWeights, makeFullModel } from "./full-weights.ts";
import { learningRate } from "./learning-rate.ts";
import { packRows } from "./testing/pack-rows.ts";
import { loraTrainables } from "./trainables.ts";
import { TrainingStep } from "./training-step.ts";

const FOLDER = new URL("../../fixtures/data/losses/", import.meta.url).pathname;
/** PyTorch's own f32 and f64 runs differ by at most 2e-6; sums in another order by about as much a step. */
const LOSS_TOLERANCE = 1e-4;
/** AdamW divides by √v: where a gradient is near zero, its rounding decides a whole step. */
const ADAPTER_TOLERANCE = 2e-2;

interface Expected {
  method: "lora" | "qlora" | "full";
  rslora?: boolean;
  rank: number;
  alpha: number;
  learningRate: number;
  betas: [number, number];
  eps: number;
  weightDecay: number;
  clipNorm: number;
  warmupSteps: number;
  totalSteps: number;
  steps: { loss: number; gradNorm: number; learningRate: number }[];
}

describeOnEachDevice("Ten losses equal PEFT's", (device) => {
  for (const name of ["lora", "rslora", "qlora", "full"]) {
    it(name, async () => {
      const expected = JSON.parse(readFileSync(`${FOLDER}${name}/expected.json`, "utf8")) as Expected;
      const { arena, model, trainables } = await prepare(device.backend(), expected);
      const batches = readBatches();
      model.prepare(64);
      const step = new TrainingStep(model, trainables, {
        tokensPerPass: batches[0]!.tokens.length,
        passes: 1,
        policy: "none",
        maxGradNorm: expected.clipNorm,
        optimizer: {
          beta1: expected.betas[0],
          beta2: expected.betas[1],
          epsilon: expected.eps,
          weightDecay: expected.weightDecay,
          state: "f32",
        },
        dropout: { probability: 0, seed: 0 },
      });
      const schedule = {
        kind: "linear" as const,
        peak: expected.learningRate,
        floor: 0,
        warmupSteps: expected.warmupSteps,
        totalSteps: expected.totalSteps,
      };
      for (const [index, { loss, gradNorm, learningRate: rate }] of expected.steps.entries()) {
        expect(learningRate(schedule, index + 1)).toBeCloseTo(rate, 9);
        step.run([batches[index]!], index + 1, rate);
        const found = await step.results();
        expect(Math.abs(found.loss - loss), `loss of step ${index + 1}: ${found.loss} against ${loss}`).toBeLessThan(LOSS_TOLERANCE);
        expect(Math.abs(found.gradNorm / gradNorm - 1), `gradient norm of step ${index + 1}`).toBeLessThan(2e-3);
      }
      if (name !== "full") {
        for (const { path, a, b } of readAdapter(`${FOLDER}${name}/adapter`).parts) {
          for (const [letter, view] of [
            ["A", a],
            ["B", b],
          ] as const) {
            const bytes = await arena.backend.download(model.lora!.weights.array(`${path}.lora_${letter}`));
            const values = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
            expectClose(values, new Float32Array(readTensorBytes(view).buffer), {
              name: `${path} ${letter} after ten steps`,
              tolerance: ADAPTER_TOLERANCE,
            });
          }
        }
      }
      step.release();
    });
  }
});

async function prepare(backend: Backend, { method, rslora, rank, alpha }: Expected) {
  const arena = new Arena(backend);
  const source = openWeightSource(`${FOLDER}base`);
  if (method === "full") {
    const full = await makeFullModel(arena, readDecoderShape(source.config, "base"), "f32");
    loadFullWeights(arena, full, source);
    return { arena, model: full.model, trainables: full.trainables };
  }
  const model = await loadModel(arena, source, { base: method === "qlora" ? "nf4" : "f32", compute: "f32" });
  const store = attachAdapter(model, `${FOLDER}init`, { trainable: true });
  // The first A is shared by all runs; scale is the run's own.
  const scale = alpha / (rslora ? Math.sqrt(rank) : rank);
  expect(store.adapters[0]!.rank).toBe(rank);
  if (store.adapters[0]!.scale !== scale) {
    const again = model.attachLora(
      store.sites.map((site) => ({ ...site, settings: { rank, alpha, rankStabilized: rslora === true } })),
      { trainable: true },
    );
    const { refillAdapter } = await import("../models/attach-adapter.ts");
    refillAdapter(model, again, `${FOLDER}init`);
  }
  return { arena, model, trainables: loraTrainables(model) };
}

function readBatches(): Batch[] {
  const { tensors } = readSafetensors(`${FOLDER}batches.safetensors`);
  const values = (name: string) => new Int32Array(readTensorBytes(tensors.get(name)!).buffer);
  const [count, rows, width] = tensors.get("tokens")!.shape as [number, number, number];
  const [tokens, targets, lengths] = [values("tokens"), values("targets"), values("lengths")];
  return Array.from({ length: count }, (_, index) => {
    const all = Array.from({ length: rows }, (_, row) => ({ row, length: lengths[index * rows + row]! }));
    const at = (row: number) => (index * rows + row) * width;
    const total = all.reduce((sum, { length }) => sum + length, 0);
    const batch = packRows(
      all.map(({ row, length }) => Array.from(tokens.subarray(at(row), at(row) + length))),
      rows * width - total,
    );
    let next = 0;
    let trainedTokens = 0;
    for (const { row, length } of all) {
      for (let t = 0; t < length; t++) {
        const target = targets[at(row) + t]!;
        batch.targets[next++] = target >= 0 ? target : -1;
        if (target >= 0) trainedTokens++;
      }
    }
    return { ...batch, trainedTokens };
  });
}

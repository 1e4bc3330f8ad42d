/** The loop on a small checkpoint: exact resume through the final phase, a schedule laid by time, the mix, bits per byte. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openBackend } from "../backend/open-backend.ts";
import type { Batch } from "../data/batch.ts";
import { readDecoderShape } from "../models/registry.ts";
import { openWeightSource } from "../models/weight-source.ts";
import { Arena } from "../tensor/arena.ts";
import { listCheckpoints } from "./checkpoint.ts";
import type { TrainEvent } from "./events.ts";
import { loadFullWeights, makeFullModel } from "./full-weights.ts";
import { modelWeights } from "./model-weights.ts";
import { type MixtureSource, Pretrainer, type PretrainSettings } from "./pretrainer.ts";
import { BASE, patternRows, stepEnds, type WatchedOptions, watchRun } from "./testing/watched-run.ts";

let folder = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "remora-pretrainer-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Rows of a pattern; keeps the weights that it was asked with. */
class CountingSource implements MixtureSource {
  index = 0;
  readonly asked: string[] = [];
  next(weights: readonly number[]): Batch {
    this.asked.push(weights.join(":"));
    // The final phase reads other rows.
    return patternRows((this.index++ % 16) + (weights[0] === 0 ? 40 : 0));
  }
  cursor(): unknown {
    return this.index;
  }
  seek(cursor: number): void {
    this.index = cursor;
  }
  get epochs(): number[] {
    return [this.index / 16];
  }
}

interface Options extends WatchedOptions {
  readonly settings?: Partial<PretrainSettings>;
  /** Milliseconds that pass with each batch. */
  readonly stepMs?: number;
}

async function run(options: Options = {}) {
  const { parts, cancelFlag, events, path } = await watchRun(folder, "full", options);
  const backend = await openBackend("cpu", { threads: 2, cancelFlag });
  const arena = new Arena(backend);
  const weights = openWeightSource(BASE);
  const full = await makeFullModel(arena, readDecoderShape(weights.config, BASE), "f32");
  loadFullWeights(arena, full, weights);
  full.model.prepare(64);
  const companions = async () => {};
  const source = new CountingSource();
  let clock = 0;
  const next = source.next.bind(source);
  source.next = (mix) => {
    clock += options.stepMs ?? 1;
    return next(mix);
  };
  const pretrainer = new Pretrainer(
    {
      ...parts,
      model: full.model,
      trainables: full.trainables,
      weights: modelWeights(full, "F32", companions),
      result: modelWeights(full, "BF16", companions),
      source,
      heldOut: [
        { name: "a", batches: () => [patternRows(3)] },
        { name: "b", batches: () => [patternRows(90), patternRows(60)] },
      ],
      tokenBytes: new Uint16Array(128).fill(2),
      now: () => clock,
    },
    {
      tokensPerPass: 40,
      passes: 1,
      policy: "none",
      maxGradNorm: 1,
      optimizer: { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1, state: "f32" },
      dropout: { probability: 0, seed: 1 },
      maxSteps: 8,
      peak: 1e-2,
      floor: 1e-3,
      warmupSteps: 2,
      mix: [1, 0],
      finalMix: [0, 1],
      finalShare: 0.25,
      checkpointEveryMinutes: 1e9,
      keepCheckpoints: 2,
      logEvery: 1,
      fingerprint: "same",
      ...options.settings,
    },
  );
  try {
    return { end: await pretrainer.run(options.checkpoint), events, source, path };
  } finally {
    full.model.dispose();
    backend.dispose();
  }
}

const losses = (events: readonly TrainEvent[]) =>
  stepEnds(events).map(({ step, loss, gradNorm, learningRate }) => [step, loss, gradNorm, learningRate]);
const resultOf = (path: string) => readFileSync(join(path, "model", "model.safetensors"));

describe("pretraining", () => {
  test("learns; the last quarter of the steps reads the final mix; the result is the last weights", async () => {
    const { end, events, source } = await run();
    expect(end).toMatchObject({ reason: "completed", steps: 8, tokens: 320 });
    expect(end.lossLast).not.toBeNaN();
    expect(source.asked).toEqual(["1:0", "1:0", "1:0", "1:0", "1:0", "1:0", "0:1", "0:1"]);
    const rates = stepEnds(events).map(({ learningRate }) => learningRate);
    expect(rates.slice(0, 3).map((rate) => rate.toFixed(6))).toEqual(["0.000000", "0.005000", "0.010000"]);
    expect(rates.at(-1)).toBeGreaterThan(1e-3);
    const evaluations = events.filter((event) => event.event === "eval-end");
    expect(evaluations.map(({ step }) => step)).toEqual([0, 8]);
    const { sources, loss } = evaluations[0]!;
    // Every token stands for two bytes.
    expect(sources!.a!.bitsPerByte).toBeCloseTo(sources!.a!.loss / Math.LN2 / 2, 10);
    expect(loss).toBeCloseTo((sources!.a!.loss + 2 * sources!.b!.loss) / 3, 6);
  });

  test.each([3, 7])("stopped behind step %i and resumed equals one that was not, to the bit", async (cancelAtStep) => {
    const whole = await run({ out: "whole" });
    const first = await run({ out: "parts", cancelAtStep });
    expect(first.end.reason).toBe("interrupted");
    const [checkpoint] = listCheckpoints(join(first.path, "checkpoints"));
    expect(checkpoint!.step).toBe(cancelAtStep);
    const second = await run({ out: "parts", checkpoint: checkpoint!.path });
    expect([...losses(first.events), ...losses(second.events)]).toEqual(losses(whole.events));
    expect(resultOf(second.path).equals(resultOf(whole.path))).toBe(true);
  });

  test("minutes: the schedule is laid by measured speed, and ends in time with its final phase and its lowest rate", async () => {
    // 60 steps of a second each fit a minute, less 2% for saving.
    const settings = { maxMinutes: 1, maxSteps: 1e6, logEvery: 2 };
    const { end, events, source } = await run({ stepMs: 1000, settings });
    expect(end.steps).toBe(58);
    expect(source.asked.filter((mix) => mix === "0:1")).toHaveLength(58 - Math.floor(58 * 0.75));
    expect(stepEnds(events).at(-1)!.learningRate).toBeLessThan(1.1e-3);
    expect(stepEnds(events).every(({ step }) => step % 2 === 0)).toBe(true);
  });

  test("minutes count through a resume", async () => {
    const settings = { maxMinutes: 1, maxSteps: 1e6 };
    const first = await run({ out: "parts", stepMs: 1000, settings, cancelAtStep: 30 });
    const [checkpoint] = listCheckpoints(join(first.path, "checkpoints"));
    const second = await run({ out: "parts", stepMs: 1000, settings, checkpoint: checkpoint!.path });
    expect(second.end.steps).toBe(58);
  });

  test("a loss that is not finite ends the run at the next report, with no checkpoint of it", async () => {
    const settings = { peak: 1e18, maxSteps: 60, logEvery: 5 };
    await expect(run({ settings })).rejects.toThrow(/expected a finite (loss|gradient norm), found/);
    expect(listCheckpoints(join(folder, "run", "checkpoints"))).toEqual([]);
  });
});

test("without decay of the embedding, the decayed target holds layers and head alone", async () => {
  const backend = await openBackend("cpu");
  const shape = readDecoderShape(openWeightSource(BASE).config, BASE);
  const decayed = async (decayEmbedding: boolean) => {
    const { model, trainables } = await makeFullModel(new Arena(backend), shape, "f32", { decayEmbedding });
    const counts = trainables.targets.map(({ decays, params }) => [decays, params.shape[0]!] as const);
    model.dispose();
    return counts;
  };
  const [[, all], [, vectors]] = (await decayed(true)) as [readonly [boolean, number], readonly [boolean, number]];
  const embedding = shape.vocabularySize * shape.hiddenSize;
  expect(await decayed(false)).toEqual([
    [true, all - embedding],
    [false, vectors + embedding],
  ]);
  backend.dispose();
});

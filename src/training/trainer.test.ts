/** The loop itself on a small checkpoint: resume equals an uninterrupted run to the bit, cancelling, early stop, NaN, what is on disk. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Backend } from "../backend/backend.ts";
import { openBackend } from "../backend/open-backend.ts";
import type { Batch } from "../data/batch.ts";
import { OutOfMemoryError } from "../errors/out-of-memory-error.ts";
import { readTensorBytes } from "../formats/file-bytes.ts";
import { readSafetensors } from "../formats/safetensors-reader.ts";
import { loadModel } from "../models/load-model.ts";
import { findLoraSites } from "../models/lora-targets.ts";
import { openWeightSource } from "../models/weight-source.ts";
import { Arena } from "../tensor/arena.ts";
import { adapterWeights } from "./adapter-weights.ts";
import { listCheckpoints } from "./checkpoint.ts";
import type { TrainEvent } from "./events.ts";
import { packRows } from "./testing/pack-rows.ts";
import { BASE, patternRows, stepEnds, type WatchedOptions, watchRun } from "./testing/watched-run.ts";
import { loraTrainables } from "./trainables.ts";
import { type BatchSource, Trainer, type TrainerSettings } from "./trainer.ts";

let folder = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "remora-trainer-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Rows of a pattern that a small model learns; the position is one number. */
class CountingSource implements BatchSource {
  index = 0;
  next(): Batch {
    return patternRows(this.index++ % 16);
  }
  cursor(): unknown {
    return this.index;
  }
  seek(cursor: unknown): void {
    this.index = cursor as number;
  }
  get epoch(): number {
    return this.index / 16;
  }
}

interface Options extends WatchedOptions {
  settings?: Partial<TrainerSettings>;
  validation?: (step: number) => Batch;
  source?: BatchSource;
  compute?: "f32" | "f16";
  change?: (backend: Backend) => void;
}

async function run(options: Options = {}) {
  const { parts, cancelFlag, events, path } = await watchRun(folder, "lora", options);
  const backend = await openBackend("cpu", { threads: 2, cancelFlag });
  options.change?.(backend);
  const arena = new Arena(backend);
  const source = openWeightSource(BASE);
  const model = await loadModel(arena, source, { base: "file", compute: options.compute ?? "f32" });
  const sites = findLoraSites(model.shape, ["q_proj", "v_proj", "down_proj"], { rank: 4, alpha: 8, rankStabilized: false });
  model.attachLora(sites, { trainable: true }).initialize(arena, 3);
  model.prepare(64);
  const weights = adapterWeights(model, { baseModel: "base", template: "raw", dropout: 0 });
  let clock = 0;
  const trainer = new Trainer(
    {
      ...parts,
      model,
      trainables: loraTrainables(model),
      weights,
      result: weights,
      resultName: "adapter",
      source: options.source ?? new CountingSource(),
      validation: options.validation ? () => [options.validation!(0)] : undefined,
      validationRows: 2,
      now: () => clock++,
    },
    {
      tokensPerPass: 40,
      passes: 2,
      policy: "cheap",
      maxGradNorm: 1,
      optimizer: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, state: "f32" },
      dropout: { probability: 0.1, seed: 5 },
      maxSteps: 6,
      schedule: { kind: "cosine", peak: 1e-2, floor: 0, warmupSteps: 1, totalSteps: 6 },
      evalEvery: 1,
      checkpointEveryMinutes: 1e9,
      keepCheckpoints: 2,
      logEvery: 1,
      fingerprint: "same",
      ...options.settings,
    },
  );
  try {
    return { end: await trainer.run(options.checkpoint), events, path };
  } finally {
    model.dispose();
    backend.dispose();
  }
}

const losses = (events: readonly TrainEvent[]) => stepEnds(events).map(({ step, loss, gradNorm }) => ({ step, loss, gradNorm }));

function adapterBytes(path: string): Map<string, Uint8Array> {
  const { tensors } = readSafetensors(join(path, "adapter", "adapter_model.safetensors"));
  return new Map([...tensors].map(([name, view]) => [name, readTensorBytes(view)]));
}

describe("a run", () => {
  it("learns, and leaves config, metrics, checkpoints and adapter", async () => {
    const { end, events, path } = await run();
    const found = losses(events);
    expect(found.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(end).toMatchObject({ event: "run-end", reason: "completed", steps: 6, tokens: 480, lossFirst: found[0]!.loss });
    expect(end.lossLast).toBeLessThan(end.lossFirst);
    expect(
      readdirSync(path)
        .filter((name) => !name.startsWith("events."))
        .sort(),
    ).toEqual(["adapter", "checkpoints", "config.json", "metrics.jsonl"]);
    const lines = readFileSync(join(path, "metrics.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as TrainEvent);
    expect(losses(lines)).toEqual(found);
    expect(listCheckpoints(join(path, "checkpoints")).map(({ step }) => step)).toEqual([6]);
    expect(JSON.parse(readFileSync(join(path, "adapter", "remora.json"), "utf8"))).toEqual({ template: "raw" });
  });

  it("is equal to the bit when run twice", async () => {
    const [one, two] = [await run({ out: "one" }), await run({ out: "two" })];
    expect(losses(one.events)).toEqual(losses(two.events));
    expect(adapterBytes(one.path)).toEqual(adapterBytes(two.path));
  });

  it.each(["f32", "8bit"] as const)("that was cancelled and resumed equals one that was not, %s state", async (state) => {
    const settings = { optimizer: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01, state } };
    const whole = await run({ out: "whole", settings });
    const first = await run({ out: "parts", settings, cancelAtStep: 3 });
    expect(first.end.reason).toBe("interrupted");
    const [checkpoint] = listCheckpoints(join(first.path, "checkpoints"));
    expect(checkpoint!.step).toBe(3);
    const second = await run({ out: "parts", settings, checkpoint: checkpoint!.path });
    expect([...losses(first.events), ...losses(second.events)]).toEqual(losses(whole.events));
    expect(adapterBytes(second.path)).toEqual(adapterBytes(whole.path));
    const steps = readFileSync(join(second.path, "metrics.jsonl"), "utf8").trim().split("\n");
    expect(losses(steps.map((line) => JSON.parse(line) as TrainEvent)).map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it("refuses a checkpoint of another run", async () => {
    const { path } = await run({ settings: { maxSteps: 2 } });
    const [checkpoint] = listCheckpoints(join(path, "checkpoints"));
    await expect(run({ checkpoint: checkpoint!.path, settings: { fingerprint: "other" } })).rejects.toThrow(
      /another model, data or settings\n {2}Use the settings in the run's config\.json, or another --out\./,
    );
  });

  it("stops early when the held-out loss no longer falls, and keeps the best adapter", async () => {
    // Held-out rows that have nothing to do with the training rows: learning those makes these worse sooner or later.
    const validation = () => packRows([Array.from({ length: 40 }, (_, t) => (t * t * 5 + 1) % 128)]);
    const { end, events } = await run({
      validation,
      settings: {
        maxSteps: 60,
        schedule: { kind: "constant", peak: 5e-2, floor: 0, warmupSteps: 0, totalSteps: 60 },
        earlyStopPatience: 2,
      },
    });
    expect(end.reason).toBe("early-stop");
    expect(end.steps).toBeLessThan(60);
    const evaluations = events.filter((event) => event.event === "eval-end");
    const best = evaluations.reduce((a, b) => (b.loss < a.loss ? b : a));
    expect([end.bestStep, end.validationLossBest]).toEqual([best.step, best.loss]);
  });

  it("stops at a loss that is not finite, names step and rate, and leaves the last checkpoint alone", async () => {
    const settings = {
      maxSteps: 50,
      checkpointEverySteps: 1,
      schedule: { kind: "constant" as const, peak: 1e18, floor: 0, warmupSteps: 2, totalSteps: 50 },
    };
    await expect(run({ settings })).rejects.toThrow(
      /^Training step \d+: expected a finite (loss|gradient norm), found (NaN|Infinity) \(first in \S.+\); nothing of this step was kept/,
    );
    const checkpoints = listCheckpoints(join(folder, "run", "checkpoints"));
    expect(checkpoints.length).toBeGreaterThan(0);
    expect(existsSync(join(folder, "run", "adapter"))).toBe(false);
  });

  describe("in f16", () => {
    const f16 = (initialScale: number, growthInterval = 500) => ({
      compute: "f16" as const,
      settings: { lossScaling: { initialScale, growthInterval } },
    });
    const steps = (events: readonly TrainEvent[]) =>
      stepEnds(events).map(({ lossScale, skipped, skippedSteps }) => ({ lossScale, skipped, skippedSteps }));

    it("scales the loss: the scale doubles after good steps, and the losses are those of f32", async () => {
      const found = await run({ out: "scaled", ...f16(1024, 2) });
      expect(steps(found.events).map(({ lossScale }) => lossScale)).toEqual([1024, 1024, 2048, 2048, 4096, 4096]);
      expect(found.end.skippedSteps).toBe(0);
      const whole = losses((await run({ out: "f32" })).events);
      for (const [index, { loss, gradNorm }] of losses(found.events).entries()) {
        expect(Math.abs(loss - whole[index]!.loss)).toBeLessThan(5e-3);
        expect(Math.abs(gradNorm / whole[index]!.gradNorm - 1)).toBeLessThan(0.02);
      }
    });

    it("skips steps whose gradients overflow, halves the scale, counts them, and goes on as if they had not been", async () => {
      const settings = {
        ...f16(2 ** 34).settings,
        schedule: { kind: "constant" as const, peak: 1e-2, floor: 0, warmupSteps: 0, totalSteps: 40 },
        maxSteps: 40,
      };
      const { events, end } = await run({ ...f16(1), settings });
      const found = steps(events);
      const skipped = found.filter((step) => step.skipped).length;
      expect(skipped).toBeGreaterThan(2);
      expect(found[0]).toEqual({ lossScale: 2 ** 34, skipped: true, skippedSteps: 1 });
      for (const [i, step] of found.slice(1).entries()) expect(step.lossScale).toBe(found[i]!.lossScale! / (found[i]!.skipped ? 2 : 1));
      expect(found.at(-1)).toEqual({ lossScale: 2 ** (34 - skipped), skipped: false, skippedSteps: skipped });
      expect(end.skippedSteps).toBe(skipped);
      expect(end.lossLast).toBeLessThan(end.lossFirst);
    });

    it("that was cancelled among skipped steps and resumed equals one that was not", async () => {
      const options = f16(2 ** 30, 2);
      const whole = await run({ out: "whole", ...options, settings: { ...options.settings, maxSteps: 16 } });
      const settings = { ...options.settings, maxSteps: 16 };
      const first = await run({ out: "parts", ...options, settings, cancelAtStep: 5 });
      const [checkpoint] = listCheckpoints(join(first.path, "checkpoints"));
      const second = await run({ out: "parts", ...options, settings, checkpoint: checkpoint!.path });
      expect([...steps(first.events), ...steps(second.events)]).toEqual(steps(whole.events));
      expect([...losses(first.events), ...losses(second.events)]).toEqual(losses(whole.events));
      expect(adapterBytes(second.path)).toEqual(adapterBytes(whole.path));
    });
  });

  it("that runs out of memory in the middle leaves the last checkpoint whole", async () => {
    const failing = (backend: Backend) => {
      const adamw = backend.adamw.bind(backend);
      let updates = 0;
      backend.adamw = (state) => {
        if (++updates === 4) throw new OutOfMemoryError({ doing: 'Allocating "scratch"', device: "cpu", neededBytes: 2e9, freeBytes: 1e9 });
        adamw(state);
      };
    };
    const settings = { checkpointEverySteps: 1 };
    const failed = await run({ settings, change: failing }).catch((error: unknown) => error);
    expect(OutOfMemoryError.isInstance(failed)).toBe(true);
    const checkpoints = listCheckpoints(join(folder, "run", "checkpoints"));
    expect(checkpoints.map(({ step }) => step)).toEqual([2, 3]);
    const { end } = await run({ settings, checkpoint: checkpoints.at(-1)!.path });
    expect(end).toMatchObject({ reason: "completed", steps: 6 });
  });

  it("keeps the newest checkpoints only, and never a half-written one", async () => {
    const { path } = await run({ settings: { checkpointEverySteps: 1, keepCheckpoints: 2 } });
    expect(readdirSync(join(path, "checkpoints")).sort()).toEqual(["step-00000005", "step-00000006"]);
  });
});

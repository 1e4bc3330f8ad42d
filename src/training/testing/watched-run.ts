/** What a loop under test runs in: a folder, a list of its events, a cancel flag that a step can set, and rows that a small model learns. */
import { join } from "node:path";
import type { Batch } from "../../data/batch.ts";
import type { RunStartEvent, StepEndEvent, TrainEvent } from "../events.ts";
import { RunFolder } from "../run-folder.ts";
import { packRows } from "./pack-rows.ts";

export const BASE = new URL("../../../fixtures/data/losses/base", import.meta.url).pathname;

/** Two rows of a pattern with a period of 128. */
export const patternRows = (start: number): Batch =>
  packRows([0, 1].map((row) => Array.from({ length: 20 }, (_, t) => (start + row * 7 + t * 3) % 128)));

export interface WatchedOptions {
  readonly out?: string;
  readonly checkpoint?: string;
  readonly cancelAtStep?: number;
}

export async function watchRun(parent: string, method: RunStartEvent["method"], { out = "run", checkpoint, cancelAtStep }: WatchedOptions) {
  const cancelFlag = new Int32Array(new SharedArrayBuffer(4));
  const events: TrainEvent[] = [];
  const folder = new RunFolder(join(parent, out));
  await folder.begin({}, 0, checkpoint !== undefined);
  const { path } = folder;
  const facts = { device: "cpu", epochs: 1, rows: 16, validationRows: 2, trainableParameters: 1, totalParameters: 1, plannedBytes: 1 };
  return {
    cancelFlag,
    events,
    path,
    /** Of a trainer's or a pretrainer's parts. */
    parts: {
      folder,
      runStart: { model: "base", method, ...facts, out: path },
      emit(event: TrainEvent) {
        events.push(event);
        if (event.event === "step-end" && event.step === cancelAtStep) Atomics.store(cancelFlag, 0, 1);
      },
      isCancelled: () => Atomics.load(cancelFlag, 0) !== 0,
      resetCancel: () => void Atomics.store(cancelFlag, 0, 0),
    },
  };
}

export const stepEnds = (events: readonly TrainEvent[]): StepEndEvent[] =>
  events.filter((event): event is StepEndEvent => event.event === "step-end");

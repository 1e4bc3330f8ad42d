/**
 * Checkpoints: everything that an exact resume needs, in a folder that appears whole or not at all.
 *
 *   checkpoints/step-00000120/
 *     <the trained weights in their usual files>   an adapter in PEFT's layout, or the model: usable as such
 *     optimizer.safetensors                        m, v (and scales) of each target, the loss scaling of f16
 *     state.json                                   step, data position, counters
 *
 * A checkpoint is written aside, flushed and renamed; a run killed at any moment loses only the steps since the last one.
 */
import { existsSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import type { Backend } from "../backend/backend.ts";
import { CheckpointError } from "../errors/checkpoint-error.ts";
import { writeFileAtomically } from "../formats/atomic-file.ts";
import { makeFolder } from "../formats/make-folder.ts";
import { readSafetensors } from "../formats/safetensors-reader.ts";
import { writeSafetensors } from "../formats/safetensors-writer.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { downloadPieces, uploadFrom } from "./tensor-files.ts";

/** Reads and writes the trained weights in the files that users know. */
export interface TrainedWeights {
  save(folder: string): Promise<void>;
  load(folder: string): Promise<void>;
}

/** The part of a run that is neither weights nor optimizer state. */
export interface RunState {
  /** Optimizer steps done. */
  step: number;
  /** Where the data goes on; opaque here. */
  cursor: unknown;
  /** Steps whose gradients overflowed in f16: they changed nothing but the loss scale. */
  skippedSteps: number;
  /** Tokens that took part in the loss, and all tokens but padding. */
  trainedTokens: number;
  tokens: number;
  lossFirst: number | null;
  validationLossFirst: number | null;
  best: { step: number; loss: number } | null;
  /** Evaluations since the best one. */
  evaluationsWithoutGain: number;
  /** Length of metrics.jsonl when this was written; a resume cuts the file there. */
  metricsBytes: number;
  /** What must not change between a run and its resume. */
  fingerprint: string;
}

const NAME = /^step-(\d{8})$/;

function checkpointName(step: number): string {
  return `step-${String(step).padStart(8, "0")}`;
}

/** Checkpoint folders of a run, oldest first. Half-written ones are not among them. */
export function listCheckpoints(folder: string): { step: number; path: string }[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .flatMap((name) => {
      const match = NAME.exec(name);
      return match && existsSync(join(folder, name, "state.json")) ? [{ step: Number(match[1]), path: join(folder, name) }] : [];
    })
    .sort((a, b) => a.step - b.step);
}

/** @param folder the run's `checkpoints`  @param tensors optimizer state, by name  @returns the checkpoint's path */
export async function saveCheckpoint(
  folder: string,
  state: RunState,
  weights: TrainedWeights,
  backend: Backend,
  tensors: ReadonlyMap<string, Tensor>,
): Promise<string> {
  const path = join(folder, checkpointName(state.step));
  const partial = join(folder, `.${basename(path)}.partial`);
  rmSync(partial, { recursive: true, force: true });
  makeFolder(partial, "Writing");
  await weights.save(partial);
  await writeSafetensors(
    join(partial, "optimizer.safetensors"),
    [...tensors].map(([name, tensor]) => ({
      name,
      dtype: tensor.dtype === "u8" ? ("U8" as const) : ("F32" as const),
      shape: tensor.shape,
      read: () => downloadPieces(backend, tensor),
    })),
    { format: "remora-optimizer" },
  );
  await writeFileAtomically(join(partial, "state.json"), `${JSON.stringify(state, null, 2)}\n`);
  // The same step again (a resume that stopped at once): the new one takes the old one's place.
  rmSync(path, { recursive: true, force: true });
  renameSync(partial, path);
  return path;
}

/** Restores weights and optimizer state. @throws CheckpointError when it belongs to another run */
export async function loadCheckpoint(
  path: string,
  fingerprint: string,
  weights: TrainedWeights,
  backend: Backend,
  wanted: ReadonlyMap<string, Tensor>,
): Promise<RunState> {
  const state = JSON.parse(readFileSync(join(path, "state.json"), "utf8")) as RunState;
  if (state.fingerprint !== fingerprint) {
    throw new CheckpointError(
      path,
      "it was written by a run with another model, data or settings",
      "Use the settings in the run's config.json, or another --out.",
    );
  }
  state.skippedSteps ??= 0; // checkpoints of before there was loss scaling
  await weights.load(path);
  const { tensors } = readSafetensors(join(path, "optimizer.safetensors"));
  for (const [name, tensor] of wanted) {
    const view = tensors.get(name);
    if (!view || view.byteLength !== tensor.bytes)
      throw new CheckpointError(path, `optimizer.safetensors has no ${name} of ${tensor.bytes} bytes`);
    uploadFrom(backend, view, tensor);
  }
  return state;
}

/** Removes all but the newest `keep` checkpoints; one in `spare` stays in any case. */
export function pruneCheckpoints(folder: string, keep: number, spare: readonly number[]): void {
  for (const { step, path } of listCheckpoints(folder).slice(0, -keep)) {
    if (!spare.includes(step)) rmSync(path, { recursive: true, force: true });
  }
}

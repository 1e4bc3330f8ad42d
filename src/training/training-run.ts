/**
 * What every training loop does besides training: start or resume, count, log, checkpoint, stop on request, end. A loop (`trainer.ts`,
 * `pretrainer.ts`) holds one of these and says when.
 */
import type { Batch } from "../data/batch.ts";
import { CancelledError } from "../errors/cancelled-error.ts";
import type { CausalLM } from "../models/causal-lm.ts";
import { loadCheckpoint, pruneCheckpoints, type RunState, saveCheckpoint, type TrainedWeights } from "./checkpoint.ts";
import type { RunEndEvent, RunEndReason, RunStartEvent, TrainEvent } from "./events.ts";
import type { RunFolder } from "./run-folder.ts";
import type { TrainingStep } from "./training-step.ts";

/** A stream of batches whose position can be stored: plain data, and `seek(cursor())` continues exactly here. */
export interface StoredPosition {
  cursor(): unknown;
  seek(cursor: unknown): Promise<void> | void;
}

export interface RunParts {
  readonly model: CausalLM;
  /** As checkpoints hold them: every bit. */
  readonly weights: TrainedWeights;
  readonly source: StoredPosition;
  readonly folder: RunFolder;
  /** Everything of run-start that the loop does not know itself. */
  readonly runStart: Omit<RunStartEvent, "event" | "startStep" | "steps">;
  readonly emit: (event: TrainEvent) => void;
  readonly isCancelled: () => boolean;
  /** Lets ops run again after a cancel, so that the checkpoint can be written. */
  readonly resetCancel: () => void;
  /** Milliseconds. */
  readonly now: () => number;
}

export interface RunSettings {
  readonly checkpointEverySteps?: number;
  readonly checkpointEveryMinutes: number;
  readonly keepCheckpoints: number;
  /** What must not change between a run and its resume. */
  readonly fingerprint: string;
}

/** @typeParam Extra  what a loop keeps in checkpoints beside the counters of every run */
export class TrainingRun<Extra extends object = object> {
  state: RunState & Extra;
  /** The step that this process went on from; 0 unless it resumed. */
  startStep = 0;
  readonly #parts: RunParts;
  readonly #settings: RunSettings;
  readonly #step: TrainingStep;
  #startedAt = 0;
  #lastCheckpointAt = 0;
  /** Of this process. */
  #lossFirst = Number.NaN;
  #lossLast = Number.NaN;

  constructor(parts: RunParts, settings: RunSettings, step: TrainingStep, extra: Extra) {
    this.#parts = parts;
    this.#settings = settings;
    this.#step = step;
    this.state = {
      step: 0,
      cursor: parts.source.cursor(),
      skippedSteps: 0,
      trainedTokens: 0,
      tokens: 0,
      lossFirst: null,
      validationLossFirst: null,
      best: null,
      evaluationsWithoutGain: 0,
      metricsBytes: 0,
      fingerprint: settings.fingerprint,
      ...extra,
    };
  }

  /** Milliseconds since this process began. */
  get elapsedMs(): number {
    return this.#parts.now() - this.#startedAt;
  }

  /** @param checkpoint to go on from */
  async begin(checkpoint: string | undefined): Promise<void> {
    const { now, weights, model, source, folder } = this.#parts;
    this.#startedAt = this.#lastCheckpointAt = now();
    if (checkpoint === undefined) return;
    const { fingerprint } = this.#settings;
    this.state = (await loadCheckpoint(checkpoint, fingerprint, weights, model.backend, this.#step.state)) as RunState & Extra;
    this.startStep = this.state.step;
    await source.seek(this.state.cursor);
    folder.truncateMetrics(this.state.metricsBytes);
  }

  /**
   * Tells that the run starts, and takes it to its end: that of `loop`, or a cancel.
   * @param steps  of the whole run  @returns the last event
   */
  async play(
    steps: number,
    loop: () => Promise<RunEndReason>,
    finish: (reason: RunEndReason) => Promise<RunEndEvent>,
  ): Promise<RunEndEvent> {
    const { runStart, emit, resetCancel } = this.#parts;
    emit({ event: "run-start", ...runStart, steps, startStep: this.state.step });
    try {
      return await finish(await loop());
    } catch (error) {
      if (!(error instanceof CancelledError)) throw error;
      resetCancel();
      return await finish("interrupted");
    } finally {
      this.#step.release();
    }
  }

  /** @throws CancelledError once the run was asked to stop */
  expectWanted(doing: string): void {
    if (this.#parts.isCancelled()) throw new CancelledError(doing);
  }

  /** Counts a step that is done. @param batches of all its passes */
  count(batches: readonly Batch[], skipped = false): void {
    const { step, tokens, trainedTokens, skippedSteps } = this.state;
    this.state = {
      ...this.state,
      step: step + 1,
      cursor: this.#parts.source.cursor(),
      skippedSteps: skippedSteps + (skipped ? 1 : 0),
      tokens: tokens + batches.reduce((sum, batch) => sum + batch.tokenCount, 0),
      trainedTokens: trainedTokens + batches.reduce((sum, batch) => sum + batch.trainedTokens, 0),
    };
  }

  /** Notes the loss of a step. */
  noteLoss(loss: number): void {
    if (Number.isNaN(this.#lossFirst)) this.#lossFirst = loss;
    this.#lossLast = loss;
    this.state = { ...this.state, lossFirst: this.state.lossFirst ?? loss };
  }

  /** Notes a held-out loss. @returns whether it is the best so far */
  noteEvaluation(loss: number): boolean {
    const { step, best, evaluationsWithoutGain, validationLossFirst } = this.state;
    const isBest = best === null || loss < best.loss;
    this.state = {
      ...this.state,
      validationLossFirst: validationLossFirst ?? loss,
      best: isBest ? { step, loss } : best,
      evaluationsWithoutGain: isBest ? 0 : evaluationsWithoutGain + 1,
    };
    return isBest;
  }

  /** @param lastStep  of the run: the end writes its own */
  checkpointIsDue(lastStep: number): boolean {
    const { step } = this.state;
    if (step >= lastStep) return false;
    const { checkpointEverySteps, checkpointEveryMinutes } = this.#settings;
    const bySteps = checkpointEverySteps !== undefined && step % checkpointEverySteps === 0;
    return bySteps || this.#parts.now() - this.#lastCheckpointAt >= checkpointEveryMinutes * 60_000;
  }

  async checkpoint(): Promise<void> {
    const { folder, weights, model, now } = this.#parts;
    this.state = { ...this.state, metricsBytes: folder.metricsBytes };
    const path = await saveCheckpoint(folder.checkpoints, this.state, weights, model.backend, this.#step.state);
    pruneCheckpoints(folder.checkpoints, this.#settings.keepCheckpoints, []);
    this.#lastCheckpointAt = now();
    this.log({ event: "checkpoint-end", step: this.state.step, path });
  }

  /** Tells of the end. @returns the event */
  end(reason: RunEndReason, facts: Pick<RunEndEvent, "tokens" | "tokensPerSecond" | "skippedSteps" | "adapterPath">): RunEndEvent {
    const { step, best, validationLossFirst } = this.state;
    const event: RunEndEvent = {
      event: "run-end",
      reason,
      steps: step,
      lossFirst: this.#lossFirst,
      lossLast: this.#lossLast,
      validationLossFirst: validationLossFirst ?? undefined,
      validationLossBest: best?.loss,
      bestStep: best?.step,
      peakMemoryBytes: this.#parts.model.backend.peakBytes,
      ...facts,
      seconds: this.elapsedMs / 1000,
    };
    this.log(event);
    return event;
  }

  /** Writes an event down and passes it on. */
  log(event: TrainEvent): void {
    this.#parts.folder.log(event, this.#parts.now() / 1000);
    this.#parts.emit(event);
  }
}

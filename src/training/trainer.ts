/**
 * The training loop: step, report, evaluate, checkpoint, stop. It knows neither models nor texts: batches come from a source that can tell and
 * take back its position, weights are saved through `TrainedWeights`, time and cancelling are handed in.
 *
 * A run is a function of its config: data order, dropout and learning rate follow from the seed and the step, so a run that was stopped and
 * resumed equals one that was not, to the bit on the same machine.
 */
import type { Batch } from "../data/batch.ts";
import { CancelledError } from "../errors/cancelled-error.ts";
import { NotFiniteError } from "../errors/not-finite-error.ts";
import type { CausalLM } from "../models/causal-lm.ts";
import { loadCheckpoint, pruneCheckpoints, type RunState, saveCheckpoint, type TrainedWeights } from "./checkpoint.ts";
import { type Evaluation, evaluate } from "./evaluate.ts";
import type { RunEndEvent, RunEndReason, RunStartEvent, StepEndEvent, TrainEvent } from "./events.ts";
import { type LearningRateSchedule, learningRate } from "./learning-rate.ts";
import type { RunFolder } from "./run-folder.ts";
import type { Trainables } from "./trainables.ts";
import { type StepResults, type StepSettings, TrainingStep } from "./training-step.ts";

/** An endless stream of batches whose position can be stored. */
export interface BatchSource {
  next(): Promise<Batch> | Batch;
  /** Plain data. `seek(cursor())` continues exactly here. */
  cursor(): unknown;
  seek(cursor: unknown): Promise<void> | void;
  /** Passes over the data so far, a fraction. */
  readonly epoch: number;
}

export interface TrainerSettings extends StepSettings {
  readonly maxSteps: number;
  readonly schedule: LearningRateSchedule;
  readonly evalEvery: number;
  readonly earlyStopPatience?: number;
  readonly checkpointEverySteps?: number;
  readonly checkpointEveryMinutes: number;
  readonly keepCheckpoints: number;
  readonly logEvery: number;
  readonly sampleEvery?: number;
  /** What must not change between a run and its resume. */
  readonly fingerprint: string;
}

export interface TrainerParts {
  readonly model: CausalLM;
  readonly trainables: Trainables;
  /** As checkpoints hold them: every bit. */
  readonly weights: TrainedWeights;
  /** As the run's result holds them. */
  readonly result: TrainedWeights;
  readonly resultName: "adapter" | "model";
  readonly source: BatchSource;
  /** Held-out batches, the same each time; undefined without a held-out split. */
  readonly validation?: () => Iterable<Batch>;
  readonly validationRows: number;
  readonly folder: RunFolder;
  /** Everything of run-start that the loop does not know itself. */
  readonly runStart: Omit<RunStartEvent, "event" | "startStep" | "steps">;
  readonly emit: (event: TrainEvent) => void;
  /** Answers one held-out prompt with the model as it is. */
  readonly sample?: (step: number) => Promise<TrainEvent>;
  readonly isCancelled: () => boolean;
  /** Lets ops run again after a cancel, so that the checkpoint can be written. */
  readonly resetCancel: () => void;
  /** Milliseconds. */
  readonly now: () => number;
}

export class Trainer {
  readonly #parts: TrainerParts;
  readonly #settings: TrainerSettings;
  readonly #step: TrainingStep;
  #state: RunState;
  #startStep = 0;
  #startedAt = 0;
  #stepMs = 0;
  #processTokens = 0;
  #firstLossHere: number | undefined;
  #lastLoss = Number.NaN;
  #lastCheckpointAt = 0;
  #resultPath = "";

  constructor(parts: TrainerParts, settings: TrainerSettings) {
    this.#parts = parts;
    this.#settings = settings;
    this.#step = new TrainingStep(parts.model, parts.trainables, settings);
    this.#state = {
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
    };
  }

  /** @param checkpoint to go on from  @returns the last event */
  async run(checkpoint: string | undefined): Promise<RunEndEvent> {
    const parts = this.#parts;
    if (checkpoint) await this.#resume(checkpoint);
    this.#startedAt = this.#lastCheckpointAt = parts.now();
    parts.emit({ event: "run-start", ...parts.runStart, steps: this.#settings.maxSteps, startStep: this.#state.step });
    try {
      const reason = await this.#loop();
      return await this.#finish(reason);
    } catch (error) {
      if (!(error instanceof CancelledError)) throw error;
      parts.resetCancel();
      return await this.#finish("interrupted");
    } finally {
      this.#step.release();
    }
  }

  async #loop(): Promise<RunEndReason> {
    const [parts, settings] = [this.#parts, this.#settings];
    if (this.#state.step === 0 && parts.validation) await this.#evaluate();
    while (this.#state.step < settings.maxSteps) {
      if (parts.isCancelled()) throw new CancelledError("Training");
      await this.#oneStep();
      const { step } = this.#state;
      const isLast = step === settings.maxSteps;
      if (parts.validation && (step % settings.evalEvery === 0 || isLast)) {
        await this.#evaluate();
        const { earlyStopPatience } = settings;
        if (earlyStopPatience !== undefined && this.#state.evaluationsWithoutGain >= earlyStopPatience) return "early-stop";
      }
      if (parts.sample && settings.sampleEvery && (step % settings.sampleEvery === 0 || isLast)) this.#report(await parts.sample(step));
      if (this.#checkpointIsDue()) await this.#checkpoint();
    }
    return "completed";
  }

  async #oneStep(): Promise<void> {
    const [parts, settings] = [this.#parts, this.#settings];
    const began = parts.now();
    const batches: Batch[] = [];
    for (let pass = 0; pass < settings.passes; pass++) batches.push(await parts.source.next());
    const step = this.#state.step + 1;
    const rate = learningRate(settings.schedule, step);
    this.#step.run(batches, step, rate, step - this.#state.skippedSteps);
    const results = await this.#step.results();
    const { loss, gradNorm, lossScale, skipped } = results;
    if (!Number.isFinite(loss)) throw new NotFiniteError(step, "loss", loss, rate, await this.#step.firstNotFinite());
    // A scale of 1 cannot be halved: the gradients themselves are too large.
    if (!Number.isFinite(gradNorm) && !(skipped && lossScale! > 1)) {
      throw new NotFiniteError(step, "gradient norm", gradNorm, rate, await this.#step.firstNotFinite());
    }

    const tokens = batches.reduce((sum, batch) => sum + batch.tokenCount, 0);
    const elapsed = parts.now() - began;
    this.#stepMs += elapsed;
    this.#processTokens += tokens;
    this.#firstLossHere ??= loss;
    this.#lastLoss = loss;
    const { trainedTokens } = this.#state;
    this.#state = {
      ...this.#state,
      step,
      cursor: parts.source.cursor(),
      skippedSteps: this.#state.skippedSteps + (skipped ? 1 : 0),
      tokens: this.#state.tokens + tokens,
      trainedTokens: trainedTokens + batches.reduce((sum, batch) => sum + batch.trainedTokens, 0),
      lossFirst: this.#state.lossFirst ?? loss,
    };
    if (skipped || step % settings.logEvery === 0 || step === settings.maxSteps)
      this.#report(this.#stepEvent(results, rate, tokens, elapsed));
  }

  #stepEvent(results: StepResults, rate: number, tokens: number, elapsedMs: number): StepEndEvent {
    const [parts, settings] = [this.#parts, this.#settings];
    const { step, trainedTokens, skippedSteps } = this.#state;
    const stepsHere = step - this.#startStep;
    return {
      event: "step-end",
      step,
      ...results,
      ...(results.lossScale === undefined ? {} : { skippedSteps }),
      learningRate: rate,
      tokensPerSecond: tokens / (elapsedMs / 1000),
      memoryBytes: parts.model.backend.allocatedBytes,
      epoch: parts.source.epoch,
      trainedTokens,
      secondsLeft: ((this.#stepMs / stepsHere) * (settings.maxSteps - step)) / 1000,
    };
  }

  async #evaluate(): Promise<void> {
    const parts = this.#parts;
    this.#report({ event: "eval-start", step: this.#state.step, rows: parts.validationRows });
    const result = await evaluate(parts.model, parts.validation!());
    const isBest = this.#state.best === null || result.loss < this.#state.best.loss;
    this.#remember(result, isBest);
    this.#report({ event: "eval-end", step: this.#state.step, ...result, best: isBest });
    if (isBest && this.#state.step > 0) this.#resultPath = await parts.folder.saveResult(parts.resultName, parts.result);
  }

  #remember({ loss }: Evaluation, isBest: boolean): void {
    const { step, best, evaluationsWithoutGain, validationLossFirst } = this.#state;
    this.#state = {
      ...this.#state,
      validationLossFirst: validationLossFirst ?? loss,
      best: isBest ? { step, loss } : best,
      evaluationsWithoutGain: isBest ? 0 : evaluationsWithoutGain + 1,
    };
  }

  async #finish(reason: RunEndReason): Promise<RunEndEvent> {
    const parts = this.#parts;
    if (this.#state.step > 0) await this.#checkpoint();
    // Without a held-out split, and when no evaluation beat the untrained model, the newest weights are the result.
    if (this.#resultPath === "") this.#resultPath = await parts.folder.saveResult(parts.resultName, parts.result);
    const { step, best, validationLossFirst } = this.#state;
    const event: RunEndEvent = {
      event: "run-end",
      reason,
      steps: step,
      tokens: this.#processTokens,
      tokensPerSecond: this.#stepMs > 0 ? this.#processTokens / (this.#stepMs / 1000) : 0,
      lossFirst: this.#firstLossHere ?? Number.NaN,
      lossLast: this.#lastLoss,
      validationLossFirst: validationLossFirst ?? undefined,
      validationLossBest: best?.loss,
      bestStep: best?.step,
      skippedSteps: this.#settings.lossScaling ? this.#state.skippedSteps : undefined,
      peakMemoryBytes: parts.model.backend.peakBytes,
      adapterPath: this.#resultPath,
      seconds: (parts.now() - this.#startedAt) / 1000,
    };
    this.#report(event);
    return event;
  }

  async #resume(checkpoint: string): Promise<void> {
    const [parts, settings] = [this.#parts, this.#settings];
    this.#state = await loadCheckpoint(checkpoint, settings.fingerprint, parts.weights, parts.model.backend, this.#step.state);
    await parts.source.seek(this.#state.cursor);
    parts.folder.truncateMetrics(this.#state.metricsBytes);
    this.#startStep = this.#state.step;
    const { best } = this.#state;
    if (best && best.step > 0) this.#resultPath = parts.folder.resultPath(parts.resultName);
  }

  #checkpointIsDue(): boolean {
    const [parts, settings] = [this.#parts, this.#settings];
    const { step } = this.#state;
    if (step === settings.maxSteps) return false; // written at the end
    const bySteps = settings.checkpointEverySteps !== undefined && step % settings.checkpointEverySteps === 0;
    return bySteps || parts.now() - this.#lastCheckpointAt >= settings.checkpointEveryMinutes * 60_000;
  }

  async #checkpoint(): Promise<void> {
    const [parts, settings] = [this.#parts, this.#settings];
    const { folder, weights, model } = parts;
    this.#state = { ...this.#state, metricsBytes: folder.metricsBytes };
    const path = await saveCheckpoint(folder.checkpoints, this.#state, weights, model.backend, this.#step.state);
    pruneCheckpoints(folder.checkpoints, settings.keepCheckpoints, []);
    this.#lastCheckpointAt = parts.now();
    this.#report({ event: "checkpoint-end", step: this.#state.step, path });
  }

  #report(event: TrainEvent): void {
    this.#parts.folder.log(event, this.#parts.now() / 1000);
    this.#parts.emit(event);
  }
}

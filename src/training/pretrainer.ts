/**
 * The loop of pretraining: steps over a mixture of token files whose weights change once, for the final phase; held-out loss and bits per byte
 * of each source; checkpoints; a length in steps, or in minutes.
 *
 * Nothing is read back but at a report (every `logEvery` steps), so the host prepares batches while the device computes. A run in minutes lays
 * its schedule by measured speed: at each report the steps that still fit are counted anew, and learning rate and final phase follow from that
 * number, which a checkpoint keeps. The steps after a resume are those that would have followed, to the bit, as long as the number is not laid
 * anew: always in a run by steps.
 */
import type { Batch } from "../data/batch.ts";
import { CancelledError } from "../errors/cancelled-error.ts";
import { NotFiniteError } from "../errors/not-finite-error.ts";
import type { CausalLM } from "../models/causal-lm.ts";
import { loadCheckpoint, pruneCheckpoints, type RunState, saveCheckpoint, type TrainedWeights } from "./checkpoint.ts";
import { evaluate } from "./evaluate.ts";
import type { RunEndEvent, RunEndReason, RunStartEvent, SourceScore, TrainEvent } from "./events.ts";
import { learningRate } from "./learning-rate.ts";
import type { RunFolder } from "./run-folder.ts";
import type { Trainables } from "./trainables.ts";
import { type StepSettings, TrainingStep } from "./training-step.ts";

/** Batches by weight of their sources, from a place that can be stored. */
export interface MixtureSource {
  next(weights: readonly number[]): Batch;
  cursor(): unknown;
  seek(cursor: never): void;
  /** Passes over each source so far. */
  readonly epochs: readonly number[];
}

export interface HeldOutSource {
  readonly name: string;
  readonly batches: () => Iterable<Batch>;
}

export interface PretrainSettings extends StepSettings {
  /** Of the whole run; in a run by minutes a limit beside the time. */
  readonly maxSteps: number;
  /** Minutes of the whole run, evaluations and saving included; absent: by steps. */
  readonly maxMinutes?: number;
  readonly peak: number;
  readonly floor: number;
  readonly warmupSteps: number;
  /** Weights of the sources, and those of the final phase. */
  readonly mix: readonly number[];
  readonly finalMix: readonly number[];
  /** Share of the steps that the final phase has. */
  readonly finalShare: number;
  readonly evalEvery?: number;
  readonly checkpointEveryMinutes: number;
  readonly keepCheckpoints: number;
  readonly logEvery: number;
  /** What must not change between a run and its resume. */
  readonly fingerprint: string;
}

export interface PretrainParts {
  readonly model: CausalLM;
  readonly trainables: Trainables;
  /** As checkpoints hold them. */
  readonly weights: TrainedWeights;
  /** As the run's result holds them. */
  readonly result: TrainedWeights;
  readonly source: MixtureSource;
  readonly heldOut: readonly HeldOutSource[];
  /** UTF-8 bytes of each id, 0 for special ones. */
  readonly tokenBytes: Uint16Array;
  readonly folder: RunFolder;
  readonly runStart: Omit<RunStartEvent, "event" | "startStep" | "steps">;
  readonly emit: (event: TrainEvent) => void;
  readonly isCancelled: () => boolean;
  readonly resetCancel: () => void;
  /** Milliseconds. */
  readonly now: () => number;
}

interface PretrainState extends RunState {
  /** Steps of the whole run as laid last. */
  plannedSteps: number;
  /** Time of the whole run so far, that of earlier processes included. */
  elapsedMs: number;
}

/** Share of a run's minutes kept for saving at the end. */
const SAVING_SHARE = 0.02;
/** Steps that are not measured: the first compile, choose algorithms and record. */
const UNMEASURED_STEPS = 3;

export class Pretrainer {
  readonly #parts: PretrainParts;
  readonly #settings: PretrainSettings;
  readonly #step: TrainingStep;
  #state: PretrainState;
  #startStep = 0;
  #startedAt = 0;
  #earlierMs = 0;
  #firstLoss = Number.NaN;
  #lastLoss = Number.NaN;
  /** Where the measuring of speed began, and where the last report was. */
  #measured: { step: number; at: number } | undefined;
  #reported = { step: 0, at: 0, tokens: 0 };
  #evaluationMs = 0;
  #lastCheckpointAt = 0;

  constructor(parts: PretrainParts, settings: PretrainSettings) {
    this.#parts = parts;
    this.#settings = settings;
    this.#step = new TrainingStep(parts.model, parts.trainables, settings);
    this.#state = {
      step: 0,
      skippedSteps: 0,
      cursor: parts.source.cursor(),
      trainedTokens: 0,
      tokens: 0,
      lossFirst: null,
      validationLossFirst: null,
      best: null,
      evaluationsWithoutGain: 0,
      metricsBytes: 0,
      fingerprint: settings.fingerprint,
      plannedSteps: settings.maxSteps,
      elapsedMs: 0,
    };
  }

  /** @param checkpoint to go on from  @returns the last event */
  async run(checkpoint: string | undefined): Promise<RunEndEvent> {
    const parts = this.#parts;
    this.#startedAt = this.#lastCheckpointAt = parts.now();
    if (checkpoint) await this.#resume(checkpoint);
    this.#reported = { step: this.#state.step, at: parts.now(), tokens: this.#state.tokens };
    parts.emit({ event: "run-start", ...parts.runStart, steps: this.#state.plannedSteps, startStep: this.#state.step });
    try {
      await this.#loop();
      return await this.#finish("completed");
    } catch (error) {
      if (!(error instanceof CancelledError)) throw error;
      parts.resetCancel();
      return await this.#finish("interrupted");
    } finally {
      this.#step.release();
    }
  }

  async #loop(): Promise<void> {
    const [parts, settings] = [this.#parts, this.#settings];
    if (this.#state.step === 0) await this.#evaluate();
    while (this.#state.step < this.#state.plannedSteps) {
      if (parts.isCancelled()) throw new CancelledError("Pretraining");
      this.#oneStep();
      const { step } = this.#state;
      if (step - this.#startStep === UNMEASURED_STEPS) await this.#startMeasuring();
      if (step % settings.logEvery === 0) await this.#report();
      if (settings.evalEvery !== undefined && step % settings.evalEvery === 0) await this.#evaluate();
      if (this.#checkpointIsDue()) await this.#checkpoint();
    }
    if (this.#state.step > this.#reported.step) await this.#report();
    await this.#evaluate();
  }

  #oneStep(): void {
    const { source } = this.#parts;
    const { passes, mix, finalMix } = this.#settings;
    const step = this.#state.step + 1;
    const weights = this.#isFinal(step) ? finalMix : mix;
    const batches = Array.from({ length: passes }, () => source.next(weights));
    this.#step.run(batches, step, this.#rate(step));
    this.#state = {
      ...this.#state,
      step,
      cursor: source.cursor(),
      tokens: this.#state.tokens + batches.reduce((sum, batch) => sum + batch.tokenCount, 0),
      trainedTokens: this.#state.trainedTokens + batches.reduce((sum, batch) => sum + batch.trainedTokens, 0),
    };
  }

  #isFinal(step: number): boolean {
    return step > this.#state.plannedSteps * (1 - this.#settings.finalShare);
  }

  #rate(step: number): number {
    const { peak, floor, warmupSteps } = this.#settings;
    return learningRate({ kind: "cosine", peak, floor, warmupSteps, totalSteps: this.#state.plannedSteps }, step);
  }

  async #startMeasuring(): Promise<void> {
    await this.#step.results();
    this.#measured = { step: this.#state.step, at: this.#parts.now() };
  }

  /** Reads loss and norm back, tells of them, and counts anew how many steps fit in the time. */
  async #report(): Promise<void> {
    const parts = this.#parts;
    const { loss, gradNorm } = await this.#step.results();
    const { step, tokens, trainedTokens } = this.#state;
    const rate = this.#rate(step);
    if (!Number.isFinite(loss)) throw new NotFiniteError(step, "loss", loss, rate);
    if (!Number.isFinite(gradNorm)) throw new NotFiniteError(step, "gradient norm", gradNorm, rate);
    if (Number.isNaN(this.#firstLoss)) this.#firstLoss = loss;
    this.#lastLoss = loss;
    this.#state = { ...this.#state, lossFirst: this.#state.lossFirst ?? loss };
    const now = parts.now();
    const stepMs = (now - this.#reported.at) / Math.max(1, step - this.#reported.step);
    this.#layByTime(now);
    const { plannedSteps } = this.#state;
    this.#log({
      event: "step-end",
      step,
      loss,
      gradNorm,
      learningRate: rate,
      tokensPerSecond: ((tokens - this.#reported.tokens) * 1000) / Math.max(1e-3, now - this.#reported.at),
      memoryBytes: parts.model.backend.allocatedBytes,
      epoch: Math.max(...parts.source.epochs),
      trainedTokens,
      secondsLeft: (stepMs * (plannedSteps - step)) / 1000,
      plannedSteps,
    });
    this.#reported = { step, at: now, tokens };
  }

  #layByTime(now: number): void {
    const { maxMinutes, maxSteps } = this.#settings;
    const { step } = this.#state;
    if (maxMinutes === undefined || this.#measured === undefined || step === this.#measured.step) return;
    const stepMs = (now - this.#measured.at) / (step - this.#measured.step);
    const limitMs = maxMinutes * 60_000;
    const leftMs = limitMs * (1 - SAVING_SHARE) - this.#elapsed(now) - this.#evaluationMs;
    const plannedSteps = Math.min(maxSteps, step + Math.max(0, Math.floor(leftMs / stepMs)));
    this.#state = { ...this.#state, plannedSteps };
  }

  #elapsed(now: number): number {
    return this.#earlierMs + now - this.#startedAt;
  }

  async #evaluate(): Promise<void> {
    const parts = this.#parts;
    if (parts.heldOut.length === 0) return;
    const began = parts.now();
    const { step, best, validationLossFirst } = this.#state;
    this.#log({ event: "eval-start", step, rows: parts.heldOut.length });
    const sources: Record<string, SourceScore> = {};
    let [nats, tokens] = [0, 0];
    for (const { name, batches } of parts.heldOut) {
      let bytes = 0;
      const counted = countBytes(batches(), parts.tokenBytes, (count) => {
        bytes += count;
      });
      const score = await evaluate(parts.model, counted);
      sources[name] = { loss: score.loss, tokens: score.tokens, bitsPerByte: (score.loss * score.tokens) / Math.LN2 / bytes };
      nats += score.loss * score.tokens;
      tokens += score.tokens;
    }
    const loss = nats / tokens;
    const isBest = best === null || loss < best.loss;
    this.#state = { ...this.#state, validationLossFirst: validationLossFirst ?? loss, best: isBest ? { step, loss } : best };
    this.#log({ event: "eval-end", step, loss, perplexity: Math.exp(loss), tokens, best: isBest, sources });
    this.#evaluationMs = parts.now() - began;
  }

  async #finish(reason: RunEndReason): Promise<RunEndEvent> {
    const parts = this.#parts;
    if (this.#state.step > 0) await this.#checkpoint();
    const resultPath = await parts.folder.saveResult("model", parts.result);
    const { step, tokens, best, validationLossFirst } = this.#state;
    const seconds = (parts.now() - this.#startedAt) / 1000;
    const event: RunEndEvent = {
      event: "run-end",
      reason,
      steps: step,
      tokens,
      tokensPerSecond: this.#speed(),
      lossFirst: this.#firstLoss,
      lossLast: this.#lastLoss,
      validationLossFirst: validationLossFirst ?? undefined,
      validationLossBest: best?.loss,
      bestStep: best?.step,
      peakMemoryBytes: parts.model.backend.peakBytes,
      adapterPath: resultPath,
      seconds,
    };
    this.#log(event);
    return event;
  }

  /** Tokens a second since the measuring began, evaluations included. */
  #speed(): number {
    if (this.#measured === undefined || this.#reported.step <= this.#measured.step) return 0;
    const { tokensPerPass, passes } = this.#settings;
    const steps = this.#reported.step - this.#measured.step;
    return (steps * tokensPerPass * passes * 1000) / (this.#reported.at - this.#measured.at);
  }

  async #resume(checkpoint: string): Promise<void> {
    const { source, folder, weights, model } = this.#parts;
    const { fingerprint } = this.#settings;
    this.#state = (await loadCheckpoint(checkpoint, fingerprint, weights, model.backend, this.#step.state)) as PretrainState;
    source.seek(this.#state.cursor as never);
    folder.truncateMetrics(this.#state.metricsBytes);
    this.#startStep = this.#state.step;
    this.#earlierMs = this.#state.elapsedMs;
  }

  #checkpointIsDue(): boolean {
    const { step, plannedSteps } = this.#state;
    return step < plannedSteps && this.#parts.now() - this.#lastCheckpointAt >= this.#settings.checkpointEveryMinutes * 60_000;
  }

  async #checkpoint(): Promise<void> {
    const { folder, weights, model, now } = this.#parts;
    // A checkpoint of weights that are no numbers would take the place of a good one.
    if (this.#state.step > this.#reported.step) await this.#report();
    this.#state = { ...this.#state, metricsBytes: folder.metricsBytes, elapsedMs: this.#elapsed(now()) };
    const path = await saveCheckpoint(folder.checkpoints, this.#state, weights, model.backend, this.#step.state);
    pruneCheckpoints(folder.checkpoints, this.#settings.keepCheckpoints, []);
    this.#lastCheckpointAt = now();
    this.#log({ event: "checkpoint-end", step: this.#state.step, path });
  }

  #log(event: TrainEvent): void {
    this.#parts.folder.log(event, this.#parts.now() / 1000);
    this.#parts.emit(event);
  }
}

/** Hands the batches on and counts the bytes of text that their targets stand for. */
function* countBytes(batches: Iterable<Batch>, tokenBytes: Uint16Array, add: (bytes: number) => void): Generator<Batch> {
  for (const batch of batches) {
    let bytes = 0;
    for (const target of batch.targets) if (target >= 0) bytes += tokenBytes[target]!;
    add(bytes);
    yield batch;
  }
}

/**
 * The loop of pretraining: steps over a mixture of token files whose weights change once, for the final phase; held-out loss and bits per byte
 * of each source; checkpoints; a length in steps, or in minutes.
 *
 * Nothing is read back but at a report (every `logEvery` steps), so the host prepares batches while the device computes. A run in minutes lays
 * its schedule by measured speed: at each report the steps that still fit are counted anew, and learning rate and final phase follow from that
 * number, which a checkpoint keeps. The steps after a resume are those that would have followed, to the bit, as long as the number is not laid
 * anew: always in a run by steps. What is not the algorithm (resume, counters, log, checkpoints) is `training-run.ts`.
 */
import type { Batch } from "../data/batch.ts";
import { NotFiniteError } from "../errors/not-finite-error.ts";
import type { TrainedWeights } from "./checkpoint.ts";
import { evaluateSources, type HeldOutSource } from "./evaluate-sources.ts";
import type { RunEndEvent, RunEndReason } from "./events.ts";
import { learningRate } from "./learning-rate.ts";
import { type Mark, Pace } from "./pace.ts";
import type { Trainables } from "./trainables.ts";
import { type RunParts, type RunSettings, type StoredPosition, TrainingRun } from "./training-run.ts";
import { type StepSettings, TrainingStep } from "./training-step.ts";

/** Batches by weight of their sources. */
export interface MixtureSource extends StoredPosition {
  next(weights: readonly number[]): Batch;
  /** Passes over each source so far. */
  readonly epochs: readonly number[];
}

export interface PretrainSettings extends StepSettings, RunSettings {
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
  readonly logEvery: number;
}

export interface PretrainParts extends RunParts {
  readonly trainables: Trainables;
  /** The weights as the run's result holds them. */
  readonly result: TrainedWeights;
  readonly source: MixtureSource;
  readonly heldOut: readonly HeldOutSource[];
  /** UTF-8 bytes of each id, 0 for special ones. */
  readonly tokenBytes: Uint16Array;
}

interface PretrainState {
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
  readonly #run: TrainingRun<PretrainState>;
  readonly #pace = new Pace();
  #earlierMs = 0;
  #evaluationMs = 0;

  constructor(parts: PretrainParts, settings: PretrainSettings) {
    this.#parts = parts;
    this.#settings = settings;
    this.#step = new TrainingStep(parts.model, parts.trainables, settings);
    this.#run = new TrainingRun(parts, settings, this.#step, { plannedSteps: settings.maxSteps, elapsedMs: 0 });
  }

  /** @param checkpoint to go on from  @returns the last event */
  async run(checkpoint: string | undefined): Promise<RunEndEvent> {
    await this.#run.begin(checkpoint);
    this.#earlierMs = this.#run.state.elapsedMs;
    this.#pace.begin(this.#mark());
    return this.#run.play(
      this.#run.state.plannedSteps,
      () => this.#loop(),
      (reason) => this.#finish(reason),
    );
  }

  async #loop(): Promise<RunEndReason> {
    const [settings, run] = [this.#settings, this.#run];
    if (run.state.step === 0) await this.#evaluate();
    while (run.state.step < run.state.plannedSteps) {
      run.expectWanted("Pretraining");
      this.#oneStep();
      const { step } = run.state;
      if (step - run.startStep === UNMEASURED_STEPS) await this.#startMeasuring();
      if (step % settings.logEvery === 0) await this.#report();
      if (settings.evalEvery !== undefined && step % settings.evalEvery === 0) await this.#evaluate();
      if (run.checkpointIsDue(run.state.plannedSteps)) await this.#checkpoint();
    }
    if (run.state.step > this.#pace.reportedStep) await this.#report();
    await this.#evaluate();
    return "completed";
  }

  #oneStep(): void {
    const { passes, mix, finalMix } = this.#settings;
    const step = this.#run.state.step + 1;
    const weights = this.#isFinal(step) ? finalMix : mix;
    const batches = Array.from({ length: passes }, () => this.#parts.source.next(weights));
    this.#step.run(batches, step, this.#rate(step));
    this.#run.count(batches);
  }

  #isFinal(step: number): boolean {
    return step > this.#run.state.plannedSteps * (1 - this.#settings.finalShare);
  }

  #rate(step: number): number {
    const { peak, floor, warmupSteps } = this.#settings;
    return learningRate({ kind: "cosine", peak, floor, warmupSteps, totalSteps: this.#run.state.plannedSteps }, step);
  }

  #mark(): Mark {
    const { step, tokens } = this.#run.state;
    return { step, tokens, at: this.#parts.now() };
  }

  async #startMeasuring(): Promise<void> {
    await this.#step.results();
    this.#pace.measureFrom(this.#mark());
  }

  /** Reads loss and norm back, tells of them, and counts anew how many steps fit in the time. */
  async #report(): Promise<void> {
    const { model, source } = this.#parts;
    const run = this.#run;
    const { loss, gradNorm } = await this.#step.results();
    const { step, trainedTokens } = run.state;
    const rate = this.#rate(step);
    if (!Number.isFinite(loss)) throw new NotFiniteError(step, "loss", loss, rate);
    if (!Number.isFinite(gradNorm)) throw new NotFiniteError(step, "gradient norm", gradNorm, rate);
    run.noteLoss(loss);
    const { stepMs, tokensPerSecond } = this.#pace.report(this.#mark());
    const plannedSteps = this.#planSteps();
    run.state = { ...run.state, plannedSteps };
    run.log({
      event: "step-end",
      step,
      loss,
      gradNorm,
      learningRate: rate,
      tokensPerSecond,
      memoryBytes: model.backend.allocatedBytes,
      epoch: Math.max(...source.epochs),
      trainedTokens,
      secondsLeft: (stepMs * (plannedSteps - step)) / 1000,
      plannedSteps,
    });
  }

  /** Steps of the whole run: as planned, or as many as fit in its minutes at the speed measured so far. */
  #planSteps(): number {
    const { maxMinutes, maxSteps } = this.#settings;
    const { step, plannedSteps } = this.#run.state;
    const stepMs = this.#pace.meanStepMs;
    if (maxMinutes === undefined || stepMs === undefined) return plannedSteps;
    const leftMs = maxMinutes * 60_000 * (1 - SAVING_SHARE) - this.#elapsedMs() - this.#evaluationMs;
    return Math.min(maxSteps, step + Math.max(0, Math.floor(leftMs / stepMs)));
  }

  #elapsedMs(): number {
    return this.#earlierMs + this.#run.elapsedMs;
  }

  async #evaluate(): Promise<void> {
    const { heldOut, model, tokenBytes, now } = this.#parts;
    if (heldOut.length === 0) return;
    const began = now();
    const { step } = this.#run.state;
    this.#run.log({ event: "eval-start", step, rows: heldOut.length });
    const { sources, ...mean } = await evaluateSources(model, heldOut, tokenBytes);
    const best = this.#run.noteEvaluation(mean.loss);
    this.#run.log({ event: "eval-end", step, ...mean, best, sources });
    this.#evaluationMs = now() - began;
  }

  async #checkpoint(): Promise<void> {
    const run = this.#run;
    // A checkpoint of weights that are no numbers would take the place of a good one.
    if (run.state.step > this.#pace.reportedStep) await this.#report();
    run.state = { ...run.state, elapsedMs: this.#elapsedMs() };
    await run.checkpoint();
  }

  async #finish(reason: RunEndReason): Promise<RunEndEvent> {
    const { folder, result } = this.#parts;
    const { tokensPerPass, passes } = this.#settings;
    if (this.#run.state.step > 0) await this.#checkpoint();
    const adapterPath = await folder.saveResult("model", result);
    const { meanStepMs } = this.#pace;
    const tokensPerSecond = meanStepMs === undefined ? 0 : (tokensPerPass * passes * 1000) / meanStepMs;
    return this.#run.end(reason, { tokens: this.#run.state.tokens, tokensPerSecond, adapterPath });
  }
}

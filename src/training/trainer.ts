/**
 * The training loop: step, report, evaluate, checkpoint, stop. It knows neither models nor texts: batches come from a source that can tell and
 * take back its position, weights are saved through `TrainedWeights`, time and cancelling are handed in. What is not the algorithm (resume,
 * counters, log, checkpoints) is `training-run.ts`.
 *
 * A run is a function of its config: data order, dropout and learning rate follow from the seed and the step, so a run that was stopped and
 * resumed equals one that was not, to the bit on the same machine.
 */
import type { Batch } from "../data/batch.ts";
import { NotFiniteError } from "../errors/not-finite-error.ts";
import type { TrainedWeights } from "./checkpoint.ts";
import { evaluate } from "./evaluate.ts";
import type { RunEndEvent, RunEndReason, StepEndEvent, TrainEvent } from "./events.ts";
import { type LearningRateSchedule, learningRate } from "./learning-rate.ts";
import type { Trainables } from "./trainables.ts";
import { type RunParts, type RunSettings, type StoredPosition, TrainingRun } from "./training-run.ts";
import { type StepResults, type StepSettings, TrainingStep } from "./training-step.ts";

/** An endless stream of batches. */
export interface BatchSource extends StoredPosition {
  next(): Promise<Batch> | Batch;
  /** Passes over the data so far, a fraction. */
  readonly epoch: number;
}

export interface TrainerSettings extends StepSettings, RunSettings {
  readonly maxSteps: number;
  readonly schedule: LearningRateSchedule;
  readonly evalEvery: number;
  readonly earlyStopPatience?: number;
  readonly logEvery: number;
  readonly sampleEvery?: number;
}

export interface TrainerParts extends RunParts {
  readonly trainables: Trainables;
  /** The weights as the run's result holds them. */
  readonly result: TrainedWeights;
  readonly resultName: "adapter" | "model";
  readonly source: BatchSource;
  /** Held-out batches, the same each time; undefined without a held-out split. */
  readonly validation?: () => Iterable<Batch>;
  readonly validationRows: number;
  /** Answers one held-out prompt with the model as it is. */
  readonly sample?: (step: number) => Promise<TrainEvent>;
}

export class Trainer {
  readonly #parts: TrainerParts;
  readonly #settings: TrainerSettings;
  readonly #step: TrainingStep;
  readonly #run: TrainingRun;
  /** Of this process. */
  #stepMs = 0;
  #tokens = 0;
  #resultPath = "";

  constructor(parts: TrainerParts, settings: TrainerSettings) {
    this.#parts = parts;
    this.#settings = settings;
    this.#step = new TrainingStep(parts.model, parts.trainables, settings);
    this.#run = new TrainingRun(parts, settings, this.#step, {});
  }

  /** @param checkpoint to go on from  @returns the last event */
  async run(checkpoint: string | undefined): Promise<RunEndEvent> {
    const { folder, resultName } = this.#parts;
    await this.#run.begin(checkpoint);
    const { best } = this.#run.state;
    if (best && best.step > 0) this.#resultPath = folder.resultPath(resultName);
    return this.#run.play(
      this.#settings.maxSteps,
      () => this.#loop(),
      (reason) => this.#finish(reason),
    );
  }

  async #loop(): Promise<RunEndReason> {
    const [parts, settings, run] = [this.#parts, this.#settings, this.#run];
    if (run.state.step === 0 && parts.validation) await this.#evaluate();
    while (run.state.step < settings.maxSteps) {
      run.expectWanted("Training");
      await this.#oneStep();
      const { step } = run.state;
      const isLast = step === settings.maxSteps;
      if (parts.validation && (step % settings.evalEvery === 0 || isLast)) {
        await this.#evaluate();
        const { earlyStopPatience } = settings;
        if (earlyStopPatience !== undefined && run.state.evaluationsWithoutGain >= earlyStopPatience) return "early-stop";
      }
      if (parts.sample && settings.sampleEvery && (step % settings.sampleEvery === 0 || isLast)) run.log(await parts.sample(step));
      if (run.checkpointIsDue(settings.maxSteps)) await run.checkpoint();
    }
    return "completed";
  }

  async #oneStep(): Promise<void> {
    const [parts, settings, run] = [this.#parts, this.#settings, this.#run];
    const began = parts.now();
    const batches: Batch[] = [];
    for (let pass = 0; pass < settings.passes; pass++) batches.push(await parts.source.next());
    const step = run.state.step + 1;
    const rate = learningRate(settings.schedule, step);
    this.#step.run(batches, step, rate, step - run.state.skippedSteps);
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
    this.#tokens += tokens;
    run.count(batches, skipped);
    run.noteLoss(loss);
    if (skipped || step % settings.logEvery === 0 || step === settings.maxSteps) run.log(this.#stepEvent(results, rate, tokens, elapsed));
  }

  #stepEvent(results: StepResults, rate: number, tokens: number, elapsedMs: number): StepEndEvent {
    const { model, source } = this.#parts;
    const { step, trainedTokens, skippedSteps } = this.#run.state;
    const meanMs = this.#stepMs / (step - this.#run.startStep);
    return {
      event: "step-end",
      step,
      ...results,
      ...(results.lossScale === undefined ? {} : { skippedSteps }),
      learningRate: rate,
      tokensPerSecond: tokens / (elapsedMs / 1000),
      memoryBytes: model.backend.allocatedBytes,
      epoch: source.epoch,
      trainedTokens,
      secondsLeft: (meanMs * (this.#settings.maxSteps - step)) / 1000,
    };
  }

  async #evaluate(): Promise<void> {
    const { model, validation, validationRows } = this.#parts;
    const { step } = this.#run.state;
    this.#run.log({ event: "eval-start", step, rows: validationRows });
    const result = await evaluate(model, validation!());
    const best = this.#run.noteEvaluation(result.loss);
    this.#run.log({ event: "eval-end", step, ...result, best });
    if (best && step > 0) await this.#saveResult();
  }

  async #finish(reason: RunEndReason): Promise<RunEndEvent> {
    const run = this.#run;
    if (run.state.step > 0) await run.checkpoint();
    // Without a held-out split, and when no evaluation beat the untrained model, the newest weights are the result.
    if (this.#resultPath === "") await this.#saveResult();
    return run.end(reason, {
      tokens: this.#tokens,
      tokensPerSecond: this.#stepMs > 0 ? this.#tokens / (this.#stepMs / 1000) : 0,
      skippedSteps: this.#settings.lossScaling ? run.state.skippedSteps : undefined,
      adapterPath: this.#resultPath,
    });
  }

  async #saveResult(): Promise<void> {
    const { folder, resultName, result } = this.#parts;
    this.#resultPath = await folder.saveResult(resultName, result);
  }
}

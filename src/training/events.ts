/**
 * What a run tells whoever watches it: one plain object an event, named `noun-start` / `noun-delta` / `noun-end`.
 *
 * Events are data: they cross the worker's border, are written one a line to `metrics.jsonl`, printed by `remora train --json`, and drawn
 * by the command line. Every number's unit is in its name or stated here; times come from a clock that the trainer was handed.
 */

/** The plan is made and the model is loaded; the first step comes next. */
export interface RunStartEvent {
  event: "run-start";
  /** As the user named it. */
  model: string;
  method: "lora" | "qlora" | "full";
  /** As a user types it: `cpu`, `cuda:0`. */
  device: string;
  /** Optimizer steps of the whole run, those before a resume included. */
  steps: number;
  /** Set when the clock decides: `steps` is then only a limit, and each report says how many fit. */
  maxMinutes?: number;
  /** The first step of this process is `startStep + 1`; more than 0 after a resume. */
  startStep: number;
  /** Passes over the data; 0 when the clock decides. */
  epochs: number;
  /** Rows of the training split and of the held-out split. */
  rows: number;
  validationRows: number;
  trainableParameters: number;
  totalParameters: number;
  /** What the plan expects at the peak. */
  plannedBytes: number;
  /** Where the run keeps its files. */
  out: string;
}

/** One optimizer step is done. */
export interface StepEndEvent {
  event: "step-end";
  /** Counted from 1. */
  step: number;
  /** Mean over the trained tokens of the step, in nats. */
  loss: number;
  /** L2 norm of the gradient before clipping; not finite (null in JSON) when the step was skipped. */
  gradNorm: number;
  /** With f16: what the loss was multiplied by, whether the gradients overflowed (then nothing but the scale changed), and how often so far. */
  lossScale?: number;
  skipped?: boolean;
  skippedSteps?: number;
  learningRate: number;
  /** All tokens of the step (padding excluded) per second of the step. */
  tokensPerSecond: number;
  /** Allocated on the device now. */
  memoryBytes: number;
  /** Passes over the data so far, a fraction. */
  epoch: number;
  /** Tokens that took part in the loss so far. */
  trainedTokens: number;
  /** Estimate for the rest of the run. */
  secondsLeft: number;
  /** Steps of the whole run as laid last, where that may change. */
  plannedSteps?: number;
}

export interface EvalStartEvent {
  event: "eval-start";
  step: number;
  rows: number;
}

/** The held-out split was scored. Step 0 is before any training. */
export interface EvalEndEvent {
  event: "eval-end";
  step: number;
  /** Mean over the scored tokens, in nats. */
  loss: number;
  /** exp(loss). */
  perplexity: number;
  /** Tokens that were scored. */
  tokens: number;
  /** True when no earlier evaluation of the run was better. */
  best: boolean;
  /** Pretraining: the same by source. */
  sources?: Readonly<Record<string, SourceScore>>;
}

/** How well one source's held-out text is foretold. */
export interface SourceScore {
  /** Mean over the scored tokens, in nats. */
  loss: number;
  tokens: number;
  /** All nats of the scored tokens over the UTF-8 bytes they stand for: comparable between tokenizers. */
  bitsPerByte: number;
}

/** A checkpoint was written aside, renamed into place, and can be resumed from. */
export interface CheckpointEndEvent {
  event: "checkpoint-end";
  step: number;
  path: string;
}

/** Something the user should know that does not stop the run. */
export interface WarningEvent {
  event: "warning";
  /** Stable, in kebab-case: `rows-truncated`. */
  code: string;
  message: string;
}

/** The model as it is now answered one held-out prompt, greedily. */
export interface SampleEndEvent {
  event: "sample-end";
  step: number;
  /** What was asked, as the model read it. */
  prompt: string;
  answer: string;
  /** The row's own response. */
  expected: string;
}

/** Why a run ended. `interrupted`: stopped on request, a checkpoint was written. */
export type RunEndReason = "completed" | "interrupted" | "early-stop";

/** The run is over; everything it keeps is on disk. */
export interface RunEndEvent {
  event: "run-end";
  reason: RunEndReason;
  /** Optimizer steps of the whole run, those before a resume included. */
  steps: number;
  /** Tokens processed by this process, padding excluded. */
  tokens: number;
  /** Mean over this process's steps, evaluation and saving excluded. */
  tokensPerSecond: number;
  /** Training loss of the first and of the last step of this process, in nats. */
  lossFirst: number;
  lossLast: number;
  /** Held-out loss before training and of the best evaluation, when there was a held-out split. */
  validationLossFirst?: number;
  validationLossBest?: number;
  bestStep?: number;
  /** With f16: steps of the whole run whose gradients overflowed. */
  skippedSteps?: number;
  peakMemoryBytes: number;
  /** The adapter's folder, or the model's for `method: "full"`. */
  adapterPath: string;
  /** Wall-clock of this process, loading included. */
  seconds: number;
}

export type TrainEvent =
  | RunStartEvent
  | StepEndEvent
  | EvalStartEvent
  | EvalEndEvent
  | CheckpointEndEvent
  | WarningEvent
  | SampleEndEvent
  | RunEndEvent;

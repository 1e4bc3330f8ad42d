import { RemoraError } from "./remora-error.ts";

/** A prompt of no tokens: a model has nothing to go on from, unless its tokenizer puts one before every text. */
export class EmptyPromptError extends RemoraError {
  /** Which of the requests, from 0. */
  readonly index: number;

  constructor(index: number) {
    super("empty-prompt", 2, {
      doing: `Answering request ${index + 1}`,
      problem: "the prompt is empty, and this model's tokenizer puts nothing before it",
      next: "Give it at least one character.",
    });
    this.index = index;
  }
}

import { counted } from "./counted.ts";
import { RemoraError } from "./remora-error.ts";

/** A question that the model cannot take. */
export class RequestError extends RemoraError {
  /** Which of the requests, from 0. */
  readonly index: number;

  constructor(index: number, promptTokens: number, contextLength: number) {
    super("request", 2, {
      doing: `Answering request ${index + 1}`,
      problem: `the prompt has ${counted(promptTokens, "token")}, which leaves no room for an answer in a context of ${contextLength}`,
      next: "Shorten it, or raise --context-length where the model allows it.",
    });
    this.index = index;
  }
}

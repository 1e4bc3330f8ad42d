import { RemoraError } from "./remora-error.ts";

/** A tokenizer's files are missing, damaged, or of a kind that remora cannot reproduce exactly. */
export class TokenizerError extends RemoraError {
  /** File or folder the tokenizer came from. */
  readonly source: string;

  constructor(source: string, problem: string, next?: string, cause?: unknown) {
    super("tokenizer", 2, { doing: `Reading the tokenizer of ${source}`, problem, next, cause });
    this.source = source;
  }
}

import { RemoraError } from "./remora-error.ts";

/** A document index is missing, made by something else, or does not fit what is asked of it. */
export class IndexError extends RemoraError {
  /** Folder or address of the index. */
  readonly index: string;

  constructor(doing: string, index: string, problem: string, next: string, cause?: unknown) {
    super("index", 2, { doing: `${doing} ${index}`, problem, next, cause });
    this.index = index;
  }
}

import { RemoraError } from "./remora-error.ts";

/** A document cannot be read. Indexing names it and goes on with the others. */
export class DocumentError extends RemoraError {
  readonly path: string;

  constructor(path: string, problem: string, next: string, cause?: unknown) {
    super("document", 2, { doing: `Reading ${path}`, problem, next, cause });
    this.path = path;
  }
}

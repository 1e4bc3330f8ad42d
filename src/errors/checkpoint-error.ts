import { RemoraError } from "./remora-error.ts";

/** A checkpoint cannot be resumed from. */
export class CheckpointError extends RemoraError {
  readonly path: string;

  constructor(path: string, problem: string, next?: string, cause?: unknown) {
    super("checkpoint", 2, { doing: `Resuming from ${path}`, problem, next, cause });
    this.path = path;
  }
}

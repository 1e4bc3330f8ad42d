import { RemoraError } from "./remora-error.ts";

/** An adapter that remora cannot use: a feature of PEFT it does not compute, or files that do not fit together. */
export class AdapterError extends RemoraError {
  readonly path: string;

  constructor(path: string, problem: string, next?: string, cause?: unknown) {
    super("adapter", 2, { doing: `Reading adapter ${path}`, problem, next, cause });
    this.path = path;
  }
}

import { RemoraError } from "./remora-error.ts";

/** Something would be overwritten that the user did not ask to replace. */
export class OutputExistsError extends RemoraError {
  readonly path: string;

  constructor(path: string, holds: string, next: string) {
    super("output-exists", 2, { doing: `Preparing to write ${path}`, problem: `expected nothing there, found ${holds}`, next });
    this.path = path;
  }
}

import { RemoraError } from "./remora-error.ts";

/** The command line itself is wrong: an unknown command or flag, a flag without its value. */
export class UsageError extends RemoraError {
  constructor(doing: string, problem: string, next?: string) {
    super("usage", 2, { doing, problem, next });
  }
}

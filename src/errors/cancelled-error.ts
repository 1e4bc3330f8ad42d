import { RemoraError } from "./remora-error.ts";

/** The caller asked to stop; thrown between two ops. */
export class CancelledError extends RemoraError {
  constructor(doing = "Working") {
    super("cancelled", 130, { doing, problem: "stopped on request" });
  }
}

import { RemoraError } from "./remora-error.ts";

/** The caller asked to stop; thrown between two ops. */
export class CancelledError extends RemoraError {
  constructor(doing = "Working") {
    super("cancelled", 130, { doing, problem: "stopped on request" });
  }

  static override isInstance(error: unknown): error is CancelledError {
    return RemoraError.isInstance(error) && error.code === "cancelled";
  }
}

import { RemoraError } from "./remora-error.ts";

/** The Hub could not be reached, or kept failing, through every attempt. What was transferred is kept. */
export class HubUnavailableError extends RemoraError {
  /** HTTP status of the last answer; 0 when there was none. */
  readonly status: number;

  constructor(doing: string, status: number, problem: string, next: string, cause?: unknown) {
    super("hub-unavailable", 1, { doing, problem, next, cause });
    this.status = status;
  }
}

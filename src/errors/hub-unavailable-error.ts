import { RemoraError } from "./remora-error.ts";

/** The Hub could not be reached, or kept failing, through every attempt. What was transferred is kept. */
export class HubUnavailableError extends RemoraError {
  /** HTTP status of the last answer; 0 when there was none. */
  readonly status: number;
  /** How long the server asked to be left alone. */
  readonly retryAfterMs: number | undefined;

  constructor(
    doing: string,
    status: number,
    problem: string,
    next: string,
    { cause, retryAfterMs }: { cause?: unknown; retryAfterMs?: number } = {},
  ) {
    super("hub-unavailable", 1, { doing, problem, next, cause });
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}

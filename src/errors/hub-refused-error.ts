import { RemoraError } from "./remora-error.ts";

/** The Hub said no: not signed in, not allowed, not there, or not like this. Trying again would not help. */
export class HubRefusedError extends RemoraError {
  /** HTTP status: 401, 403, 404 … */
  readonly status: number;

  constructor(doing: string, status: number, problem: string, next: string) {
    super("hub-refused", 2, { doing, problem, next });
    this.status = status;
  }
}

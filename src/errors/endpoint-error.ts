import { RemoraError } from "./remora-error.ts";

/** A remote endpoint did not answer, refused, or answered something else than it should. Never holds a key. */
export class EndpointError extends RemoraError {
  readonly url: string;
  /** HTTP status, when there was an answer. */
  readonly status: number | undefined;

  /** @param doing `Asking for vectors` … */
  constructor(doing: string, url: string, problem: string, next: string, status?: number, cause?: unknown) {
    super("endpoint", 1, { doing: `${doing} at ${url}`, problem, next, cause });
    this.url = url;
    this.status = status;
  }
}

import { RemoraError } from "./remora-error.ts";

/** Why the server refuses or ends a request, with what an OpenAI client expects to read. */
export class ApiError extends RemoraError {
  /** HTTP. */
  readonly status: number;
  /** OpenAI's `type`: `invalid_request_error`, `authentication_error`, `server_error` … */
  readonly type: string;
  /** The field of the request, where one is to blame. */
  readonly param: string | null;

  constructor(status: number, code: string, problem: string, options: { type?: string; param?: string; next?: string } = {}) {
    super(code, 2, { doing: "Answering a request", problem, next: options.next });
    this.status = status;
    this.type = options.type ?? (status >= 500 ? "server_error" : "invalid_request_error");
    this.param = options.param ?? null;
  }
}

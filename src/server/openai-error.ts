/** Any failure as an OpenAI client reads it: `{ error: { message, type, param, code } }`, with the HTTP status. What is inside stays inside. */
import { ApiError } from "../errors/api-error.ts";
import { RemoraError } from "../errors/remora-error.ts";

export interface OpenAiError {
  readonly status: number;
  readonly body: { error: { message: string; type: string; param: string | null; code: string | null } };
}

export function toOpenAiError(error: unknown): OpenAiError {
  if (error instanceof ApiError) {
    const { status, type, param, code, problem, next } = error;
    return { status, body: { error: { message: next ? `${problem}. ${next}` : problem, type, param, code } } };
  }
  if (RemoraError.isInstance(error) && error.exitCode === 2) {
    const code = error.code === "request" ? "context_length_exceeded" : error.code;
    return { status: 400, body: { error: { message: error.problem, type: "invalid_request_error", param: "messages", code } } };
  }
  const message = "the server could not answer this request; its log says why";
  return { status: 500, body: { error: { message, type: "server_error", param: null, code: "internal_error" } } };
}

/** For requests that never became one: Node could not read their bytes as HTTP, or waited too long for them. */
export function unreadableRequest(code: string | undefined): OpenAiError {
  const [status, name, message] =
    code === "HPE_HEADER_OVERFLOW"
      ? ([431, "headers_too_large", "the headers are longer than this server reads"] as const)
      : code === "ERR_HTTP_REQUEST_TIMEOUT"
        ? ([408, "request_timeout", "the request did not arrive in time"] as const)
        : ([400, "not_http", "expected an HTTP request, found other bytes"] as const);
  return { status, body: { error: { message, type: "invalid_request_error", param: null, code: name } } };
}

export function errorResponse(error: unknown): Response {
  const { status, body } = toOpenAiError(error);
  const headers: Record<string, string> = status === 429 || status === 503 ? { "retry-after": "1" } : {};
  if (status === 401) headers["www-authenticate"] = "Bearer";
  return Response.json(body, { status, headers });
}

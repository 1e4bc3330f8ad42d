/**
 * One JSON call to a remote endpoint: key from the environment, a time limit, a few tries where trying again can help, errors that say what to do.
 * The key goes into the header and nowhere else.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { CancelledError } from "../errors/cancelled-error.ts";
import { EndpointError } from "../errors/endpoint-error.ts";

export interface Endpoint {
  /** Whole address of the call. */
  readonly url: string;
  /** What is being done, for errors. */
  readonly doing: string;
  readonly key: string | undefined;
  /** Name of the variable that holds the key, for the error of a refused call. */
  readonly keyName: string;
  readonly fetch: typeof fetch;
  /** Besides the key's own. */
  readonly headers?: Readonly<Record<string, string>>;
  /** @default 60,000 */
  readonly timeoutMs?: number;
}

const TRIES = 4;
const FIRST_PAUSE_MS = 500;
/** An embedding answer of 256 texts × 4,096 numbers is about 20 MB of text; beyond this an endpoint is broken or hostile. */
const MAX_ANSWER_BYTES = 128 * 2 ** 20;

/** @param body posted as JSON; without one the call is a GET  @throws EndpointError, CancelledError */
export async function callEndpoint(endpoint: Endpoint, body: unknown, signal?: AbortSignal): Promise<unknown> {
  const { url, doing, keyName } = endpoint;
  let last: EndpointError | undefined;
  for (let attempt = 0; attempt < TRIES; attempt++) {
    if (attempt > 0) await sleep(FIRST_PAUSE_MS * 2 ** (attempt - 1), undefined, { signal }).catch(() => {});
    if (signal?.aborted) throw new CancelledError(doing);
    let response: Response;
    let text: string;
    try {
      const limit = AbortSignal.timeout(endpoint.timeoutMs ?? 60_000);
      response = await endpoint.fetch(url, {
        ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }),
        headers: {
          ...(body === undefined ? { accept: "application/json" } : { "content-type": "application/json" }),
          ...(endpoint.key ? { authorization: `Bearer ${endpoint.key}` } : {}),
          ...endpoint.headers,
        },
        signal: signal ? AbortSignal.any([signal, limit]) : limit,
      });
      text = await readLimited(response, MAX_ANSWER_BYTES);
    } catch (cause) {
      if (signal?.aborted) throw new CancelledError(doing);
      last = new EndpointError(
        doing,
        url,
        `expected an answer, found none: ${reason(cause)}`,
        "Check the address, and that the server runs.",
        undefined,
        cause,
      );
      continue;
    }
    if (response.ok) {
      try {
        return JSON.parse(text);
      } catch (cause) {
        throw new EndpointError(
          doing,
          url,
          `expected JSON, found ${JSON.stringify(text.slice(0, 80))}`,
          "Check the address: it should end in /v1 or the call's own path.",
          response.status,
          cause,
        );
      }
    }
    const next =
      response.status === 401 || response.status === 403
        ? `Put a valid key into ${keyName}.`
        : response.status === 404
          ? "Check the address and the model's name."
          : "Try again later, or use another endpoint.";
    last = new EndpointError(
      doing,
      url,
      `the endpoint answered ${response.status}: ${JSON.stringify(text.slice(0, 200))}`,
      next,
      response.status,
    );
    if (response.status !== 429 && response.status < 500) throw last;
  }
  throw last;
}

async function readLimited(response: Response, limit: number): Promise<string> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of response.body ?? []) {
    size += piece.byteLength;
    if (size > limit) throw new Error(`the answer is longer than ${limit} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString("utf8");
}

function reason(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  if (cause.name === "TimeoutError") return "the time limit passed";
  return cause.cause instanceof Error ? `${cause.message} (${cause.cause.message})` : cause.message;
}

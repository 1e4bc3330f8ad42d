/**
 * One request to the Hub, tried again while that may help: dropped connections, 408, 429 and 5xx, with growing pauses; a server that names a
 * time (`Retry-After`, or `t=` of `RateLimit`) is obeyed. The token goes to the Hub's own address only, never to storage it points to.
 */
import { CancelledError } from "../../errors/cancelled-error.ts";
import { HubUnavailableError } from "../../errors/hub-unavailable-error.ts";
import { RemoraError } from "../../errors/remora-error.ts";
import type { HubConnection } from "./hub-connection.ts";
import { refusal } from "./refusal.ts";
import { redactTokens } from "./secret.ts";

export interface HubRequest {
  /** What this is for, as an error begins: `Listing the files of owner/name`. */
  readonly doing: string;
  readonly method?: "GET" | "HEAD" | "POST" | "PUT";
  /** A function is asked anew for every attempt. */
  readonly headers?: Readonly<Record<string, string>> | (() => Record<string, string>);
  /** Made anew for every attempt. */
  readonly body?: () => string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>;
  /** @default the connection's own */
  readonly attempts?: number;
  /** Bytes done so far: attempts are counted from the last one that got further. */
  readonly progress?: () => number;
  /** Statuses that are an answer here, besides 2xx. */
  readonly accept?: readonly number[];
}

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;
/** A server that asks for more is down for today. */
export const LONGEST_ASKED_PAUSE_MS = 300_000;
/** No such host, nobody there: without a network the user should not wait long to hear it. */
const UNREACHABLE = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ENETUNREACH|EHOSTUNREACH/;
const UNREACHABLE_ATTEMPTS = 3;
const USER_AGENT = `remora (node/${process.versions.node})`;

/**
 * @param url absolute, or a path of the Hub
 * @param read reads the answer; it is inside the attempt, so a connection that drops in the middle of a body is tried again
 * @throws HubRefusedError · HubUnavailableError · CancelledError
 */
export async function request<T>(
  hub: HubConnection,
  url: string,
  { doing, method = "GET", headers, body, accept = [], attempts = hub.attempts, progress }: HubRequest,
  read: (response: Response) => Promise<T>,
): Promise<T> {
  const target = new URL(url, `${hub.endpoint}/`);
  const own = target.href.startsWith(`${hub.endpoint}/`);
  let done = progress?.() ?? 0;
  for (let attempt = 1; ; attempt++) {
    let wait: number;
    let failure: HubUnavailableError;
    try {
      throwIfAborted(hub, doing);
      const response = await fetch(target, {
        method,
        headers: {
          "User-Agent": USER_AGENT,
          ...(own && hub.token ? { Authorization: `Bearer ${hub.token.reveal()}` } : {}),
          ...(typeof headers === "function" ? headers() : headers),
        },
        body: body?.(),
        signal: hub.signal,
        ...(body ? { duplex: "half" } : {}),
      } as RequestInit);
      if (response.ok || accept.includes(response.status)) return await read(response);
      const text = await response.text().catch(() => "");
      if (!isPassing(response.status)) throw refusal(hub, doing, response, text);
      const retryAfterMs = askedPause(response.headers);
      wait = retryAfterMs ?? grownPause(attempt);
      failure = unavailable(doing, response.status, `${target.host} answered ${response.status}${nameOf(response.status)}`, {
        retryAfterMs,
      });
    } catch (error) {
      if (RemoraError.isInstance(error)) throw error;
      throwIfAborted(hub, doing);
      wait = grownPause(attempt);
      if (attempt >= UNREACHABLE_ATTEMPTS && UNREACHABLE.test(reasonOf(error))) wait = Number.POSITIVE_INFINITY;
      failure = unavailable(doing, 0, `the connection to ${target.host} failed (${reasonOf(error)})`, { cause: error });
    }
    const now = progress?.() ?? 0;
    if (now > done) attempt = 1;
    done = now;
    if (attempt >= attempts || wait > LONGEST_ASKED_PAUSE_MS) throw failure;
    await hub.pause(wait, hub.signal).catch(() => throwIfAborted(hub, doing));
  }
}

/** A request whose answer is JSON. */
export function requestJson<T>(hub: HubConnection, url: string, options: HubRequest): Promise<T> {
  return request(
    hub,
    url,
    { ...options, headers: { Accept: "application/json", ...options.headers } },
    async (response) => (await response.json()) as T,
  );
}

export function throwIfAborted(hub: HubConnection, doing: string): void {
  if (hub.signal?.aborted) throw new CancelledError(doing);
}

const isPassing = (status: number): boolean => status === 408 || status === 429 || status >= 500;

const NAMES: Readonly<Record<number, string>> = { 429: " (too many requests)", 503: " (overloaded)" };
const nameOf = (status: number): string => NAMES[status] ?? "";

function unavailable(
  doing: string,
  status: number,
  problem: string,
  more: { cause?: unknown; retryAfterMs?: number },
): HubUnavailableError {
  const next = "Run the same command again: what was transferred so far is kept.";
  return new HubUnavailableError(doing, status, problem, next, more);
}

function grownPause(attempt: number): number {
  const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (attempt - 1));
  return pause * (0.75 + 0.5 * Math.random()); // many workers must not come back at once
}

/** Milliseconds that the server asks for: seconds or a date in Retry-After, `t=` seconds in RateLimit. */
export function askedPause(headers: Headers): number | undefined {
  const after = headers.get("Retry-After");
  if (after !== null && /^\d+$/.test(after)) return Number(after) * 1000;
  const date = after === null ? Number.NaN : Date.parse(after);
  if (!Number.isNaN(date)) return Math.max(0, date - Date.now());
  const limit = /(?:^|;)\s*t=(\d+)/.exec(headers.get("RateLimit") ?? "");
  return limit ? Number(limit[1]) * 1000 : undefined;
}

/** What Node says about a failed connection, without an address that could hold a signature. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  const code = (cause as NodeJS.ErrnoException | undefined)?.code;
  return code ?? redactTokens(cause instanceof Error ? cause.message : String(cause));
}

/**
 * Requests on their way to the model: how many may be in line, how long one may take, what ends one early (the client left, its time is over,
 * the server stops), and the number of those in flight, which a graceful stop waits for.
 */
import { setMaxListeners } from "node:events";
import type { AskAnswer, AskRequest, TokenLogprob } from "../config/reports.ts";
import type { Session } from "../engine/index.ts";
import { ApiError } from "../errors/api-error.ts";
import { counted } from "../errors/counted.ts";

export interface Delta {
  readonly index: number;
  readonly text: string;
  readonly tokens?: readonly TokenLogprob[];
}

export class Answering {
  readonly #session: Session;
  readonly #limits: { readonly maxInFlight: number; readonly timeoutMs: number };
  readonly #stop = new AbortController();
  readonly #idle: (() => void)[] = [];
  #inFlight = 0;
  #isDraining = false;

  constructor(session: Session, limits: { maxInFlight: number; timeoutMs: number }) {
    this.#session = session;
    this.#limits = limits;
    // One listener for each request in flight; how many those may be is limited above.
    setMaxListeners(0, this.#stop.signal);
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  /**
   * @param left aborted when the client is gone
   * @throws ApiError 429 when the line is full, 503 while stopping, 504 when the time is over
   */
  async ask(requests: readonly AskRequest[], left: AbortSignal, onDelta?: (delta: Delta) => void): Promise<AskAnswer[]> {
    if (this.#isDraining) throw new ApiError(503, "server_stopping", "the server is stopping");
    if (this.#inFlight > 0 && this.#inFlight + requests.length > this.#limits.maxInFlight) {
      const busy = `${counted(this.#inFlight, "request")} ${this.#inFlight === 1 ? "is" : "are"} running or in line`;
      throw new ApiError(429, "server_busy", busy, { type: "rate_limit_error", next: "Try again later." });
    }
    this.#inFlight += requests.length;
    const ended = new AbortController();
    const end = (why: unknown) => ended.abort(why);
    const onLeft = () => end(new ApiError(499, "client_left", "the client left"));
    const onStop = () => end(new ApiError(503, "server_stopping", "the server stopped before the answer was complete"));
    const { timeoutMs } = this.#limits;
    const timer = setTimeout(() => end(new ApiError(504, "timeout", `the answer took longer than ${timeoutMs / 1000} s`)), timeoutMs);
    left.addEventListener("abort", onLeft, { once: true });
    this.#stop.signal.addEventListener("abort", onStop, { once: true });
    if (left.aborted) onLeft();
    if (this.#stop.signal.aborted) onStop();
    try {
      const onText = onDelta && ((text: string, index: number, tokens?: TokenLogprob[]) => onDelta({ text, index, tokens }));
      const answers = await this.#session.generate(requests, { onText, signal: ended.signal });
      if (answers.some(({ finishReason }) => finishReason === "cancelled")) ended.signal.throwIfAborted();
      return answers;
    } finally {
      clearTimeout(timer);
      left.removeEventListener("abort", onLeft);
      this.#stop.signal.removeEventListener("abort", onStop);
      this.#inFlight -= requests.length;
      if (this.#inFlight === 0) for (const resolve of this.#idle.splice(0)) resolve();
    }
  }

  /** Takes nothing new; resolves when what runs has ended. After `drainMs` it is cut short. */
  async drain(drainMs: number): Promise<void> {
    this.#isDraining = true;
    if (this.#inFlight === 0) return;
    const idle = new Promise<void>((resolve) => void this.#idle.push(resolve));
    const timer = setTimeout(() => this.#stop.abort(), drainMs);
    await idle;
    clearTimeout(timer);
  }
}

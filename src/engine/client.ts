/**
 * The caller's side of the engine: starts a worker, sends jobs, hands out events and results as promises. The event loop of the caller stays
 * live; an `AbortSignal` sets a flag in shared memory that the worker reads between two ops.
 */
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { fromErrorData } from "./error-data.ts";
import type { CallMessage, ReplyMessage, WorkerStart } from "./protocol.ts";

export interface CallOptions {
  readonly onEvent?: (event: object) => void;
  readonly signal?: AbortSignal;
}

interface Pending {
  readonly options: CallOptions;
  readonly resolve: (output: unknown) => void;
  readonly reject: (error: Error) => void;
}

export class EngineClient {
  readonly #worker: Worker;
  readonly #cancelFlag = new Int32Array(new SharedArrayBuffer(4));
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;

  constructor() {
    const start: WorkerStart = { cancelFlag: this.#cancelFlag };
    this.#worker = startWorker(start);
    this.#worker.on("message", (reply: ReplyMessage) => this.#receive(reply));
    this.#worker.on("error", (error) => this.#failAll(error instanceof Error ? error : new Error(String(error))));
    this.#worker.on("exit", (code) => this.#failAll(new Error(`the engine's worker ended with code ${code}`)));
    this.#worker.unref();
  }

  /** Calls that have not ended. */
  get pendingCount(): number {
    return this.#pending.size;
  }

  /** Stops what the worker computes, between two ops. */
  interrupt(): void {
    Atomics.store(this.#cancelFlag, 0, 1);
  }

  /** Runs one job; jobs of a client run one after the other, except those that an open session runs side by side. */
  async call<Output>(job: string, input: unknown, options: CallOptions = {}): Promise<Output> {
    const cancel = () => this.interrupt();
    // A flag left over from a job that ended before it noticed must not stop this one.
    if (this.#pending.size === 0) Atomics.store(this.#cancelFlag, 0, 0);
    options.signal?.addEventListener("abort", cancel, { once: true });
    if (options.signal?.aborted) cancel();
    const id = this.#nextId++;
    this.#worker.ref();
    try {
      return await new Promise<Output>((resolve, reject) => {
        this.#pending.set(id, { options, resolve: resolve as (output: unknown) => void, reject });
        this.#worker.postMessage({ id, job, input } satisfies CallMessage);
      });
    } finally {
      options.signal?.removeEventListener("abort", cancel);
      if (this.#pending.size === 0) this.#worker.unref();
    }
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #receive(reply: ReplyMessage): void {
    const pending = this.#pending.get(reply.id);
    if (!pending) return;
    if (reply.kind === "event") {
      pending.options.onEvent?.(reply.event);
      return;
    }
    this.#pending.delete(reply.id);
    if (reply.kind === "done") pending.resolve(reply.output);
    else pending.reject(fromErrorData(reply.error));
  }

  #failAll(error: Error): void {
    for (const pending of this.#pending.values()) pending.reject(error);
    this.#pending.clear();
  }
}

/** Runs one job in a worker of its own. */
export async function runInEngine<Output>(job: string, input: unknown, options: CallOptions = {}): Promise<Output> {
  const client = new EngineClient();
  try {
    return await client.call<Output>(job, input, options);
  } finally {
    await client.close();
  }
}

/** Beside this file: JavaScript in `dist`; in a checkout under tsx or vitest TypeScript, which a worker of Node 20 loads only through tsx. */
function startWorker(start: WorkerStart): Worker {
  if (!import.meta.url.endsWith(".ts")) return new Worker(new URL("./worker.js", import.meta.url), { workerData: start });
  const worker = new URL("./worker.ts", import.meta.url).href;
  const tsx = new URL("./index.mjs", pathToFileURL(createRequire(import.meta.url).resolve("tsx/esm/api"))).href;
  // `--import tsx` in execArgv does not reach a worker's own loader on Node 20, so the worker registers it by itself.
  const code = `import(${JSON.stringify(tsx)}).then(({ register }) => { register(); return import(${JSON.stringify(worker)}); })`;
  return new Worker(code, { eval: true, workerData: start });
}

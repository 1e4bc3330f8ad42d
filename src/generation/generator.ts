/**
 * The scheduler: any number of requests share the cache's slots, and join and leave the running batch between two steps (continuous batching;
 * Yu et al. 2022, Orca). Each step mixes a bounded number of prompt tokens with one token of every running answer, so a long prompt does not
 * hold up the others and one request alone takes the same path.
 *
 * None is starved: requests are admitted in the order they came, the first one waits for pages until there are enough, and every admitted
 * answer gets a token in every step. Token ids only; what they mean, and whether a text should stop, is decided by `onToken`.
 */
import { CancelledError } from "../errors/cancelled-error.ts";
import { ConfigValueError } from "../errors/config-value-error.ts";
import { counted } from "../errors/counted.ts";
import type { CausalLM } from "../models/causal-lm.ts";
import { type DrawnToken, GenerationStep } from "./generation-step.ts";
import { PagedCache, pagesOf } from "./paged-cache.ts";
import type { SamplingSettings } from "./sampling.ts";
import type { SequenceRows } from "./step-inputs.ts";

export interface GenerationRequest {
  /** The prompt, at least one token. */
  readonly ids: readonly number[];
  readonly settings: SamplingSettings;
  readonly maxTokens: number;
  /** Ids that end the answer; they are not part of it. */
  readonly endIds: ReadonlySet<number>;
  /** Called for each token of the answer; "stop" ends it after this token. */
  readonly onToken?: (token: DrawnToken) => "stop" | undefined;
}

export type FinishReason = "end" | "stop" | "length" | "cancelled";

export interface GenerationResult {
  readonly ids: readonly number[];
  readonly finishReason: FinishReason;
  /** Prompt tokens that were already in the cache. */
  readonly cachedTokens: number;
}

/**
 * Prompt tokens that one step takes at most, all sequences together. Running answers wait for such a step. On a large card each step decodes all
 * 4-bit weights once (10 ms for 12 B on an H100), which 512 rows (15 ms of products) do not repay.
 */
const PROMPT_ROWS_PER_STEP = 512;
const PROMPT_ROWS_OF_LARGE_CARD = 2048;
const LARGE_CARD_BYTES = 40e9;

interface Waiting {
  readonly request: GenerationRequest;
  /** Read between steps. */
  readonly isCancelled: () => boolean;
  readonly finish: (result: GenerationResult) => void;
  readonly fail: (error: unknown) => void;
}

interface Running extends Waiting {
  readonly slot: number;
  readonly cachedTokens: number;
  /** Prompt, then answer. */
  readonly ids: number[];
  /** Tokens whose keys and values are in the cache. */
  cached: number;
}

export interface GeneratorOptions {
  /** Answers at once. */
  readonly slots: number;
  /** Longest sequence, prompt and answer together. */
  readonly positions: number;
  readonly pages?: number;
  /**
   * Called when a step was interrupted through the backend's cancel flag. True: the step is run again for those that were not cancelled
   * (it writes the same keys and values to the same places). Without it, or when false, all requests fail with the CancelledError.
   */
  readonly onInterrupted?: () => boolean;
}

export class Generator {
  readonly #cache: PagedCache;
  readonly #step: GenerationStep;
  readonly #promptRows: number;
  /** What each free slot still holds from its last sequence: a later prompt that starts the same reuses it. */
  readonly #remembered: (readonly number[])[];
  readonly #busy = new Set<number>();

  readonly #waiting: Waiting[] = [];
  readonly #running: Running[] = [];
  readonly #onInterrupted: () => boolean;
  #loop: Promise<void> | undefined;

  constructor(model: CausalLM, options: GeneratorOptions) {
    const { logitSoftcap } = model.shape;
    if (logitSoftcap > 0)
      throw new ConfigValueError("final_logit_softcapping", "null: asking does not compute a cap on logits", logitSoftcap);
    model.prepare(options.positions);
    this.#cache = new PagedCache(model, options);
    const { kind, memoryBytes } = model.backend.device;
    this.#promptRows = kind === "cuda" && memoryBytes >= LARGE_CARD_BYTES ? PROMPT_ROWS_OF_LARGE_CARD : PROMPT_ROWS_PER_STEP;
    this.#step = new GenerationStep(model, this.#cache, this.#promptRows + options.slots);
    this.#remembered = Array.from({ length: options.slots }, () => []);
    this.#onInterrupted = options.onInterrupted ?? (() => false);
  }

  /** Pages of cache for all sequences together. */
  get pages(): number {
    return this.#cache.pages;
  }

  get slots(): number {
    return this.#remembered.length;
  }

  /** Pages that no sequence holds, remembered ones included in those held. */
  get freePages(): number {
    return this.#cache.freePages;
  }

  get runningCount(): number {
    return this.#running.length;
  }

  get waitingCount(): number {
    return this.#waiting.length;
  }

  /** Adds a request to the running batch, or to the line before it. @param isCancelled read between steps; the answer then ends as "cancelled" */
  submit(request: GenerationRequest, isCancelled: () => boolean = () => false): Promise<GenerationResult> {
    // In a step it would fail, and all that run beside it.
    if (request.ids.length === 0) return Promise.reject(new Error("a request needs at least one token to go on from"));
    if (pagesOf(this.#longest(request)) > this.pages)
      return Promise.reject(
        new Error(
          `the KV cache of ${counted(this.pages, "page")} is too small for a request of ${counted(this.#longest(request), "token")}`,
        ),
      );
    return new Promise((finish, fail) => {
      this.#waiting.push({ request, isCancelled, finish, fail });
      this.#loop ??= this.#run();
    });
  }

  /** Submits all and waits for all, in their order. */
  generate(requests: readonly GenerationRequest[], isCancelled: () => boolean = () => false): Promise<GenerationResult[]> {
    return Promise.all(requests.map((request) => this.submit(request, isCancelled)));
  }

  /** Resolves when nothing runs or waits. */
  async idle(): Promise<void> {
    while (this.#loop) await this.#loop;
  }

  async #run(): Promise<void> {
    try {
      while (this.#waiting.length > 0 || this.#running.length > 0) {
        // A turn of the event loop, because steps block this thread: new requests and cancels come in here.
        await new Promise<void>((resolve) => void setImmediate(resolve));
        this.#dropCancelled();
        this.#admitWaiting();
        if (this.#running.length > 0) await this.#runStep();
      }
    } catch (error) {
      // A step that failed leaves nothing that could be trusted: its requests hear of it, the next ones start anew.
      for (const owner of [...this.#running]) {
        this.#free(owner);
        owner.fail(error);
      }
      for (const { fail } of this.#waiting.splice(0)) fail(error);
      this.forget();
    } finally {
      this.#loop = undefined;
    }
  }

  async #runStep(): Promise<void> {
    const rows = this.#plan(this.#running);
    let drawn: DrawnToken[];
    try {
      drawn = await this.#step.run(rows.map(({ sequence }) => sequence));
    } catch (error) {
      if (CancelledError.isInstance(error) && this.#onInterrupted()) return;
      throw error;
    }
    let next = 0;
    for (const { owner, sequence } of rows) {
      owner.cached += sequence.ids.length;
      if (sequence.draw) this.#take(owner, drawn[next++]!);
    }
  }

  #dropCancelled(): void {
    for (const owner of [...this.#running]) if (owner.isCancelled()) this.#end(owner, "cancelled");
    for (const one of this.#waiting.filter(({ isCancelled }) => isCancelled())) {
      this.#waiting.splice(this.#waiting.indexOf(one), 1);
      one.finish({ ids: [], finishReason: "cancelled", cachedTokens: 0 });
    }
  }

  #admitWaiting(): void {
    while (this.#waiting.length > 0) {
      const admitted = this.#admit(this.#waiting[0]!);
      if (!admitted) return;
      this.#waiting.shift();
      this.#running.push(admitted);
    }
  }

  #longest(request: GenerationRequest): number {
    return Math.min(request.ids.length + request.maxTokens, this.#cache.positions);
  }

  /** Forgets everything cached: after the model or its adapter changed. */
  forget(): void {
    for (const slot of this.#remembered.keys()) {
      this.#remembered[slot] = [];
      this.#cache.shrink(slot, 0);
    }
  }

  release(): void {
    this.#step.release();
    this.#cache.release();
  }

  /** Finds a slot and reserves pages for the whole answer, or says no for now. */
  #admit(one: Waiting): Running | undefined {
    const { request } = one;
    const longest = this.#longest(request);
    const free = [...this.#remembered.keys()].filter((slot) => !this.#busy.has(slot));
    const best = free
      .map((slot) => ({ slot, shared: sharedPrefix(this.#remembered[slot]!, request.ids) }))
      .sort((a, b) => b.shared - a.shared)[0];
    if (!best) return undefined;
    // The last prompt token is always computed: its hidden row is what the first answer token is drawn from.
    const cached = Math.min(best.shared, request.ids.length - 1);
    this.#cache.shrink(best.slot, cached);
    for (const other of this.#remembered.keys()) {
      if (this.#cache.missingPages(best.slot, longest) <= this.#cache.freePages) break;
      if (other === best.slot || this.#busy.has(other)) continue;
      this.#remembered[other] = [];
      this.#cache.shrink(other, 0);
    }
    if (this.#cache.missingPages(best.slot, longest) > this.#cache.freePages) {
      this.#remembered[best.slot] = this.#remembered[best.slot]!.slice(0, cached);
      return undefined;
    }
    this.#cache.grow(best.slot, longest);
    this.#busy.add(best.slot);
    return { ...one, slot: best.slot, cachedTokens: cached, ids: [...request.ids], cached };
  }

  #plan(running: readonly Running[]): { owner: Running; sequence: SequenceRows }[] {
    let budget = this.#promptRows;
    const rows: { owner: Running; sequence: SequenceRows }[] = [];
    for (const owner of running) {
      const pending = owner.ids.length - owner.cached;
      const count = pending === 1 ? 1 : Math.min(pending, budget);
      if (count === 0) continue;
      if (pending > 1) budget -= count;
      const draw =
        count === pending
          ? { settings: owner.request.settings, step: owner.ids.length - owner.request.ids.length, history: owner.ids }
          : undefined;
      rows.push({
        owner,
        sequence: { slot: owner.slot, start: owner.cached, ids: owner.ids.slice(owner.cached, owner.cached + count), draw },
      });
    }
    return rows;
  }

  #take(owner: Running, token: DrawnToken): void {
    try {
      const reason = this.#append(owner, token);
      if (reason) this.#end(owner, reason);
    } catch (error) {
      // What hears the tokens failed: its own request ends, the others go on.
      this.#free(owner);
      owner.fail(error);
    }
  }

  /** Adds a drawn token to its answer. @returns why the answer is over, if it is */
  #append(owner: Running, token: DrawnToken): FinishReason | undefined {
    const { request } = owner;
    if (request.endIds.has(token.id)) return "end";
    owner.ids.push(token.id);
    if (request.onToken?.(token) === "stop") return "stop";
    const answered = owner.ids.length - request.ids.length;
    return answered >= request.maxTokens || owner.ids.length >= this.#cache.positions ? "length" : undefined;
  }

  #end(owner: Running, finishReason: FinishReason): void {
    this.#free(owner);
    owner.finish({ ids: owner.ids.slice(owner.request.ids.length), finishReason, cachedTokens: owner.cachedTokens });
  }

  /** The slot may be taken again; what it holds is remembered for a prompt that starts the same. */
  #free(owner: Running): void {
    this.#running.splice(this.#running.indexOf(owner), 1);
    this.#busy.delete(owner.slot);
    this.#remembered[owner.slot] = owner.ids.slice(0, owner.cached);
    this.#cache.shrink(owner.slot, owner.cached);
  }
}

function sharedPrefix(a: readonly number[], b: readonly number[]): number {
  const length = Math.min(a.length, b.length);
  let shared = 0;
  while (shared < length && a[shared] === b[shared]) shared++;
  return shared;
}

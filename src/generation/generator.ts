/**
 * The scheduler: any number of requests share the cache's slots. Each step mixes a bounded number of prompt tokens with one token of every
 * running answer (continuous batching), so a long prompt does not hold up the others and one request alone takes the same path.
 *
 * Token ids only; what they mean, and whether a text should stop, is decided by `onToken`.
 */
import { ConfigValueError } from "../errors/config-value-error.ts";
import type { CausalLM } from "../models/causal-lm.ts";
import { type DrawnToken, GenerationStep, type SequenceRows } from "./generation-step.ts";
import { PagedCache } from "./paged-cache.ts";
import type { SamplingSettings } from "./sampling.ts";

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

/** Prompt tokens that one step takes at most, all sequences together. */
const PROMPT_ROWS_PER_STEP = 512;

interface Running {
  readonly request: GenerationRequest;
  readonly slot: number;
  readonly cachedTokens: number;
  /** Prompt, then answer. */
  readonly ids: number[];
  /** Tokens whose keys and values are in the cache. */
  cached: number;
  readonly finish: (result: GenerationResult) => void;
}

export class Generator {
  readonly #cache: PagedCache;
  readonly #step: GenerationStep;
  /** What each free slot still holds from its last sequence: a later prompt that starts the same reuses it. */
  readonly #remembered: (readonly number[])[];
  readonly #busy = new Set<number>();

  /** @param positions longest sequence, prompt and answer together */
  constructor(model: CausalLM, options: { slots: number; positions: number; pages?: number }) {
    const { logitSoftcap } = model.shape;
    if (logitSoftcap > 0)
      throw new ConfigValueError("final_logit_softcapping", "null: asking does not compute a cap on logits", logitSoftcap);
    model.prepare(options.positions);
    this.#cache = new PagedCache(model, options);
    this.#step = new GenerationStep(model, this.#cache, PROMPT_ROWS_PER_STEP + options.slots);
    this.#remembered = Array.from({ length: options.slots }, () => []);
  }

  /** Pages of cache for all sequences together. */
  get pages(): number {
    return this.#cache.pages;
  }

  get slots(): number {
    return this.#remembered.length;
  }

  /** @param isCancelled read between steps; running answers then end as "cancelled" */
  async generate(requests: readonly GenerationRequest[], isCancelled: () => boolean = () => false): Promise<GenerationResult[]> {
    const results = new Array<GenerationResult>(requests.length);
    const waiting = requests.map((request, index) => ({
      request,
      finish: (result: GenerationResult) => {
        results[index] = result;
      },
    }));
    const running: Running[] = [];
    while (waiting.length > 0 || running.length > 0) {
      if (isCancelled()) break;
      while (waiting.length > 0) {
        const admitted = this.#admit(waiting[0]!.request, waiting[0]!.finish);
        if (!admitted && running.length === 0) throw new Error(`the KV cache of ${this.pages} pages is too small for a request`);
        if (!admitted) break;
        waiting.shift();
        running.push(admitted);
      }
      const rows = this.#plan(running);
      const drawn = await this.#step.run(rows.map(({ sequence }) => sequence));
      let next = 0;
      for (const { owner, sequence } of rows) {
        owner.cached += sequence.ids.length;
        if (sequence.draw) this.#take(owner, drawn[next++]!, running);
      }
    }
    for (const owner of [...running]) this.#end(owner, "cancelled", running);
    for (const { finish } of waiting) finish({ ids: [], finishReason: "cancelled", cachedTokens: 0 });
    return results;
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
  #admit(request: GenerationRequest, finish: Running["finish"]): Running | undefined {
    const longest = Math.min(request.ids.length + request.maxTokens, this.#cache.positions);
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
    return { request, slot: best.slot, cachedTokens: cached, ids: [...request.ids], cached, finish };
  }

  #plan(running: readonly Running[]): { owner: Running; sequence: SequenceRows }[] {
    let budget = PROMPT_ROWS_PER_STEP;
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

  #take(owner: Running, token: DrawnToken, running: Running[]): void {
    const reason = this.#append(owner, token);
    if (reason) this.#end(owner, reason, running);
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

  #end(owner: Running, finishReason: FinishReason, running: Running[]): void {
    running.splice(running.indexOf(owner), 1);
    this.#busy.delete(owner.slot);
    this.#remembered[owner.slot] = owner.ids.slice(0, owner.cached);
    this.#cache.shrink(owner.slot, owner.cached);
    owner.finish({ ids: owner.ids.slice(owner.request.ids.length), finishReason, cachedTokens: owner.cachedTokens });
  }
}

function sharedPrefix(a: readonly number[], b: readonly number[]): number {
  const length = Math.min(a.length, b.length);
  let shared = 0;
  while (shared < length && a[shared] === b[shared]) shared++;
  return shared;
}

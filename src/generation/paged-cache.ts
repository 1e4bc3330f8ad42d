/**
 * The KV cache, in pages: each layer has a pool of pages of `pageSize` tokens, and a block table says which pages a sequence owns, in order.
 * One sequence or many is the same path; memory is taken page by page, so a short answer costs little beside a long one.
 * Source: Kwon et al. 2023, arXiv:2309.06180.
 */
import type { PagedCacheOperand } from "../backend/backend.ts";
import type { CausalLM } from "../models/causal-lm.ts";
import { Tensor } from "../tensor/tensor.ts";

/** Tokens of a page: small enough to waste little at a sequence's end, large enough that a page's keys are a long read. */
const PAGE_SIZE = 32;

/** Pages that a sequence of `tokens` tokens takes. */
export function pagesOf(tokens: number): number {
  return Math.ceil(tokens / PAGE_SIZE);
}

export class PagedCache {
  /** Sequences that can be cached at once. */
  readonly slots: number;
  /** Pages in all, for all sequences together. */
  readonly pages: number;
  /** Longest sequence in tokens. */
  readonly positions: number;
  readonly blocksPerSequence: number;
  readonly #model: CausalLM;
  readonly #keys: readonly Tensor[]; // per layer [pages, pageSize, K, D]
  readonly #values: readonly Tensor[];
  readonly #blockTable: Tensor; // i32 [slots, blocksPerSequence]
  readonly #table: Int32Array;
  readonly #owned: number[]; // pages of each slot
  readonly #free: number[];
  #tableChanged = true;

  constructor(model: CausalLM, options: { slots: number; positions: number; pages?: number }) {
    const { layers, keyValueHeads, headDim } = model.shape;
    this.#model = model;
    this.slots = options.slots;
    this.positions = options.positions;
    this.blocksPerSequence = pagesOf(options.positions);
    const pages = options.pages ?? this.slots * this.blocksPerSequence;
    this.pages = pages;
    const pool = (label: string) =>
      layers.map((_, layer) =>
        Tensor.take(model.arena, model.dtype, [pages, PAGE_SIZE, keyValueHeads, headDim], `${label} of layer ${layer}`),
      );
    this.#keys = pool("cached keys");
    this.#values = pool("cached values");
    this.#blockTable = Tensor.take(model.arena, "i32", [this.slots, this.blocksPerSequence], "block table");
    this.#table = new Int32Array(this.slots * this.blocksPerSequence);
    this.#owned = new Array<number>(this.slots).fill(0);
    this.#free = Array.from({ length: pages }, (_, page) => pages - 1 - page);
  }

  get freePages(): number {
    return this.#free.length;
  }

  /** Pages that `tokens` tokens need beyond what the slot has. */
  missingPages(slot: number, tokens: number): number {
    return Math.max(0, pagesOf(tokens) - this.#owned[slot]!);
  }

  /** Makes room for `tokens` tokens in the slot. The caller has checked `missingPages` against `freePages`. */
  grow(slot: number, tokens: number): void {
    for (let missing = this.missingPages(slot, tokens); missing > 0; missing--) {
      const page = this.#free.pop();
      if (page === undefined) throw new Error("the KV cache has no free page");
      this.#table[slot * this.blocksPerSequence + this.#owned[slot]!++] = page;
      this.#tableChanged = true;
    }
  }

  /** Gives back the pages beyond the first `tokens` tokens. */
  shrink(slot: number, tokens: number): void {
    const keep = pagesOf(tokens);
    while (this.#owned[slot]! > keep) this.#free.push(this.#table[slot * this.blocksPerSequence + --this.#owned[slot]!]!);
  }

  /** Uploads the block table when it changed; before each step. */
  sync(): void {
    if (!this.#tableChanged) return;
    this.#model.backend.upload(this.#blockTable, new Uint8Array(this.#table.buffer));
    this.#tableChanged = false;
  }

  /** @param sequences i32 [N] slot of each row  @param positions i32 [N] */
  operand(layer: number, sequences: Tensor, positions: Tensor): PagedCacheOperand {
    return {
      keyPages: this.#keys[layer]!,
      valuePages: this.#values[layer]!,
      blockTable: this.#blockTable,
      pageSize: PAGE_SIZE,
      sequences,
      positions,
    };
  }

  release(): void {
    for (const tensor of [...this.#keys, ...this.#values, this.#blockTable]) tensor.release("release of the KV cache");
  }
}

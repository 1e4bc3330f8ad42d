/**
 * Running text for pretraining: documents one after the other, cut into full blocks.
 *
 * Each document ends in end-of-text (and begins with begin-of-text where the tokenizer does so). A block may hold the end of one document
 * and the beginning of the next; attention stays inside a document, and positions count from where the document begins in the block. Every
 * token but the first of a document is a target, also across the cut between two blocks.
 */
import type { Tokenizer } from "../text/tokenizer.ts";
import { allTrained, placeSegment } from "./batch.ts";
import type { BlockSource, EpochPlan } from "./block-source.ts";
import { makeRandom, mixSeed, shuffle } from "./random.ts";
import type { TokenStore } from "./token-store.ts";

/** A document's ids with its begin and end, or undefined when nothing is in it. */
export function encodeDocument(tokenizer: Tokenizer, text: string): number[] | undefined {
  const ids = tokenizer.encode(text);
  if (ids.length === 0) return undefined;
  if (tokenizer.addsBos && tokenizer.bos !== undefined) ids.unshift(tokenizer.bos);
  if (tokenizer.eos[0] !== undefined) ids.push(tokenizer.eos[0]);
  return ids;
}

export interface TextBlockOptions {
  blockLength: number;
  seed: number;
  /** @default true */
  shuffle?: boolean;
}

/** The documents of a store (or a split of them, in store order) as blocks. The rest shorter than a block at the end is left out of an epoch. */
export class TextBlocks implements BlockSource {
  readonly blockLength: number;
  readonly #store: TokenStore;
  readonly #documents: Int32Array;
  /** Place of each document in the split's own stream. */
  readonly #starts: Float64Array;
  readonly #options: TextBlockOptions;

  constructor(store: TokenStore, documents: Int32Array, options: TextBlockOptions) {
    this.#store = store;
    this.#documents = documents;
    this.#options = options;
    this.blockLength = options.blockLength;
    this.#starts = new Float64Array(documents.length + 1);
    documents.forEach((document, i) => {
      this.#starts[i + 1] = this.#starts[i]! + store.length(document);
    });
  }

  get blockCount(): number {
    const tokens = this.#starts.at(-1)!;
    return tokens < this.blockLength ? Math.min(1, tokens) : Math.floor(tokens / this.blockLength);
  }

  plan(epoch: number): EpochPlan {
    const order = Int32Array.from({ length: this.blockCount }, (_, i) => i);
    if (this.#options.shuffle ?? true) shuffle(order, makeRandom(mixSeed(this.#options.seed, epoch, 0x7e47)));
    return { blockCount: order.length, fill: (index, batch, slot) => this.#fill(order[index]!, batch, slot) };
  }

  #fill(block: number, batch: Parameters<EpochPlan["fill"]>[1], slot: number): void {
    const start = block * this.blockLength;
    const end = Math.min(start + this.blockLength, this.#starts.at(-1)!);
    let document = this.#documentAt(start);
    for (let place = start; place < end; document++) {
      const from = this.#starts[document]!;
      const to = this.#starts[document + 1]!;
      const stop = Math.min(to, end);
      const cut = stop < to ? 1 : 0; // one token more, as the last one's target
      const raw = this.#store.raw(this.#store.offset(this.#documents[document]!) + place - from, stop - place + cut);
      const ids = Int32Array.from(raw, (token) => token & 0x7fffffff);
      const next = cut === 1 ? ids.at(-1)! : -1;
      const segment = ids.subarray(0, stop - place);
      placeSegment(
        batch,
        slot * this.blockLength + place - start,
        segment,
        allTrained(segment.length),
        this.#store.row(this.#documents[document]!),
        next,
      );
      place = stop;
    }
  }

  /** Index of the document that holds this place of the stream. */
  #documentAt(place: number): number {
    let low = 0;
    let high = this.#documents.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#starts[middle]! <= place) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

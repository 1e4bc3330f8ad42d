/**
 * A token file as an endless row of blocks. Each epoch cuts the stream at another phase and takes the blocks in another order, both from the
 * seed and the epoch's number, so a place is one number (blocks taken so far) and a run can go on from anywhere.
 *
 * A block holds what stands in its stretch of the stream: whole documents, the end of one and the beginning of another. Attention stays
 * within each; the beginning of a document that the block cuts off is trained on the token that would follow.
 */
import { DataError } from "../errors/data-error.ts";
import { allTrained, type Batch, placeSegment } from "./batch.ts";
import { makeRandom, mixSeed, shuffle } from "./random.ts";
import type { TokenFile } from "./token-file.ts";

export interface TokenBlockOptions {
  readonly blockLength: number;
  readonly seed: number;
  /** Off: file order, no phase. For held-out files. @default true */
  readonly shuffle?: boolean;
}

export class TokenBlocks {
  readonly #file: TokenFile;
  readonly #options: TokenBlockOptions;
  #epoch: { readonly number: number; readonly phase: number; readonly order: Int32Array } | undefined;

  /** @throws DataError for a file without tokens */
  constructor(file: TokenFile, options: TokenBlockOptions) {
    this.#file = file;
    this.#options = options;
    if (file.facts.tokens === 0) throw new DataError({ file: file.path }, "expected tokens, found none");
  }

  /** Blocks of an epoch; what is left over at the end, shorter than a block, waits for another epoch's phase. Not shuffled, it is a block too. */
  get blockCount(): number {
    const { blockLength, shuffle: shuffled = true } = this.#options;
    const { tokens } = this.#file.facts;
    if (!shuffled) return Math.ceil(tokens / blockLength);
    // One block less than fits, so that every phase has room.
    return Math.max(1, Math.floor(tokens / blockLength) - 1);
  }

  /** Writes block `index`, counted through all epochs, into the batch at block `slot`. */
  fill(index: number, batch: Batch, slot: number): void {
    const { blockLength } = this.#options;
    const { tokens, endId } = this.#file.facts;
    const { phase, order } = this.#layout(Math.floor(index / this.blockCount));
    const start = phase + order[index % this.blockCount]! * blockLength;
    const length = Math.min(blockLength, tokens - start);
    // One token more, as the last one's target.
    const ids = this.#file.read(start, Math.min(length + 1, tokens - start));
    const first = slot * blockLength;
    for (let from = 0; from < length; ) {
      const end = ids.indexOf(endId, from);
      const to = end < 0 || end >= length ? length : end + 1;
      const next = to === length && ids[to - 1] !== endId && ids.length > length ? ids[length]! : -1;
      placeSegment(batch, first + from, ids.subarray(from, to), allTrained(to - from), 0, next);
      from = to;
    }
  }

  #layout(epoch: number): { readonly phase: number; readonly order: Int32Array } {
    if (this.#epoch?.number === epoch) return this.#epoch;
    const { blockLength, seed, shuffle: shuffled = true } = this.#options;
    const order = Int32Array.from({ length: this.blockCount }, (_, i) => i);
    const random = makeRandom(mixSeed(seed, epoch, 0x70c5));
    const room = this.#file.facts.tokens - order.length * blockLength;
    const phase = shuffled && room > 0 ? Math.floor(random() * Math.min(blockLength, room)) : 0;
    if (shuffled) shuffle(order, random);
    this.#epoch = { number: epoch, phase, order };
    return this.#epoch;
  }
}

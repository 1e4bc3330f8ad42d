/**
 * Packs rows into blocks of a fixed length.
 *
 * Rows are shuffled by seed and epoch, then taken a window at a time; inside a window the longest go first, each into the first block with
 * room (first-fit decreasing, at most 11/9 of the best possible number of blocks plus one), and the window's blocks are shuffled again, or
 * long rows would always come first. Shuffling before windowing keeps rows that pack together from being the same ones every epoch.
 *
 * @see Johnson 1973 for the bound
 */
import { placeSegment } from "./batch.ts";
import type { BlockSource, EpochPlan } from "./block-source.ts";
import { makeRandom, mixSeed, shuffle } from "./random.ts";
import type { TokenStore } from "./token-store.ts";

/** Rows looked at together. Enough that blocks fill to 98% and more, few enough that order stays nearly random. */
const WINDOW_ROWS = 4096;

export interface PackOptions {
  blockLength: number;
  seed: number;
  /** Several rows in a block; off puts one row in each. @default true */
  packing?: boolean;
  /** Off keeps the rows in file order (windows still pack). @default true */
  shuffle?: boolean;
  windowRows?: number;
}

/** Blocks as lists of indexes into `lengths`, in order. */
export function packLengths(lengths: ArrayLike<number>, blockLength: number): number[][] {
  const order = Array.from({ length: lengths.length }, (_, i) => i).sort((a, b) => lengths[b]! - lengths[a]! || a - b);
  const blocks: number[][] = [];
  const room: number[] = [];
  let firstOpen = 0;
  let shortest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < lengths.length; i++) shortest = Math.min(shortest, lengths[i]!);
  for (const index of order) {
    const length = lengths[index]!;
    while (firstOpen < room.length && room[firstOpen]! < shortest) firstOpen++;
    let block = firstOpen;
    while (block < room.length && room[block]! < length) block++;
    if (block === room.length) {
      room.push(blockLength);
      blocks.push([]);
    }
    blocks[block]!.push(index);
    room[block]! -= length;
  }
  return blocks;
}

/** Rows of a store, packed. `examples` picks which (a split), by index into the store. */
export class PackedRows implements BlockSource {
  readonly blockLength: number;
  readonly #store: TokenStore;
  readonly #examples: Int32Array;
  readonly #options: PackOptions;

  constructor(store: TokenStore, examples: Int32Array, options: PackOptions) {
    this.#store = store;
    this.#examples = examples;
    this.#options = options;
    this.blockLength = options.blockLength;
    for (const index of examples) {
      if (store.length(index) > options.blockLength) {
        throw new RangeError(
          `row ${store.row(index)} has ${store.length(index)} tokens, the block ${options.blockLength}: cut rows before packing`,
        );
      }
    }
  }

  plan(epoch: number): EpochPlan {
    const blocks = this.#blocks(epoch);
    const { blockLength } = this;
    return {
      blockCount: blocks.length,
      fill: (index, batch, slot) => {
        let at = slot * blockLength;
        for (const example of blocks[index]!) {
          const { ids, trained } = this.#store.get(example);
          placeSegment(batch, at, ids, trained, this.#store.row(example));
          at += ids.length;
        }
      },
    };
  }

  #blocks(epoch: number): number[][] {
    const { seed, packing = true, windowRows = WINDOW_ROWS, shuffle: shuffled = true } = this.#options;
    const random = makeRandom(mixSeed(seed, epoch, 0x9ac4));
    const order = this.#examples.slice();
    if (shuffled) shuffle(order, random);
    if (!packing) return Array.from(order, (example) => [example]);
    const blocks: number[][] = [];
    for (let start = 0; start < order.length; start += windowRows) {
      const window = order.subarray(start, start + windowRows);
      const lengths = Int32Array.from(window, (example) => this.#store.length(example));
      const packed = packLengths(lengths, this.blockLength).map((block) => block.map((i) => window[i]!));
      if (shuffled) shuffle(packed as unknown as number[], random);
      for (const block of packed) blocks.push(block);
    }
    return blocks;
  }
}

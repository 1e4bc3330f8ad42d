/**
 * Several token files as one endless stream of batches: each block comes from a file drawn by weight, by a random number that follows from
 * the seed and the block's own number. Where the stream stands is a handful of counts, whatever weights were used on the way.
 */
import { type Batch, emptyBatch } from "./batch.ts";
import { makeRandom, mixSeed } from "./random.ts";
import { TokenBlocks } from "./token-blocks.ts";
import type { TokenFile } from "./token-file.ts";

export interface MixtureOptions {
  readonly blockLength: number;
  /** Blocks in a batch. */
  readonly batchSize: number;
  readonly seed: number;
}

export interface MixtureCursor {
  /** Blocks taken from each file, in the order of the files. */
  readonly taken: readonly number[];
}

export class TokenMixture {
  readonly #sources: readonly TokenBlocks[];
  readonly #options: MixtureOptions;
  #taken: number[];

  constructor(files: readonly TokenFile[], options: MixtureOptions) {
    this.#options = options;
    this.#sources = files.map((file, index) => new TokenBlocks(file, { ...options, seed: mixSeed(options.seed, index) }));
    this.#taken = files.map(() => 0);
  }

  /** @param weights one a file, 0 leaves it out; they need not add up to 1 */
  next(weights: readonly number[]): Batch {
    const { blockLength, batchSize, seed } = this.#options;
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const batch = emptyBatch(batchSize, blockLength, 0);
    for (let slot = 0; slot < batchSize; slot++) {
      const number = this.#taken.reduce((sum, count) => sum + count, 0);
      const source = pick(weights, makeRandom(mixSeed(seed, number % 2 ** 32, Math.floor(number / 2 ** 32), 0x313c))() * total);
      this.#sources[source]!.fill(this.#taken[source]!++, batch, slot);
    }
    return batch;
  }

  /** Passes over each file so far, fractions. */
  get epochs(): number[] {
    return this.#sources.map((source, index) => this.#taken[index]! / source.blockCount);
  }

  cursor(): MixtureCursor {
    return { taken: [...this.#taken] };
  }

  /** @throws RangeError when the cursor was made with another number of files */
  seek({ taken }: MixtureCursor): void {
    if (taken.length !== this.#taken.length) throw new RangeError(`expected counts of ${this.#taken.length} files, found ${taken.length}`);
    this.#taken = [...taken];
  }
}

/** Index of the weight in whose stretch the point lies. */
function pick(weights: readonly number[], point: number): number {
  let rest = point;
  let last = 0;
  for (const [index, weight] of weights.entries()) {
    if (weight <= 0) continue;
    last = index;
    rest -= weight;
    if (rest < 0) break;
  }
  return last;
}

/** All blocks of a held-out file in its order, in batches of one size; the last batch may have empty blocks. */
export function* heldOutBatches(file: TokenFile, { blockLength, batchSize }: Omit<MixtureOptions, "seed">): Generator<Batch> {
  const blocks = new TokenBlocks(file, { blockLength, seed: 0, shuffle: false });
  for (let first = 0; first < blocks.blockCount; first += batchSize) {
    const batch = emptyBatch(batchSize, blockLength, 0);
    for (let slot = 0; slot < batchSize && first + slot < blocks.blockCount; slot++) blocks.fill(first + slot, batch, slot);
    yield batch;
  }
}

/**
 * Batches in a reproducible order, forever, from any point on.
 *
 * A cursor is two numbers: the epoch and the batch in it. `seek` to a cursor and the same batches follow as if the run had never stopped,
 * because an epoch's layout depends on its seed and number alone. The last batch of an epoch may have empty blocks: shapes stay fixed.
 */
import { type Batch, emptyBatch } from "./batch.ts";
import type { BlockSource, EpochPlan } from "./block-source.ts";

export interface Cursor {
  epoch: number;
  /** Batch in the epoch, from 0: the next one to come. */
  index: number;
}

export interface BatchLoaderOptions {
  /** Blocks in a batch, B. */
  batchSize: number;
  /** Id that fills empty places; no loss and no attention there. */
  padding: number;
}

export class BatchLoader {
  readonly #source: BlockSource;
  readonly #options: BatchLoaderOptions;
  #cursor: Cursor = { epoch: 0, index: 0 };
  #plan: { epoch: number; plan: EpochPlan } | undefined;

  constructor(source: BlockSource, options: BatchLoaderOptions) {
    this.#source = source;
    this.#options = options;
  }

  get batchSize(): number {
    return this.#options.batchSize;
  }

  get blockLength(): number {
    return this.#source.blockLength;
  }

  /** The number may differ by a few between epochs: packing depends on the order. */
  batchesInEpoch(epoch: number): number {
    return Math.ceil(this.#planOf(epoch).blockCount / this.#options.batchSize);
  }

  cursor(): Cursor {
    return { ...this.#cursor };
  }

  /** @throws RangeError when the epoch has no such batch: the data or its settings changed */
  seek(cursor: Cursor): void {
    const count = this.batchesInEpoch(cursor.epoch);
    if (!Number.isInteger(cursor.epoch) || cursor.epoch < 0 || cursor.index < 0 || cursor.index > count) {
      throw new RangeError(`epoch ${cursor.epoch} has ${count} batches, not ${cursor.index}: the data is not what it was`);
    }
    this.#cursor = { ...cursor };
  }

  /** The next batch; after the last one of an epoch the next epoch begins. @throws RangeError when there is no data at all */
  next(): Batch {
    if (this.#cursor.index >= this.batchesInEpoch(this.#cursor.epoch)) this.#cursor = { epoch: this.#cursor.epoch + 1, index: 0 };
    if (this.batchesInEpoch(this.#cursor.epoch) === 0) throw new RangeError("there is no data to make a batch of");
    const { epoch, index } = this.#cursor;
    this.#cursor = { epoch, index: index + 1 };
    return this.batch(epoch, index);
  }

  /** One batch by place; does not move the cursor. */
  batch(epoch: number, index: number): Batch {
    const plan = this.#planOf(epoch);
    const { batchSize, padding } = this.#options;
    const batch = emptyBatch(batchSize, this.#source.blockLength, padding);
    const first = index * batchSize;
    for (let slot = 0; slot < batchSize && first + slot < plan.blockCount; slot++) plan.fill(first + slot, batch, slot);
    return batch;
  }

  /** All batches of one epoch, for evaluation; does not move the cursor. */
  *epoch(epoch = 0): Generator<Batch> {
    const count = this.batchesInEpoch(epoch);
    for (let index = 0; index < count; index++) yield this.batch(epoch, index);
  }

  #planOf(epoch: number): EpochPlan {
    if (this.#plan?.epoch !== epoch) this.#plan = { epoch, plan: this.#source.plan(epoch) };
    return this.#plan.plan;
  }
}

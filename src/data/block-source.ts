/**
 * Where blocks come from: the seam between what a dataset is (rows, or running text) and the loader that shuffles and batches.
 */
import type { Batch } from "./batch.ts";

export interface BlockSource {
  readonly blockLength: number;
  /**
   * Lays out an epoch. The same epoch always gives the same blocks in the same order, whatever was asked before: that is what makes a run
   * resumable from two numbers.
   */
  plan(epoch: number): EpochPlan;
}

export interface EpochPlan {
  readonly blockCount: number;
  /** Writes block `index` into the batch at block `slot`. */
  fill(index: number, batch: Batch, slot: number): void;
}

/**
 * Intervals by resampling: the mean of questions drawn again with replacement, many times; the middle 95% of those means. Differences between
 * two variants are paired: the same questions are drawn for both, so that hard questions do not blur what changed.
 * Source: Efron & Tibshirani 1993, "An Introduction to the Bootstrap", percentile intervals.
 */
import { randomStream } from "./random-stream.ts";

export interface Interval {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
  /** Questions behind it. */
  readonly count: number;
}

export interface Difference extends Interval {
  /** A direction only where the interval leaves zero out and the pairs are enough to trust it. */
  readonly differs: "higher" | "lower" | "cannot tell";
}

const RESAMPLES = 2000;
/** Fewer pairs than this say nothing: resampling a handful gives intervals far too narrow. */
export const MIN_PAIRS = 10;
const TAIL = 0.025;

/** @returns undefined for no values */
export function meanInterval(values: readonly number[], seed = 0): Interval | undefined {
  if (values.length === 0) return undefined;
  const random = randomStream(seed);
  const mean = average(values);
  const means = new Float64Array(RESAMPLES);
  for (let resample = 0; resample < RESAMPLES; resample++) {
    let sum = 0;
    for (let drawn = 0; drawn < values.length; drawn++) sum += values[Math.floor(random() * values.length)]!;
    means[resample] = sum / values.length;
  }
  means.sort();
  return { mean, low: quantile(means, TAIL), high: quantile(means, 1 - TAIL), count: values.length };
}

/** Mean of `b − a` over questions that both answered. @returns undefined for no pairs */
export function pairedDifference(a: readonly number[], b: readonly number[], seed = 0): Difference | undefined {
  if (a.length !== b.length) throw new RangeError(`${a.length} values paired with ${b.length}`);
  const interval = meanInterval(
    b.map((value, index) => value - a[index]!),
    seed,
  );
  if (!interval) return undefined;
  const enough = interval.count >= MIN_PAIRS;
  const differs = enough && interval.low > 0 ? "higher" : enough && interval.high < 0 ? "lower" : "cannot tell";
  return { ...interval, differs };
}

function average(values: ArrayLike<number>): number {
  let sum = 0;
  for (let index = 0; index < values.length; index++) sum += values[index]!;
  return sum / values.length;
}

/** Of sorted values, between neighbours linearly. */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  const at = share * (sorted.length - 1);
  const below = Math.floor(at);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below]! + (at - below) * (sorted[above]! - sorted[below]!);
}

/**
 * Interval of a share: 95%, right also for few questions and for shares near 0 and 1, where resampling gives a width of zero.
 * Source: Wilson 1927, doi:10.1080/01621459.1927.10502953.
 */
import type { Interval } from "./bootstrap.ts";

const Z = 1.959963984540054;

/** @returns undefined for no trials */
export function shareInterval(successes: number, trials: number): Interval | undefined {
  if (trials === 0) return undefined;
  const p = successes / trials;
  const scale = 1 + Z ** 2 / trials;
  const middle = (p + Z ** 2 / (2 * trials)) / scale;
  const half = (Z / scale) * Math.sqrt((p * (1 - p)) / trials + Z ** 2 / (4 * trials ** 2));
  return { mean: p, low: Math.max(0, middle - half), high: Math.min(1, middle + half), count: trials };
}

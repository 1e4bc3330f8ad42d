/**
 * cuBLASLt's first advice is a guess: on an H100 another of its advices is 2 to 7% faster for most large products (docs/log.md). So the first time a large
 * product is asked for, several are timed on its own operands, in turns, because the card's clock falls as it warms.
 *
 * Only algorithms that leave the same bits as the first are taken: which one is the fastest may differ from run to run, what a run computes may not.
 */
import { Buffer } from "node:buffer";

export interface Trial<Algorithm> {
  /** Best guess first. */
  readonly advised: readonly Algorithm[];
  /** Milliseconds of one call, as the mean of `calls`. */
  time(algorithm: Algorithm, calls: number): number;
  /** Runs it once. @returns what it wrote, or enough of it to tell another order of sums */
  result(algorithm: Algorithm): Uint8Array;
}

const ROUNDS = 4;
const CALLS = 3;
/** Slower than the best by more than this share after a round: not tried again. */
const HOPELESS = 1.04;
/** What another algorithm must gain to take the first's place. */
const WORTHWHILE = 0.995;

export function fastestAlike<Algorithm>({ advised, time, result }: Trial<Algorithm>): Algorithm {
  const first = advised[0]!;
  const bits = result(first);
  let tried = advised
    .filter((algorithm) => algorithm === first || Buffer.compare(result(algorithm), bits) === 0)
    .map((algorithm) => ({ algorithm, ms: Number.POSITIVE_INFINITY }));
  const guess = tried[0]!;
  for (let round = 0; round < ROUNDS && tried.length > 1; round++) {
    for (const entry of tried) entry.ms = Math.min(entry.ms, time(entry.algorithm, CALLS));
    const best = Math.min(...tried.map(({ ms }) => ms));
    tried = tried.filter((entry) => entry === guess || entry.ms <= best * HOPELESS);
  }
  const winner = tried.reduce((best, entry) => (entry.ms < best.ms ? entry : best), guess);
  return winner.ms < guess.ms * WORTHWHILE ? winner.algorithm : first;
}

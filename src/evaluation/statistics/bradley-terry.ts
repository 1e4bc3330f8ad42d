/**
 * Strengths from pairwise verdicts: P(a beats b) = s_a / (s_a + s_b), fitted by Hunter's minorization iteration; a tie is half a win for each.
 * Given as log-strengths in Elo's units (400 points are odds of 10 to 1), their mean 0, with intervals from resampled verdicts.
 *
 * One imagined tie between each two variants that met keeps a variant that never lost from running to infinity.
 * Source: Bradley & Terry 1952; Hunter 2004, doi:10.1214/aos/1079120141.
 */
import { quantile } from "./bootstrap.ts";
import { randomStream } from "./random-stream.ts";

export interface Verdict {
  readonly a: string;
  readonly b: string;
  /** 1: a won, 0: b won, 0.5: a tie. */
  readonly score: number;
}

export interface Strength {
  readonly name: string;
  readonly rating: number;
  readonly low: number;
  readonly high: number;
  /** Share of points, ties counting half. */
  readonly winRate: number;
  readonly games: number;
}

const ITERATIONS = 500;
const RESAMPLES = 300;
const PER_LOG_ODDS = 400 / Math.LN10;

/** The strongest first. */
export function bradleyTerry(verdicts: readonly Verdict[], seed = 0): Strength[] {
  const names = [...new Set(verdicts.flatMap(({ a, b }) => [a, b]))].sort();
  if (names.length === 0) return [];
  const ratings = fitStrengths(names, verdicts);
  const random = randomStream(seed);
  const resampled = Array.from({ length: RESAMPLES }, () =>
    fitStrengths(
      names,
      verdicts.map(() => verdicts[Math.floor(random() * verdicts.length)]!),
    ),
  );
  return names
    .map((name, index) => {
      const spread = resampled.map((drawn) => drawn[index]!).sort((x, y) => x - y);
      const own = verdicts.filter(({ a, b }) => a === name || b === name);
      const points = own.reduce((sum, { a, score }) => sum + (a === name ? score : 1 - score), 0);
      const [low, high] = [quantile(spread, 0.025), quantile(spread, 0.975)];
      return { name, rating: ratings[index]!, low, high, winRate: points / own.length, games: own.length };
    })
    .sort((x, y) => y.rating - x.rating);
}

function fitStrengths(names: readonly string[], verdicts: readonly Verdict[]): number[] {
  const size = names.length;
  const position = new Map(names.map((name, index) => [name, index]));
  const wins = new Float64Array(size);
  const games = Array.from({ length: size }, () => new Float64Array(size));
  const play = (i: number, j: number, score: number, weight: number) => {
    wins[i]! += score * weight;
    wins[j]! += (1 - score) * weight;
    games[i]![j]! += weight;
    games[j]![i]! += weight;
  };
  for (const { a, b, score } of verdicts) play(position.get(a)!, position.get(b)!, score, 1);
  for (let i = 0; i < size; i++) for (let j = i + 1; j < size; j++) if (games[i]![j]! > 0) play(i, j, 0.5, 1);
  let strengths = new Float64Array(size).fill(1);
  for (let iteration = 0; iteration < ITERATIONS; iteration++) {
    const next = new Float64Array(size);
    for (let i = 0; i < size; i++) {
      let denominator = 0;
      for (let j = 0; j < size; j++) if (i !== j) denominator += games[i]![j]! / (strengths[i]! + strengths[j]!);
      next[i] = denominator > 0 ? Math.max(wins[i]! / denominator, 1e-12) : strengths[i]!;
    }
    const mean = Math.exp(next.reduce((sum, value) => sum + Math.log(value), 0) / size);
    strengths = next.map((value) => value / mean);
  }
  return Array.from(strengths, (value) => PER_LOG_ODDS * Math.log(value));
}

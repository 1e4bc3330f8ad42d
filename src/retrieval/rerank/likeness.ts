/** How alike two chunks are, 0 to 1: the cosine of their vectors, or, without vectors, of their counts of words. */
import { wordsOf } from "../chunks/split-sentences.ts";
import type { Hit } from "../hit.ts";

type WordCounts = ReadonlyMap<string, number>;

export function makeLikeness(): (a: Hit, b: Hit) => number {
  const counts = new Map<string, WordCounts>();
  const countsOf = (hit: Hit): WordCounts => {
    const known = counts.get(hit.id);
    if (known) return known;
    const made = countWords(`${hit.heading}\n${hit.text}`);
    counts.set(hit.id, made);
    return made;
  };
  return (a, b) => {
    if (a.vector && b.vector) {
      let sum = 0;
      for (let i = 0; i < a.vector.length; i++) sum += a.vector[i]! * b.vector[i]!;
      return sum;
    }
    return cosineOfCounts(countsOf(a), countsOf(b));
  };
}

function countWords(text: string): WordCounts {
  const counts = new Map<string, number>();
  for (const word of wordsOf(text)) counts.set(word, (counts.get(word) ?? 0) + 1);
  return counts;
}

function cosineOfCounts(a: WordCounts, b: WordCounts): number {
  let dot = 0;
  for (const [word, count] of a) dot += count * (b.get(word) ?? 0);
  const length = (counts: WordCounts) => Math.sqrt([...counts.values()].reduce((sum, count) => sum + count * count, 0));
  return dot === 0 ? 0 : dot / (length(a) * length(b));
}

/** Figures of a list brought to 0 … 1; all equal gives ones. */
export function spread(values: readonly number[]): number[] {
  const least = Math.min(...values);
  const range = Math.max(...values) - least;
  return values.map((value) => (range > 0 ? (value - least) / range : 1));
}

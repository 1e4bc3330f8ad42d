/**
 * Reciprocal rank fusion: `score(d) = Σ 1 / (60 + rank(d))` over the lists that hold d. Scores of different searches need not be comparable, ranks are.
 * Source: Cormack, Clarke & Büttcher, SIGIR 2009, which also gives the 60.
 */
const RANK_OFFSET = 60;

/** @param lists keys, best first  @returns keys with their scores, best first; equal scores keep the order of the first list that names them */
export function fuseRanks(lists: readonly (readonly string[])[]): { key: string; score: number }[] {
  const scores = new Map<string, number>();
  for (const list of lists)
    for (const [index, key] of list.entries()) scores.set(key, (scores.get(key) ?? 0) + 1 / (RANK_OFFSET + index + 1));
  return [...scores].map(([key, score]) => ({ key, score })).sort((a, b) => b.score - a.score);
}

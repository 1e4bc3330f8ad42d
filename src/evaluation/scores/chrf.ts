/**
 * chrF: how many character n-grams an answer shares with its reference, 0 to 100. Needs no words, so it serves Japanese and English alike.
 *
 * n-grams of 1 to 6 characters, white space left out; counts are summed over all pairs, precision and recall averaged over the orders that
 * occur, combined with β = 2 (recall counts twice). Equal to sacreBLEU's chrF2 on a corpus with one reference.
 * Source: Popović 2015, doi:10.18653/v1/W15-3049.
 */
const ORDERS = 6;
const BETA = 2;

export function chrF(answers: readonly string[], references: readonly string[]): number {
  if (answers.length !== references.length) throw new RangeError(`${answers.length} answers for ${references.length} references`);
  const totals = Array.from({ length: ORDERS }, () => ({ answer: 0, reference: 0, shared: 0 }));
  for (const [index, answer] of answers.entries()) {
    for (const [order, total] of totals.entries()) {
      const [ours, theirs] = [ngrams(answer, order + 1), ngrams(references[index]!, order + 1)];
      for (const [gram, count] of ours) {
        total.answer += count;
        total.shared += Math.min(count, theirs.get(gram) ?? 0);
      }
      for (const count of theirs.values()) total.reference += count;
    }
  }
  const used = totals.filter(({ answer, reference }) => answer > 0 && reference > 0);
  if (used.length === 0) return 0;
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const precision = mean(used.map(({ shared, answer }) => shared / answer));
  const recall = mean(used.map(({ shared, reference }) => shared / reference));
  if (precision + recall === 0) return 0;
  return (100 * (1 + BETA ** 2) * precision * recall) / (BETA ** 2 * precision + recall);
}

function ngrams(text: string, order: number): Map<string, number> {
  const characters = [...text.replace(/\s+/gu, "")];
  const counts = new Map<string, number>();
  for (let start = 0; start + order <= characters.length; start++) {
    const gram = characters.slice(start, start + order).join("");
    counts.set(gram, (counts.get(gram) ?? 0) + 1);
  }
  return counts;
}

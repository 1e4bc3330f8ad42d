/**
 * ROUGE-L: F1 of the longest common subsequence of units, 0 to 1; order counts, gaps do not. Of several references the best counts.
 * Source: Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries", with β = 1 and Japanese-aware units.
 */
import { answerUnits } from "./answer-units.ts";

export function rougeL(answer: string, references: readonly string[]): number {
  const units = answerUnits(answer);
  return Math.max(
    0,
    ...references.map((reference) => {
      const wanted = answerUnits(reference);
      if (units.length === 0 || wanted.length === 0) return units.length === wanted.length ? 1 : 0;
      return (2 * commonSubsequence(units, wanted)) / (units.length + wanted.length);
    }),
  );
}

/** Length of the longest common subsequence; two rows of the table are enough. */
function commonSubsequence(a: readonly string[], b: readonly string[]): number {
  let above = new Uint32Array(b.length + 1);
  let row = new Uint32Array(b.length + 1);
  for (const unit of a) {
    for (let j = 1; j <= b.length; j++) row[j] = unit === b[j - 1] ? above[j - 1]! + 1 : Math.max(above[j]!, row[j - 1]!);
    [above, row] = [row, above];
  }
  return above[b.length]!;
}

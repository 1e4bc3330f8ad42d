/**
 * Exact match and F1 against one or more references, each 0 to 1; of several references the best counts.
 *
 * F1 = 2PR / (P + R) over the units that answer and reference share, with multiplicity. Both empty is 1, one empty is 0: a question that has no
 * answer is answered right by silence. Source: SQuAD's evaluation, arXiv:1606.05250 and arXiv:1806.03822, with Japanese-aware units.
 */
import { answerUnits } from "./answer-units.ts";

export function exactMatch(answer: string, references: readonly string[]): number {
  const found = answerUnits(answer).join(" ");
  return references.some((reference) => answerUnits(reference).join(" ") === found) ? 1 : 0;
}

export function unitF1(answer: string, references: readonly string[]): number {
  const units = answerUnits(answer);
  return Math.max(0, ...references.map((reference) => f1(units, answerUnits(reference))));
}

function f1(answer: readonly string[], reference: readonly string[]): number {
  if (answer.length === 0 || reference.length === 0) return answer.length === reference.length ? 1 : 0;
  const left = new Map<string, number>();
  for (const unit of reference) left.set(unit, (left.get(unit) ?? 0) + 1);
  let shared = 0;
  for (const unit of answer) {
    const count = left.get(unit) ?? 0;
    if (count > 0) {
      shared++;
      left.set(unit, count - 1);
    }
  }
  return (2 * shared) / (answer.length + reference.length);
}

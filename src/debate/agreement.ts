/**
 * Do the debaters say the same? Statements are put together by how much they share; the largest group's most typical one stands for it. Needs no
 * model, so it decides where no judge was named or none could be understood.
 */

import { classifyAnswer } from "../evaluation/no-answer/no-answer.ts";
import { answerUnits } from "../evaluation/scores/answer-units.ts";
import { chrF } from "../evaluation/scores/chrf.ts";
import { unitF1 } from "../evaluation/scores/exact-and-f1.ts";
import { withoutCitations } from "./check-citations.ts";

export interface Agreement {
  /** Place of the statement that stands for the largest group; undefined when there is none, or two groups are equally large. */
  readonly speaker: number | undefined;
  /** Members of the largest group ÷ debaters that spoke, 0 to 1. */
  readonly share: number;
  readonly isUnanimous: boolean;
}

/** Likeness (the larger of unit F1 and chrF) from which on two statements say the same. */
const SAME = 0.5;

/** @param statements one a debater; empty ones (a failed call) do not count */
export function agreementOf(statements: readonly string[]): Agreement {
  const texts = statements.map(withoutCitations);
  const spoke = texts.flatMap((text, index) => (text === "" ? [] : [index]));
  if (spoke.length === 0) return { speaker: undefined, share: 0, isUnanimous: false };
  const likeness = (a: number, b: number) => likenessOf(texts[a]!, texts[b]!);
  const groups = spoke.map((center) => spoke.filter((other) => other === center || likeness(center, other) >= SAME));
  const size = Math.max(...groups.map(({ length }) => length));
  const largest = spoke.filter((_, place) => groups[place]!.length === size);
  // Two camps of equal size, unlike each other: nobody has won.
  const isTie = size < spoke.length && largest.some((a) => largest.some((b) => a !== b && likeness(a, b) < SAME));
  const typical = (speaker: number) => spoke.reduce((sum, other) => sum + (other === speaker ? 0 : likeness(speaker, other)), 0);
  const [speaker] = [...largest].sort((a, b) => typical(b) - typical(a) || a - b);
  return { speaker: isTie ? undefined : speaker, share: size / spoke.length, isUnanimous: spoke.length > 1 && size === spoke.length };
}

/**
 * 0 to 1. Two ways not to know are the same; knowing and not knowing never are; a short answer that stands whole in a long one ("911" in "It was
 * founded in 911.") says the same.
 */
export function likenessOf(a: string, b: string): number {
  const [oneKnows, otherKnows] = [a, b].map((text) => classifyAnswer({ text }) === "answered");
  if (oneKnows !== otherKnows) return 0;
  if (!oneKnows || standsIn(a, b) || standsIn(b, a)) return 1;
  return Math.max(unitF1(a, [b]), chrF([a], [b]) / 100);
}

function standsIn(short: string, long: string): boolean {
  const units = answerUnits(short);
  return units.length > 0 && ` ${answerUnits(long).join(" ")} `.includes(` ${units.join(" ")} `);
}

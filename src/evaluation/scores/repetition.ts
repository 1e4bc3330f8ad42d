/**
 * How much an answer repeats itself: the share of its 4-unit runs that occurred before in it, 0 (never) to 1. Answers shorter than five units
 * cannot repeat and score 0. The measure is "rep-4" of Welleck et al. 2019, arXiv:1908.04319, on Japanese-aware units.
 */
import { answerUnits } from "./answer-units.ts";

const RUN = 4;

export function repetition(answer: string): number {
  const units = answerUnits(answer);
  const runs = units.length - RUN + 1;
  if (runs < 2) return 0;
  const seen = new Set<string>();
  for (let start = 0; start < runs; start++) seen.add(units.slice(start, start + RUN).join("\u0000"));
  return 1 - seen.size / runs;
}

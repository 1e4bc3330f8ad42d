/**
 * What a text adds to the question. "The capital of France is Berlin" shares most of its words with any passage about France's capital; whether
 * the passage supports it is decided by Berlin alone.
 */
import { answerUnits } from "../evaluation/scores/answer-units.ts";

/** Japanese characters stay: single ones mean too little to be taken out, and pairs would be torn. */
const EAST_ASIAN = /^[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}ー]$/u;

/** @returns the text's units without the question's words; the whole text where nothing would be left */
export function withoutQuestion(text: string, question: string): string {
  const asked = new Set(answerUnits(question));
  const rest = answerUnits(text).filter((unit) => EAST_ASIAN.test(unit) || !asked.has(unit));
  return rest.length > 0 ? rest.join(" ") : text;
}

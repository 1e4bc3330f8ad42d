/**
 * How much of an answer stands in the passages it was given: the share of its content that some passage holds, 0 to 1.
 *
 * Content is its words of three letters and more, its numbers, and its pairs of Japanese characters (one alone says too little); common words
 * are left out. It measures wording, not truth: an answer in another language than its passages scores low, and a claim put together from
 * words that occur apart scores high. A number that no passage holds is reported by itself, because that is what made-up facts look like.
 */
import { answerUnits } from "./answer-units.ts";

const COMMON = new Set(
  (
    "and are was were been has have had for not but with from that this these those which who whom whose what when where how than then there their they them its into onto about " +
    "also can could may might will would shall should does did doing done being over under between because while such each other some any all more most very only own same too just"
  ).split(" "),
);
const EAST_ASIAN = /^[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}ー]$/u;
const HIRAGANA = /^\p{sc=Hiragana}+$/u;

export interface Groundedness {
  /** 0 to 1; undefined when the answer has no content to look for, or there are no passages. */
  readonly share: number | undefined;
  /** Numbers of the answer that no passage holds. */
  readonly unsupportedNumbers: readonly string[];
}

export function groundedness(answer: string, passages: readonly string[]): Groundedness {
  const wanted = contentUnits(answer);
  const held = new Set(passages.flatMap((passage) => [...contentUnits(passage)]));
  const unsupportedNumbers = passages.length === 0 ? [] : [...wanted].filter((unit) => /^\p{N}/u.test(unit) && !held.has(unit));
  if (wanted.size === 0 || passages.length === 0) return { share: undefined, unsupportedNumbers };
  const found = [...wanted].filter((unit) => held.has(unit)).length;
  return { share: found / wanted.size, unsupportedNumbers };
}

function contentUnits(text: string): Set<string> {
  const content = new Set<string>();
  let before = "";
  for (const unit of answerUnits(text.replace(/(\p{N}),(?=\p{N}{3})/gu, "$1"))) {
    if (EAST_ASIAN.test(unit)) {
      // Pairs of hiragana are endings and particles.
      if (before !== "" && !HIRAGANA.test(before + unit)) content.add(before + unit);
      before = unit;
      continue;
    }
    before = "";
    if (/^\p{N}/u.test(unit) || (unit.length >= 3 && !COMMON.has(unit))) content.add(unit);
  }
  return content;
}

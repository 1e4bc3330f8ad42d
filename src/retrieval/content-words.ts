/**
 * The words of a question that carry its meaning, and how many of them a text holds: the measure of support where there are no vectors.
 */
import { wordsOf } from "./chunks/split-sentences.ts";

const STOP_WORDS = new Set(
  (
    "a an the and or but if of to in on at by for from with about into over after before between as is are was were be been being do does did have has had " +
    "what which who whom whose when where why how much many that this these those there it its they them their he she his her you your we our i me my not no " +
    "can could will would shall should may might must please tell give name say says said than then so such any some also " +
    "何 誰 いつ どこ どれ どの どう なぜ どんな いくつ いくら 何故 方 事 物 人 年 もの こと ため とき ところ よう さん それ これ あれ その この あの"
  ).split(" "),
);
/** Particles and endings: short words of hiragana alone. */
const KANA_FUNCTION_WORD = /^[\u3041-\u309f]{1,3}$/;
const EAST_ASIAN = /[\u3040-\u30ff\u3400-\u9fff]/;

export function contentWords(text: string): string[] {
  return [...new Set(wordsOf(text).filter((word) => !STOP_WORDS.has(word) && !KANA_FUNCTION_WORD.test(word)))];
}

/** Share of the words that stand in the text, 0 to 1. English endings are forgiven; a question without content words is covered by nothing. */
export function coverageOf(words: readonly string[], text: string): number {
  if (words.length === 0) return 0;
  const whole = text.normalize("NFKC").toLowerCase();
  // Cut by letters alone: a dictionary for each of a hundred candidates would take longer than the search.
  const stems = new Set(whole.split(/[^\p{L}\p{N}\p{M}']+/u).map(stemOf));
  const found = words.filter((word) => (EAST_ASIAN.test(word) ? whole.includes(word) : stems.has(stemOf(word))));
  return found.length / words.length;
}

export const stemOf = (word: string): string =>
  word.length > 4 ? word.replace(/(?:'s|ies|es|s|ied|ed|ing|ly|y|e)$/, "") : word.replace(/'s$/, "");

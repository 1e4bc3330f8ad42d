/**
 * Did the model answer at all? Four ways not to: it ended at once, it wrote nothing but white space or punctuation, or it said that it does not
 * know or that the documents do not say. What is left is an answer, right or wrong.
 *
 * A refusal counts only where it is the point of the answer. "I am not sure, but it is Ottawa" answers; "Ottawa is the capital. The passage does
 * not mention its mayor, so I cannot say who it is" refuses when the question is not answered before: so a refusal must stand in the first two
 * sentences, and nothing that claims more than it may follow a "but". The patterns stand in `refusal-phrases.ts`.
 */
import { REFUSAL_PATTERNS } from "./refusal-phrases.ts";

export type AnswerKind = "answered" | "refused" | "empty" | "ended at once";

const SENTENCE = /[^.!?。!?\n]+[.!?。!?\n]*/gu;
/** Words that turn a refusal into an answer when something follows them. */
const TURN =
  /(?:\b(?:but|however|although|though|still|nevertheless|that said|my (?:best )?guess|if i (?:had|have) to guess|probably|i (?:think|believe|guess|would say|suspect))\b|が、|けれど|しかし|ただし|ですが|とはいえ|おそらく|たぶん|恐らく|多分|と思います|と思われます|でしょう)/u;
/** Offers and asides after a refusal, which claim nothing. */
const COURTESY =
  /\b(?:please|let me know|feel free|could you|can you|would you|you (?:can|could|may|might|should)|try|check|consult|ask|help you|provide more|more (?:context|information|details)|sorry|apologi[sz]e|refer to|contact|look (?:it )?up|happy to|glad to|recommend|suggest)\b|(?:ください|下さい|お知らせ|お問い合わせ|ご確認|ご質問|お手伝い|ご参照|お願い|申し訳|確認する(?:必要|こと)|おすすめ|お勧め|いただけ|幸いです|別の資料|追加の情報)/u;
const ENOUGH_CLAIM = 12;

/** @param tokens of the answer, where known: 0 is a model that ended its answer at once */
export function classifyAnswer(text: string, tokens?: number, patterns: readonly RegExp[] = REFUSAL_PATTERNS): AnswerKind {
  if (tokens === 0) return "ended at once";
  const plain = text.normalize("NFKC").toLowerCase().replace(/[‘’`]/gu, "'").replace(/[“”]/gu, '"').trim();
  if (!/[\p{L}\p{N}]/u.test(plain)) return "empty";
  const sentences = (plain.match(SENTENCE) ?? [plain])
    .map((sentence) => sentence.trim())
    .filter((sentence) => /[\p{L}\p{N}]/u.test(sentence));
  // Patterns may ask for a sentence's end with or without its full stop.
  const refuses = (sentence: string) =>
    [sentence, sentence.replace(/[.!?。\s]+$/u, "")].some((form) => patterns.some((pattern) => pattern.test(form)));
  const at = sentences.slice(0, 2).findIndex(refuses);
  if (at < 0) return "answered";
  return answersAnyway(sentences, at, refuses) ? "answered" : "refused";
}

/** A claim behind the refusal: in its own sentence after a turning word, or in a later sentence that neither refuses nor is a courtesy. */
function answersAnyway(sentences: readonly string[], at: number, refuses: (sentence: string) => boolean): boolean {
  const own = sentences[at]!;
  const turn = [...own.matchAll(new RegExp(TURN, "gu"))].at(-1);
  if (turn) {
    const before = own.slice(0, turn.index);
    const after = own.slice(turn.index + turn[0].length);
    // "Sorry, but I cannot say" turns the other way round; "I do not know, but it may be X" answers.
    if (refuses(before) && isClaim(after) && !refuses(after)) return true;
  }
  const later = sentences.slice(at + 1);
  const turnsLater = later.findIndex((sentence) => TURN.test(sentence));
  return turnsLater >= 0 && later.slice(turnsLater).some((sentence) => isClaim(sentence) && !refuses(sentence));
}

function isClaim(text: string): boolean {
  return text.replace(/[^\p{L}\p{N}]/gu, "").length >= ENOUGH_CLAIM / 2 && !COURTESY.test(text);
}

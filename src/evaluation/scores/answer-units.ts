/**
 * What an answer is counted in: words where a script writes spaces, characters where it does not (Japanese, Chinese), so that one score serves
 * both languages without a dictionary that would have to be shipped.
 *
 * Text is first brought to one form: NFKC (full-width digits and letters become plain), lower case, punctuation and symbols out, and English
 * articles out, as SQuAD's own scoring does (Rajpurkar et al. 2016, arXiv:1606.05250).
 */
const UNIT = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}ー]|[\p{L}\p{N}\p{M}]+/gu;
/** Scripts whose characters are units of their own; a run of other letters and digits is one word. */
const SPLIT_SCRIPT = /([\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}ー])/gu;
const ARTICLES = new Set(["a", "an", "the"]);

/** `"The 12 G7 国"` → `["12", "g7", "国"]`. */
export function answerUnits(text: string): string[] {
  const plain = text.normalize("NFKC").toLowerCase().replace(/['’]/gu, "").replace(SPLIT_SCRIPT, " $1 ");
  return (plain.match(UNIT) ?? []).filter((unit) => !ARTICLES.has(unit));
}

/**
 * Which language an answer is in, by its scripts alone: kana makes Japanese; Han without kana is Chinese unless it is short (a Japanese name is
 * often Han only); Hangul is Korean; Latin letters are English unless other marks speak against it. Enough to see a model answer in the wrong
 * language, which is what it is for; not a language identifier.
 */
export type AnswerLanguage = "ja" | "en" | "zh" | "ko" | "other" | "none";

/** Han-only text up to so many characters may well be Japanese: names, years, titles. */
const SHORT_HAN = 12;

export function answerLanguage(text: string): AnswerLanguage {
  const count = (pattern: RegExp) => (text.match(pattern) ?? []).length;
  const kana = count(/[\p{sc=Hiragana}\p{sc=Katakana}]/gu);
  const han = count(/\p{sc=Han}/gu);
  const hangul = count(/\p{sc=Hangul}/gu);
  const latin = count(/\p{sc=Latin}/gu);
  const letters = count(/\p{L}/gu);
  if (letters === 0) return "none";
  // A Japanese character says about as much as two or three Latin letters.
  const eastAsian = kana + han;
  if (hangul > eastAsian && hangul * 2 > latin) return "ko";
  if (eastAsian * 3 >= latin && eastAsian > 0) return kana > 0 || han <= SHORT_HAN ? "ja" : "zh";
  return latin * 2 > letters ? "en" : "other";
}

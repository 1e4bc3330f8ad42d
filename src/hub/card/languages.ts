/** Which languages a text is written in, by its letters: enough for the `language` of a card, silent where it is not clear. */

const SCRIPTS: readonly (readonly [language: string, letters: RegExp])[] = [
  ["ja", /[\u3040-\u30ff]/g],
  ["ko", /[\uac00-\ud7af]/g],
  ["ru", /[\u0400-\u04ff]/g],
  ["ar", /[\u0600-\u06ff]/g],
  ["th", /[\u0e00-\u0e7f]/g],
];
const HAN = /[\u4e00-\u9fff]/g;
const ENGLISH_WORDS = /\b(the|and|is|are|of|to|in|that|it|for|was|with|you)\b/gi;
const WORDS = /\b[A-Za-z]{2,}\b/g;
/** Of all letters; a few quoted words make no language. */
const LEAST_SHARE = 0.03;

/** @returns ISO 639-1 codes, the most frequent first */
export function detectLanguages(text: string): string[] {
  const letters = text.match(/\p{L}/gu)?.length ?? 0;
  if (letters < 40) return [];
  const found = SCRIPTS.map(([language, pattern]) => [language, text.match(pattern)?.length ?? 0] as const).filter(
    ([, count]) => count / letters >= LEAST_SHARE,
  );
  const han = text.match(HAN)?.length ?? 0;
  // Han letters without kana are Chinese; with kana they are the rest of the Japanese.
  const counts = found.map(([language, count]) => [language, language === "ja" ? count + han : count] as const);
  if (han / letters >= LEAST_SHARE && !found.some(([language]) => language === "ja")) counts.push(["zh", han]);
  const words = text.match(WORDS)?.length ?? 0;
  const english = text.match(ENGLISH_WORDS)?.length ?? 0;
  const latin = text.match(/[A-Za-z]/g)?.length ?? 0;
  if (latin / letters >= LEAST_SHARE && english / Math.max(1, words) > 0.08) counts.push(["en", latin]);
  return [...counts].sort((a, b) => b[1] - a[1]).map(([language]) => language);
}

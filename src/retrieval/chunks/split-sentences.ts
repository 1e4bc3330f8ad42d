/**
 * Text → sentences that join to the text again. `Intl.Segmenter` knows where sentences end in every script (。！？ in Japanese); a line that begins
 * a list item or follows an empty line begins a new one too, because lists and headings have no full stops.
 */

const JAPANESE = /[\u3040-\u30ff]/;
const segmenters = new Map<string, Intl.Segmenter>();

function segmenter(locale: "ja" | "en", granularity: "sentence" | "word"): Intl.Segmenter {
  const key = `${locale} ${granularity}`;
  const found = segmenters.get(key) ?? new Intl.Segmenter(locale, { granularity });
  segmenters.set(key, found);
  return found;
}

export const localeOf = (text: string): "ja" | "en" => (JAPANESE.test(text) ? "ja" : "en");

/** What closes behind a sentence's end belongs to it: 「…。」 */
const CLOSING = /^[」』）)】〕》〉”’"'\s]+/;

/** Sentences with the white space behind them. */
export function splitSentences(text: string): string[] {
  const sentences: string[] = [];
  for (const paragraph of text.split(/(?<=\n)(?=\s*\n|[ \t]*(?:[-*+•・]|\d{1,3}[.)])\s)|(?<=\n\s*\n)/)) {
    if (paragraph === "") continue;
    for (const { segment } of segmenter(localeOf(paragraph), "sentence").segment(paragraph)) {
      const before = sentences.at(-1);
      const closing = before === undefined ? null : CLOSING.exec(segment);
      if (before !== undefined && (segment.trim() === "" || (closing && closing[0].length === segment.length)))
        sentences[sentences.length - 1] += segment;
      else sentences.push(segment);
    }
  }
  return sentences;
}

/** Words as a dictionary would list them, in lower case: what a question and a text can have in common. */
export function wordsOf(text: string): string[] {
  const words: string[] = [];
  for (const { segment, isWordLike } of segmenter(localeOf(text), "word").segment(text.normalize("NFKC").toLowerCase())) {
    if (isWordLike) words.push(segment);
  }
  return words;
}

/** The pieces of a sentence that is too long for a chunk: at commas, then at words. They join to it again. */
export function splitClauses(sentence: string): string[] {
  const clauses = sentence.split(/(?<=[、，,;；:：\n])/);
  if (clauses.length > 1) return clauses;
  const pieces: string[] = [];
  for (const { segment } of segmenter(localeOf(sentence), "word").segment(sentence)) pieces.push(segment);
  return pieces.length > 1 ? pieces : [...sentence];
}

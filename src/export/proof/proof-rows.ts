/** What a proof is measured on: rows as token ids with the tokens that count, and the built-in texts for adapters that come without their run. */
import type { Tokenizer } from "../../text/tokenizer.ts";

export interface ProofRow {
  readonly ids: Int32Array;
  /** 1 where the token is scored; the first token never is. */
  readonly scored: Uint8Array;
}

/** In two languages, as remora's users are; every token of them counts. */
const TEXTS: readonly string[] = [
  "The library opens at nine in the morning and closes at six, except on Sundays.",
  "To make tea, boil fresh water, warm the pot, and let the leaves stand for three minutes.",
  "Instruction: Summarize the report. Response: Sales rose in spring and fell slightly in autumn.",
  "def area(width, height):\n    return width * height\n",
  "図書館は朝九時に開き、夕方六時に閉まります。日曜日は休みです。",
  "お茶を入れるには、新しい水を沸かし、急須を温め、葉を三分ほど蒸らします。",
  "次の文を英語に翻訳してください。\n明日は雨が降るでしょう。\nIt will probably rain tomorrow.",
  "The remora attaches itself to larger fish. コバンザメは大きな魚にくっつきます。",
];

export function builtInRows(tokenizer: Tokenizer, maxTokens: number): ProofRow[] {
  return TEXTS.map((text) => {
    const begin = tokenizer.addsBos && tokenizer.bos !== undefined ? [tokenizer.bos] : [];
    const ids = Int32Array.from([...begin, ...tokenizer.encode(text)].slice(0, maxTokens));
    return { ids, scored: new Uint8Array(ids.length).fill(1, 1) };
  }).filter(({ ids }) => ids.length > 1);
}

/** Cuts long rows; keeps those in which something is left to score. */
export function limitRows(rows: Iterable<ProofRow>, maxRows: number, maxTokens: number): ProofRow[] {
  const kept: ProofRow[] = [];
  for (const { ids, scored } of rows) {
    if (kept.length >= maxRows) break;
    const row = { ids: ids.slice(0, maxTokens), scored: scored.slice(0, maxTokens) };
    row.scored[0] = 0;
    if (row.scored.includes(1)) kept.push(row);
  }
  return kept;
}

export const scoredTokens = (rows: readonly ProofRow[]): number =>
  rows.reduce((sum, { scored }) => sum + scored.reduce((count, flag) => count + flag, 0), 0);

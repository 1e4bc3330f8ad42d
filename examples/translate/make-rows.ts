/**
 * Writes train.jsonl: the hand-written pairs of written.tsv and, drawn from the templates, as many more as make 2,000 rows.
 *
 *   npx tsx examples/translate/make-rows.ts
 *
 * The same rows come out every time. held-out.jsonl is written by hand and has no source but itself.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { mulberry32, shuffle } from "../seeded-random.ts";
import { type Template, templates } from "./templates.ts";
import { lists, type Word } from "./words.ts";

export const INSTRUCTION = "次の文を英語に翻訳してください。";
const ROWS = 2000;
/** `{list}` or `{list.form}` in a template. */
export const PLACE = /\{(\w+)(?:\.(\w+))?\}/g;

export interface Row {
  instruction: string;
  input: string;
  output: string;
}

export function makeRows(): Row[] {
  const random = mulberry32(1);
  const pairs = new Map(readPairs("written.tsv"));
  const english = new Set(pairs.values());
  // Turn by turn, so that each template gives as many rows as the others; one that has no new sentence left is passed over.
  for (let turn = 0; pairs.size < ROWS; turn++) {
    const [ja, en] = fill(templates[turn % templates.length]!, random);
    if (pairs.has(ja) || english.has(en)) continue;
    pairs.set(ja, en);
    english.add(en);
  }
  return shuffle([...pairs], random).map(([input, output]) => ({ instruction: INSTRUCTION, input, output }));
}

/** One sentence pair: a word drawn for every list that the template names, in the forms that it asks for. */
function fill(template: Template, random: () => number): [string, string] {
  const drawn = new Map<string, Word>();
  const put = (text: string, language: "ja" | "en") =>
    text.replace(PLACE, (_, list: string, form: string = language) => {
      const words = lists[list]!;
      const word = drawn.get(list) ?? words[Math.floor(random() * words.length)]!;
      drawn.set(list, word);
      return word[form]!;
    });
  const [ja, en] = [put(template.ja, "ja"), put(template.en, "en")];
  return [ja, en[0]!.toUpperCase() + en.slice(1)];
}

function readPairs(name: string): [string, string][] {
  const text = readFileSync(new URL(name, import.meta.url), "utf8");
  return text
    .trim()
    .split("\n")
    .map((line) => line.split("\t") as [string, string]);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const lines = makeRows().map((row) => JSON.stringify(row));
  writeFileSync(new URL("train.jsonl", import.meta.url), `${lines.join("\n")}\n`);
}

/**
 * Writes train.jsonl: passages made from the facts of kinds.ts, each asked twice, once for what it says and once for what it does not say.
 *
 *   npx tsx recipes/context-or-silence/make-rows.ts
 *
 * The same rows come out every time. Half of the questions have no answer in their passage; of these a quarter asks for a fact that is there, but of
 * something else of the same kind. held-out.jsonl is written by hand and has no source but itself.
 */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { mulberry32, shuffle } from "../../examples/seeded-random.ts";
import { type Both, type Kind, kinds, type Language } from "./kinds.ts";

/** Passages, in each language. */
const PASSAGES = 120;
const STATED = 3;
const OTHER_NAME_EVERY = 4;
export const NOT_KNOWN: Both = { ja: "わかりません。", en: "I do not know." };

export interface Row {
  instruction: string;
  context: string;
  output: string;
  answerable: boolean;
}

export function makeRows(): Row[] {
  const random = mulberry32(7);
  const rows = new Map<string, Row>();
  for (const language of ["ja", "en"] as const) {
    for (let passage = 0; passage < PASSAGES; passage++) {
      for (const row of passageRows(kinds[passage % kinds.length]!, language, passage % OTHER_NAME_EVERY === 0, random)) {
        rows.set(`${row.context}\n${row.instruction}`, row);
      }
    }
  }
  return shuffle([...rows.values()], random);
}

/** A passage of a few facts, with a question that it answers and one that it does not. */
function passageRows(kind: Kind, language: Language, asksOther: boolean, random: () => number): Row[] {
  const [name, other] = shuffle([...kind.names], random);
  const facts = shuffle([...kind.facts], random);
  const stated = facts.slice(0, STATED).map((fact) => ({ fact, value: pick(fact.values, random) }));
  const put = (text: Both, of: Both, value?: Both) =>
    sentence(text[language].replace("{name}", of[language]).replace("{value}", value?.[language] ?? ""));
  const sentences = [put(kind.first, name!), ...stated.map(({ fact, value }) => put(fact.say, name!, value))];
  const context = sentences.join(language === "en" ? " " : "");
  const asked = pick(stated, random);
  const missing = asksOther ? put(asked.fact.ask, other!) : put(facts[STATED]!.ask, name!);
  return [
    { instruction: put(asked.fact.ask, name!), context, output: asked.value[language], answerable: true },
    { instruction: missing, context, output: NOT_KNOWN[language], answerable: false },
  ];
}

const sentence = (text: string): string => text[0]!.toUpperCase() + text.slice(1);
const pick = <T>(items: readonly T[], random: () => number): T => items[Math.floor(random() * items.length)]!;

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const lines = makeRows().map((row) => JSON.stringify(row));
  writeFileSync(new URL("train.jsonl", import.meta.url), `${lines.join("\n")}\n`);
}

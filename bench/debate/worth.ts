/**
 * What a debate's answers are worth beside plain ones: a model alone, the same model with its first look at the sources, the debate. Against the
 * references by F1 and chrF, by how sure the guard let the debate be, by refusals of what has no answer, and by a judge in pairs.
 *
 *   npx tsx bench/debate/worth.ts --transcript debate/transcript.jsonl --model NAME [--judge NAME [--short]] --out worth.json
 *
 * --short: the judge is asked for a number alone, which models too small for the product's line of JSON can still give.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { askAll } from "../../src/asking/named-model.ts";
import { openNamedModel } from "../../src/asking/open-named-model.ts";
import { withoutCitations } from "../../src/debate/check-citations.ts";
import type { DebateRecord } from "../../src/debate/debate-record.ts";
import { judgePair } from "../../src/evaluation/judge/pairwise-judge.ts";
import { classifyAnswer } from "../../src/evaluation/no-answer/no-answer.ts";
import { chrF } from "../../src/evaluation/scores/chrf.ts";
import { unitF1 } from "../../src/evaluation/scores/exact-and-f1.ts";
import { meanInterval, pairedDifference } from "../../src/evaluation/statistics/bootstrap.ts";

const { values } = parseArgs({
  options: {
    transcript: { type: "string" },
    model: { type: "string" },
    judge: { type: "string" },
    short: { type: "boolean" },
    out: { type: "string" },
  },
});
const records = readFileSync(values.transcript!, "utf8")
  .split("\n")
  .filter((line) => line !== "")
  .map((line) => JSON.parse(line) as DebateRecord);
const settings = { maxTokens: 64, temperature: 0, seed: 0, stop: ["\n\n", "\nQuestion:"] };

async function plainAnswers(name: string): Promise<string[]> {
  const model = await openNamedModel(name);
  try {
    const requests = records.map(({ question }) => ({
      messages: [
        {
          role: "user" as const,
          content: `Begin with the answer in a few words. If you do not know the answer, say: I do not know.\n\nQuestion: ${question}\nAnswer:`,
        },
      ],
      settings,
    }));
    return (await askAll(model, requests)).map((answer) => (answer instanceof Error ? "" : answer.text.trim()));
  } finally {
    await model.close();
  }
}

const speakers = [...new Set(records.flatMap(({ turns }) => turns.map(({ debater }) => debater)))];
const answers = new Map<string, string[]>([["plain, no documents", await plainAnswers(values.model!)]]);
for (const name of speakers) {
  answers.set(
    `${name}, first statement`,
    records.map(({ turns }) => withoutCitations(turns.find(({ debater, round }) => debater === name && round === 1)?.text ?? "")),
  );
}
const debated = records.map(({ answer }) => withoutCitations(answer));
answers.set("debate", debated);

const known = records.flatMap(({ references }, index) => (references.length > 0 ? [index] : []));
const f1Of = (list: readonly string[]) => known.map((index) => unitF1(list[index]!, records[index]!.references));
const chrFOf = (list: readonly string[]) =>
  known.map((index) => Math.max(...records[index]!.references.map((reference) => chrF([list[index]!], [reference]) / 100)));
const holds = (list: readonly string[]) =>
  known.map((index) =>
    Number(records[index]!.references.some((reference) => list[index]!.toLowerCase().includes(reference.toLowerCase()))),
  );
const without = records.flatMap(({ answerable }, index) => (answerable === false ? [index] : []));

const scores = [...answers].map(([name, list]) => ({
  name,
  f1: meanInterval(f1Of(list)),
  chrF: meanInterval(chrFOf(list)),
  holdsReference: meanInterval(holds(list)),
  debateMinusThis: name === "debate" ? undefined : pairedDifference(holds(list), holds(debated)),
  refusedUnanswerable: without.filter((index) => classifyAnswer({ text: list[index]! }) !== "answered").length,
}));

/** Does a lowered confidence mean anything? */
const right = holds(debated);
const sure = known.map((index) => records[index]!.confidence > 0.3);
const guard = {
  keptConfidence: { questions: sure.filter(Boolean).length, right: right.filter((value, place) => value === 1 && sure[place]).length },
  lowered: { questions: sure.filter((each) => !each).length, right: right.filter((value, place) => value === 1 && !sure[place]).length },
  unanswerableLowered: without.filter((index) => records[index]!.confidence <= 0.3).length,
  unanswerable: without.length,
};

const verdicts: Record<string, { debate: number; other: number; tie: number; unread: number }> = {};
if (values.judge !== undefined) {
  const judge = await openNamedModel(values.judge);
  const ask = async (prompt: string) => {
    const content = values.short
      ? `${prompt.replace(/\n\nReply with one line of JSON[\s\S]*$/u, "")}\n\nReply with 1 or 2 alone.\nBetter answer:`
      : prompt;
    const { text } = await judge.ask({
      messages: [{ role: "user", content }],
      settings: { ...settings, maxTokens: values.short ? 2 : 64 },
    });
    return text;
  };
  for (const [name, list] of answers) {
    if (name === "debate") continue;
    const count = { debate: 0, other: 0, tie: 0, unread: 0 };
    for (const index of known) {
      const { id, question, references } = records[index]!;
      const a = { variant: "debate", text: debated[index]! };
      const b = { variant: name, text: list[index]! };
      if (a.text === b.text) {
        count.tie++;
        continue;
      }
      const { score } = await judgePair({ id, question, references, a, b }, ask);
      count[score === undefined ? "unread" : score > 0.5 ? "debate" : score < 0.5 ? "other" : "tie"]++;
    }
    verdicts[name] = count;
  }
  await judge.close();
}
const result = { questions: records.length, withReferences: known.length, scores, guard, judge: values.judge, verdicts };
writeFileSync(values.out!, `${JSON.stringify(result, null, 2)}\n`);
console.log(JSON.stringify(result, null, 2));

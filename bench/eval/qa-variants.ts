/**
 * Did tuning help, did documents help, on data that nobody here wrote? One model, base and tuned, each with documents and without, on questions of
 * SQuAD 2.0 (half of them unanswerable) and JaQuAD: answered and refused against answerable and unanswerable, with 95% intervals.
 *
 *   npx tsx bench/eval/qa-variants.ts --data FOLDER --model MODEL --out FOLDER [--questions 300] [--rows 600] [--device cpu|cuda]
 *     [--base auto] [--embedder MODEL] [--epochs 2] [--results bench/results/qa-variants.json] [--stages index,rows,train,eval,table]
 *
 * FOLDER of --data holds squad-v2-dev-half.json and jaquad-dev.json. Stopped, it goes on where it stopped: index, rows, checkpoints and answers lie in
 * --out. Training rows get the context that retrieval finds; where the answer does not stand in it, as for every unanswerable question, the row's
 * output is the words for not knowing. With --results the table of this model is put beside the others of that file. bench/eval/card.sh runs train and
 * eval elsewhere, by the command line, between `--stages index,rows` and `--stages table` here.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { askSchema } from "../../src/config/schemas/retrieval.ts";
import { writeFileAtomically } from "../../src/formats/atomic-file.ts";
import { type EvalResult, evaluate, indexDocuments, makeContextRow, openIndex, retrieveOptions, train } from "../../src/index.ts";
import { languageOf, NOT_KNOWN } from "../../src/retrieval/answer/prompt.ts";
import { type QaItem, readSplit } from "./qa-split.ts";

const { values } = parseArgs({
  options: {
    data: { type: "string" },
    model: { type: "string" },
    out: { type: "string" },
    questions: { type: "string", default: "300" },
    rows: { type: "string", default: "600" },
    epochs: { type: "string", default: "2" },
    device: { type: "string", default: "auto" },
    base: { type: "string", default: "auto" },
    embedder: { type: "string" },
    results: { type: "string" },
    stages: { type: "string", default: "index,rows,train,eval,table" },
  },
});
const { data, model, out } = values;
if (!data || !model || !out) throw new Error("usage: --data FOLDER --model MODEL --out FOLDER");
const inOut = (name: string) => join(out, name);
/** Sources of an answer: what a model of 135 million parameters can read, in prompts of some 700 tokens. */
const LIMIT = 3;
const CHUNK_TOKENS = 160;
const MAX_TOKENS = 48;
const place = { device: values.device, offline: true };
const base = values.base as "auto";
const split = readSplit(data, Number(values.questions), Number(values.rows));
const asking = askSchema.parse({ index: inOut("index"), limit: LIMIT, embedder: values.embedder, ...place });
mkdirSync(inOut("documents"), { recursive: true });

const seconds: Record<string, number> = {};
const stages = values.stages.split(",");
for (const [name, work] of Object.entries({ index: makeIndex, rows: makeRows, train: tune, eval: compare, table: showTable }))
  if (stages.includes(name)) await timed(name, work);

async function makeIndex(): Promise<void> {
  writeFileSync(inOut("documents/passages.jsonl"), split.passages.map((passage) => JSON.stringify(passage)).join("\n"));
  const { chunks } = await indexDocuments({
    documents: inOut("documents"),
    index: inOut("index"),
    chunkTokens: CHUNK_TOKENS,
    embedder: values.embedder,
    ...place,
  });
  console.log(`${split.passages.length} paragraphs, ${chunks} chunks`);
}

async function makeRows(): Promise<void> {
  writeFileSync(inOut("questions.jsonl"), split.questions.map(questionRow).join("\n"));
  if (existsSync(inOut("train.jsonl"))) return;
  const opened = await openIndex(asking);
  const options = { ...retrieveOptions(asking, opened), unsupported: "keep" as const };
  const rows: string[] = [];
  let known = 0;
  for (const item of split.rows) {
    const row = (await makeContextRow(opened.index, { question: item.question, output: item.answers[0] ?? "" }, options))!;
    const answer = answerIn(item, row.context);
    if (answer !== undefined) known++;
    rows.push(
      JSON.stringify({ instruction: row.instruction, context: row.context, output: answer ?? NOT_KNOWN[languageOf(item.question)] }),
    );
  }
  await opened.close();
  await writeFileAtomically(inOut("train.jsonl"), `${rows.join("\n")}\n`);
  console.log(`${rows.length} training rows, ${rows.length - known} of them examples of not knowing`);
}

/** An answer to an answerable question that stands in the context; a row without one would teach to invent. */
function answerIn({ answers, answerable }: QaItem, context: string): string | undefined {
  return answerable ? answers.find((answer) => context.includes(answer)) : undefined;
}

async function tune(): Promise<void> {
  if (existsSync(inOut("run/adapter"))) return;
  const result = await train(
    {
      model: model!,
      base,
      data: inOut("train.jsonl"),
      template: "instruct-context",
      epochs: Number(values.epochs),
      blockLength: 1024,
      longRows: "drop",
      out: inOut("run"),
      resume: existsSync(inOut("run/checkpoints")),
      ...place,
    },
    {
      onEvent: (event) =>
        event.event === "step-end" &&
        event.step % 10 === 0 &&
        console.log(`step ${event.step} loss ${event.loss.toFixed(3)} ${Math.round(event.tokensPerSecond)} tok/s`),
    },
  );
  console.log(`held-out loss ${result.validationLossFirst?.toFixed(3)} → ${result.validationLossBest?.toFixed(3)}`);
}

function questionRow({ id, question, answers, answerable, set }: QaItem): string {
  return JSON.stringify({ id, question, reference: answers, category: set, answerable });
}

async function compare(): Promise<void> {
  let shown = "";
  await evaluate(
    {
      questions: inOut("questions.jsonl"),
      model: model!,
      base,
      adapter: inOut("run/adapter"),
      index: inOut("index"),
      limit: LIMIT,
      embedder: values.embedder,
      maxTokens: MAX_TOKENS,
      contextLength: 2048,
      title: `${nameOf(model!)} on SQuAD 2.0 and JaQuAD`,
      out: inOut("eval"),
      ...place,
    },
    {
      onEvent(event) {
        if (event.event !== "answers-progress") return;
        const line = `${event.variant} ${Math.floor(event.done / 50) * 50}/${event.all}`;
        if (line !== shown) console.log(line);
        shown = line;
      },
    },
  );
}

async function showTable(): Promise<void> {
  const report = JSON.parse(readFileSync(inOut("eval/report.json"), "utf8")) as EvalResult["report"];
  for (const { variant, id, error } of report.answers.filter(({ error }) => error !== undefined))
    console.log(`failed: ${variant} ${id}: ${error}`);
  const table = report.summary.variants.map(({ variant, count, answers, byCategory, metrics }) => ({
    variant,
    answers: count,
    ...answers,
    f1: metrics.f1,
    bySet: Object.fromEntries(Object.entries(byCategory).map(([set, part]) => [set, { ...part.answers, f1: part.metrics.f1 }])),
  }));
  console.log(markdown(table));
  for (const sentence of report.summary.sentences) console.log(sentence);
  if (values.results) {
    const before = existsSync(values.results)
      ? (JSON.parse(readFileSync(values.results, "utf8")) as { models: Record<string, unknown> })
      : { models: {} };
    const run = {
      questions: split.questions.length,
      rows: split.rows.length,
      device: values.device,
      seconds,
      node: process.version,
      variants: table,
      sentences: report.summary.sentences,
    };
    writeFileSync(
      values.results,
      `${JSON.stringify({ benchmark: "four variants on SQuAD 2.0 and JaQuAD", models: { ...before.models, [nameOf(model!)]: run } }, null, 2)}\n`,
    );
  }
}

/** The table as docs/log.md shows it. */
function markdown(
  table: readonly {
    variant: string;
    answered: Cells;
    refused: Cells;
    refusedWhenUnanswerable?: Share;
    refusedWhenAnswerable?: Share;
    correctGivenAttempted?: Share;
    f1?: Share;
  }[],
): string {
  const share = (value: Share | undefined) =>
    value ? `${(100 * value.mean).toFixed(1)} (${(100 * value.low).toFixed(1)}–${(100 * value.high).toFixed(1)})` : "–";
  const rows = table.map(
    ({ variant, answered, refused, refusedWhenUnanswerable, refusedWhenAnswerable, correctGivenAttempted, f1 }) =>
      `| ${variant} | ${answered.answerable} / ${answered.unanswerable} | ${refused.answerable} / ${refused.unanswerable} | ${share(refusedWhenUnanswerable)} | ${share(refusedWhenAnswerable)} | ${share(correctGivenAttempted)} | ${share(f1)} |`,
  );
  return [
    "| | answered: answerable / not | refused: answerable / not | silent when right, % | silent when wrong, % | F1 when answered, % | F1, % |",
    "|---|---|---|---|---|---|---|",
    ...rows,
  ].join("\n");
}

interface Cells {
  readonly answerable: number;
  readonly unanswerable: number;
}
interface Share {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

async function timed(name: string, work: () => Promise<void>): Promise<void> {
  const start = performance.now();
  await work();
  seconds[name] = Math.round((performance.now() - start) / 100) / 10;
  console.log(`${name}: ${seconds[name]} s`);
}

function nameOf(path: string): string {
  return path
    .split("/")
    .at(-1)!
    .replace(/\.gguf$/u, "");
}

/**
 * Tunes a model to answer from the context or to say that it does not know, and prints how often it did which before and after.
 *
 *   npx tsx recipes/context-or-silence/run.ts [--model <model>] [--out context-or-silence] [--method lora] [--steps 180] [--learning-rate 2e-3]
 *
 * Printed: the four cells of answered/refused × answerable/unanswerable, and what follows from them, with 95% intervals. The folder gets the run and
 * eval/report.html, where every answer stands beside its passage.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { AnswerTable } from "../../src/evaluation/no-answer/answer-table.ts";
import { SMALL_MODEL } from "../../src/hub/shipped-models.ts";
import { evaluate, train } from "../../src/index.ts"; // in a project of your own: from "remora"

const { values } = parseArgs({
  options: {
    model: { type: "string", default: SMALL_MODEL },
    out: { type: "string", default: "context-or-silence" },
    method: { type: "string", default: "lora" },
    steps: { type: "string", default: "180" },
    "learning-rate": { type: "string", default: "2e-3" }, // for the small model that ships; 2e-4 to 5e-4 suits models above 100 million parameters
  },
});
const here = (name: string) => new URL(name, import.meta.url).pathname;
const template = "instruct-context";
const steps = Number(values.steps);

const run = await train(
  {
    model: values.model,
    data: here("train.jsonl"),
    template,
    method: values.method === "qlora" ? "qlora" : "lora",
    maxSteps: steps,
    evalEvery: Math.ceil(steps / 6),
    learningRate: Number(values["learning-rate"]),
    lora: { rank: 16, alpha: 32 },
    validation: { count: 32 }, // chooses the adapter; the held-out passages only judge
    out: join(values.out, "run"),
    force: true,
  },
  {
    onEvent(event) {
      if (event.event === "eval-end") console.error(`step ${event.step}: held-out loss ${event.loss.toFixed(3)}`);
    },
  },
);
console.error(`The adapter of step ${run.bestStep} of ${run.steps} is in ${run.adapterPath}`);

const { report, files } = await evaluate(
  {
    questions: here("held-out.jsonl"),
    model: values.model,
    adapter: run.adapterPath,
    template,
    temperature: 0,
    maxTokens: 40,
    title: "Answer from the context, or say that you do not know",
    out: join(values.out, "eval"),
  },
  {
    onEvent(event) {
      if (event.event === "answers-progress" && event.done === event.all) console.error(`${event.variant}: ${event.done} questions`);
    },
  },
);

const NAMES: Record<string, string> = { base: "before", tuned: "after" };
const rows = report.summary.variants.flatMap(({ variant, answers, byCategory }) => [
  cells(`${NAMES[variant]}, all`, answers),
  ...Object.entries(byCategory).map(([category, part]) => cells(`${NAMES[variant]}, ${category}`, part.answers)),
]);
const header = [
  "",
  "answered: answerable",
  "unanswerable",
  "refused: answerable",
  "unanswerable",
  "right when answered",
  "silent when right",
  "silent when wrong",
];
const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]!.length)));
for (const row of [header, ...rows])
  console.log(
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join("  ")
      .trimEnd(),
  );
for (const sentence of report.summary.sentences) console.log(sentence);
console.log(files.html);

function cells(name: string, table: AnswerTable): string[] {
  const { answered, refused } = table;
  const counts = [answered.answerable, answered.unanswerable, refused.answerable, refused.unanswerable].map(String);
  const shares = [table.correctGivenAttempted, table.refusedWhenUnanswerable, table.refusedWhenAnswerable].map((interval) =>
    interval ? `${percent(interval.mean)}% (${percent(interval.low)} to ${percent(interval.high)})` : "–",
  );
  return [name, ...counts, ...shares];
}

function percent(share: number): string {
  return (100 * share).toFixed(0);
}

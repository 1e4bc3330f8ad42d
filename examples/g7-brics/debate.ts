/**
 * Where questions and old answers come from: questions made from the example's documents toward two goals, and a debate whose answers become the old
 * ones of the next comparison. Runs behind run.ts, in the same folder; run again, it goes on where it stopped.
 *
 *   npx tsx examples/g7-brics/debate.ts --out g7-brics [--model <model>] [--judge <model>] [--max-questions n] [--device cpu|cuda]
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    out: { type: "string", default: "g7-brics" },
    model: { type: "string" },
    judge: { type: "string" },
    "max-questions": { type: "string", default: "8" },
    device: { type: "string", default: "cpu" },
  },
});
const inOut = (name: string) => join(values.out, name);
const here = relative(process.cwd(), import.meta.dirname);
if (!existsSync(inOut("run/adapter"))) {
  console.error(`expected ${inOut("run/adapter")}, found nothing: run examples/g7-brics/run.ts first, with the same --out`);
  process.exit(2);
}
const model = values.model ?? `local:remora-tiny?adapter=${inOut("run/adapter")}`;
const place = ["--device", values.device, "--offline", "--yes"];

const goals = [
  "--goal",
  "goal A: know the groups, who belongs to them, when and where they met",
  "--goal",
  "goal B: weigh them, their sizes, criticism, prospects",
];
const made = remora(
  "questions",
  inOut("index"),
  ...goals,
  "--count",
  "8",
  "--model",
  model,
  "--max-tokens",
  "64",
  "--out",
  inOut("questions"),
  ...place,
);
if (made !== 0) console.log("\nNo question passed the check: the model is too small to write one. The debate takes the example's own.");

const debaters = [
  ["--debater", `reader=${model},stance=quotes the sources and adds nothing`],
  ["--debater", `critic=${model},stance=doubts names, numbers and dates,temperature=0.7`],
].flat();
const questions = made === 0 ? [inOut("questions/questions.jsonl")] : [join(here, "questions.jsonl"), "--columns", "reference=answer"];
const rules = ["--rounds", "2", "--limit", "1", "--max-tokens", "32", "--max-questions", values["max-questions"]];
const judge = values.judge === undefined ? [] : ["--judge", values.judge];
const debated = remora(
  "debate",
  ...questions,
  ...debaters,
  ...judge,
  ...rules,
  "--index",
  inOut("index"),
  "--out",
  inOut("debate"),
  ...place,
);
if (debated > 1) process.exit(debated);

console.log(`
This proves the path, not the answers. ${inOut("debate/transcript.jsonl")} holds every statement; ${inOut("debate/old-answers.jsonl")} is what the next
remora eval takes as questions, with the debate's answers as the old ones.`);

function remora(...words: string[]): number {
  console.log(`\n$ remora ${words.map((word) => (/[\s:]/.test(word) ? JSON.stringify(word) : word)).join(" ")}`);
  const { status } = spawnSync(process.execPath, [join(import.meta.dirname, "../../dist/cli/main.js"), ...words], { stdio: "inherit" });
  if (status === null || status === 130) process.exit(130);
  return status;
}

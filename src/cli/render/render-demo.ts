/** The demo as a story in five parts: answers before, the run, answers after, the proven save, answers from the saved files; then side by side. */
import type { DemoEvent, DemoReport, DemoSample, DemoScore, DemoStage, DemoTest } from "../../config/reports.ts";
import { counted } from "../../errors/counted.ts";
import { showCount, showPercent, showRate, showSeconds } from "../terminal/quantities.ts";
import type { Style } from "../terminal/style.ts";

const PARTS = 5;
const STAGES: Readonly<Record<DemoStage, { part: number; title: string; start: string }>> = {
  before: { part: 1, title: "Before", start: "Asking the model as it ships" },
  after: { part: 3, title: "After", start: "Asking again, with the new adapter in a fresh engine" },
  saved: { part: 5, title: "Saved", start: "Asking the saved model, read from disk" },
};

/** Parts that tell of themselves by other events: the run, the save. */
export function renderDemoPart(name: "learn" | "save", style: Style): string {
  return name === "learn"
    ? heading(2, "Learning: QLoRA, an adapter over weights in 4 bits. Rows held out of the training rows choose the best one", style)
    : heading(4, "Merging the adapter into the model, saved in 4 bits, and proving the files", style);
}

export function renderDemoEvent(event: Exclude<DemoEvent, { event: "answers-progress" }>, style: Style): string {
  switch (event.event) {
    case "demo-start": {
      const test = event.test ? `, and ${testText(event.test)}` : "";
      return [
        style.bold("remora demo: a language model learns to translate, on this machine, offline"),
        `  The model is ${event.model}, which ships with remora. It has read Japanese, English and pairs of both, but was never asked for English by an instruction.`,
        `  The task: ${event.instruction} (Translate the next sentence into English.)`,
        `  It learns from ${counted(event.rows, "row")} in ${counted(event.steps, "step")}; ${counted(event.heldOutRows, "sentence")} that it never sees judge it${test}.`,
        "  chrF: the letters an answer shares with the right one, 0 to 100. Loss: how surprised the model is by the right answer, lower is better.",
      ].join("\n");
    }
    case "answers-start":
      return heading(STAGES[event.stage].part, `${STAGES[event.stage].start}: ${counted(event.count, "sentence")}`, style);
    case "answers-end":
      return [
        `  ${style.bold(`${STAGES[event.stage].title}: ${scoreText(event.score)}`)} ${style.dim(`in ${showSeconds(event.seconds)}`)}`,
        ...event.samples.map(({ input, answer }) => `    ${input}  ${style.dim("→")} ${oneLine(answer)}`),
      ].join("\n");
    case "demo-end":
      return [
        "",
        style.bold(`Side by side: ${event.samples.length} of the ${counted(event.scores.before.count, "sentence")}`),
        ...event.samples.flatMap((sample) => sampleLines(sample, style)),
      ].join("\n");
  }
}

export function renderDemoReport(report: DemoReport, style: Style, out: string): string {
  const { train } = report;
  const better = report.eval.after > report.eval.before;
  const verdict = `chrF ${report.eval.before.toFixed(1)} → ${report.eval.after.toFixed(1)}`;
  const saved = report.saved.map(
    ({ format, retained, top1 }) =>
      `${format}: ${showPercent(retained)} of what was learnt retained, same first choice ${showPercent(top1)}`,
  );
  return [
    "",
    `${style.bold("Done")} in ${showSeconds(report.seconds)}: ${better ? style.green(verdict) : style.yellow(verdict)}`,
    ...(report.test
      ? [
          `  test file: chrF ${report.test.before.toFixed(1)} → ${report.test.after.toFixed(1)} over ${counted(report.test.count, "sentence")}`,
        ]
      : []),
    `  ${counted(train.steps, "step")}, ${counted(train.tokens, "token")} at ${showRate(train.tokensPerSecond)}; training loss ${train.lossFirst.toFixed(3)} → ${train.lossLast.toFixed(3)}`,
    `  saved ${saved.join("; ")}`,
    `  The page of this run: ${style.cyan(`${out}/demo.html`)}`,
    `  Ask it yourself: remora generate --model ${out}/saved --instruction 次の文を英語に翻訳してください。 --input 雨が降っています。`,
    "  Now yours: remora train --model <model> --data <rows.jsonl>",
  ].join("\n");
}

const heading = (part: number, text: string, style: Style): string => `\n${style.dim(`${part}/${PARTS}`)} ${style.bold(text)}`;

function testText({ file, rows, of }: DemoTest): string {
  return rows < of ? `the first ${showCount(rows)} of ${showCount(of)} in ${file}` : `${showCount(rows)} of ${file}`;
}

function scoreText({ chrF, count, test }: DemoScore): string {
  const other = test ? `, ${test.chrF.toFixed(1)} over the ${showCount(test.count)} of the test file` : "";
  return `chrF ${chrF.toFixed(1)} over ${counted(count, "held-out sentence")}${other}`;
}

function sampleLines({ input, expected, answers }: DemoSample, style: Style): string[] {
  const saved = answers.saved === answers.after ? style.dim("the same") : oneLine(answers.saved);
  return [
    `  ${input}`,
    `    ${style.dim("expected")} ${expected}`,
    `    ${style.dim("before")}   ${style.dim(oneLine(answers.before))}`,
    `    ${style.cyan("after")}    ${oneLine(answers.after)}`,
    `    ${style.cyan("saved")}    ${saved}`,
  ];
}

function oneLine(text: string): string {
  const flat = text.trim().replace(/\s*\n\s*/g, " ⏎ ");
  return flat === "" ? "(nothing)" : flat;
}

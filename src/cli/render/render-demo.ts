/** The demo as a story: what is about to happen, the answers before, the run, the answers after, and what they mean. */
import type { DemoEvent, DemoReport } from "../../config/reports.ts";
import { showCount, showRate, showSeconds } from "../terminal/quantities.ts";
import type { Style } from "../terminal/style.ts";

const TITLES = { before: "Before", after: "After" } as const;
const STARTS = {
  before: "Asking the model as it ships",
  after: "Asking again, with the saved adapter in a fresh engine",
} as const;

export function renderDemoEvent(event: DemoEvent, style: Style): string {
  switch (event.event) {
    case "demo-start":
      return [
        style.bold("remora demo: a language model learns to translate, on this machine, offline"),
        `  The model is ${event.model}, which ships with remora. It has read sentence pairs, but has never been given an instruction.`,
        `  The task: ${event.instruction} (Translate the next sentence into English.)`,
        `  It learns from ${showCount(event.rows)} rows in ${showCount(event.steps)} steps; ${showCount(event.heldOutRows)} other rows are kept aside to judge it.`,
        "  Loss: how surprised it is by the right answer, lower is better. chrF: the letters it shares with the right answer, 0 to 100.",
      ].join("\n");
    case "answers-start":
      return `\n${STARTS[event.stage]}: ${showCount(event.count)} sentences…`;
    case "answers-end":
      return renderAnswers(event, style);
  }
}

function renderAnswers(event: Extract<DemoEvent, { event: "answers-end" }>, style: Style): string {
  const figures = `held-out loss ${event.heldOutLoss.toFixed(3)}, chrF ${event.chrF.toFixed(1)} over ${showCount(event.count)} sentences`;
  const samples = event.samples.flatMap(({ input, expected, answer }) => [
    `  ${input}`,
    `    ${style.dim("expected")} ${expected}`,
    `    ${style.cyan("answered")} ${oneLine(answer)}`,
  ]);
  return [style.bold(`${TITLES[event.stage]}: ${figures}`), ...samples].join("\n");
}

/** @param out where the run was kept, when the user asked for that */
export function renderDemoReport(report: DemoReport, style: Style, out?: string): string {
  const { train } = report;
  const better = report.eval.after > report.eval.before;
  const verdict = `chrF ${report.eval.before.toFixed(1)} → ${report.eval.after.toFixed(1)}`;
  return [
    "",
    `${style.bold("Done")} in ${showSeconds(report.seconds)}: ${better ? style.green(verdict) : style.yellow(verdict)}`,
    `  ${showCount(train.steps)} steps, ${showCount(train.tokens)} tokens at ${showRate(train.tokensPerSecond)}; training loss ${train.lossFirst.toFixed(3)} → ${train.lossLast.toFixed(3)}`,
    out === undefined
      ? "  The adapter was in a temporary folder, removed now; --out run keeps it."
      : `  The adapter, the one with the lowest held-out loss, is in ${out}/adapter.`,
    "  Now yours: remora train --model <model> --data <rows.jsonl>",
  ].join("\n");
}

function oneLine(text: string): string {
  const flat = text.trim().replace(/\s*\n\s*/g, " ⏎ ");
  return flat === "" ? "(nothing)" : flat;
}

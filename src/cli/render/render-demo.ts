/** The demo as a story: what is about to happen, the answers before, the run, the answers after, and what they mean. */
import type { DemoEvent, DemoReport } from "../../config/reports.ts";
import { showCount, showRate, showScale, showSeconds } from "../terminal/quantities.ts";
import type { Style } from "../terminal/style.ts";

const TITLES = { before: "Before", after: "After", reloaded: "Saved, loaded again, asked again" } as const;

export function renderDemoEvent(event: DemoEvent, style: Style): string {
  if (event.event === "demo-start") {
    return [
      style.bold("remora demo: a language model learns to translate, on this machine, offline"),
      `  The model is ${event.model} (${showScale(event.parameters)} parameters), which ships with remora.`,
      "  The task: a Japanese sentence comes in, English must come out.",
      `  It learns from ${showCount(event.rows)} rows in ${event.steps} steps on ${event.device}; ${showCount(event.heldOutRows)} more rows are kept aside to judge it.`,
    ].join("\n");
  }
  const lines = [
    "",
    style.bold(
      `${TITLES[event.stage]}: held-out loss ${event.heldOutLoss.toFixed(3)}, chrF ${event.chrF.toFixed(1)} of 100 over ${event.count} sentences`,
    ),
  ];
  if (event.note) lines.push(`  ${event.note}`);
  for (const sample of event.samples) {
    lines.push(
      `  ${sample.input}`,
      `    ${style.dim("expected")} ${sample.expected}`,
      `    ${style.cyan("answered")} ${oneLine(sample.answer)}`,
    );
  }
  return lines.join("\n");
}

export function renderDemoReport(report: DemoReport, style: Style): string {
  const { train } = report;
  const better = report.eval.after > report.eval.before;
  const verdict = `chrF ${report.eval.before.toFixed(1)} → ${report.eval.after.toFixed(1)}`;
  return [
    "",
    `${style.bold("Done")} in ${showSeconds(report.seconds)}: ${better ? style.green(verdict) : style.yellow(verdict)}`,
    `  ${train.steps} steps, ${showCount(train.tokens)} tokens at ${showRate(train.tokensPerSecond)}; training loss ${train.lossFirst.toFixed(3)} → ${train.lossLast.toFixed(3)}`,
    "  Now yours: remora train --model <model> --data <rows.jsonl>",
  ].join("\n");
}

function oneLine(text: string): string {
  const flat = text.trim().replace(/\s*\n\s*/g, " ⏎ ");
  return flat === "" ? "(nothing)" : flat;
}

/** The table of a comparison in a terminal: a line a variant, the figures that people ask about first. */
import type { EvalResult } from "../../index.ts";
import type { Style } from "../terminal/style.ts";
import { tableLines } from "../terminal/table.ts";

const SHOWN = ["f1", "chrF", "similarity", "groundedness"] as const;
const TITLES = { f1: "F1", chrF: "chrF", similarity: "similarity", groundedness: "grounded" };

export function renderEvalTable({ summary }: EvalResult["report"], style: Style): string {
  const used = SHOWN.filter((name) => summary.variants.some(({ metrics }) => metrics[name]));
  const percent = (value: number | undefined) => (value === undefined ? "–" : `${(100 * value).toFixed(1)}`);
  const withTruth = summary.variants.some(({ answers }) => answers.refusedWhenUnanswerable);
  const header = [
    "",
    ...used.map((name) => TITLES[name]),
    "no answer",
    ...(withTruth ? ["silent when right", "silent when wrong"] : []),
    "s/answer",
  ];
  const rows = summary.variants.map(({ variant, metrics, answers }) => [
    variant,
    ...used.map((name) => percent(metrics[name]?.mean)),
    percent(answers.noAnswer?.mean),
    ...(withTruth ? [percent(answers.refusedWhenUnanswerable?.mean), percent(answers.refusedWhenAnswerable?.mean)] : []),
    metrics.seconds ? metrics.seconds.mean.toFixed(2) : "–",
  ]);
  const [first, ...lines] = tableLines([header, ...rows], `l${"r".repeat(header.length - 1)}`);
  return [style.dim(first!), ...lines].join("\n");
}

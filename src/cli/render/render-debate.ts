/** Statements, verdicts, and what debating was worth, a line each. */
import type { DebateRecord, DebateReport } from "../../index.ts";
import type { Output } from "../io.ts";
import { cutToWidth } from "../terminal/display-width.ts";
import type { Style } from "../terminal/style.ts";
import { tableLines } from "../terminal/table.ts";

export function renderStatement(id: string, turn: DebateRecord["turns"][number], output: Output, style: Style): string {
  const { round, debater, text, error, invented } = turn;
  const head = `${id} · ${round} · ${debater}: `;
  if (error !== undefined) return `${head}${style.yellow(error)}`;
  const marked = invented.length > 0 ? style.yellow(` (invented: ${invented.map((number) => `[${number}]`).join(" ")})`) : "";
  return `${shorten(`${head}${text}`, output)}${marked}`;
}

export function renderVerdict(id: string, verdict: DebateRecord["verdicts"][number], output: Output, style: Style): string {
  const { round, decision, why, problem } = verdict;
  const head = `${id} · ${round} · judge: `;
  return problem === undefined
    ? style.dim(shorten(`${head}${decision}${why === "" ? "" : ` — ${why}`}`, output))
    : `${head}${style.yellow(problem)}`;
}

export function renderWorth(worth: DebateReport["worth"], style: Style): string {
  const percent = ({ mean, low, high }: { mean: number; low: number; high: number }) =>
    `${(100 * mean).toFixed(1)} (${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)})`;
  const rows = worth.map(({ who, f1, chrF, debateF1 }) => [
    who === "debate" ? "debate" : `${who}, first statement`,
    percent(f1),
    percent(chrF),
    debateF1 === undefined ? "" : `${percent(debateF1)}, ${debateF1.differs}`,
  ]);
  const [first, ...lines] = tableLines([["", "F1", "chrF", "debate minus this, F1"], ...rows], "lrrl");
  return [style.dim(first!), ...lines].join("\n");
}

/** One line; a file gets it whole. */
function shorten(text: string, output: Output): string {
  const line = text.replace(/\s+/gu, " ").trim();
  return output.isTerminal ? cutToWidth(line, output.columns - 1) : line;
}

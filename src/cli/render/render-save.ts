/** A save's progress and its report: what was written, and how far it is from what was trained. */
import type { Closeness, SaveEvent, SaveProof, SaveReport } from "../../config/reports.ts";
import { counted } from "../../errors/counted.ts";
import { showBytes, showPercent, showSeconds } from "../terminal/quantities.ts";
import type { Style } from "../terminal/style.ts";
import { tableLines } from "../terminal/table.ts";

/** Characters of a prompt or answer that are shown. */
const SHOWN = 300;

/** @returns a line, and whether it is replaced by the next one */
export function renderSaveEvent(event: Exclude<SaveEvent, { event: "save-end" }>, style: Style): { line: string; isPassing: boolean } {
  switch (event.event) {
    case "save-start": {
      const line = `Writing ${style.bold(event.format)} to ${event.out}: ${counted(event.tensors, "tensor")}, about ${showBytes(event.bytes)}`;
      return { line, isPassing: false };
    }
    case "save-progress":
      return { line: `${event.done} of ${event.total}  ${event.tensor}`, isPassing: true };
    case "proof-start": {
      const line = `To be proven on ${event.data}: ${counted(event.rows, "row")}, ${counted(event.tokens, "token")}`;
      return { line, isPassing: false };
    }
  }
}

export function renderSaveReport(report: SaveReport, style: Style): string {
  const { proof, base, mergeBase, seconds, bytes } = report;
  const rate = seconds.write > 0 ? `, ${showBytes(bytes / seconds.write)}/s` : "";
  const name = report.type ? `${report.format}:${report.type}` : report.format;
  const types = Object.entries(report.tensors).map(([type, count]) => `${count} ${type}`);
  const lines = [
    style.bold(`${name} of ${base.model}`),
    ...tableLines(
      [
        ["files", `${showBytes(bytes)} in ${report.files.length}, written in ${showSeconds(seconds.write)}${rate}`],
        ["tensors", types.join(", ")],
        ...(report.adapters.length > 0 ? [["adapter", report.adapters.map(adapterName).join(" + ")]] : []),
        ...(report.adapters.length > 0 ? [["merged into", `${mergeBase.used} weights (${mergeBase.reason})`]] : []),
        ["proven on", `${proof.data}, ${counted(proof.tokens, "token")}, ${proof.device} ${proof.compute}`],
      ],
      "ll",
    ),
    "",
    ...closenessTable(report, style),
    ...checkLines(proof, style),
    verdict(proof, style),
  ];
  if (!proof.passed) lines.push(...worstLines(proof, style));
  return lines.join("\n");
}

const adapterName = ({ path, weight }: { path: string; weight: number }): string => (weight === 1 ? path : `${weight} × ${path}`);

function closenessTable({ proof, mergeBase, adapters }: SaveReport, style: Style): string[] {
  const { saved, base, tuned, mergeBases } = proof;
  const share = (retained: number | null) => (retained === null ? "" : showPercent(retained));
  const row = (name: string, { kl, retained, worstKl, top1, perplexity }: Partial<Closeness>) => [
    name,
    kl === undefined ? "" : nats(kl),
    worstKl === undefined ? "" : nats(worstKl),
    retained === undefined ? "" : share(retained),
    top1 === undefined ? "" : showPercent(top1),
    perplexity === undefined ? "" : perplexity.toFixed(3),
  ];
  const other = mergeBase.used === "original" ? "trained" : "original";
  const rows = [
    ["", "KL", "worst", "retained", "same top", "perplexity"].map((text) => style.dim(text)),
    row("tuned", { perplexity: tuned.perplexity }),
    row("base alone", base),
    row(style.bold("saved"), saved),
  ];
  if (adapters.length > 0 && mergeBases.original.kl !== mergeBases.trained.kl) {
    rows.push(row(`${mergeBase.used} base, unrounded`, mergeBases[mergeBase.used]), row(`${other} base, unrounded`, mergeBases[other]));
  }
  return tableLines(rows, "lrrrrr");
}

const nats = (value: number): string => (value === 0 ? "0" : value < 0.001 ? value.toExponential(1) : value.toFixed(4));

function checkLines({ checks }: SaveProof, style: Style): string[] {
  return tableLines(
    checks.map(({ name, ok, detail }) => [ok ? style.green("✓") : style.red("✗"), name, style.dim(detail)]),
    "lll",
  );
}

function verdict({ passed, required, saved }: SaveProof, style: Style): string {
  const isShare = required.measure === "retained";
  const found = isShare ? showPercent(saved.retained ?? 1) : nats(saved.kl);
  const needed = isShare ? `needed ${showPercent(required.value)}` : `allowed ${nats(required.value)}`;
  const text = isShare ? `${found} of what was learnt is retained (${needed})` : `mean KL ${found} from the model in memory (${needed})`;
  return passed ? style.green(`Proven: ${text}.`) : style.red(`Not proven: ${text}.`);
}

function worstLines({ worst }: SaveProof, style: Style): string[] {
  const field = (name: string, value: string) => [
    style.dim(name),
    JSON.stringify(value.length > SHOWN ? `${value.slice(0, SHOWN)}…` : value),
  ];
  return [
    `The prompt with the largest difference (mean KL ${nats(worst.kl)}):`,
    ...tableLines(
      [field("prompt", worst.prompt), field("expected", worst.expected), field("tuned", worst.tuned), field("saved", worst.saved)],
      "ll",
    ),
  ];
}

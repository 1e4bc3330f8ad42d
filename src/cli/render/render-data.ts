/** Rows with their trained tokens coloured, and the figures of a data set. */
import type { DataPreview, DataStats, PreviewPiece } from "../../config/reports.ts";
import { bar } from "../terminal/progress-line.ts";
import { showCount, showPercent } from "../terminal/quantities.ts";
import type { Style } from "../terminal/style.ts";
import { tableLines } from "../terminal/table.ts";

/** Without colours, trained text stands between ⟦ and ⟧, so that a pipe shows the same. */
export function renderPreview(preview: DataPreview, style: Style): string {
  const legend = style.enabled ? `${style.dim("context")} ${style.green("trained")}` : "trained tokens stand in ⟦ ⟧";
  const lines = [`${style.bold(`template ${preview.template}`)}, blocks of ${showCount(preview.blockLength)} tokens; ${legend}`];
  for (const row of preview.rows) {
    const cut = row.cutTokens ? style.yellow(`; ${showCount(row.cutTokens)} tokens cut`) : "";
    const trained = `${showCount(row.trainedTokens)} of ${showCount(row.tokens)} tokens trained`;
    lines.push("", `${style.bold(`${row.file} row ${row.row}`)}  ${trained}${cut}`);
    lines.push(row.pieces.map((piece) => renderPiece(piece, style)).join(""));
  }
  return lines.join("\n");
}

function renderPiece(piece: PreviewPiece, style: Style): string {
  if (!style.enabled) return piece.trained ? `⟦${piece.text}⟧` : piece.text;
  const paint = piece.trained ? style.green : style.dim;
  // Line by line: a colour that spans lines confuses pagers.
  const text = piece.text.split("\n").map(paint).join("\n");
  return piece.special ? style.underline(text) : text;
}

export function renderStats(stats: DataStats, style: Style): string {
  const most = Math.max(1, ...stats.histogram.map((bin) => bin.rows));
  const share = (part: number, whole: number) => (whole > 0 ? showPercent(part / whole) : "");
  const lines = [style.bold(`${showCount(stats.rows)} rows, template ${stats.template}, blocks of ${showCount(stats.blockLength)} tokens`)];
  lines.push(
    ...tableLines(
      [
        ["tokens", showCount(stats.tokens), ""],
        ["trained", showCount(stats.trainedTokens), share(stats.trainedTokens, stats.tokens)],
        ["median row", showCount(stats.medianRow), "tokens"],
        ["longest row", showCount(stats.longestRow), "tokens"],
        ["rows cut", showCount(stats.truncatedRows), stats.truncatedRows > 0 ? `${showCount(stats.truncatedTokens)} tokens lost` : ""],
        ["rows skipped", showCount(stats.skippedRows), ""],
        ["duplicates", showCount(stats.duplicateRows), share(stats.duplicateRows, stats.rows)],
        ["blocks", showCount(stats.blocks), `${showPercent(stats.fill)} full`],
      ],
      "lrl",
    ),
  );
  lines.push("", style.bold("Tokens a row"));
  lines.push(
    ...tableLines(
      stats.histogram.map((bin) => [
        `${showCount(bin.from)}–${showCount(bin.to - 1)}`,
        style.cyan(bar(bin.rows / most, 30)),
        showCount(bin.rows),
      ]),
      "rlr",
    ),
  );
  return lines.join("\n");
}

/** Columns of text, aligned by what a terminal shows. */
import { displayWidth, padToWidth } from "./display-width.ts";

/**
 * @param rows cells, possibly coloured
 * @param align `l` or `r` for each column: "lrl"
 * @returns lines, each with `indent` spaces in front and none behind
 */
export function tableLines(rows: readonly (readonly string[])[], align: string, indent = 2): string[] {
  const widths = Array.from({ length: align.length }, (_, column) => Math.max(0, ...rows.map((row) => displayWidth(row[column] ?? ""))));
  return rows.map((row) => {
    const cells = row.map((cell, column) => padToWidth(cell, widths[column]!, align[column] === "r" ? "left" : "right"));
    return (" ".repeat(indent) + cells.join("  ")).trimEnd();
  });
}

/** XLSX, row by row, by exceljs (loaded only then). The first row of the sheet names the columns unless `header` does. */

import { access } from "node:fs/promises";
import type { CellValue } from "exceljs";
import { DataError } from "../../errors/data-error.ts";
import { headerNames } from "./delimited-rows.ts";
import type { ReadOptions, SourceRow } from "./source-row.ts";
import { cannotRead } from "./text-file.ts";

/** A cell as plain data: the result of a formula, the text of a link or of formatted text. */
function plainValue(value: CellValue): unknown {
  if (typeof value !== "object" || value === null) return value ?? "";
  if (value instanceof Date) return value.toISOString();
  if ("richText" in value) return value.richText.map((part) => part.text).join("");
  if ("text" in value) return plainValue(value.text as CellValue);
  if ("result" in value) return plainValue(value.result as CellValue);
  return "";
}

export async function* readXlsx(file: string, options: ReadOptions): AsyncGenerator<SourceRow> {
  await access(file).catch((cause: unknown) => {
    throw cannotRead(file, cause);
  });
  const { default: excel } = await import("exceljs");
  const sheets: string[] = [];
  let row = 0;
  try {
    const workbook = new excel.stream.xlsx.WorkbookReader(file, {
      sharedStrings: "cache",
      worksheets: "emit",
      hyperlinks: "ignore",
      styles: "cache",
    });
    for await (const sheet of workbook) {
      const name = (sheet as unknown as { name?: string }).name ?? "";
      sheets.push(name);
      const wanted = options.sheet === undefined ? sheets.length === 1 : name === options.sheet;
      let header = options.header === undefined ? undefined : headerNames(options.header);
      for await (const line of sheet) {
        if (!wanted) continue;
        options.signal?.throwIfAborted();
        const cells = (line.values as CellValue[]).slice(1);
        if (header === undefined) {
          header = Array.from(cells, (cell) => String(plainValue(cell)).trim());
          continue;
        }
        const values: Record<string, unknown> = {};
        for (const [i, column] of header.entries()) if (column !== "") values[column] = plainValue(cells[i] ?? null);
        if (Object.values(values).every((value) => value === "")) continue;
        yield { row: ++row, line: line.number, values };
      }
      if (wanted) return;
    }
  } catch (cause) {
    if (cause instanceof DataError || options.signal?.aborted) throw cause;
    throw new DataError(
      { file, row: row + 1 },
      `expected an XLSX workbook, found: ${(cause as Error).message}`,
      "Save the sheet again as .xlsx.",
      cause,
    );
  }
  throw new DataError(
    { file },
    options.sheet === undefined
      ? "expected a sheet, found none"
      : `expected a sheet named ${JSON.stringify(options.sheet)}, found: ${sheets.join(", ")}`,
    "Name one of the sheets, or leave the name out for the first.",
  );
}

/**
 * CSV through papaparse, and TSV, which has no quotes: a tab ends a field, a newline ends a row, and a quotation mark is text.
 *
 * The first line names the columns unless `header` does.
 */
import { Readable } from "node:stream";
import Papa from "papaparse";
import { counted } from "../../errors/counted.ts";
import { DataError } from "../../errors/data-error.ts";
import type { ReadOptions, SourceRow } from "./source-row.ts";
import { readLines, readText } from "./text-file.ts";

/** Column names that a user gave. */
export const headerNames = (header: string | readonly string[]): readonly string[] =>
  typeof header === "string" ? header.split(",") : header;

/** Checks the names and makes rows of fields. */
class RowMaker {
  readonly #file: string;
  #header: readonly string[] | undefined;
  #row = 0;

  constructor(file: string, header: ReadOptions["header"]) {
    this.#file = file;
    if (header !== undefined) this.#header = this.#checked(headerNames(header), undefined);
  }

  make(fields: readonly string[], line?: number): SourceRow | undefined {
    if (this.#header === undefined) {
      this.#header = this.#checked(fields, line);
      return undefined;
    }
    this.#row++;
    if (fields.length !== this.#header.length) {
      const few = fields.length < this.#header.length;
      throw new DataError(
        { file: this.#file, row: this.#row, line },
        `expected ${counted(this.#header.length, "field")} (${this.#header.join(", ")}), found ${fields.length}`,
        few ? "Complete the row, or remove it." : "Quote fields that hold the separator (CSV), or remove the extra one.",
      );
    }
    return { row: this.#row, line, values: Object.fromEntries(this.#header.map((name, i) => [name, fields[i]])) };
  }

  #checked(names: readonly string[], line: number | undefined): readonly string[] {
    const trimmed = names.map((name) => name.trim());
    const repeated = trimmed.find((name, i) => trimmed.indexOf(name) !== i);
    if (repeated === undefined) return trimmed;
    throw new DataError(
      { file: this.#file, line },
      `expected a header line with different names, found ${JSON.stringify(repeated)} twice`,
      "If the file has no header line, name its columns: --header ja,en.",
    );
  }
}

export async function* readTsv(file: string, options: ReadOptions): AsyncGenerator<SourceRow> {
  const rows = new RowMaker(file, options.header);
  for await (const { line, text } of readLines(file, options.encoding, options.signal)) {
    if (text === "") continue;
    const row = rows.make(text.split("\t"), line);
    if (row !== undefined) yield row;
  }
}

export async function* readCsv(file: string, options: ReadOptions): AsyncGenerator<SourceRow> {
  const rows = new RowMaker(file, options.header);
  let count = options.header === undefined ? -1 : 0;
  for await (const fields of parseCsv(file, options, () => count)) {
    count++;
    if (fields.length === 1 && fields[0]!.trim() === "") continue;
    const row = rows.make(fields);
    if (row !== undefined) yield row;
  }
}

/** papaparse calls back chunk by chunk; this turns it into something to loop over, pausing while the consumer is busy. */
async function* parseCsv(file: string, options: ReadOptions, rowsSoFar: () => number): AsyncGenerator<string[]> {
  const text = Readable.from(readText(file, options.encoding, options.signal));
  const parser = text.pipe(Papa.parse(Papa.NODE_STREAM_INPUT, { skipEmptyLines: "greedy", header: false }));
  text.on("error", (error) => parser.destroy(error));
  try {
    for await (const fields of parser) yield fields as string[];
  } catch (error) {
    if (error instanceof DataError || options.signal?.aborted) throw error;
    throw new DataError(
      { file, row: rowsSoFar() + 1 },
      `expected CSV, found: ${(error as Error).message}`,
      "Check the quotes of this row.",
      error,
    );
  } finally {
    text.destroy();
  }
}

/**
 * JSON: an array of objects, read element by element, and JSON lines.
 *
 * The array reader only follows strings and nesting to find where an element ends; the element itself goes through `JSON.parse`. So a file
 * larger than memory streams, and an error names the element's row and line.
 */
import { DataError } from "../../errors/data-error.ts";
import type { ReadOptions, SourceRow } from "./source-row.ts";
import { readLines, readText } from "./text-file.ts";

function parseRow(file: string, text: string, row: number, line: number): SourceRow {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const at = /position (\d+)/.exec((cause as Error).message);
    const badLine = at === null ? line : line + text.slice(0, Number(at[1])).split("\n").length - 1;
    throw new DataError(
      { file, row, line: badLine },
      `expected JSON, found: ${(cause as Error).message.replace(/\s*\(line .*\)$/, "").replace(/\s+/g, " ")}`,
      "Correct the row, or remove it.",
      cause,
    );
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    const found = value === null ? "null" : Array.isArray(value) ? "a list" : typeof value;
    throw new DataError(
      { file, row, line },
      `expected an object with named columns, found ${found}`,
      'Write rows as {"instruction": …, "output": …}.',
    );
  }
  return { row, line, values: value as Record<string, unknown> };
}

export async function* readJsonLines(file: string, options: ReadOptions): AsyncGenerator<SourceRow> {
  let row = 0;
  for await (const { line, text } of readLines(file, options.encoding, options.signal)) {
    if (text.trim() !== "") yield parseRow(file, text, ++row, line);
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const NEWLINE = 0x0a;

const isSpace = (unit: number): boolean => unit === 0x20 || unit === 0x09 || unit === 0x0a || unit === 0x0d;

/** JSON lines in a `.json` file; a single object written over several lines is told apart. */
async function* readMisnamedLines(file: string, options: ReadOptions): AsyncGenerator<SourceRow> {
  let row = 0;
  try {
    for await (const each of readJsonLines(file, options)) {
      row = each.row;
      yield each;
    }
  } catch (error) {
    if (row > 0 || !(error instanceof DataError && error.cause instanceof SyntaxError)) throw error;
    throw new DataError(
      { file, line: 1 },
      "expected a JSON array of rows or an object in each line, found one object over several lines",
      "Write the rows as an array: [ {…}, {…} ].",
      error,
    );
  }
}

type ReaderState = "start" | "between" | "element" | "done";

/** A file that begins with `{` is taken for JSON lines under the wrong name. */
export async function* readJson(file: string, options: ReadOptions): AsyncGenerator<SourceRow> {
  let state = "start" as ReaderState;
  let depth = 0;
  let inString = false;
  let escaped = false;
  let held = "";
  let row = 0;
  let line = 1;
  let elementLine = 1;
  let expectsElement = false;
  for await (const chunk of readText(file, options.encoding, options.signal)) {
    let elementStart = 0; // of the running element's text in this chunk
    for (let i = 0; i < chunk.length; i++) {
      const unit = chunk.charCodeAt(i);
      if (unit === NEWLINE) line++;
      if (state === "element") {
        if (inString) {
          if (escaped) escaped = false;
          else if (unit === BACKSLASH) escaped = true;
          else if (unit === QUOTE) inString = false;
          continue;
        }
        if (unit === QUOTE) inString = true;
        else if (unit === OPEN_OBJECT || unit === OPEN_LIST) depth++;
        else if (depth > 0 && (unit === CLOSE_OBJECT || unit === CLOSE_LIST)) depth--;
        else if (depth === 0 && (unit === COMMA || unit === CLOSE_LIST)) {
          yield parseRow(file, (held + chunk.slice(elementStart, i)).trimEnd(), ++row, elementLine);
          held = "";
          state = unit === COMMA ? "between" : "done";
          expectsElement = unit === COMMA;
        }
        continue;
      }
      if (isSpace(unit)) continue;
      if (state === "start") {
        if (unit === OPEN_OBJECT) {
          yield* readMisnamedLines(file, options);
          return;
        }
        if (unit !== OPEN_LIST) {
          throw new DataError(
            { file, line },
            `expected a JSON array of rows, found ${JSON.stringify(chunk[i])} first`,
            "Write [ {…}, {…} ] or JSON lines.",
          );
        }
        state = "between";
      } else if (state === "done") {
        throw new DataError({ file, line }, "expected the end of the file after the array, found more text", "Keep one array in a file.");
      } else if (unit === CLOSE_LIST && !expectsElement) state = "done";
      else if (unit === COMMA || unit === CLOSE_LIST) {
        throw new DataError(
          { file, row: row + 1, line },
          `expected a row, found ${JSON.stringify(chunk[i])}`,
          "Remove the comma too many.",
        );
      } else {
        state = "element";
        elementStart = i;
        elementLine = line;
        depth = unit === OPEN_OBJECT || unit === OPEN_LIST ? 1 : 0;
        inString = unit === QUOTE;
        held = "";
      }
    }
    if (state === "element") held += chunk.slice(elementStart);
  }
  if (state === "start") throw new DataError({ file }, "expected a JSON array of rows, found an empty file", "Give a file with rows.");
  if (state !== "done") {
    throw new DataError(
      { file, row: row + (state === "element" ? 1 : 0), line: state === "element" ? elementLine : line },
      `expected the array to be closed with "]", found the end of the file${state === "element" ? " inside a row" : ""}`,
      "The file is cut off: write it again.",
    );
  }
}

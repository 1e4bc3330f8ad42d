/** JSONL: a section a row; its title, when it has one, stands as heading. */
import { readRows } from "../../data/read/read-rows.ts";
import { DataError } from "../../errors/data-error.ts";
import { cleanLine, cleanText, type Document, type Section } from "./document.ts";

const TEXT_COLUMNS: readonly string[] = ["text", "content", "body", "contents", "passage", "context"];
const TITLE_COLUMNS: readonly string[] = ["title", "name", "heading"];

/** @throws DataError with row and line */
export async function readJsonLines(
  path: string,
  fallbackTitle: string,
  options: { textColumns?: readonly string[]; encoding?: string; signal?: AbortSignal },
): Promise<Document> {
  const sections: Section[] = [];
  for await (const { row, line, values } of readRows(path, { format: "jsonl", encoding: options.encoding, signal: options.signal })) {
    const columns = options.textColumns ?? TEXT_COLUMNS.filter((name) => typeof values[name] === "string").slice(0, 1);
    const texts = columns.flatMap((name) => (typeof values[name] === "string" ? [values[name] as string] : []));
    if (texts.length === 0) {
      throw new DataError(
        { file: path, row, line },
        `expected text in one of the columns ${(options.textColumns ?? TEXT_COLUMNS).join(", ")}, found ${Object.keys(values).join(", ") || "none"}`,
        "Name the columns with --text-columns.",
      );
    }
    const title = TITLE_COLUMNS.map((name) => values[name]).find((value) => typeof value === "string" && value.trim() !== "");
    const text = cleanText(texts.join("\n\n")).trim();
    if (text !== "") sections.push({ headings: title === undefined ? [] : [cleanLine(title as string)], place: `row ${row}`, text });
  }
  return { title: fallbackTitle, sections };
}

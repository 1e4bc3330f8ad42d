/**
 * Plain text as documents: a line holding only `<|doc|>` stands between two. The separator is no text and is never given out.
 */
import type { ReadOptions, SourceRow } from "./source-row.ts";
import { readLines } from "./text-file.ts";

const DOCUMENT_SEPARATOR = "<|doc|>";

/** Each document as a row with the one column `text`. Documents without any text are left out. */
export async function* readDocuments(file: string, options: ReadOptions): AsyncGenerator<SourceRow> {
  let lines: string[] = [];
  let row = 0;
  let start = 1;
  const take = (): SourceRow | undefined => {
    const text = lines.join("\n");
    lines = [];
    return text.trim() === "" ? undefined : { row: ++row, line: start, values: { text } };
  };
  for await (const { line, text } of readLines(file, options.encoding, options.signal)) {
    if (text !== DOCUMENT_SEPARATOR) {
      lines.push(text);
      continue;
    }
    const document = take();
    if (document !== undefined) yield document;
    start = line + 1;
  }
  const document = take();
  if (document !== undefined) yield document;
}

/**
 * Data files → one token file, streaming: rows are read, worded, encoded and forgotten.
 *
 * A row is a document: the column `text`, or, with `forms`, the words of a form with the row's columns put in. With several forms the files are
 * read once for each pass, and row i takes form (i + pass): the forms of one row lie far apart.
 */
import { DataError } from "../errors/data-error.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { readRows } from "./read/read-rows.ts";
import type { ReadOptions } from "./read/source-row.ts";
import { encodeDocument } from "./text-blocks.ts";
import { type TokenFileFacts, TokenFileWriter, tokenizerPrint } from "./token-file.ts";

export interface TokenizeOptions extends ReadOptions {
  readonly files: readonly string[];
  readonly tokenizer: Tokenizer;
  readonly out: string;
  /** Texts with `{column}` in them. @default the column `text` alone */
  readonly forms?: readonly string[];
  /** How many of the forms each row takes, one after the other. @default all */
  readonly passes?: number;
  /** Called now and then. */
  readonly onProgress?: (documents: number, textBytes: number) => void;
}

const PROGRESS_DOCUMENTS = 500;

/** @throws DataError with file and row; nothing is left behind then */
export async function tokenizeFiles(options: TokenizeOptions): Promise<TokenFileFacts> {
  const { files, tokenizer, out, forms = ["{text}"], passes = forms.length, onProgress } = options;
  const endId = tokenizer.eos[0];
  if (endId === undefined) throw new DataError({ file: files[0]! }, "expected a tokenizer with an end-of-text token, found none");
  const { vocabularySize } = tokenizer;
  const writer = await TokenFileWriter.create(out, { endId, vocabularySize, print: tokenizerPrint(tokenizer) });
  try {
    let documents = 0;
    let textBytes = 0;
    for (let pass = 0; pass < passes; pass++) {
      let index = 0;
      for (const file of files) {
        for await (const { row, line, values } of readRows(file, options)) {
          const text = word(forms[(index++ + pass) % forms.length]!, values, { file, row, line });
          const ids = encodeDocument(tokenizer, text);
          if (ids === undefined) continue;
          const bytes = Buffer.byteLength(text, "utf8");
          await writer.add(ids.slice(0, -1), bytes);
          documents++;
          textBytes += bytes;
          if (documents % PROGRESS_DOCUMENTS === 0) onProgress?.(documents, textBytes);
        }
      }
    }
    if (documents === 0) throw new DataError({ file: files[0]! }, "expected at least one document, found none");
    return await writer.finish();
  } catch (error) {
    await writer.abandon();
    throw error;
  }
}

/** The form with the row's columns in the places of their names. */
function word(form: string, values: Readonly<Record<string, unknown>>, place: { file: string; row: number; line?: number }): string {
  return form.replace(/\{(\w+)\}/g, (_, column: string) => {
    const value = values[column];
    if (typeof value === "string" && value !== "") return value;
    const found = column in values ? JSON.stringify(value) : `the columns ${Object.keys(values).join(", ")}`;
    throw new DataError({ ...place, column }, `expected text, found ${found}`);
  });
}

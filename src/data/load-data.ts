/**
 * Files → tokenized examples, split into training and held-out: what a trainer, `data stats` and `data preview` start from.
 *
 * Rows stream; only their tokens are kept (`token-store.ts`). The first problem stops the reading with its file, row and column, before
 * anything was spent on training.
 */
import { DataError } from "../errors/data-error.ts";
import type { Template, TemplateRow } from "../text/templates/template.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { type ColumnMap, type ColumnOptions, mapColumns } from "./columns.ts";
import { type LongRowPolicy, makeExample } from "./example.ts";
import { readRows } from "./read/read-rows.ts";
import type { ReadOptions } from "./read/source-row.ts";
import { contentHash, type HeldOut, type Split, splitByHash } from "./split.ts";
import { encodeDocument } from "./text-blocks.ts";
import { TokenStore, type TokenStoreOptions } from "./token-store.ts";

export interface LoadDataOptions extends ReadOptions, ColumnOptions, TokenStoreOptions {
  files: readonly string[];
  tokenizer: Tokenizer;
  /** Left out for the objective `pretrain`. */
  template?: Template;
  /** `pretrain`: the column `text` (or the file's documents) as running text. @default "respond" */
  objective?: "respond" | "pretrain";
  blockLength: number;
  /** @default "truncate" */
  longRows?: LongRowPolicy;
  /** @default "responses" */
  trainOn?: "responses" | "all";
  /** Decided when the number of rows is known, or fixed. */
  heldOut?: HeldOut | ((rows: number) => HeldOut | undefined);
  /** Rows of these files are held out, and none of `files`. */
  heldOutFiles?: readonly string[];
  seed: number;
  /** Read no more rows than this. */
  limit?: number;
  /** Called now and then with the rows read so far. */
  onProgress?: (rows: number) => void;
}

export interface DataCounts {
  /** Rows read. */
  rows: number;
  /** Rows that repeat an earlier one word for word. */
  duplicates: number;
  /** Rows whose end was cut to fit the block. */
  truncated: number;
  /** Rows left out because they were too long (policy `drop`). */
  tooLong: number;
  /** Rows left out because the cut would have left no response. */
  responseCut: number;
}

export interface LoadedData extends Disposable {
  store: TokenStore;
  split: Split;
  counts: DataCounts;
  /** How the first file was mapped. */
  columns: ColumnMap | undefined;
}

const PROGRESS_ROWS = 1000;

/** Rows of files under the names of the template's fields. */
export async function* readTemplateRows(
  files: readonly string[],
  options: ReadOptions & ColumnOptions,
): AsyncGenerator<{ row: number; file: string; values: TemplateRow; map: ColumnMap }> {
  for (const file of files) {
    let map: ColumnMap | undefined;
    for await (const source of readRows(file, options)) {
      map ??= mapColumns(file, Object.keys(source.values), options);
      yield { row: source.row, file, values: map.map(source), map };
    }
  }
}

/** @throws DataError, TemplateError */
export async function loadData(options: LoadDataOptions): Promise<LoadedData> {
  const store = new TokenStore(options);
  try {
    return await load(store, options);
  } catch (error) {
    store[Symbol.dispose]();
    throw error;
  }
}

async function load(store: TokenStore, options: LoadDataOptions): Promise<LoadedData> {
  const counts: DataCounts = { rows: 0, duplicates: 0, truncated: 0, tooLong: 0, responseCut: 0 };
  const hashes: number[] = [];
  const seen = new Set<number>();
  let columns: ColumnMap | undefined;
  const read = async (files: readonly string[], limit: number) => {
    let rows = 0;
    if (limit === 0) return;
    for await (const { row, file, values, map } of readTemplateRows(files, options)) {
      columns ??= map;
      counts.rows++;
      rows++;
      const hash = contentHash(values);
      if (seen.has(hash)) counts.duplicates++;
      seen.add(hash);
      if (addRow(store, counts, options, values, row, file)) hashes.push(hash);
      if (counts.rows % PROGRESS_ROWS === 0) {
        options.onProgress?.(counts.rows);
        options.signal?.throwIfAborted();
        await new Promise((resolve) => setImmediate(resolve)); // tokenizing is synchronous: let the event loop breathe
      }
      if (rows >= limit) break;
    }
  };
  await read(options.files, options.limit ?? Number.POSITIVE_INFINITY);
  const own = store.count;
  if (options.heldOutFiles !== undefined) await read(options.heldOutFiles, Number.POSITIVE_INFINITY);
  options.onProgress?.(counts.rows);
  const split =
    options.heldOutFiles === undefined
      ? splitByHash(hashes, typeof options.heldOut === "function" ? options.heldOut(hashes.length) : options.heldOut, options.seed)
      : { training: range(0, own), heldOut: range(own, store.count) };
  if (split.training.length === 0) throw nothingToTrain(options, counts);
  return { store, split, counts, columns, [Symbol.dispose]: () => store[Symbol.dispose]() };
}

/** True when the row gave an example. */
function addRow(store: TokenStore, counts: DataCounts, options: LoadDataOptions, values: TemplateRow, row: number, file: string): boolean {
  if (options.objective === "pretrain") {
    const text =
      values.text ?? [values.instruction, values.input, values.output].filter((part) => part !== undefined && part !== "").join("\n");
    const ids = encodeDocument(options.tokenizer, text);
    if (ids === undefined) return false;
    store.add(ids, undefined, row);
    return true;
  }
  if (options.template === undefined) throw new RangeError("a template is needed unless the objective is pretrain");
  let example: ReturnType<typeof makeExample>;
  try {
    example = makeExample(values, row, { ...options, template: options.template }, file);
  } catch (error) {
    throw withPlace(error, file, row);
  }
  if (example === "too-long") counts.tooLong++;
  else if (example === "response-cut") counts.responseCut++;
  else {
    if (example.truncated) counts.truncated++;
    store.add(example.ids, example.trained, row);
    return true;
  }
  return false;
}

/** A template's error says which template; the row that brought it out is added. */
function withPlace(error: unknown, file: string, row: number): unknown {
  if (error instanceof DataError || !(error instanceof Error) || !("doing" in error)) return error;
  const { problem, next, doing } = error as Error & { problem: string; next?: string; doing: string };
  return new DataError({ file, row }, `${doing.charAt(0).toLowerCase()}${doing.slice(1)}: ${problem}`, next, error);
}

const range = (start: number, end: number): Int32Array => Int32Array.from({ length: end - start }, (_, i) => start + i);

function nothingToTrain(options: LoadDataOptions, counts: DataCounts): DataError {
  const file = options.files.join(", ");
  if (counts.rows === 0) return new DataError({ file }, "expected rows, found none", "Give a file with at least one row.");
  const cut = counts.tooLong + counts.responseCut;
  if (cut === counts.rows) {
    return new DataError(
      { file },
      `expected rows that fit a block of ${options.blockLength} tokens, found that ${counts.rows === 1 ? "the only one is" : `all ${counts.rows} are`} too long`,
      "Make the block longer.",
    );
  }
  return new DataError({ file }, `expected rows to train on, found that all ${counts.rows} are held out`, "Hold out fewer rows.");
}

/** Any data file as a stream of rows; the format comes from the file's name, or from what the user says. */
import { basename } from "node:path";
import { DataError } from "../../errors/data-error.ts";
import { readCsv, readTsv } from "./delimited-rows.ts";
import { readJson, readJsonLines } from "./json-rows.ts";
import { readParquet } from "./parquet-rows.ts";
import { DATA_FORMATS, type DataFormat, type ReadOptions, type SourceRow } from "./source-row.ts";
import { readDocuments } from "./text-documents.ts";
import { readXlsx } from "./xlsx-rows.ts";

const BY_EXTENSION: Readonly<Record<string, DataFormat>> = {
  json: "json",
  jsonl: "jsonl",
  ndjson: "jsonl",
  csv: "csv",
  tsv: "tsv",
  tab: "tsv",
  parquet: "parquet",
  xlsx: "xlsx",
  txt: "text",
  md: "text",
};

export function formatOf(file: string): DataFormat {
  const extension = /\.([^.]+)$/.exec(basename(file))?.[1]?.toLowerCase() ?? "";
  const format = Object.hasOwn(BY_EXTENSION, extension) ? BY_EXTENSION[extension] : undefined;
  if (format !== undefined) return format;
  throw new DataError(
    { file },
    `expected a name ending in ${Object.keys(BY_EXTENSION)
      .map((each) => `.${each}`)
      .join(", ")}, found ${extension === "" ? "no ending" : `.${extension}`}`,
    extension === "xls" ? "Save the sheet as .xlsx." : `Rename the file, or state its format: ${DATA_FORMATS.join(", ")}.`,
  );
}

/** Rows of a file in its order. @throws DataError with file, row and line */
export function readRows(file: string, options: ReadOptions = {}): AsyncGenerator<SourceRow> {
  switch (options.format ?? formatOf(file)) {
    case "json":
      return readJson(file, options);
    case "jsonl":
      return readJsonLines(file, options);
    case "csv":
      return readCsv(file, options);
    case "tsv":
      return readTsv(file, options);
    case "parquet":
      return readParquet(file, options);
    case "xlsx":
      return readXlsx(file, options);
    case "text":
      return readDocuments(file, options);
  }
}

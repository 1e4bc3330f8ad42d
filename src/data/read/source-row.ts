/** A row as its file holds it: values by column, before any mapping. */
export interface SourceRow {
  /** From 1; header lines are not rows. */
  row: number;
  /** Line of the file where the row begins, from 1, in formats that have lines. */
  line?: number;
  values: Record<string, unknown>;
}

export const DATA_FORMATS = ["json", "jsonl", "csv", "tsv", "parquet", "xlsx", "text"] as const;
export type DataFormat = (typeof DATA_FORMATS)[number];

export interface ReadOptions {
  /** Taken from the file's name when left out. */
  format?: DataFormat;
  /** Names for the columns of a CSV or TSV file that has no header line: a list, or text with commas. */
  header?: string | readonly string[];
  /** XLSX: the sheet's name. @default the first sheet */
  sheet?: string;
  /** @default "utf-8", or what a byte-order mark says */
  encoding?: string;
  signal?: AbortSignal;
}

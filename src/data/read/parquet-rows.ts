/** Parquet, a row group at a time, by hyparquet. The packages are loaded only when a Parquet file is read. */
import { DataError } from "../../errors/data-error.ts";
import type { ReadOptions, SourceRow } from "./source-row.ts";
import { cannotRead } from "./text-file.ts";

export async function* readParquet(file: string, options: ReadOptions): AsyncGenerator<SourceRow> {
  const { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } = await import("hyparquet");
  const { compressors } = await import("hyparquet-compressors");
  let row = 0;
  try {
    const buffer = await asyncBufferFromFile(file);
    const metadata = await parquetMetadataAsync(buffer);
    let start = 0;
    for (const group of metadata.row_groups) {
      options.signal?.throwIfAborted();
      const end = start + Number(group.num_rows);
      const objects = await parquetReadObjects({ file: buffer, metadata, compressors, rowStart: start, rowEnd: end });
      for (const values of objects) yield { row: ++row, values: values as Record<string, unknown> };
      start = end;
    }
  } catch (cause) {
    if (options.signal?.aborted) throw cause;
    if (typeof (cause as NodeJS.ErrnoException).code === "string") throw cannotRead(file, cause);
    throw new DataError(
      { file, row: row + 1 },
      `expected a Parquet file, found: ${(cause as Error).message}`,
      "Fetch the file again.",
      cause,
    );
  }
}

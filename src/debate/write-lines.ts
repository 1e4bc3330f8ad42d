/** Rows as JSONL: whole, or not at all. */
import { writeFileAtomically } from "../formats/atomic-file.ts";

/** @throws FileAccessError */
export const writeLines = (path: string, rows: readonly unknown[]): Promise<void> =>
  writeFileAtomically(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));

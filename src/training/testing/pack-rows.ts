/** Rows of token ids side by side as one batch, every next token trained, with some padding at the end: for tests. */
import type { Batch } from "../../data/batch.ts";

export function packRows(rows: readonly (readonly number[])[], padding = 0): Batch {
  const count = rows.reduce((sum, row) => sum + row.length, 0);
  const size = count + padding;
  const batch = {
    tokens: new Int32Array(size),
    targets: new Int32Array(size).fill(-1),
    positions: new Int32Array(size),
    segmentStart: new Int32Array(size),
    segmentEnd: new Int32Array(size),
  };
  let start = 0;
  for (const row of rows) {
    for (const [index, id] of row.entries()) {
      const at = start + index;
      batch.tokens[at] = id;
      batch.targets[at] = row[index + 1] ?? -1;
      batch.positions[at] = index;
      batch.segmentStart[at] = start;
      batch.segmentEnd[at] = start + row.length;
    }
    start += row.length;
  }
  return {
    ...batch,
    blockCount: 1,
    blockLength: size,
    trainedTokens: count - rows.length,
    tokenCount: count,
    rows: rows.map((_, row) => row),
  };
}

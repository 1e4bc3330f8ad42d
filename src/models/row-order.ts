/** Rows of q and k in GGUF files of llama-type models, put back into Hugging Face's order bytewise: blocks run along rows, so any format works. */
import type { RowOrder } from "./stored-weights.ts";

/** The row of the file that holds row `row` of the Hugging Face matrix: half p, index i of a head stands at 2 · i + p of that head. */
export function storedRow(order: RowOrder, row: number): number {
  const half = order.headDim / 2;
  const inHead = row % order.headDim;
  return row - inHead + 2 * (inHead % half) + Math.floor(inHead / half);
}

/** For every row of the Hugging Face matrix, the row of the file that holds it. i32 [rows], fit for a gather. */
function storedRows(order: RowOrder): Int32Array {
  return Int32Array.from({ length: order.heads * order.headDim }, (_, row) => storedRow(order, row));
}

/** A copy of `bytes` (rows of `rowBytes` each) in Hugging Face's order. */
export function reorderRows(bytes: Uint8Array, rowBytes: number, order: RowOrder): Uint8Array {
  const out = new Uint8Array(bytes.length);
  for (const [row, source] of storedRows(order).entries()) {
    out.set(bytes.subarray(source * rowBytes, (source + 1) * rowBytes), row * rowBytes);
  }
  return out;
}

/** Sizes of embedding, head + loss and logits, checked: ids and targets i32 [N], y and h [N, C]. */
import { ShapeError } from "../../errors/shape-error.ts";
import type { Operand, WeightOperand } from "../backend.ts";
import { elementCount } from "../element-types.ts";
import { expectCount, expectMatrix, matrix } from "../operand-checks.ts";

export function embeddingForwardSizes(table: WeightOperand, ids: Operand, y: Operand) {
  const op = `embeddingForward ${table.path}`;
  const N = elementCount(ids);
  expectCount(op, "ids", ids, N, "i32");
  const { dtype } = matrix(op, "y", y);
  expectMatrix(op, "y", y, N, table.cols, dtype);
  return { N, dtype };
}

export function embeddingBackwardSizes(ids: Operand, dY: Operand, dTable: Operand) {
  const op = "embeddingBackward";
  const { N, width: C, dtype } = matrix(op, "dY", dY);
  expectCount(op, "ids", ids, N, "i32");
  const rows = C === 0 ? 0 : elementCount(dTable) / C;
  expectMatrix(op, "dTable", dTable, rows, C, "f32");
  return { N, C, rows, dtype };
}

export function headLossSizes(
  head: WeightOperand,
  h: Operand,
  targets: Operand,
  lossScale: Operand | null,
  rowLoss: Operand,
  dH: Operand | null,
  headGradient: Operand | null,
  rowTop1: Operand | null,
  chunkRows: number,
) {
  const op = `headLoss ${head.path}`;
  const { N, dtype } = matrix(op, "h", h);
  expectMatrix(op, "h", h, N, head.cols, dtype);
  expectCount(op, "targets", targets, N, "i32");
  if (lossScale) expectCount(op, "lossScale", lossScale, 1, "f32");
  else if (dH || headGradient) throw new ShapeError(`${op}: lossScale`, "f32 [1], because a gradient is asked for", "nothing");
  expectCount(op, "rowLoss", rowLoss, N, "f32");
  if (dH) expectMatrix(op, "dH", dH, N, head.cols, dtype);
  if (headGradient) expectMatrix(op, "headGradient", headGradient, head.rows, head.cols, "f32");
  if (rowTop1) expectCount(op, "rowTop1", rowTop1, N, "i32");
  if (!(chunkRows >= 1)) throw new ShapeError(`${op}: chunkRows`, "at least 1", String(chunkRows));
  return { N, dtype };
}

/** x [N, C], y f32 [N, V] */
export function logitsSizes(head: WeightOperand, x: Operand, y: Operand) {
  const op = `logits ${head.path}`;
  const { N, dtype } = matrix(op, "x", x);
  expectMatrix(op, "x", x, N, head.cols, dtype);
  expectMatrix(op, "y", y, N, head.rows, "f32");
  return { N, dtype };
}

/** Sizes of the elementwise ops, checked. */
import { ShapeError } from "../../errors/shape-error.ts";
import type { Operand } from "../backend.ts";
import { elementCount } from "../element-types.ts";
import { expectCount, expectMatrix, matrix } from "../operand-checks.ts";

export function copySizes(source: Operand, target: Operand): { count: number } {
  const count = elementCount(source);
  expectCount("copy", "target", target, count, source.dtype);
  return { count };
}

export function convertSizes(source: Operand, target: Operand) {
  const from = matrix("convert", "source", source);
  const to = matrix("convert", "target", target);
  const count = elementCount(source);
  expectCount("convert", "target", target, count, target.dtype);
  return { count, from: from.dtype, to: to.dtype };
}

export function addSizes(x: Operand, y: Operand) {
  const { dtype } = matrix("add", "x", x);
  const count = elementCount(x);
  expectCount("add", "y", y, count, dtype);
  return { count, dtype };
}

export function sumSizes(x: Operand, out: Operand): { count: number } {
  const count = elementCount(x);
  expectCount("sum", "x", x, count, "f32");
  expectCount("sum", "out", out, 1, "f32");
  return { count };
}

export function randomSizes(x: Operand): { count: number } {
  const count = elementCount(x);
  expectCount("random", "x", x, count, "f32");
  return { count };
}

export function gatherRowsSizes(x: Operand, rows: Operand, out: Operand) {
  const { width: C, dtype, N: available } = matrix("gatherRows", "x", x);
  const count = elementCount(rows);
  expectCount("gatherRows", "rows", rows, count, "i32");
  expectMatrix("gatherRows", "out", out, count, C, dtype);
  if (count > 0 && C === 0) throw new ShapeError("gatherRows: x", "rows of at least one element", x.shape);
  return { count, C, dtype, available };
}

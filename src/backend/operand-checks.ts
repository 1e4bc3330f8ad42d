/**
 * The checks that every device makes before it runs an op: shapes and element types, with the op and the operand named.
 *
 * An operand is read as a matrix: its last dimension is the width, everything before it is rows ([B, T, C] and [B·T, C] are the same).
 * Text is built only when a check fails, so that checking costs nothing next to a call.
 */
import { DTypeError } from "../errors/dtype-error.ts";
import { ShapeError } from "../errors/shape-error.ts";
import type { ActivationDType, DType, Operand } from "./backend.ts";
import { elementCount, isActivationDType } from "./element-types.ts";

/** Rows and width of an activation, which must be f32, bf16 or f16. */
export function matrix(op: string, name: string, operand: Operand): { N: number; width: number; dtype: ActivationDType } {
  const { shape, dtype } = operand;
  if (!isActivationDType(dtype)) throw new DTypeError(`${op}: ${name}`, "f32, bf16 or f16", dtype);
  const width = shape[shape.length - 1];
  if (width === undefined) throw new ShapeError(`${op}: ${name}`, "at least one dimension", shape);
  return { N: width === 0 ? 0 : elementCount(operand) / width, width, dtype };
}

/** `operand` is [..., width] with N rows in all. */
export function expectMatrix(op: string, name: string, operand: Operand, N: number, width: number, dtype: DType): void {
  if (operand.dtype !== dtype) throw new DTypeError(`${op}: ${name}`, dtype, operand.dtype);
  const { shape } = operand;
  if (shape[shape.length - 1] !== width || elementCount(operand) !== N * width) throw new ShapeError(`${op}: ${name}`, [N, width], shape);
}

/** `operand` has `count` elements, whatever its dimensions. */
export function expectCount(op: string, name: string, operand: Operand, count: number, dtype: DType): void {
  if (operand.dtype !== dtype) throw new DTypeError(`${op}: ${name}`, dtype, operand.dtype);
  if (elementCount(operand) !== count) throw new ShapeError(`${op}: ${name}`, `${count} elements`, operand.shape);
}

/** `operand` has at least `count` elements. */
export function expectAtLeast(op: string, name: string, operand: Operand, count: number, dtype: DType): void {
  if (operand.dtype !== dtype) throw new DTypeError(`${op}: ${name}`, dtype, operand.dtype);
  if (elementCount(operand) < count) throw new ShapeError(`${op}: ${name}`, `at least ${count} elements`, operand.shape);
}

export function expectDType(op: string, name: string, operand: Operand, dtype: DType): void {
  if (operand.dtype !== dtype) throw new DTypeError(`${op}: ${name}`, dtype, operand.dtype);
}

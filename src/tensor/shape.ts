/** Shapes and element sizes: the arithmetic every tensor needs. */
import type { DType } from "../backend/backend.ts";

export type Shape = readonly number[];

const BYTES: Record<DType, number> = { f32: 4, bf16: 2, f16: 2, i32: 4, u8: 1, u64: 8 };

export function bytesPerElement(dtype: DType): number {
  return BYTES[dtype];
}

export function elementCount(shape: Shape): number {
  let count = 1;
  for (const size of shape) count *= size;
  return count;
}

export function byteSize(dtype: DType, shape: Shape): number {
  return elementCount(shape) * BYTES[dtype];
}

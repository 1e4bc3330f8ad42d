/**
 * Sizes of element types and weight formats, and the two numbers every check needs from an operand.
 *
 * GGUF's formats keep blocks of 32 or 256 weights along a row; the byte counts are those of ggml's block structs.
 */
import type { ActivationDType, DType, Operand, WeightFormat } from "./backend.ts";

export const BYTES_PER_ELEMENT: Readonly<Record<DType, number>> = { f32: 4, bf16: 2, f16: 2, i32: 4, u8: 1, u64: 8 };

export const ACTIVATION_DTYPES: readonly ActivationDType[] = ["f32", "bf16", "f16"];

/** Weights of one block and the bytes that hold them. Dense formats are blocks of one; NF4's scales are a separate array. */
export const WEIGHT_BLOCKS: Readonly<Record<WeightFormat, { readonly elements: number; readonly bytes: number }>> = {
  f32: { elements: 1, bytes: 4 },
  bf16: { elements: 1, bytes: 2 },
  f16: { elements: 1, bytes: 2 },
  nf4: { elements: 64, bytes: 32 },
  e4m3: { elements: 16, bytes: 16 },
  q8_0: { elements: 32, bytes: 34 },
  q4_0: { elements: 32, bytes: 18 },
  q4_1: { elements: 32, bytes: 20 },
  q5_0: { elements: 32, bytes: 22 },
  q5_1: { elements: 32, bytes: 24 },
  q4_k: { elements: 256, bytes: 144 },
  q5_k: { elements: 256, bytes: 176 },
  q6_k: { elements: 256, bytes: 210 },
};

export function isActivationDType(dtype: DType): dtype is ActivationDType {
  return dtype === "f32" || dtype === "bf16" || dtype === "f16";
}

export function elementCount(operand: Operand): number {
  let count = 1;
  for (const size of operand.shape) count *= size;
  return count;
}

export function operandBytes(operand: Operand): number {
  return elementCount(operand) * BYTES_PER_ELEMENT[operand.dtype];
}

/**
 * Whether a card and its cuBLASLt multiply in 8 bits the way E4M3 weights need: one scale for each row of either operand, applied where the
 * product is written (CUBLASLT_MATMUL_MATRIX_SCALE_OUTER_VEC_32F). That exists from cuBLAS 12.9 on, for compute capability 9.0 alone: Ada
 * takes one scale a matrix, Blackwell one for 32 elements.
 */
import type { DeviceDescription } from "../backend.ts";
import type { CardFacts } from "./driver.ts";

const FIRST_LIBRARY = 120900;

export function fp8Support({ model, major, minor }: CardFacts, libraryVersion: number): DeviceDescription["fp8"] {
  if (major !== 9 || minor !== 0) {
    return {
      missing: `${model} has compute capability ${major}.${minor}; 8-bit products with a scale a row need 9.0 (Hopper). Use compute bf16.`,
    };
  }
  if (libraryVersion < FIRST_LIBRARY) {
    const found = `${Math.floor(libraryVersion / 10000)}.${Math.floor(libraryVersion / 100) % 100}`;
    return {
      missing: `cuBLASLt ${found} has no scale a row for 8-bit products; 12.9 or later has. \`pip install nvidia-cublas\`, or use compute bf16.`,
    };
  }
  return "native";
}

/**
 * What every weight format costs: elements in a block, bytes in a block, and so the bytes of a matrix.
 *
 * Dense formats are blocks of one element. GGUF blocks run along a row, so a row must be a whole number of blocks; NF4 blocks run along the
 * flattened matrix. Scales of NF4 and E4M3 stand in arrays of their own and are counted apart, by `scaleBytes`.
 * Source of the GGUF sizes: ggml's `ggml-common.h` block structs; of NF4: QLoRA, arXiv:2305.14314.
 */
import type { WeightFormat } from "../backend/backend.ts";
import { ShapeError } from "../errors/shape-error.ts";

export interface WeightFormatFacts {
  readonly format: WeightFormat;
  /** Consecutive elements that share a scale; 1 for dense formats. */
  readonly blockElements: number;
  /** Bytes of one block in the data array. */
  readonly blockBytes: number;
  readonly family: "dense" | "nf4" | "fp8" | "gguf";
}

/** Elements that share one NF4 scale. */
export const NF4_BLOCK_ELEMENTS = 64;
/** NF4 scales that share one second-level scale under double quantization. */
export const NF4_NESTED_BLOCK = 256;

const facts = (
  format: WeightFormat,
  blockElements: number,
  blockBytes: number,
  family: WeightFormatFacts["family"],
): WeightFormatFacts => ({
  format,
  blockElements,
  blockBytes,
  family,
});

export const WEIGHT_FORMATS: Readonly<Record<WeightFormat, WeightFormatFacts>> = {
  f32: facts("f32", 1, 4, "dense"),
  bf16: facts("bf16", 1, 2, "dense"),
  f16: facts("f16", 1, 2, "dense"),
  nf4: facts("nf4", NF4_BLOCK_ELEMENTS, NF4_BLOCK_ELEMENTS / 2, "nf4"),
  e4m3: facts("e4m3", 16, 16, "fp8"), // blocks only because tensor cores want multiples of 16
  q8_0: facts("q8_0", 32, 2 + 32, "gguf"), // f16 scale, 32 × i8
  q4_0: facts("q4_0", 32, 2 + 16, "gguf"), // f16 scale, 32 × 4 bits
  q4_1: facts("q4_1", 32, 2 + 2 + 16, "gguf"), // scale, minimum, 32 × 4 bits
  q5_0: facts("q5_0", 32, 2 + 4 + 16, "gguf"), // scale, 32 high bits, 32 × 4 bits
  q5_1: facts("q5_1", 32, 2 + 2 + 4 + 16, "gguf"), // scale, minimum, 32 high bits, 32 × 4 bits
  q4_k: facts("q4_k", 256, 2 + 2 + 12 + 128, "gguf"), // two scales, 8 × (6-bit scale, 6-bit minimum), 4 bits
  q5_k: facts("q5_k", 256, 2 + 2 + 12 + 32 + 128, "gguf"), // the same with 256 high bits
  q6_k: facts("q6_k", 256, 128 + 64 + 16 + 2, "gguf"), // 4 low bits, 2 high bits, 16 × i8 scale, one scale
};

/** Blocks run along rows: how many bytes one row of `cols` elements takes. @throws ShapeError when `cols` is not a whole number of blocks */
export function rowBytes(format: WeightFormat, cols: number): number {
  const { blockElements, blockBytes } = WEIGHT_FORMATS[format];
  if (!Number.isSafeInteger(cols) || cols < 0 || cols % blockElements !== 0) {
    throw new ShapeError(`Sizing a row of ${format} weights`, `a row length that is a multiple of ${blockElements}`, `${cols}`);
  }
  return (cols / blockElements) * blockBytes;
}

/**
 * Bytes of the data array of a [rows, cols] matrix; scales of NF4 and E4M3 are not in it (see `scaleBytes`).
 * @throws ShapeError when a row is not a whole number of blocks
 */
export function weightBytes(format: WeightFormat, rows: number, cols: number): number {
  return rows * rowBytes(format, cols);
}

/** Bytes of NF4's scales for a [rows, cols] matrix: f32 for each 64 elements, or u8 plus f32 for each 256 scales when nested. */
export function nf4ScaleBytes(rows: number, cols: number, nested: boolean): number {
  const blocks = Math.ceil((rows * cols) / NF4_BLOCK_ELEMENTS);
  return nested ? blocks + 4 * Math.ceil(blocks / NF4_NESTED_BLOCK) : 4 * blocks;
}

/** Bytes of the scales that stand beside the data: of NF4 under double quantization, one f32 a row of E4M3, none of other formats. */
export function scaleBytes(format: WeightFormat, rows: number, cols: number): number {
  if (format === "nf4") return nf4ScaleBytes(rows, cols, true);
  return format === "e4m3" ? 4 * rows : 0;
}

/** True when a matrix with rows of `cols` elements can be stored in this format. */
export function fitsFormat(format: WeightFormat, cols: number): boolean {
  return cols % WEIGHT_FORMATS[format].blockElements === 0;
}

/**
 * NF4: 16 values placed at quantiles of a normal distribution, one scale (absmax) for each 64 elements of the flattened matrix.
 *
 * Here: the table and the slow, obvious decode for tests and small tensors; kernels encode and decode the real ones. Layout as in
 * bitsandbytes: two codes in a byte, the even element in the high nibble. Source: QLoRA, arXiv:2305.14314; values as in bitsandbytes 0.50.
 */
import { ShapeError } from "../errors/shape-error.ts";
import { NF4_BLOCK_ELEMENTS, NF4_NESTED_BLOCK } from "./weight-formats.ts";

/** Value of each 4-bit code, f32, ascending. */
export const NF4_TABLE: Float32Array = Float32Array.of(
  -1.0,
  -0.6961928009986877,
  -0.5250730514526367,
  -0.39491748809814453,
  -0.28444138169288635,
  -0.18477343022823334,
  -0.09105003625154495,
  0.0,
  0.07958029955625534,
  0.16093020141124725,
  0.24611230194568634,
  0.33791524171829224,
  0.44070982933044434,
  0.5626170039176941,
  0.7229568362236023,
  1.0,
);

/** Double quantization: scales are codes of a 256-value map, scaled once more for each 256 of them, plus an offset. */
export interface Nf4Nesting {
  readonly nestedScales: Float32Array;
  readonly nestedCode: Float32Array;
  readonly offset: number;
}

/** absmax[b] = nestedCode[scales[b]] · nestedScales[b / 256] + offset, each step in f32. */
export function decodeNf4Scales(scales: Uint8Array, nesting: Nf4Nesting): Float32Array {
  const out = new Float32Array(scales.length);
  const offset = Math.fround(nesting.offset);
  for (let b = 0; b < scales.length; b++) {
    const product = Math.fround(nesting.nestedCode[scales[b]!]! * nesting.nestedScales[Math.floor(b / NF4_NESTED_BLOCK)]!);
    out[b] = product + offset;
  }
  return out;
}

/**
 * @param codes u8 [ceil(count / 2)]   @param absmax f32 [ceil(count / 64)]
 * @returns f32 [count]
 * @throws ShapeError when an array is too short for `count`
 */
export function decodeNf4(codes: Uint8Array, absmax: Float32Array, count: number): Float32Array {
  if (codes.length < Math.ceil(count / 2)) throw new ShapeError("Decoding NF4 codes", [Math.ceil(count / 2)], [codes.length]);
  const blocks = Math.ceil(count / NF4_BLOCK_ELEMENTS);
  if (absmax.length < blocks) throw new ShapeError("Decoding NF4 scales", [blocks], [absmax.length]);
  const out = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const byte = codes[i >> 1]!;
    const code = i & 1 ? byte & 15 : byte >> 4;
    out[i] = NF4_TABLE[code]! * absmax[Math.floor(i / NF4_BLOCK_ELEMENTS)]!;
  }
  return out;
}

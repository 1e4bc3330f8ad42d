/**
 * The slow, obvious decode of every GGUF block format that remora reads: one function a format, one block at a time.
 *
 * It is the oracle for the kernels and serves tests and small tensors. Sums are f32 in ggml's order (`Math.fround` after each step), so results
 * equal ggml's and the Python `gguf` package's to the bit. All multi-byte fields are little-endian.
 * Source: ggml's `ggml-quants.c` (the `dequantize_row_*` family), restated.
 */
import type { WeightFormat } from "../backend/backend.ts";
import { f16Values } from "./half-floats.ts";

/** A decoder reads one block at `at` and writes `blockElements` values at `to`. */
type BlockDecoder = (bytes: Uint8Array, at: number, out: Float32Array, to: number) => void;
export type BlockFormat = Extract<WeightFormat, `q${string}`>;

const f16At = (bytes: Uint8Array, at: number): number => f16Values()[bytes[at]! | (bytes[at + 1]! << 8)]!;
const signed = (byte: number): number => (byte << 24) >> 24;
const { fround } = Math;

/** Value j of a 32-block holds its low 4 bits in byte j % 16: the first half in the low nibbles, the second in the high ones. */
const nibble = (bytes: Uint8Array, at: number, j: number): number => (j < 16 ? bytes[at + j]! & 15 : bytes[at + j - 16]! >> 4);
const highBit = (bytes: Uint8Array, at: number, j: number): number => (bytes[at + (j >> 3)]! >> (j & 7)) & 1;

/** 8 six-bit scales and 8 six-bit minima in 12 bytes: four of each whole, the upper four split between a nibble and two spare bits. */
function scaleAndMinimum(bytes: Uint8Array, at: number, j: number): [scale: number, minimum: number] {
  if (j < 4) return [bytes[at + j]! & 63, bytes[at + 4 + j]! & 63];
  const low = bytes[at + 4 + j]!;
  return [(low & 15) | ((bytes[at + j - 4]! >> 6) << 4), (low >> 4) | ((bytes[at + j]! >> 6) << 4)];
}

const q8_0: BlockDecoder = (bytes, at, out, to) => {
  const d = f16At(bytes, at);
  for (let j = 0; j < 32; j++) out[to + j] = d * signed(bytes[at + 2 + j]!);
};
const q4_0: BlockDecoder = (bytes, at, out, to) => {
  const d = f16At(bytes, at);
  for (let j = 0; j < 32; j++) out[to + j] = d * (nibble(bytes, at + 2, j) - 8);
};
const q4_1: BlockDecoder = (bytes, at, out, to) => {
  const d = f16At(bytes, at);
  const m = f16At(bytes, at + 2);
  for (let j = 0; j < 32; j++) out[to + j] = fround(d * nibble(bytes, at + 4, j)) + m;
};
const q5_0: BlockDecoder = (bytes, at, out, to) => {
  const d = f16At(bytes, at);
  for (let j = 0; j < 32; j++) out[to + j] = d * ((nibble(bytes, at + 6, j) | (highBit(bytes, at + 2, j) << 4)) - 16);
};
const q5_1: BlockDecoder = (bytes, at, out, to) => {
  const d = f16At(bytes, at);
  const m = f16At(bytes, at + 2);
  for (let j = 0; j < 32; j++) out[to + j] = fround(d * (nibble(bytes, at + 8, j) | (highBit(bytes, at + 4, j) << 4))) + m;
};

/** q4_k and q5_k: 8 groups of 32; two groups share 32 bytes, the even one in the low nibbles; q5_k's group g takes bit g of each high byte. */
const kWithMinimum =
  (highBytes: 0 | 32): BlockDecoder =>
  (bytes, at, out, to) => {
    const d = f16At(bytes, at);
    const dMinimum = f16At(bytes, at + 2);
    const high = at + 16;
    for (let g = 0; g < 8; g++) {
      const [scale, minimum] = scaleAndMinimum(bytes, at + 4, g);
      const step = fround(d * scale);
      const offset = fround(dMinimum * minimum);
      const low = high + highBytes + (g >> 1) * 32;
      for (let j = 0; j < 32; j++) {
        let q = g & 1 ? bytes[low + j]! >> 4 : bytes[low + j]! & 15;
        if (highBytes) q |= ((bytes[high + j]! >> g) & 1) << 4;
        out[to + g * 32 + j] = fround(step * q) - offset;
      }
    }
  };

/** Two halves of 128; each has 4 groups of 32 that share 64 low bytes and 32 high bytes (2 bits a group). One i8 scale for each 16. */
const q6_k: BlockDecoder = (bytes, at, out, to) => {
  const scales = at + 192;
  const d = f16At(bytes, at + 208);
  for (let i = 0; i < 256; i++) {
    const half = i >> 7;
    const group = (i >> 5) & 3;
    const j = i & 31;
    const low = bytes[at + half * 64 + (group & 1) * 32 + j]!;
    const high = (bytes[at + 128 + half * 32 + j]! >> (2 * group)) & 3;
    const q = (group < 2 ? low & 15 : low >> 4) | (high << 4);
    out[to + i] = fround(d * signed(bytes[scales + (i >> 4)]!)) * (q - 32);
  }
};

export const BLOCK_DECODERS: Readonly<Record<BlockFormat, BlockDecoder>> = {
  q8_0,
  q4_0,
  q4_1,
  q5_0,
  q5_1,
  q4_k: kWithMinimum(0),
  q5_k: kWithMinimum(32),
  q6_k,
};

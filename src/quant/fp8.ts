/**
 * The 8-bit floats of tensor cores, and the scale that a row of them carries.
 *
 *   E4M3   1 sign, 4 exponent (bias 7), 3 fraction bits; largest 448, smallest 2^-9; no infinities, one NaN (S.1111.111)
 *   E5M2   1 sign, 5 exponent (bias 15), 2 fraction bits; largest 57,344, smallest 2^-16; infinities and NaNs as in IEEE 754
 *
 * Encoding rounds to nearest, ties to even, and saturates: what is beyond the largest value becomes the largest, NaN stays NaN.
 *
 * A row's scale is the smallest power of two that brings its largest magnitude within the format. A power of two costs no precision (the
 * format floats), at most one of its 18 (E4M3) or 32 (E5M2) binades of range, and makes code · scale exact in bf16 and f32: kernels that know
 * nothing of 8 bits can multiply the same numbers. Here is the slow, obvious form for tests; kernels do the work.
 * Source: Micikevicius et al. 2022, arXiv:2209.05433.
 */

export type Fp8Format = "e4m3" | "e5m2";

interface Fp8Facts {
  readonly fractionBits: number;
  readonly bias: number;
  readonly largest: number;
  /** Code of the largest value. */
  readonly largestCode: number;
  readonly nan: number;
}

export const FP8_FORMATS: Readonly<Record<Fp8Format, Fp8Facts>> = {
  e4m3: { fractionBits: 3, bias: 7, largest: 448, largestCode: 0x7e, nan: 0x7f },
  e5m2: { fractionBits: 2, bias: 15, largest: 57344, largestCode: 0x7b, nan: 0x7f },
};

/** Code 0 … 255 → value. */
export function decodeFp8(code: number, format: Fp8Format): number {
  const { fractionBits, bias, largestCode } = FP8_FORMATS[format];
  const sign = code & 0x80 ? -1 : 1;
  const magnitude = code & 0x7f;
  if (magnitude > largestCode) return format === "e5m2" && magnitude === largestCode + 1 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  const exponent = magnitude >> fractionBits;
  const fraction = (magnitude & ((1 << fractionBits) - 1)) / (1 << fractionBits);
  return exponent === 0 ? sign * fraction * 2 ** (1 - bias) : sign * (1 + fraction) * 2 ** (exponent - bias);
}

/** Value → nearest code, ties to even, saturating. */
export function encodeFp8(value: number, format: Fp8Format): number {
  const { fractionBits, bias, largest, largestCode, nan } = FP8_FORMATS[format];
  const sign = value < 0 || Object.is(value, -0) ? 0x80 : 0;
  if (Number.isNaN(value)) return nan;
  const magnitude = Math.abs(value);
  if (magnitude >= largest) return sign | largestCode;
  const exponent = Math.max(magnitude === 0 ? 1 - bias : Math.floor(Math.log2(magnitude)), 1 - bias);
  const unit = 2 ** (exponent - fractionBits);
  // Codes of one sign count up without gaps: units above the binade's start, a carry moving into the next.
  const units = roundHalfEven(magnitude / unit);
  return sign | Math.min((exponent + bias - 1) * (1 << fractionBits) + units, largestCode);
}

/** The scale of a row whose largest magnitude is `largestMagnitude`: a power of two, at least 2^-126; NaN when that is not finite. */
export function fp8RowScale(largestMagnitude: number, format: Fp8Format): number {
  if (!Number.isFinite(largestMagnitude)) return Number.NaN;
  const { largest } = FP8_FORMATS[format];
  let scale = 2 ** -126;
  while (largestMagnitude > largest * scale) scale *= 2;
  return scale;
}

/** Rows of `width` values, each rounded to codes under its own scale, and the values those stand for. */
export function roundRowsToFp8(
  values: ArrayLike<number>,
  width: number,
  format: Fp8Format,
): { codes: Uint8Array; scales: Float32Array; rounded: Float64Array } {
  const rows = width === 0 ? 0 : values.length / width;
  const codes = new Uint8Array(values.length);
  const scales = new Float32Array(rows);
  const rounded = new Float64Array(values.length);
  for (let row = 0; row < rows; row++) {
    let largest = 0;
    for (let i = row * width; i < (row + 1) * width; i++) {
      const magnitude = Math.abs(values[i]!);
      if (!(magnitude <= largest)) largest = magnitude; // NaN too, and then it stays
    }
    const scale = fp8RowScale(largest, format);
    scales[row] = scale;
    for (let i = row * width; i < (row + 1) * width; i++) {
      codes[i] = encodeFp8(values[i]! / scale, format);
      rounded[i] = decodeFp8(codes[i]!, format) * scale;
    }
  }
  return { codes, scales, rounded };
}

function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}

import { describe, expect, it } from "vitest";
import { decodeFp8, encodeFp8, FP8_FORMATS, type Fp8Format, fp8RowScale, roundRowsToFp8 } from "./fp8.ts";
import { fromBf16Bits, toBf16Bits } from "./half-floats.ts";

const CODES = Array.from({ length: 256 }, (_, code) => code);

/** Nearest of all finite values, the one with an even code in a tie: the definition, without any arithmetic of exponents. */
function nearestBySearch(value: number, format: Fp8Format): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x80 : 0;
  const { largestCode } = FP8_FORMATS[format];
  let best = 0;
  for (let code = 1; code <= largestCode; code++) {
    const [known, distance] = [Math.abs(Math.abs(value) - decodeFp8(best, format)), Math.abs(Math.abs(value) - decodeFp8(code, format))];
    if (distance < known || (distance === known && code % 2 === 0)) best = code;
  }
  return sign | best;
}

describe("the tables of arXiv:2209.05433", () => {
  it("has E4M3's extremes and its one NaN", () => {
    expect([0x7e, 0xfe, 0x08, 0x07, 0x01, 0x00].map((code) => decodeFp8(code, "e4m3"))).toEqual([
      448,
      -448,
      2 ** -6,
      0.875 * 2 ** -6,
      2 ** -9,
      0,
    ]);
    expect(CODES.filter((code) => Number.isNaN(decodeFp8(code, "e4m3")))).toEqual([0x7f, 0xff]);
    expect(CODES.every((code) => Math.abs(decodeFp8(code, "e4m3")) !== Number.POSITIVE_INFINITY)).toBe(true);
  });

  it("has E5M2's extremes, infinities and NaNs", () => {
    expect([0x7b, 0xfb, 0x04, 0x03, 0x01, 0x7c, 0xfc].map((code) => decodeFp8(code, "e5m2"))).toEqual([
      57344,
      -57344,
      2 ** -14,
      0.75 * 2 ** -14,
      2 ** -16,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
    ]);
    expect(CODES.filter((code) => Number.isNaN(decodeFp8(code, "e5m2")))).toEqual([0x7d, 0x7e, 0x7f, 0xfd, 0xfe, 0xff]);
  });

  it.each(["e4m3", "e5m2"] as const)("counts %s up without gaps, so that a code's neighbours are the values' neighbours", (format) => {
    for (let code = 1; code <= FP8_FORMATS[format].largestCode; code++) {
      expect(decodeFp8(code, format)).toBeGreaterThan(decodeFp8(code - 1, format));
    }
  });
});

describe.each(["e4m3", "e5m2"] as const)("encodeFp8 to %s", (format) => {
  const { largestCode, largest, nan } = FP8_FORMATS[format];
  const finite = CODES.filter((code) => (code & 0x7f) <= largestCode);

  it("gives every finite value its own code back", () => {
    for (const code of finite) expect(encodeFp8(decodeFp8(code, format), format)).toBe(code);
  });

  it("rounds each midpoint to the even code, and what lies beside it to its side", () => {
    for (let code = 0; code < largestCode; code++) {
      const middle = (decodeFp8(code, format) + decodeFp8(code + 1, format)) / 2;
      const even = code % 2 === 0 ? code : code + 1;
      expect([middle, middle * (1 - 2 ** -20), middle * (1 + 2 ** -20)].map((value) => encodeFp8(value, format))).toEqual([
        even,
        code,
        code + 1,
      ]);
      expect(encodeFp8(-middle, format)).toBe(0x80 | even);
    }
  });

  it("agrees with a search through all values, for every third bf16 number", () => {
    for (let bits = 0; bits < 0x7f80; bits += 3) {
      const value = fromBf16Bits(bits);
      if (value > largest) expect(encodeFp8(value, format)).toBe(largestCode);
      else expect(encodeFp8(value, format)).toBe(nearestBySearch(value, format));
    }
  });

  it("saturates and keeps NaN", () => {
    expect([Number.POSITIVE_INFINITY, largest * 1.01, 1e30].map((value) => encodeFp8(value, format))).toEqual(Array(3).fill(largestCode));
    expect(encodeFp8(Number.NEGATIVE_INFINITY, format)).toBe(0x80 | largestCode);
    expect(encodeFp8(Number.NaN, format)).toBe(nan);
  });
});

describe("rows under a scale", () => {
  it("takes the smallest power of two that holds the largest magnitude", () => {
    expect([448, 448.5, 224, 1.75, 1.7500001, 0].map((value) => fp8RowScale(value, "e4m3"))).toEqual([
      1,
      2,
      0.5,
      2 ** -8,
      2 ** -7,
      2 ** -126,
    ]);
    expect([57344, 57345, 1.75].map((value) => fp8RowScale(value, "e5m2"))).toEqual([1, 2, 2 ** -15]);
    expect([Number.POSITIVE_INFINITY, Number.NaN].map((value) => fp8RowScale(value, "e4m3"))).toEqual([Number.NaN, Number.NaN]);
  });

  it("gives each row its own scale and values that bf16 holds exactly", () => {
    const values = Float64Array.from({ length: 4 * 64 }, (_, i) => Math.sin(i * 12.9898) * 10 ** Math.floor(i / 64 - 2));
    const { scales, rounded } = roundRowsToFp8(values, 64, "e4m3");
    expect(new Set(scales).size).toBe(4);
    for (const [i, value] of rounded.entries()) {
      expect(fromBf16Bits(toBf16Bits(value))).toBe(value);
      // Half a unit of 3 fraction bits, or of the smallest value.
      expect(Math.abs(value - values[i]!)).toBeLessThanOrEqual(Math.max(Math.abs(values[i]!) / 16, scales[i >> 6]! * 2 ** -10));
    }
  });

  it("does not hide a row that is not finite", () => {
    const { rounded } = roundRowsToFp8([1, Number.POSITIVE_INFINITY, 3, 4], 2, "e4m3");
    expect([...rounded]).toEqual([Number.NaN, Number.NaN, 3, 4]);
  });
});

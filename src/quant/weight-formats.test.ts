import { describe, expect, it } from "vitest";
import { fitsFormat, nf4ScaleBytes, rowBytes, weightBytes } from "./weight-formats.ts";

describe("weightBytes", () => {
  it("prices Nemo's down projection in each family", () => {
    expect(weightBytes("bf16", 5120, 14336)).toBe(146_800_640);
    expect(weightBytes("nf4", 5120, 14336)).toBe(36_700_160);
    expect(weightBytes("q4_k", 5120, 14336)).toBe(41_287_680);
    expect(weightBytes("q6_k", 5120, 14336)).toBe(60_211_200);
    expect(weightBytes("q5_0", 2048, 640)).toBe(901_120);
  });

  it("prices NF4's scales: 4 bytes for each 64 elements, 1 and a bit when nested", () => {
    expect(nf4ScaleBytes(5120, 14336, false)).toBe(4_587_520);
    expect(nf4ScaleBytes(5120, 14336, true)).toBe(1_146_880 + 4 * 4480);
  });

  it("refuses rows that are not a whole number of blocks", () => {
    expect(fitsFormat("q4_k", 640)).toBe(false);
    expect(fitsFormat("q5_0", 640)).toBe(true);
    expect(() => rowBytes("q4_k", 640)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: Sizing a row of q4_k weights: expected a row length that is a multiple of 256, found 640]`,
    );
    expect(() => rowBytes("nf4", Number.NaN)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: Sizing a row of nf4 weights: expected a row length that is a multiple of 64, found NaN]`,
    );
  });
});

import { describe, expect, it } from "vitest";
import { alignmentOf, columnMajor, type Product, planKey } from "./product.ts";

/** y[8, 12] = x[8, 10] · W[12, 10]ᵀ into columns of a wider y. */
const FORWARD: Product = {
  a: { address: 4096, ld: 10 },
  b: { address: 8192, ld: 10 },
  c: { address: 12288 + 32, ld: 40 },
  M: 8,
  N: 12,
  K: 10,
  transposeB: true,
  dtype: "bf16",
};

describe("columnMajor", () => {
  it("hands the second matrix over first, transposed where it is stored [N, K]", () => {
    expect(columnMajor(FORWARD)).toEqual({
      first: { rows: 10, cols: 12, ld: 10, transposed: 1 },
      second: { rows: 10, cols: 8, ld: 10, transposed: 0 },
      out: { rows: 12, cols: 8, ld: 40 },
    });
  });

  it("has no flag for dX = dY·W and one on the first for dW = dYᵀ·X", () => {
    const dX = columnMajor({ ...FORWARD, M: 8, N: 10, K: 12, transposeB: false });
    expect([dX.first.transposed, dX.second.transposed]).toEqual([0, 0]);
    expect([dX.first.rows, dX.first.cols, dX.second.rows, dX.second.cols]).toEqual([10, 12, 12, 8]);
    const dW = columnMajor({ ...FORWARD, M: 12, N: 10, K: 8, transposeA: true, transposeB: false });
    expect([dW.first.transposed, dW.second.transposed]).toEqual([0, 1]);
    expect([dW.second.rows, dW.second.cols]).toEqual([12, 8]);
  });

  it("describes matrices whose product in columns is the product in rows", () => {
    // Every shape must fit cuBLASLt's rule: op(first) [N, K], op(second) [K, M].
    for (const transposeA of [false, true]) {
      for (const transposeB of [false, true]) {
        const { first, second, out } = columnMajor({ ...FORWARD, transposeA, transposeB });
        const left = first.transposed ? [first.cols, first.rows] : [first.rows, first.cols];
        const right = second.transposed ? [second.cols, second.rows] : [second.rows, second.cols];
        expect([left, right, out.rows, out.cols]).toEqual([[12, 10], [10, 8], 12, 8]);
      }
    }
  });
});

describe("planKey", () => {
  it("names all that an algorithm depends on", () => {
    expect(planKey(FORWARD)).toMatchInlineSnapshot(`"8x12x10 NT bf16>bf16 b0 ld10,10,40 @256,256,32"`);
    expect(planKey({ ...FORWARD, outDType: "f32", beta: 1, alpha: 3 })).toMatchInlineSnapshot(
      `"8x12x10 NT bf16>f32 b1 ld10,10,40 @256,256,32"`,
    );
  });

  it("has E4M3 operands with a result of another type", () => {
    const fp8: Product = { ...FORWARD, dtype: "e4m3", outDType: "bf16", beta: 1, scales: { a: 4096, b: 8192 } };
    expect(planKey(fp8)).toMatchInlineSnapshot(`"8x12x10 NT e4m3>bf16 b1 ld10,10,40 @256,256,32"`);
    expect(planKey({ ...fp8, scales: { a: 1, b: 2 } })).toBe(planKey(fp8)); // addresses of scales are set at each call
    expect(() => planKey({ ...fp8, outDType: undefined })).toThrow(/type of its result/);
  });

  it("knows alignments from 1 to 256", () => {
    expect([4096, 4096 + 128, 6, 7, 2 ** 40 + 16].map(alignmentOf)).toEqual([256, 128, 2, 1, 16]);
  });
});

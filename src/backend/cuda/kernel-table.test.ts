import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type KernelTable, packParameters, parameterLayout } from "./kernel-table.ts";

const table = JSON.parse(readFileSync(new URL("../../../kernels/cuda/kernels.json", import.meta.url), "utf8")) as KernelTable;

describe("parameterLayout", () => {
  it("aligns each parameter to its own size and ends with the last one", () => {
    expect(parameterLayout(["ptr", "i32", "ptr", "f32"])).toMatchObject({ offsets: [0, 8, 16, 24], bytes: 28 });
    expect(parameterLayout(["i32", "f32", "i64", "i32"])).toMatchObject({ offsets: [0, 4, 8, 16], bytes: 20 });
    expect(parameterLayout(["tensormap", "i32", "tensormap"])).toMatchObject({ offsets: [0, 128, 192], bytes: 320 });
    expect(parameterLayout([])).toMatchObject({ offsets: [], bytes: 0 });
  });

  it("lays out every kernel of kernels.json without overlap", () => {
    expect(table.kernels.length).toBeGreaterThan(150);
    for (const { name, params } of table.kernels) {
      const types = params.map(({ type }) => type);
      const { offsets, bytes } = parameterLayout(types);
      const ends = offsets.map((offset, i) => offset + parameterLayout([types[i]!]).bytes);
      expect([name, ...offsets]).toEqual([name, ...[...offsets].sort((a, b) => a - b)]);
      for (let i = 1; i < offsets.length; i++) expect(offsets[i]!).toBeGreaterThanOrEqual(ends[i - 1]!);
      expect(bytes).toBe(ends.at(-1) ?? 0);
      expect(bytes).toBeLessThanOrEqual(4096); // the driver's limit
    }
  });
});

describe("packParameters", () => {
  it("writes addresses beyond 32 bits, negative sizes, bigint seeds and floats", () => {
    const layout = parameterLayout(["ptr", "i64", "u64", "i32", "f32"]);
    const bytes = new Uint8Array(layout.bytes);
    const view = new DataView(bytes.buffer);
    packParameters(view, layout, [0x7f12_3456_789a, -5, 0xfedc_ba98_7654_3210n, -7, 0.5]);
    expect(view.getBigUint64(0, true)).toBe(0x7f12_3456_789an);
    expect(view.getBigInt64(8, true)).toBe(-5n);
    expect(view.getBigUint64(16, true)).toBe(0xfedc_ba98_7654_3210n);
    expect(view.getInt32(24, true)).toBe(-7);
    expect(view.getFloat32(28, true)).toBe(0.5);
  });

  it("copies a tensor map whole", () => {
    const layout = parameterLayout(["i32", "tensormap"]);
    const bytes = new Uint8Array(layout.bytes);
    const map = Uint8Array.from({ length: 128 }, (_, i) => i);
    packParameters(new DataView(bytes.buffer), layout, [1, map]);
    expect(bytes.subarray(64)).toEqual(map);
  });

  it("refuses another number of parameters", () => {
    const layout = parameterLayout(["i32", "i32"]);
    expect(() => packParameters(new DataView(new ArrayBuffer(8)), layout, [1])).toThrowErrorMatchingInlineSnapshot(
      `[RangeError: 2 parameters expected, 1 given]`,
    );
  });
});

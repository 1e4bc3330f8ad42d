/**
 * The offset of NF4's double quantization is a mean in f32, whose last bits depend on the order of the sum. bitsandbytes leaves it to PyTorch; ours is
 * the same number for the same count of threads. `fixtures/data/quant/means.json` is PyTorch's (`fixtures/make/quant.py`).
 */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { createDynamicMap } from "../../quant/dynamic-map.ts";
import { TestArrays } from "../testing/test-arrays.ts";
import { availableCpuIsas, openCpuBackend } from "./open-cpu.ts";

interface Mean {
  readonly count: number;
  readonly threads: number;
  readonly mean: number;
  readonly exact: number;
}
const means: Mean[] = JSON.parse(readFileSync(new URL("../../../fixtures/data/quant/means.json", import.meta.url), "utf8"));

/** 24 bits of a hash of the index, times 2⁻²⁷. */
function hashed(count: number): Float64Array {
  return Float64Array.from({ length: count }, (_, i) => {
    let h = Math.imul(i + 1, 0x9e3779b1);
    h = Math.imul(h ^ (h >>> 15), 0x85ebca77);
    return ((h ^ (h >>> 13)) >>> 8) * 2 ** -27;
  });
}

/** Distance in units of the last place of an f32 of this size. */
const units = (a: number, b: number): number => Math.abs(a - b) / 2 ** (Math.floor(Math.log2(Math.abs(b))) - 23);

async function offsetOf(isa: Parameters<typeof openCpuBackend>[0], count: number): Promise<number> {
  const backend = openCpuBackend(isa);
  const arrays = new TestArrays(backend);
  try {
    const absmax = arrays.input("f32", [count], hashed(count));
    const code = arrays.input("f32", [256], createDynamicMap(true));
    const outputs = [
      arrays.output("scales", "u8", [count]),
      arrays.output("nested", "f32", [Math.ceil(count / 256)]),
      arrays.output("offset", "f32", [1]),
    ] as const;
    backend.nf4Nest(absmax, code, ...outputs);
    return (await arrays.read(outputs[2]))[0]!;
  } finally {
    arrays.release();
    backend.dispose();
  }
}

describe.each(availableCpuIsas())("the mean of nested scales on %s", (isa) => {
  test.each([1, 2, 3, 8])("%s threads", async (threads) => {
    for (const { count, mean, exact } of means.filter((each) => each.threads === threads)) {
      const found = await offsetOf({ isa, threads }, count);
      if (isa === "reference") expect(units(found, exact)).toBeLessThanOrEqual(0.5);
      else expect(found, `${count} scales`).toBe(mean);
    }
  });
});

test("PyTorch's own answers lie up to two units from the exact mean, and its thread counts disagree", () => {
  expect(Math.max(...means.map(({ mean, exact }) => units(mean, exact)))).toBeGreaterThan(1);
  const of = (count: number) => new Set(means.filter((each) => each.count === count).map(({ mean }) => mean));
  expect(of(32_767).size).toBe(1);
  expect(Math.max(...means.map(({ count }) => of(count).size))).toBeGreaterThan(1);
});

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { packageRoot } from "../cpu/find-library.ts";
import { expectClose } from "./expect-close.ts";
import { aligned } from "./golden.ts";
import { decode, encode } from "./number-codec.ts";

it("passes what is within tolerance and equal infinities", () => {
  expectClose([1.00001, 0, Infinity, NaN], [1, 1e-6, Infinity, NaN], { name: "x", tolerance: 1e-4 });
});

it("prints the worst element, both values and how many differ", () => {
  expect(() =>
    expectClose([1, 2, 3, 5, 5, 6], [1, 2, 3, 4, 5, 6.1], { name: "dX", tolerance: 1e-3, shape: [2, 3] }),
  ).toThrowErrorMatchingInlineSnapshot(
    `[Error: dX: 2 of 6 elements differ. The worst is [1, 0]: expected 4, found 5 (normalized error 0.126, allowed 0.001; rms of expected 3.92)]`,
  );
});

it("catches two swapped rows, a NaN too many and a missing element", () => {
  expect(() => expectClose([3, 4, 1, 2], [1, 2, 3, 4], { name: "x", tolerance: 0.01 })).toThrow("4 of 4 elements differ");
  expect(() => expectClose([1, NaN], [1, 2], { name: "x", tolerance: 0.01 })).toThrow("found NaN");
  expect(() => expectClose([1], [1, 2], { name: "x", tolerance: 0.01 })).toThrow("expected 2 elements, found 1");
});

it("the codec rounds halves as numpy and PyTorch do", () => {
  const path = join(packageRoot(), "fixtures", "data", "quant", "half-floats.json");
  const file = JSON.parse(readFileSync(path, "utf8")) as Record<"f32" | "f16" | "bf16", string>;
  const values = decode("f32", aligned(file.f32));
  for (const dtype of ["f16", "bf16"] as const) expect(encode(dtype, values)).toEqual(aligned(file[dtype]));
});

/** `logits`, on devices that have it, against the product of the rows widened to f32 on the same device. */
import { expect, it } from "vitest";
import { describeOnEachDevice } from "./testing/describe-on-each-device.ts";
import { expectClose, TOLERANCE } from "./testing/expect-close.ts";
import { RandomData } from "./testing/random-data.ts";
import { TestArrays } from "./testing/test-arrays.ts";

describeOnEachDevice("logits", (device) => {
  it("equal those of the rows in f32", async () => {
    const backend = device.backend();
    if (!backend.logits) return;
    for (const dtype of ["bf16", "f16"] as const) {
      if (!backend.device.activationDTypes.includes(dtype)) continue;
      for (const [N, C, V] of [
        [3, 96, 257],
        [40, 64, 1000],
      ] as const) {
        const arrays = new TestArrays(backend);
        const random = new RandomData(N + C);
        const head = arrays.weight(dtype, V, C, random.normals(V * C));
        const x = arrays.input(dtype, [N, C], random.normals(N * C));
        const wide = arrays.output("x in f32", "f32", [N, C]);
        const [y, want] = [arrays.output("logits", "f32", [N, V]), arrays.output("want", "f32", [N, V])];
        arrays.reset();
        backend.convert(x, wide);
        backend.linearForward({ parts: [{ weight: head }], dropout: 0 }, wide, want, null);
        expect(backend.logits(head, x, y)).toBe(true);
        const name = `logits ${dtype} N=${N}`;
        expectClose(await arrays.read(y), await arrays.read(want), { name, tolerance: TOLERANCE.f32, shape: [N, V] });
        arrays.release();
      }
    }
  });

  it("leaves few rows and other heads alone", () => {
    const backend = device.backend();
    if (!backend.logits) return;
    const arrays = new TestArrays(backend);
    const rows = (dtype: "bf16" | "f32", N: number) => arrays.input(dtype, [N, 8], new Float64Array(N * 8));
    const head = arrays.weight("bf16", 16, 8, new Float64Array(128));
    expect(backend.logits(head, rows("bf16", 1), arrays.output("one", "f32", [1, 16]))).toBe(false);
    expect(backend.logits(head, rows("f32", 8), arrays.output("wide", "f32", [8, 16]))).toBe(false);
    expect(() => backend.logits!(head, rows("bf16", 8), arrays.output("y", "f32", [7, 16]))).toThrow("logits test.weight: y");
    arrays.release();
  });
});

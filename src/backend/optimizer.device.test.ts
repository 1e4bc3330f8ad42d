import { expect, it } from "vitest";
import type { ActivationDType } from "./backend.ts";
import { ACTIVATION_DTYPES } from "./element-types.ts";
import { compareWithReference } from "./testing/compare-with-reference.ts";
import { describeOnEachDevice } from "./testing/describe-on-each-device.ts";
import { expectClose } from "./testing/expect-close.ts";
import { RandomData } from "./testing/random-data.ts";
import { TestArrays } from "./testing/test-arrays.ts";

/** Learning rate 0.01, β 0.9 and 0.99, ε 1e-8, decay 0.1, and the corrections of step t. */
function hyper(t: number): number[] {
  return [0.01, 0.9, 0.99, 1e-8, 0.1, 1 - 0.9 ** t, 1 - 0.99 ** t, 0];
}

describeOnEachDevice("optimizer", (device) => {
  it("measures the norm of a gradient and the factor that clips it", async () => {
    const arrays = new TestArrays(device.backend());
    const norm = arrays.output("norm", "f32", [2]);
    const gradients = arrays.input("f32", [2], [3, -4]);
    for (const [maxNorm, factor] of [
      [1, 0.2],
      [10, 1],
      [0, 1],
    ] as const) {
      arrays.reset();
      device.backend().gradientNorm(gradients, norm, maxNorm);
      expectClose(await arrays.read(norm), [5, factor], { name: `max ${maxNorm}`, tolerance: 1e-6 });
    }
    device.backend().gradientNorm(arrays.input("f32", [0], []), norm, 1);
    expect(Array.from(await arrays.read(norm))).toEqual([0, 1]);
    arrays.release();
  });

  it("takes a first AdamW step by hand", async () => {
    // At t = 1 the corrected moments are g and g²: the step is lr · g/|g| = 0.01, after decay 2 · (1 − 0.01 · 0.1) = 1.998.
    const arrays = new TestArrays(device.backend());
    const one = (name: string, value: number) => arrays.changed(name, "f32", [1], [value]);
    const [params, m, v] = [one("params", 2), one("m", 0), one("v", 0)];
    const weightsOut = arrays.output("weightsOut", "bf16", [1]);
    arrays.reset();
    const gradients = arrays.input("f32", [1], [4]);
    device
      .backend()
      .adamw({ gradients, hyper: arrays.input("f32", [8], hyper(1)), clip: arrays.input("f32", [1], [0.5]), params, m, v, weightsOut });
    expectClose(await arrays.read(params), [1.988], { name: "params", tolerance: 1e-6 });
    expectClose(await arrays.read(m), [0.2], { name: "m", tolerance: 1e-6 });
    expectClose(await arrays.read(v), [0.04], { name: "v", tolerance: 1e-6 });
    expect(Array.from(await arrays.read(weightsOut))).toEqual([1.984375]); // the nearest bf16 to 1.988
    arrays.release();
  });

  it.each(ACTIVATION_DTYPES)("equals the reference over three steps, with a copy in %s", async (dtype) => {
    for (const count of [0, 1, 31, 257, 4099]) {
      await compareWithReference(device.backend(), (arrays) => adamwCase(arrays, count, dtype), { label: `count=${count} ${dtype}` });
    }
  });

  function adamwCase(arrays: TestArrays, count: number, dtype: ActivationDType) {
    const random = new RandomData(count);
    const gradients = arrays.input("f32", [count], random.normals(count));
    const clip = arrays.input("f32", [1], [0.7]);
    const params = arrays.changed("params", "f32", [count], random.normals(count));
    const m = arrays.changed("m", "f32", [count], random.normals(count, 0.1));
    const v = arrays.changed("v", "f32", [count], random.uniforms(count, 0, 0.1));
    const weightsOut = arrays.output("weightsOut", dtype, [count]);
    const hypers = [3, 4, 5].map((t) => arrays.input("f32", [8], hyper(t)));
    return () => {
      for (const step of hypers) arrays.backend.adamw({ gradients, hyper: step, clip, params, m, v, weightsOut });
    };
  }

  it("keeps 8-bit state near the reference's", async () => {
    // A code may fall on either side of a midpoint by the last bit of f32; that moves one value by one step of the map, 1/127 near its top.
    for (const count of [1, 31, 256, 700]) {
      await compareWithReference(
        device.backend(),
        (arrays) => {
          const random = new RandomData(count);
          const gradients = arrays.input("f32", [count], random.normals(count));
          const clip = arrays.input("f32", [1], [1]);
          const params = arrays.changed("params", "f32", [count], random.normals(count));
          const blocks = Math.ceil(count / 256);
          const state = {
            m: arrays.changed("m", "u8", [count], new Float64Array(count).fill(127)),
            v: arrays.changed("v", "u8", [count], new Float64Array(count)),
            mScales: arrays.changed("mScales", "f32", [blocks], new Float64Array(blocks)),
            vScales: arrays.changed("vScales", "f32", [blocks], new Float64Array(blocks)),
          };
          const hypers = [1, 2, 3].map((t) => arrays.input("f32", [8], hyper(t)));
          return () => {
            for (const step of hypers) arrays.backend.adamw({ gradients, hyper: step, clip, params, ...state });
          };
        },
        { label: `8-bit ${count}`, slack: { params: 50 } },
      );
    }
  });
});

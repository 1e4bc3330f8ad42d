import { expect, it } from "vitest";
import { ACTIVATION_DTYPES } from "./element-types.ts";
import { compareWithReference } from "./testing/compare-with-reference.ts";
import { describeOnEachDevice } from "./testing/describe-on-each-device.ts";
import { expectClose } from "./testing/expect-close.ts";
import { dot, expectGradient } from "./testing/expect-gradient.ts";
import { RandomData } from "./testing/random-data.ts";
import { TestArrays } from "./testing/test-arrays.ts";

const SIZES = [
  [0, 8],
  [1, 1],
  [3, 31],
  [31, 257],
  [257, 64],
] as const;

describeOnEachDevice("norms", (device) => {
  it("normalizes a row worked by hand", async () => {
    // s = [1+2, 5−1] = [3, 4]: mean of squares 12.5, rstd = 1/√12.5 = 0.2828427; y = s · rstd · [1, 10].
    const arrays = new TestArrays(device.backend());
    const [sum, y, rstd] = [arrays.output("sum", "f32", [1, 2]), arrays.output("y", "f32", [1, 2]), arrays.output("rstd", "f32", [1])];
    arrays.reset();
    const [x, residual, weight] = [
      [1, 5],
      [2, -1],
      [1, 10],
    ].map((row) => arrays.input("f32", [row.length], row));
    device.backend().rmsNormForward({ ...x!, shape: [1, 2] }, { ...residual!, shape: [1, 2] }, weight!, sum, y, rstd, 0);
    expect(Array.from(await arrays.read(sum))).toEqual([3, 4]);
    expectClose(await arrays.read(rstd), [0.28284271], { name: "rstd", tolerance: 1e-6 });
    expectClose(await arrays.read(y), [0.84852814, 11.3137085], { name: "y", tolerance: 1e-6 });
    arrays.release();
  });

  it.each(ACTIVATION_DTYPES)("equals the reference forward, with and without residual, %s", async (dtype) => {
    for (const [N, C] of SIZES) {
      for (const withResidual of [false, true]) {
        await compareWithReference(
          device.backend(),
          (arrays) => {
            const random = new RandomData(N * 1000 + C);
            const x = arrays.input(dtype, [N, C], random.normals(N * C));
            const residual = withResidual ? arrays.input(dtype, [N, C], random.normals(N * C, 3)) : null;
            const weight = arrays.input("f32", [C], random.uniforms(C, 0.5, 1.5));
            const sum = withResidual ? arrays.output("sum", dtype, [N, C]) : null;
            const y = arrays.output("y", dtype, [N, C]);
            const rstd = arrays.output("rstd", "f32", [N]);
            return () => arrays.backend.rmsNormForward(x, residual, weight, sum, y, rstd, 1e-5);
            // rstd is f32 but made of activations that were rounded to the dtype: it has their error, averaged over C.
          },
          { label: `forward N=${N} C=${C} residual=${withResidual} ${dtype}`, slack: { rstd: dtype === "f32" ? 1 : 300 } },
        );
      }
    }
  });

  it("lets the sum take the place of x or of the residual", async () => {
    for (const alias of ["x", "residual"] as const) {
      await compareWithReference(
        device.backend(),
        (arrays) => {
          const random = new RandomData(5);
          const x = arrays.changed("x", "bf16", [31, 257], random.normals(31 * 257));
          const residual = arrays.changed("residual", "bf16", [31, 257], random.normals(31 * 257));
          const weight = arrays.input("f32", [257], random.normals(257));
          const y = arrays.output("y", "bf16", [31, 257]);
          return () => arrays.backend.rmsNormForward(x, residual, weight, alias === "x" ? x : residual, y, null, 1e-6);
        },
        { label: `sum in ${alias}` },
      );
    }
  });

  it.each(ACTIVATION_DTYPES)("equals the reference backward, %s", async (dtype) => {
    for (const [N, C] of SIZES) {
      for (const carried of [false, true]) {
        await compareWithReference(
          device.backend(),
          (arrays) => {
            const random = new RandomData(N + C);
            const s = arrays.input(dtype, [N, C], random.normals(N * C, 2));
            const weight = arrays.input("f32", [C], random.uniforms(C, 0.5, 1.5));
            const rstd = arrays.input("f32", [N], random.uniforms(N, 0.4, 0.6));
            const dY = arrays.input(dtype, [N, C], random.normals(N * C));
            // d_sum starts as d_residual and is written in place, as the residual stream does it.
            const dSum = carried ? arrays.changed("dSum", dtype, [N, C], random.normals(N * C)) : arrays.output("dSum", dtype, [N, C]);
            const weightGradient = arrays.changed("weightGradient", "f32", [C], random.normals(C));
            return () => arrays.backend.rmsNormBackward(s, weight, rstd, dY, carried ? dSum : null, dSum, weightGradient);
          },
          { label: `backward N=${N} C=${C} carried=${carried} ${dtype}` },
        );
      }
    }
  });

  it.each(ACTIVATION_DTYPES)("applies a kept rstd, and the layer norm of encoders, %s", async (dtype) => {
    for (const [N, C] of SIZES) {
      await compareWithReference(
        device.backend(),
        (arrays) => {
          const random = new RandomData(N * C);
          const s = arrays.input(dtype, [N, C], random.normals(N * C));
          const weight = arrays.input("f32", [C], random.normals(C));
          const bias = arrays.input("f32", [C], random.normals(C));
          const rstd = arrays.input("f32", [N], random.uniforms(N, 0.5, 2));
          const applied = arrays.output("applied", dtype, [N, C]);
          const layer = arrays.output("layer", dtype, [N, C]);
          const withResidual = arrays.output("withResidual", dtype, [N, C]);
          return () => {
            arrays.backend.rmsNormApply(s, weight, rstd, applied);
            arrays.backend.layerNormForward(s, null, weight, bias, layer, 1e-5);
            arrays.backend.layerNormForward(s, applied, weight, bias, withResidual, 1e-5);
          };
        },
        { label: `N=${N} C=${C} ${dtype}`, slack: C === 1 ? 1000 : 2 },
      ); // one channel: the variance is zero and 1/√eps magnifies the last bit
    }
  });

  it.runIf(device.isReference)("has the gradient that central differences give", async () => {
    const [N, C] = [3, 31];
    const random = new RandomData(11);
    const arrays = new TestArrays(device.backend());
    const values = { x: random.normals(N * C), weight: random.uniforms(C, 0.5, 1.5) };
    const cotangent = random.normals(N * C);
    const x = arrays.input("f32", [N, C], values.x);
    const weight = arrays.input("f32", [C], values.weight);
    const [y, rstd, dX] = [arrays.output("y", "f32", [N, C]), arrays.output("rstd", "f32", [N]), arrays.output("dX", "f32", [N, C])];
    const dWeight = arrays.changed("dWeight", "f32", [C], new Float64Array(C));
    arrays.reset();
    const forward = () => device.backend().rmsNormForward(x, null, weight, null, y, rstd, 1e-5);
    forward();
    device.backend().rmsNormBackward(x, weight, rstd, arrays.input("f32", [N, C], cotangent), null, dX, dWeight);
    const loss = async () => {
      forward();
      return dot(await arrays.read(y), cotangent);
    };
    await expectGradient({ name: "dX", arrays, input: x, values: values.x, gradient: await arrays.read(dX), loss });
    await expectGradient({ name: "dWeight", arrays, input: weight, values: values.weight, gradient: await arrays.read(dWeight), loss });
    arrays.release();
  });
});

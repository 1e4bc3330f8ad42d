import { it } from "vitest";
import { ACTIVATION_DTYPES } from "./element-types.ts";
import { compareWithReference } from "./testing/compare-with-reference.ts";
import { describeOnEachDevice } from "./testing/describe-on-each-device.ts";
import { expectClose } from "./testing/expect-close.ts";
import { dot, expectGradient } from "./testing/expect-gradient.ts";
import { RandomData } from "./testing/random-data.ts";
import { TestArrays } from "./testing/test-arrays.ts";

const KINDS = ["silu", "gelu-tanh"] as const;

describeOnEachDevice("gated MLP activation", (device) => {
  it("computes SiLU and GELU by hand", async () => {
    // silu(1) = 1/(1+e⁻¹) = 0.7310586; gelu(1) = 0.8413447 by erf, 0.8411920 by tanh; up = 2 for one row, −1 for the other.
    const arrays = new TestArrays(device.backend());
    const gateUp = arrays.input("f32", [2, 4], [1, 0, 2, 3, -1, 1, -1, -1]);
    const y = arrays.output("y", "f32", [2, 2]);
    arrays.reset();
    device.backend().gatedForward(gateUp, y, "silu");
    expectClose(await arrays.read(y), [2 * 0.7310586, 0, 0.2689414, -0.7310586], { name: "silu", tolerance: 1e-6 });
    device.backend().gatedForward(gateUp, y, "gelu-tanh");
    expectClose(await arrays.read(y), [2 * 0.841192, 0, 0.158808, -0.841192], { name: "gelu", tolerance: 1e-6 });
    const one = arrays.input("f32", [2], [1, -1]);
    device.backend().geluForward(one, { ...y, shape: [2] }, "erf");
    expectClose((await arrays.read(y)).slice(0, 2), [0.8413447, -0.1586553], { name: "erf", tolerance: 1e-6 });
    arrays.release();
  });

  it.each(ACTIVATION_DTYPES.flatMap((dtype) => KINDS.map((kind) => [dtype, kind] as const)))(
    "equals the reference, %s %s",
    async (dtype, kind) => {
      for (const [N, F] of [
        [0, 4],
        [1, 1],
        [31, 257],
        [257, 31],
      ] as const) {
        await compareWithReference(
          device.backend(),
          (arrays) => {
            const random = new RandomData(N + F);
            // Large values too: the curves must saturate, not overflow.
            const values = random.normals(2 * N * F, 3);
            values.forEach((value, i) => {
              if (i % 50 === 0) values[i] = value * 40;
            });
            const gateUp = arrays.input(dtype, [N, 2 * F], values);
            const dY = arrays.input(dtype, [N, F], random.normals(N * F));
            const y = arrays.output("y", dtype, [N, F]);
            const dGateUp = arrays.output("dGateUp", dtype, [N, 2 * F]);
            const inPlace = arrays.changed("inPlace", dtype, [N, 2 * F], values);
            const erf = arrays.output("erf", dtype, [N, 2 * F]);
            const tanh = arrays.output("tanh", dtype, [N, 2 * F]);
            return () => {
              arrays.backend.gatedForward(gateUp, y, kind);
              arrays.backend.gatedBackward(gateUp, dY, dGateUp, kind);
              arrays.backend.gatedBackward(inPlace, dY, inPlace, kind);
              arrays.backend.geluForward(gateUp, erf, "erf");
              arrays.backend.geluForward(gateUp, tanh, "tanh");
            };
          },
          { label: `N=${N} F=${F} ${dtype} ${kind}` },
        );
      }
    },
  );

  it.runIf(device.isReference).each(KINDS)("has the gradient that central differences give, %s", async (kind) => {
    const arrays = new TestArrays(device.backend());
    const random = new RandomData(6);
    const values = random.normals(2 * 31 * 2);
    const cotangent = random.normals(2 * 31);
    const gateUp = arrays.input("f32", [2, 62], values);
    const [y, dGateUp] = [arrays.output("y", "f32", [2, 31]), arrays.output("dGateUp", "f32", [2, 62])];
    device.backend().gatedBackward(gateUp, arrays.input("f32", [2, 31], cotangent), dGateUp, kind);
    const loss = async () => {
      device.backend().gatedForward(gateUp, y, kind);
      return dot(await arrays.read(y), cotangent);
    };
    await expectGradient({ name: kind, arrays, loss, input: gateUp, values, gradient: await arrays.read(dGateUp) });
    arrays.release();
  });
});

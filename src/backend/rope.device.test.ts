import { expect, it } from "vitest";
import type { RopeOperand } from "./backend.ts";
import { ACTIVATION_DTYPES } from "./element-types.ts";
import { compareWithReference } from "./testing/compare-with-reference.ts";
import { describeOnEachDevice } from "./testing/describe-on-each-device.ts";
import { expectClose } from "./testing/expect-close.ts";
import { dot, expectGradient } from "./testing/expect-gradient.ts";
import { RandomData } from "./testing/random-data.ts";
import { TestArrays } from "./testing/test-arrays.ts";

/** (cos, sin) of position · 10000^(−2i/rotary), [positions, rotary/2, 2]. */
function angles(positions: number, rotary: number): Float64Array {
  return Float64Array.from({ length: positions * rotary }, (_, at) => {
    const angle = Math.floor(at / rotary) * 10000 ** (-(2 * Math.floor((at % rotary) / 2)) / rotary);
    return at % 2 === 0 ? Math.cos(angle) : Math.sin(angle);
  });
}

/** [N, H, K, D, rotary]: partial rotation, an odd number of heads, head sizes of real models. */
const SIZES = [
  [0, 2, 1, 8, 8],
  [1, 1, 1, 2, 2],
  [31, 3, 1, 10, 6],
  [5, 9, 3, 64, 64],
  [17, 4, 2, 96, 48],
  [3, 2, 1, 256, 256],
] as const;

describeOnEachDevice("rope", (device) => {
  it("turns a pair by hand, at its own position, and leaves values alone", async () => {
    // One query, key and value head of size 2; position 1 is a quarter turn (cos 0, sin 1): (x0, x1) → (−x1, x0).
    const arrays = new TestArrays(device.backend());
    const rope: RopeOperand = { table: arrays.input("f32", [2, 1, 2], [1, 0, 0, 1]), rotary: 2, eps: 0 };
    const qkv = arrays.input("f32", [2, 6], [1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6]);
    const out = arrays.output("out", "f32", [2, 6]);
    arrays.reset();
    device.backend().ropeForward(rope, { heads: 1, keyValueHeads: 1, headDim: 2 }, qkv, arrays.input("i32", [2], [0, 1]), out);
    expect(Array.from(await arrays.read(out))).toEqual([1, 2, 3, 4, 5, 6, -2, 1, -4, 3, 5, 6]);
    arrays.release();
  });

  it.each(ACTIVATION_DTYPES)("equals the reference forward and backward, with and without norms, %s", async (dtype) => {
    for (const [N, H, K, D, rotary] of SIZES) {
      for (const norms of [false, true]) {
        for (const inPlace of norms ? [false] : [false, true]) {
          await compareWithReference(
            device.backend(),
            (arrays) => {
              const random = new RandomData(N + D);
              const width = (H + 2 * K) * D;
              const rope: RopeOperand = {
                table: arrays.input("f32", [50, rotary / 2, 2], angles(50, rotary)),
                rotary,
                eps: 1e-6,
                queryNorm: norms ? arrays.input("f32", [D], random.uniforms(D, 0.5, 1.5)) : undefined,
                keyNorm: norms ? arrays.input("f32", [D], random.uniforms(D, 0.5, 1.5)) : undefined,
              };
              const heads = { heads: H, keyValueHeads: K, headDim: D };
              const positions = arrays.input("i32", [N], random.integers(N, 0, 50));
              const qkv = inPlace
                ? arrays.changed("qkv", dtype, [N, width], random.normals(N * width))
                : arrays.input(dtype, [N, width], random.normals(N * width));
              const out = inPlace ? qkv : arrays.output("out", dtype, [N, width]);
              const gradient = random.normals(N * width);
              const dOut = inPlace ? arrays.changed("dOut", dtype, [N, width], gradient) : arrays.input(dtype, [N, width], gradient);
              const dQkv = inPlace ? dOut : arrays.output("dQkv", dtype, [N, width]);
              const dQueryNorm = norms ? arrays.changed("dQueryNorm", "f32", [D], random.normals(D)) : null;
              const dKeyNorm = norms ? arrays.changed("dKeyNorm", "f32", [D], random.normals(D)) : null;
              return () => {
                arrays.backend.ropeForward(rope, heads, qkv, positions, out);
                arrays.backend.ropeBackward(rope, heads, norms ? qkv : null, positions, dOut, dQkv, dQueryNorm, dKeyNorm);
              };
            },
            { label: `N=${N} H=${H} K=${K} D=${D} rotary=${rotary} norms=${norms} inPlace=${inPlace} ${dtype}` },
          );
        }
      }
    }
  });

  it("gives the gradient back to where it came from: backward undoes forward without norms", async () => {
    const arrays = new TestArrays(device.backend());
    const values = new RandomData(2).normals(7 * 4 * 16);
    const rope: RopeOperand = { table: arrays.input("f32", [9, 8, 2], angles(9, 16)), rotary: 16, eps: 0 };
    const qkv = arrays.input("f32", [7, 64], values);
    const positions = arrays.input("i32", [7], [0, 1, 2, 3, 5, 8, 8]);
    const heads = { heads: 2, keyValueHeads: 1, headDim: 16 };
    const [turned, back] = [arrays.output("turned", "f32", [7, 64]), arrays.output("back", "f32", [7, 64])];
    device.backend().ropeForward(rope, heads, qkv, positions, turned);
    device.backend().ropeBackward(rope, heads, null, positions, turned, back, null, null);
    expectClose(await arrays.read(back), values, { name: "back", tolerance: 1e-6 });
    arrays.release();
  });

  it.runIf(device.isReference)("has the gradients that central differences give, norms included", async () => {
    const [N, D] = [3, 8];
    const random = new RandomData(4);
    const arrays = new TestArrays(device.backend());
    const heads = { heads: 2, keyValueHeads: 1, headDim: D };
    const values = { qkv: random.normals(N * 4 * D), queryNorm: random.uniforms(D, 0.5, 1.5), keyNorm: random.uniforms(D, 0.5, 1.5) };
    const cotangent = random.normals(N * 4 * D);
    const queryNorm = arrays.input("f32", [D], values.queryNorm);
    const keyNorm = arrays.input("f32", [D], values.keyNorm);
    const rope: RopeOperand = { table: arrays.input("f32", [9, 3, 2], angles(9, 6)), rotary: 6, eps: 1e-6, queryNorm, keyNorm };
    const qkv = arrays.input("f32", [N, 4 * D], values.qkv);
    const positions = arrays.input("i32", [N], [8, 0, 3]);
    const [out, dQkv] = [arrays.output("out", "f32", [N, 4 * D]), arrays.output("dQkv", "f32", [N, 4 * D])];
    const dQueryNorm = arrays.changed("dQueryNorm", "f32", [D], new Float64Array(D));
    const dKeyNorm = arrays.changed("dKeyNorm", "f32", [D], new Float64Array(D));
    arrays.reset();
    device.backend().ropeBackward(rope, heads, qkv, positions, arrays.input("f32", [N, 4 * D], cotangent), dQkv, dQueryNorm, dKeyNorm);
    const loss = async () => {
      device.backend().ropeForward(rope, heads, qkv, positions, out);
      return dot(await arrays.read(out), cotangent);
    };
    await expectGradient({ name: "dQkv", arrays, loss, input: qkv, values: values.qkv, gradient: await arrays.read(dQkv) });
    await expectGradient({
      name: "dQueryNorm",
      arrays,
      loss,
      input: queryNorm,
      values: values.queryNorm,
      gradient: await arrays.read(dQueryNorm),
    });
    await expectGradient({ name: "dKeyNorm", arrays, loss, input: keyNorm, values: values.keyNorm, gradient: await arrays.read(dKeyNorm) });
    arrays.release();
  });
});

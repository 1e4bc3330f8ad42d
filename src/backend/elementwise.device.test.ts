import { expect, it } from "vitest";
import { ACTIVATION_DTYPES } from "./element-types.ts";
import { compareWithReference } from "./testing/compare-with-reference.ts";
import { describeOnEachDevice } from "./testing/describe-on-each-device.ts";
import { decode, encode } from "./testing/number-codec.ts";
import { RandomData } from "./testing/random-data.ts";
import { TestArrays } from "./testing/test-arrays.ts";

describeOnEachDevice("elementwise ops", (device) => {
  // Ties, signed zeros, subnormals, overflow, infinities and NaN of each format, and odd counts for the tails of vector loops.
  const SPECIAL = [
    0,
    -0,
    1,
    -1.5,
    65504,
    65519,
    65520,
    1e-8,
    6e-8,
    2 ** -14,
    1 + 2 ** -8,
    1 + 3 * 2 ** -9,
    3.4e38,
    -3.4e38,
    Infinity,
    -Infinity,
    NaN,
  ];

  it.each(ACTIVATION_DTYPES.flatMap((from) => ACTIVATION_DTYPES.map((to) => [from, to] as const)))(
    "converts %s to %s as rounding says",
    async (from, to) => {
      const random = new RandomData(1);
      const values = Float64Array.from([...SPECIAL, ...random.normals(257), ...random.normals(257, 1e-4), ...random.normals(31, 1e5)]);
      const arrays = new TestArrays(device.backend());
      const source = arrays.input(from, [values.length], values);
      const target = arrays.output("target", to, [values.length]);
      arrays.reset();
      device.backend().convert(source, target);
      expect(Array.from(await arrays.read(target))).toEqual(Array.from(decode(to, encode(to, decode(from, encode(from, values))))));
      arrays.release();
    },
  );

  it.each(ACTIVATION_DTYPES)("adds a scaled %s array", async (dtype) => {
    for (const count of [0, 1, 31, 257, 4099]) {
      await compareWithReference(
        device.backend(),
        (arrays) => {
          const random = new RandomData(count);
          const x = arrays.input(dtype, [count], random.normals(count));
          const y = arrays.changed("y", dtype, [count], random.normals(count));
          return () => arrays.backend.add(x, y, -0.75);
        },
        { label: `add ${count} ${dtype}` },
      );
    }
  });

  it("sums in f64", async () => {
    // 2²⁴ + 1 + 1 … is lost in a plain f32 sum.
    const arrays = new TestArrays(device.backend());
    const values = Float64Array.from([2 ** 24, ...new Array(1000).fill(1)]);
    const out = arrays.output("out", "f32", [1]);
    arrays.reset();
    device.backend().sum(arrays.input("f32", [values.length], values), out);
    expect(Array.from(await arrays.read(out))).toEqual([2 ** 24 + 1000]);
    arrays.release();
  });

  it.each(["uniform", "normal"] as const)("draws the same %s numbers as the reference, to the bit", async (distribution) => {
    await compareWithReference(
      device.backend(),
      (arrays) => {
        const x = arrays.output("x", "f32", [4099]);
        return () => arrays.backend.random(x, 0x1234567890abcdefn, 0.37, distribution);
      },
      { label: distribution, slack: 0 },
    );
  });

  it("draws uniform numbers that fill their interval, and normal ones with their deviation", async () => {
    const arrays = new TestArrays(device.backend());
    const x = arrays.output("x", "f32", [20000]);
    device.backend().random(x, 7n, 2, "uniform");
    const uniform = await arrays.read(x);
    expect(Math.max(...uniform)).toBeLessThan(2);
    expect(Math.min(...uniform)).toBeGreaterThanOrEqual(-2);
    expect(uniform.reduce((sum, value) => sum + value * value, 0) / 20000).toBeCloseTo(4 / 3, 1);
    device.backend().random(x, 7n, 2, "normal");
    expect((await arrays.read(x)).reduce((sum, value) => sum + value * value, 0) / 20000).toBeCloseTo(4, 0);
    arrays.release();
  });

  it.each(ACTIVATION_DTYPES)("gathers %s rows, zeros for negative ones", async (dtype) => {
    const arrays = new TestArrays(device.backend());
    const x = arrays.input(dtype, [3, 2], [1, 2, 3, 4, 5, 6]);
    const out = arrays.output("out", dtype, [4, 2]);
    arrays.reset();
    device.backend().gatherRows(x, arrays.input("i32", [4], [2, -1, 0, 2]), out);
    expect(Array.from(await arrays.read(out))).toEqual([5, 6, 0, 0, 1, 2, 5, 6]);
    arrays.release();
  });

  it("copies and zeroes windows without touching what lies beside them", async () => {
    const arrays = new TestArrays(device.backend());
    const target = arrays.changed("target", "f32", [5], [1, 2, 3, 4, 5]);
    arrays.reset();
    device.backend().copy(arrays.input("f32", [2], [8, 9]), { ...target, byteOffset: 4, shape: [2] });
    device.backend().zero({ ...target, byteOffset: 12, shape: [1] });
    expect(Array.from(await arrays.read(target))).toEqual([1, 8, 9, 0, 5]);
    arrays.release();
  });
});

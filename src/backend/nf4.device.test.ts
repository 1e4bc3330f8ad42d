import { expect, it } from "vitest";
import { ACTIVATION_DTYPES } from "./element-types.ts";
import { compareWithReference } from "./testing/compare-with-reference.ts";
import { describeOnEachDevice } from "./testing/describe-on-each-device.ts";
import { RandomData } from "./testing/random-data.ts";
import { TestArrays } from "./testing/test-arrays.ts";

describeOnEachDevice("NF4 encoding", (device) => {
  it("puts the first element in the high nibble, and each at its nearest level", async () => {
    const arrays = new TestArrays(device.backend());
    const values = new Float64Array(64).fill(0);
    values.set([2, -2, 1.4, -0.1]); // over absmax 2: 1, −1, 0.7 (level 14 is 0.723), −0.05 (level 6 is −0.091, 7 is 0: the midpoint is −0.0455)
    const [codes, absmax] = [arrays.output("codes", "u8", [32]), arrays.output("absmax", "f32", [1])];
    arrays.reset();
    device.backend().nf4Encode(arrays.input("f32", [64], values), codes, absmax);
    expect(Array.from(await arrays.read(absmax))).toEqual([2]);
    expect(Array.from(await arrays.read(codes))).toEqual([0xf0, 0xe6, ...new Array(30).fill(0x77)]);
    arrays.release();
  });

  it.each(ACTIVATION_DTYPES)("equals the reference to the bit, %s", async (dtype) => {
    for (const count of [0, 1, 31, 64, 257, 64 * 513]) {
      await compareWithReference(
        device.backend(),
        (arrays) => {
          const random = new RandomData(count);
          const values = random.normals(count, 0.02);
          values.fill(0, 64, 128); // a block of zeros has no scale
          const x = arrays.input(dtype, [count], values);
          const codes = arrays.output("codes", "u8", [Math.ceil(count / 2)]);
          const absmax = arrays.output("absmax", "f32", [Math.ceil(count / 64)]);
          return () => arrays.backend.nf4Encode(x, codes, absmax);
        },
        { label: `count=${count} ${dtype}`, slack: 0 },
      );
    }
  });

  it("meets blocks that are not ordinary as the plain loop does", async () => {
    const arrays = new TestArrays(device.backend());
    const block = (...values: number[]) => Float64Array.from({ length: 64 }, (_, i) => values[i % values.length]!);
    const rows = [
      block(0),
      block(-0, 0),
      block(1e-45, -1e-45, 0), // subnormal: the divisor is 1e-38, so that everything is level 7
      block(1e-38, -2e-38, 5e-39), // absmax 2e-38: levels of 0.5, −1 and 0.25
      block(3e-31, -6e-31),
      block(3e38, -1.5e38),
      block(Number.NaN, 1, -1), // absmax NaN, and every level the last one, as torch.bucketize has it
    ];
    const values = Float64Array.from(rows.flatMap((row) => [...row]));
    const x = arrays.input("f32", [values.length], values);
    const [codes, absmax] = [arrays.output("codes", "u8", [values.length / 2]), arrays.output("absmax", "f32", [rows.length])];
    arrays.reset();
    device.backend().nf4Encode(x, codes, absmax);
    const found = await arrays.read(codes);
    const levels = (row: number) => [...found.slice(row * 32, row * 32 + 3)].flatMap((byte) => [byte >> 4, byte & 15]);
    expect([0, 1, 2].map(levels)).toEqual(Array(3).fill(Array(6).fill(7)));
    expect(levels(3)).toEqual([12, 0, 10, 12, 0, 10]);
    expect(levels(4)).toEqual([12, 0, 12, 0, 12, 0]);
    expect(levels(5)).toEqual([15, 2, 15, 2, 15, 2]);
    const largest = [...(await arrays.read(absmax))];
    expect(largest.slice(0, 6)).toEqual([0, 0, 1e-45, 2e-38, 6e-31, 3e38].map(Math.fround));
    // The reference is the formula in C's fmax, which looks past NaN.
    if (!device.isReference && device.backend().device.kind === "cpu") {
      expect(levels(6)).toEqual(Array(6).fill(15));
      expect(largest[6]).toBeNaN();
    }
    arrays.release();
  });

  it("quantizes the scales themselves, equal to the reference", async () => {
    for (const blocks of [1, 31, 256, 700]) {
      await compareWithReference(
        device.backend(),
        (arrays) => {
          const random = new RandomData(blocks);
          // Multiples of 2⁻¹²: their sum is exact in any order, so that reference, CPU and CUDA agree on the mean to the bit.
          const values = random.uniforms(blocks, 0.02, 0.1).map((value) => Math.round(value * 4096) / 4096);
          const absmax = arrays.input("f32", [blocks], values);
          const code = arrays.input(
            "f32",
            [256],
            Float64Array.from({ length: 256 }, (_, i) => Math.sin(((i - 127.5) / 255) * Math.PI)),
          );
          const scaleCodes = arrays.output("scaleCodes", "u8", [blocks]);
          const nested = arrays.output("nested", "f32", [Math.ceil(blocks / 256)]);
          const offset = arrays.output("offset", "f32", [1]);
          return () => arrays.backend.nf4Nest(absmax, code, scaleCodes, nested, offset);
        },
        { label: `blocks=${blocks}`, slack: 0 },
      );
    }
  });
});

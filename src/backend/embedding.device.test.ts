import { expect, it } from "vitest";
import { ACTIVATION_DTYPES } from "./element-types.ts";
import { compareWithReference } from "./testing/compare-with-reference.ts";
import { describeOnEachDevice } from "./testing/describe-on-each-device.ts";
import { RandomData } from "./testing/random-data.ts";
import { fittingColumns, randomWeight, STORED_FORMATS } from "./testing/random-weights.ts";
import { TestArrays } from "./testing/test-arrays.ts";

describeOnEachDevice("embedding", (device) => {
  it("looks up, scales, and adds gradients by hand; a negative id is nothing", async () => {
    const arrays = new TestArrays(device.backend());
    const table = arrays.weight("f32", 3, 2, [1, 2, 3, 4, 5, 6]);
    const ids = arrays.input("i32", [4], [2, -1, 0, 2]);
    const y = arrays.output("y", "f32", [4, 2]);
    const dTable = arrays.changed("dTable", "f32", [3, 2], [100, 0, 0, 0, 0, 0]);
    arrays.reset();
    device.backend().embeddingForward(table, ids, y, 10);
    device.backend().embeddingBackward(ids, arrays.input("f32", [4, 2], [1, 2, 3, 4, 5, 6, 7, 8]), dTable, 10);
    expect(Array.from(await arrays.read(y))).toEqual([50, 60, 0, 0, 10, 20, 50, 60]);
    expect(Array.from(await arrays.read(dTable))).toEqual([150, 60, 0, 0, 80, 100]);
    arrays.release();
  });

  it("refuses an id beyond the table, and says which", () => {
    const arrays = new TestArrays(device.backend());
    const table = arrays.weight("f32", 3, 2, [1, 2, 3, 4, 5, 6], "model.embed_tokens");
    const y = arrays.output("y", "f32", [2, 2]);
    const ids = arrays.input("i32", [2], [0, 3]);
    expect(() => device.backend().embeddingForward(table, ids, y, 1)).toThrow(/3.*the table has 3 rows/);
    expect(() => device.backend().embeddingBackward(ids, y, arrays.changed("dTable", "f32", [3, 2], [0, 0, 0, 0, 0, 0]), 1)).toThrow(
      /3.*the table has 3 rows/,
    );
    arrays.release();
  });

  it.each(ACTIVATION_DTYPES)("reads every stored format, %s", async (dtype) => {
    for (const format of STORED_FORMATS) {
      await compareWithReference(
        device.backend(),
        (arrays) => {
          const random = new RandomData(9);
          const cols = fittingColumns(format, 257);
          const table = randomWeight(arrays, format, 31, cols, random);
          const ids = arrays.input("i32", [40], random.integers(40, -1, 31));
          const y = arrays.output("y", dtype, [40, cols]);
          const rows = arrays.output("rows", dtype, [7, cols]);
          return () => {
            arrays.backend.embeddingForward(table, ids, y, 1.25);
            arrays.backend.weightDecode(table, rows, 3, 7);
          };
        },
        { label: `${format} ${dtype}` },
      );
    }
  });

  it.each(ACTIVATION_DTYPES)("adds gradients of repeated ids, %s", async (dtype) => {
    await compareWithReference(
      device.backend(),
      (arrays) => {
        const random = new RandomData(10);
        const ids = arrays.input("i32", [600], random.integers(600, -1, 5));
        const dY = arrays.input(dtype, [600, 31], random.normals(600 * 31));
        const dTable = arrays.changed("dTable", "f32", [7, 31], random.normals(7 * 31));
        return () => arrays.backend.embeddingBackward(ids, dY, dTable, 0.5);
      },
      { label: `gradient ${dtype}` },
    );
  });
});

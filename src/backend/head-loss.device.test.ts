import { expect, it } from "vitest";
import type { ActivationDType } from "./backend.ts";
import { ACTIVATION_DTYPES } from "./element-types.ts";
import { compareWithReference } from "./testing/compare-with-reference.ts";
import { describeOnEachDevice } from "./testing/describe-on-each-device.ts";
import { expectClose } from "./testing/expect-close.ts";
import { dot, expectGradient } from "./testing/expect-gradient.ts";
import { RandomData } from "./testing/random-data.ts";
import { randomWeight, type StoredFormat } from "./testing/random-weights.ts";
import { TestArrays } from "./testing/test-arrays.ts";

interface HeadCase {
  N: number;
  C: number;
  V: number;
  chunkRows: number;
  format?: StoredFormat;
  softcap?: number;
  /** Share of rows that are not trained. */
  ignored?: number;
}

const CASES: readonly HeadCase[] = [
  { N: 0, C: 8, V: 5, chunkRows: 4 },
  { N: 1, C: 1, V: 1, chunkRows: 1 },
  { N: 31, C: 33, V: 257, chunkRows: 7, ignored: 0.4 },
  { N: 257, C: 64, V: 100, chunkRows: 64, format: "bf16", ignored: 0.7 },
  { N: 40, C: 64, V: 300, chunkRows: 1000, format: "nf4-nested", softcap: 3 },
  { N: 20, C: 256, V: 97, chunkRows: 8, format: "q6_k", softcap: 30, ignored: 1 },
  { N: 33, C: 256, V: 130, chunkRows: 16, format: "q8_0" },
];

function headCase({ N, C, V, chunkRows, format = "f32", softcap = 0, ignored = 0 }: HeadCase, dtype: ActivationDType) {
  return (arrays: TestArrays) => {
    const random = new RandomData(N + V);
    const head = randomWeight(arrays, format, V, C, random);
    const h = arrays.input(dtype, [N, C], random.normals(N * C, 2));
    const targets = random.integers(N, 0, V).map((target) => (random.uniform() < ignored ? -1 : target));
    const ids = arrays.input("i32", [N], targets);
    const lossScale = arrays.input("f32", [1], [0.125]);
    const rowLoss = arrays.output("rowLoss", "f32", [N]);
    const dH = arrays.output("dH", dtype, [N, C]);
    const dHead = arrays.changed("dHead", "f32", [V, C], random.normals(V * C, 0.1));
    const evaluated = arrays.output("evaluated", "f32", [N]);
    return () => {
      arrays.backend.headLoss(head, h, ids, lossScale, rowLoss, dH, dHead, null, { chunkRows, softcap });
      arrays.backend.headLoss(head, h, ids, null, evaluated, null, null, null, { chunkRows, softcap });
    };
  };
}

describeOnEachDevice("head and loss", (device) => {
  it("scores two rows by hand, and only one of them", async () => {
    // h = [1, 0], W = [[0,0], [ln 3, 0]]: logits [0, ln 3], p = [1/4, 3/4]. Target 0: loss ln 4; d_z = ½ [−3/4, 3/4]; d_h = d_z W.
    const arrays = new TestArrays(device.backend());
    const head = arrays.weight("f32", 2, 2, [0, 0, Math.log(3), 0]);
    const h = arrays.input("f32", [2, 2], [1, 0, 5, 5]);
    const [rowLoss, dH] = [arrays.output("rowLoss", "f32", [2]), arrays.output("dH", "f32", [2, 2])];
    const [dHead, top1] = [arrays.changed("dHead", "f32", [2, 2], [0, 0, 0, 1]), arrays.output("top1", "i32", [2])];
    arrays.reset();
    const targets = arrays.input("i32", [2], [0, -100]);
    device.backend().headLoss(head, h, targets, arrays.input("f32", [1], [0.5]), rowLoss, dH, dHead, top1, { chunkRows: 1, softcap: 0 });
    const name = "row";
    expectClose(await arrays.read(rowLoss), [Math.log(4), 0], { name, tolerance: 1e-6 });
    expectClose(await arrays.read(dH), [0.375 * Math.log(3), 0, 0, 0], { name, tolerance: 1e-6 });
    expectClose(await arrays.read(dHead), [-0.375, 0, 0.375, 1], { name, tolerance: 1e-6 });
    expect(Array.from(await arrays.read(top1))).toEqual([1, -1]);
    arrays.release();
  });

  it.runIf(!device.isReference).each(ACTIVATION_DTYPES)("equals the reference, %s", async (dtype) => {
    for (const shape of CASES) {
      // The gradient of the head is f32, but its factors pass through the dtype on the way into the product.
      const rounded = dtype === "f32" ? 1 : 500;
      await compareWithReference(device.backend(), headCase(shape, dtype), {
        label: `${JSON.stringify(shape)} ${dtype}`,
        slack: { dHead: rounded, rowLoss: rounded, evaluated: rounded },
      });
    }
  });

  it("does not depend on how the rows are cut into chunks", async () => {
    const losses: number[][] = [];
    for (const chunkRows of [1, 5, 31, 4096]) {
      const arrays = new TestArrays(device.backend());
      const random = new RandomData(3);
      const head = randomWeight(arrays, "bf16", 65, 32, random);
      const h = arrays.input("bf16", [31, 32], random.normals(31 * 32));
      const targets = arrays.input("i32", [31], random.integers(31, -1, 65));
      const rowLoss = arrays.output("rowLoss", "f32", [31]);
      device.backend().headLoss(head, h, targets, null, rowLoss, null, null, null, { chunkRows, softcap: 0 });
      losses.push(Array.from(await arrays.read(rowLoss)));
      arrays.release();
    }
    for (const other of losses.slice(1)) expectClose(other, losses[0]!, { name: "rowLoss", tolerance: 1e-5 });
  });

  it.runIf(device.isReference).each([0, 2])("has the gradients that central differences give, softcap %s", async (softcap) => {
    const [N, C, V] = [5, 6, 9];
    const arrays = new TestArrays(device.backend());
    const random = new RandomData(12);
    const values = { h: random.normals(N * C), head: random.normals(V * C) };
    const head = arrays.weight("f32", V, C, values.head);
    const h = arrays.input("f32", [N, C], values.h);
    const targets = arrays.input("i32", [N], [0, 8, -1, 3, 3]);
    const lossScale = arrays.input("f32", [1], [0.25]);
    const [rowLoss, dH] = [arrays.output("rowLoss", "f32", [N]), arrays.output("dH", "f32", [N, C])];
    const dHead = arrays.changed("dHead", "f32", [V, C], new Float64Array(V * C));
    arrays.reset();
    device.backend().headLoss(head, h, targets, lossScale, rowLoss, dH, dHead, null, { chunkRows: 2, softcap });
    const loss = async () => {
      device.backend().headLoss(head, h, targets, null, rowLoss, null, null, null, { chunkRows: 2, softcap });
      return dot(await arrays.read(rowLoss), new Float64Array(N).fill(0.25));
    };
    await expectGradient({ name: "dH", arrays, loss, input: h, values: values.h, gradient: await arrays.read(dH), samples: 30 });
    await expectGradient({
      name: "dHead",
      arrays,
      loss,
      input: head.data,
      values: values.head,
      gradient: await arrays.read(dHead),
      samples: 54,
    });
    arrays.release();
  });
});

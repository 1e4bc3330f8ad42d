/** `linearStep`, on devices that have it, against the ops it stands for, run one by one on the same device. */
import { expect, it } from "vitest";
import type { ActivationDType, GatedKind, LinearOperand } from "./backend.ts";
import { describeOnEachDevice } from "./testing/describe-on-each-device.ts";
import { expectClose, TOLERANCE } from "./testing/expect-close.ts";
import { RandomData } from "./testing/random-data.ts";
import { randomWeight, type StoredFormat } from "./testing/random-weights.ts";
import { TestArrays } from "./testing/test-arrays.ts";

interface StepCase {
  readonly N: number;
  readonly In: number;
  readonly outs: readonly number[];
  readonly format: StoredFormat;
  readonly norm?: boolean;
  readonly residual?: boolean;
  readonly gate?: GatedKind;
}

const CASES: readonly StepCase[] = [
  { N: 1, In: 320, outs: [64, 31, 32], format: "nf4-nested", norm: true },
  { N: 1, In: 1088, outs: [257], format: "nf4", residual: true },
  { N: 2, In: 576, outs: [70, 70], format: "nf4-nested", norm: true, gate: "silu" },
  { N: 3, In: 64, outs: [33, 33], format: "nf4", gate: "gelu-tanh" },
  { N: 4, In: 192, outs: [1], format: "nf4-nested", norm: true, residual: true },
];

describeOnEachDevice("linear step", (device) => {
  it("equals norm, linear, gate and addition one by one", async () => {
    const backend = device.backend();
    if (!backend.linearStep) return;
    for (const dtype of ["bf16", "f16"] as const) {
      if (!backend.device.activationDTypes.includes(dtype)) continue;
      for (const shape of CASES) await compare(new TestArrays(backend), shape, dtype);
    }
  });

  it("leaves other weights and more rows alone", () => {
    const backend = device.backend();
    if (!backend.linearStep) return;
    const arrays = new TestArrays(backend);
    for (const [format, N] of [
      ["q8_0", 1],
      ["nf4", 5],
    ] as const) {
      const linear = { parts: [{ weight: randomWeight(arrays, format, 8, 64, new RandomData(1)) }], dropout: 0 };
      const x = arrays.input("f16", [N, 64], new Array(N * 64).fill(1));
      expect(backend.linearStep(linear, x, arrays.output("y", "f16", [N, 8]), {})).toBe(false);
    }
    arrays.release();
  });
});

async function compare(arrays: TestArrays, shape: StepCase, dtype: ActivationDType): Promise<void> {
  const { N, In, outs, format, gate } = shape;
  const { backend } = arrays;
  const random = new RandomData(N * 7919 + In);
  const total = outs.reduce((sum, out) => sum + out, 0);
  const width = gate ? total / 2 : total;
  const bias = arrays.input("f32", [total], random.normals(total));
  const linear: LinearOperand = { parts: outs.map((out) => ({ weight: randomWeight(arrays, format, out, In, random) })), bias, dropout: 0 };
  const x = arrays.input(dtype, [N, In], random.normals(N * In));
  const norm = shape.norm ? arrays.input("f32", [In], random.normals(In)) : undefined;
  const residual = shape.residual ? arrays.input(dtype, [N, width], random.normals(N * width)) : undefined;
  const [normed, wide] = [arrays.output("normed", dtype, [N, In]), arrays.output("linear", dtype, [N, total])];
  const want = gate ? arrays.output("want", dtype, [N, width]) : wide;
  const y = arrays.output("y", dtype, [N, width]);
  arrays.reset();
  if (norm) backend.rmsNormForward(x, null, norm, null, normed, null, 1e-5);
  backend.linearForward(linear, norm ? normed : x, wide, null);
  if (gate) backend.gatedForward(wide, want, gate);
  if (residual) backend.add(residual, want, 1);
  const next = { parts: [{ weight: randomWeight(arrays, format, 37, width * 64, random) }], dropout: 0 };
  expect(backend.linearStep!(linear, x, y, { norm, eps: 1e-5, residual, gate, next })).toBe(true);
  // The ops one by one round what lies between them.
  const name = `${dtype} ${JSON.stringify(shape)}`;
  expectClose(await arrays.read(y), await arrays.read(want), { name, tolerance: 2 * TOLERANCE[dtype], shape: [N, width] });
  arrays.release();
}

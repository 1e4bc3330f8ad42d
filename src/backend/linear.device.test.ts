import { expect, it, vi } from "vitest";
import type { ActivationDType, LinearOperand } from "./backend.ts";
import { ACTIVATION_DTYPES } from "./element-types.ts";
import { compareWithReference } from "./testing/compare-with-reference.ts";
import { describeOnEachDevice } from "./testing/describe-on-each-device.ts";
import { TOLERANCE } from "./testing/expect-close.ts";
import { dot, expectGradient } from "./testing/expect-gradient.ts";
import { RandomData } from "./testing/random-data.ts";
import { fittingColumns, randomWeight, STORED_FORMATS, type StoredFormat } from "./testing/random-weights.ts";
import { TestArrays } from "./testing/test-arrays.ts";

interface LinearCase {
  N: number;
  In: number;
  /** Format, Out and LoRA rank of each part. */
  parts: readonly (readonly [StoredFormat, number, number])[];
  dropout?: number;
  bias?: boolean;
  /** Parts whose A, or B, has no gradient. */
  frozen?: { a?: number; b?: number };
}

const CASES: readonly LinearCase[] = [
  { N: 0, In: 64, parts: [["nf4", 31, 4]] },
  { N: 1, In: 1, parts: [["f32", 1, 0]] },
  { N: 1, In: 31, parts: [["f16", 257, 3]], bias: true },
  { N: 31, In: 257, parts: [["f32", 31, 0]], bias: true },
  { N: 257, In: 65, parts: [["bf16", 33, 1]] },
  { N: 7, In: 1200, parts: [["bf16", 40, 16]] },
  { N: 700, In: 128, parts: [["nf4-nested", 70, 8]], dropout: 0.25 },
  // Adapters that a card decodes into the weights.
  {
    N: 35,
    In: 192,
    parts: [
      ["nf4-nested", 70, 16],
      ["nf4", 31, 0],
      ["bf16", 24, 0],
      ["nf4", 40, 34],
    ],
    bias: true,
  }, // prettier-ignore
  { N: 300, In: 64, parts: [["nf4-nested", 129, 4]] },
  // q|k|v and gate|up, with formats and ranks that differ between parts.
  {
    N: 33,
    In: 192,
    parts: [
      ["bf16", 64, 8],
      ["nf4", 31, 0],
      ["nf4-nested", 32, 33],
    ],
    dropout: 0.1,
    bias: true,
  }, // prettier-ignore
  {
    N: 1,
    In: 256,
    parts: [
      ["q4_k", 96, 4],
      ["q6_k", 97, 4],
    ],
  }, // prettier-ignore
  {
    N: 64,
    In: 128,
    parts: [
      ["nf4", 48, 16],
      ["nf4", 48, 16],
    ],
    dropout: 0.5,
  }, // prettier-ignore
];

/** Ranks and columns of every variant of lora_backward.cu: one part and several, one without an adapter, odd numbers of rows. */
const ONE_PASS_CASES: readonly LinearCase[] = [
  { N: 1, In: 16, parts: [["f32", 8, 8]] },
  { N: 131, In: 64, parts: [["nf4-nested", 1032, 16]] },
  {
    N: 77,
    In: 64,
    parts: [
      ["nf4", 1040, 16],
      ["bf16", 24, 0],
      ["nf4", 200, 8],
      ["nf4-nested", 48, 16],
    ],
    bias: true,
  }, // prettier-ignore
  {
    N: 65,
    In: 128,
    parts: [
      ["nf4", 520, 8],
      ["bf16", 72, 32],
    ],
  }, // prettier-ignore
  { N: 50, In: 64, parts: [["nf4", 600, 64]], frozen: { a: 0 } },
  { N: 50, In: 64, parts: [["nf4", 600, 16]], frozen: { b: 0 } },
  {
    N: 50,
    In: 64,
    parts: [
      ["nf4", 64, 16],
      ["nf4", 64, 16],
    ],
    frozen: { a: 0, b: 1 },
  }, // prettier-ignore
  { N: 50, In: 64, parts: [["nf4", 600, 40]] },
];

/** Rows that a card multiplies from NF4 codes: more than its kernels for four, up to two passes of 64; one and several tiles of 128 outputs. */
const NF4_ROWS_CASES: readonly LinearCase[] = [
  {
    N: 5,
    In: 320,
    parts: [
      ["nf4-nested", 140, 4],
      ["nf4-nested", 1, 0],
      ["nf4-nested", 33, 9],
    ],
    bias: true,
  },
  { N: 9, In: 1088, parts: [["nf4", 257, 0]] },
  { N: 16, In: 192, parts: [["nf4-nested", 70, 0]], bias: true },
  {
    N: 31,
    In: 576,
    parts: [
      ["nf4-nested", 128, 16],
      ["nf4-nested", 128, 8],
    ],
    bias: true,
  },
  { N: 64, In: 64, parts: [["nf4", 31, 3]] },
  { N: 81, In: 640, parts: [["nf4-nested", 137, 0]] },
  {
    N: 128,
    In: 320,
    parts: [
      ["nf4", 40, 4],
      ["nf4", 200, 0],
    ],
    dropout: 0.2,
  },
]; // prettier-ignore

/** Each stored format once as a matrix-vector product, once with a few rows and once with many. */
const FORMAT_CASES = STORED_FORMATS.flatMap((format) =>
  [1, 4, 37].map((N): LinearCase => ({ N, In: fittingColumns(format, 320), parts: [[format, 29, 2]] })),
);

function describeCase({ N, In, parts, dropout }: LinearCase): string {
  return `N=${N} In=${In} ${parts.map(([format, Out, rank]) => `${format}[${Out}] r${rank}`).join(" | ")}${dropout ? ` dropout ${dropout}` : ""}`;
}

function makeLinear(arrays: TestArrays, { In, parts, dropout = 0, bias, frozen }: LinearCase, random: RandomData): LinearOperand {
  const outs = parts.reduce((sum, [, Out]) => sum + Out, 0);
  return {
    parts: parts.map(([format, Out, rank], p) => ({
      weight: randomWeight(arrays, format, Out, In, random),
      lora:
        rank === 0
          ? undefined
          : {
              a: arrays.input("f32", [rank, In], random.normals(rank * In, 0.1)),
              b: arrays.input("f32", [Out, rank], random.normals(Out * rank, 0.3)),
              aGradient: frozen?.a === p ? undefined : arrays.changed(`part ${p} A gradient`, "f32", [rank, In], random.normals(rank * In)),
              bGradient:
                frozen?.b === p ? undefined : arrays.changed(`part ${p} B gradient`, "f32", [Out, rank], random.normals(Out * rank)),
              rank,
              scale: 1.5,
            },
    })),
    bias: bias ? arrays.input("f32", [outs], random.normals(outs)) : undefined,
    dropout,
    seed: arrays.input("u64", [1], [987654321]),
  };
}

function widths({ parts }: LinearCase) {
  return { outs: parts.reduce((sum, [, Out]) => sum + Out, 0), ranks: parts.reduce((sum, [, , rank]) => sum + rank, 0) };
}

/** Forward, backward to the input and backward to the adapters, as one case. */
function linearCase(shape: LinearCase, dtype: ActivationDType) {
  return (arrays: TestArrays) => {
    const { N, In } = shape;
    const { outs, ranks } = widths(shape);
    const random = new RandomData(N * 7919 + In);
    const linear = makeLinear(arrays, shape, random);
    const x = arrays.input(dtype, [N, In], random.normals(N * In));
    const dY = arrays.input(dtype, [N, outs], random.normals(N * outs));
    const y = arrays.output("y", dtype, [N, outs]);
    const dX = arrays.output("dX", dtype, [N, In]);
    const xa = ranks > 0 ? arrays.output("xa", dtype, [N, ranks]) : null;
    const db = ranks > 0 ? arrays.output("db", dtype, [N, ranks]) : null;
    // Backward to the adapters gets xa and db of its own, equal on both sides, so that its f32 sums are compared as f32.
    const keptXa = ranks > 0 ? arrays.input(dtype, [N, ranks], random.normals(N * ranks)) : null;
    const keptDb = ranks > 0 ? arrays.input(dtype, [N, ranks], random.normals(N * ranks)) : null;
    return () => {
      arrays.backend.linearForward(linear, x, y, xa);
      arrays.backend.linearBackwardInput(linear, dY, dX, db, keptXa);
      if (keptDb) arrays.backend.loraBackwardA(linear, x, keptDb);
    };
  };
}

/**
 * y and dX hold LoRA's part, made of xa and db as they were rounded. With bf16 instructions the product of the A gradient takes drop(x) / (1 − p)
 * rounded to bf16, which a kernel without dropout does not need.
 */
function slackOf({ parts, dropout = 0 }: LinearCase, dtype: ActivationDType): Record<string, number> {
  const slack: Record<string, number> = { y: 1.5, dX: 1.5 };
  if (dtype === "bf16" && dropout > 0) for (const p of parts.keys()) slack[`part ${p} A gradient`] = 0.01 / TOLERANCE.f32;
  return slack;
}

describeOnEachDevice("linear", (device) => {
  it("multiplies a case worked by hand", async () => {
    // x = [1, 2], W = [[1, 0], [3, −1]], bias [10, 0]: x Wᵀ + bias = [11, 1].  LoRA r1: A = [1, 1] → 3; B = [2, −1], scale ½ → [+3, −1.5].
    const arrays = new TestArrays(device.backend());
    const linear: LinearOperand = {
      parts: [
        {
          weight: arrays.weight("f32", 2, 2, [1, 0, 3, -1]),
          lora: { a: arrays.input("f32", [1, 2], [1, 1]), b: arrays.input("f32", [2, 1], [2, -1]), rank: 1, scale: 0.5 },
        },
      ],
      bias: arrays.input("f32", [2], [10, 0]),
      dropout: 0,
    };
    const [y, xa] = [arrays.output("y", "f32", [1, 2]), arrays.output("xa", "f32", [1, 1])];
    const [dX, db] = [arrays.output("dX", "f32", [1, 2]), arrays.output("db", "f32", [1, 1])];
    arrays.reset();
    device.backend().linearForward(linear, arrays.input("f32", [1, 2], [1, 2]), y, xa);
    // d_y = [1, 1]: through W [1+3, 0−1]; db = ½ (2 − 1) = ½; through A [½, ½].
    device.backend().linearBackwardInput(linear, arrays.input("f32", [1, 2], [1, 1]), dX, db);
    expect(Array.from(await arrays.read(y))).toEqual([14, -0.5]);
    expect(Array.from(await arrays.read(xa))).toEqual([3]);
    expect(Array.from(await arrays.read(dX))).toEqual([4.5, -0.5]);
    expect(Array.from(await arrays.read(db))).toEqual([0.5]);
    arrays.release();
  });

  it.runIf(!device.isReference).each(ACTIVATION_DTYPES)("equals the reference, %s", async (dtype) => {
    for (const shape of CASES) {
      await compareWithReference(device.backend(), linearCase(shape, dtype), {
        label: `${describeCase(shape)} ${dtype}`,
        slack: slackOf(shape, dtype),
      });
    }
  });

  it.runIf(!device.isReference).each(["bf16", "f16"] as const)("reads dY once for db and the gradients of B, %s", async (dtype) => {
    vi.stubEnv("REMORA_CUDA_LORA_ONE_PASS", "1"); // for few rows too
    try {
      for (const shape of ONE_PASS_CASES) {
        await compareWithReference(device.backend(), linearCase(shape, dtype), {
          label: `one pass ${describeCase(shape)} ${dtype}`,
          slack: { ...slackOf(shape, dtype), y: 2 }, // of a hundred thousand elements, one lies further out
        });
      }
    } finally {
      vi.unstubAllEnvs();
    }
  });

  it.runIf(!device.isReference).each(ACTIVATION_DTYPES)("multiplies 5 to 128 rows with NF4, %s", async (dtype) => {
    for (const shape of NF4_ROWS_CASES) {
      await compareWithReference(device.backend(), linearCase(shape, dtype), {
        label: `${describeCase(shape)} ${dtype}`,
        slack: slackOf(shape, dtype),
      });
    }
  });

  it.runIf(!device.isReference).each(ACTIVATION_DTYPES)("reads every stored format, %s", async (dtype) => {
    for (const shape of FORMAT_CASES) {
      await compareWithReference(device.backend(), linearCase(shape, dtype), {
        label: `${describeCase(shape)} ${dtype}`,
        slack: slackOf(shape, dtype),
      });
    }
  });

  it.each(ACTIVATION_DTYPES)("needs no gradient of the input in the first layer, %s", async (dtype) => {
    const shape: LinearCase = { N: 33, In: 128, parts: [["nf4", 48, 4]] };
    await compareWithReference(
      device.backend(),
      (arrays) => {
        const random = new RandomData(3);
        const linear = makeLinear(arrays, shape, random);
        const dY = arrays.input(dtype, [33, 48], random.normals(33 * 48));
        const db = arrays.output("db", dtype, [33, 4]);
        return () => arrays.backend.linearBackwardInput(linear, dY, null, db);
      },
      { label: `first layer ${dtype}` },
    );
  });

  it.each(ACTIVATION_DTYPES)("adds the gradient of a whole weight from a range of columns, %s", async (dtype) => {
    for (const [N, In, Out, stride, column] of [
      [1, 1, 1, 1, 0],
      [31, 257, 33, 64, 31],
      [257, 65, 31, 100, 0],
      [600, 40, 24, 24, 0],
    ] as const) {
      await compareWithReference(
        device.backend(),
        (arrays) => {
          const random = new RandomData(N + In);
          const x = arrays.input(dtype, [N, In], random.normals(N * In));
          const dY = arrays.input(dtype, [N, stride], random.normals(N * stride));
          const dW = arrays.changed("dW", "f32", [Out, In], random.normals(Out * In));
          const dBias = arrays.changed("dBias", "f32", [Out], random.normals(Out));
          return () => arrays.backend.linearBackwardWeight(x, dY, dW, dBias, column);
        },
        { label: `weight N=${N} In=${In} Out=${Out} of ${stride} from ${column} ${dtype}` },
      );
    }
  });

  it("drops about the share that was asked for, and the same elements each time", async () => {
    // A = identity: xa shows the mask itself. Kept elements are scaled by 1/(1−p).
    const [N, In, p] = [400, 64, 0.25];
    const arrays = new TestArrays(device.backend());
    const identity = Float64Array.from({ length: In * In }, (_, i) => (i % (In + 1) === 0 ? 1 : 0));
    const lora = { a: arrays.input("f32", [In, In], identity), b: arrays.input("f32", [1, In], new Float64Array(In)), rank: In, scale: 1 };
    const linear: LinearOperand = {
      parts: [{ weight: arrays.weight("f32", 1, In, new Float64Array(In)), lora }],
      dropout: p,
      seed: arrays.input("u64", [1], [42]),
    };
    const xa = arrays.output("xa", "f32", [N, In]);
    device
      .backend()
      .linearForward(linear, arrays.input("f32", [N, In], new Float64Array(N * In).fill(1)), arrays.output("y", "f32", [N, 1]), xa);
    const values = Array.from(await arrays.read(xa));
    expect(new Set(values.map((value) => value.toFixed(5)))).toEqual(new Set(["0.00000", "1.33333"]));
    expect(values.filter((value) => value === 0).length / values.length).toBeCloseTo(p, 1);
    arrays.release();
  });

  it.runIf(device.isReference)("has the gradients that central differences give", async () => {
    const shape: LinearCase = {
      N: 5,
      In: 64,
      parts: [
        ["f32", 7, 3],
        ["nf4", 5, 2],
      ],
      dropout: 0.3,
    }; // prettier-ignore
    const { outs, ranks } = widths(shape);
    const random = new RandomData(21);
    const arrays = new TestArrays(device.backend());
    const linear = makeLinear(arrays, shape, random);
    const values = random.normals(5 * 64);
    const cotangent = random.normals(5 * outs);
    const x = arrays.input("f32", [5, 64], values);
    const dY = arrays.input("f32", [5, outs], cotangent);
    const [y, dX] = [arrays.output("y", "f32", [5, outs]), arrays.output("dX", "f32", [5, 64])];
    const [xa, db] = [arrays.output("xa", "f32", [5, ranks]), arrays.output("db", "f32", [5, ranks])];
    const forward = () => device.backend().linearForward(linear, x, y, xa);
    const loss = async () => {
      forward();
      return dot(await arrays.read(y), cotangent);
    };
    arrays.reset();
    const lora = linear.parts[0]!.lora!;
    device.backend().zero(lora.aGradient!);
    device.backend().zero(lora.bGradient!);
    forward();
    device.backend().linearBackwardInput(linear, dY, dX, db, xa);
    device.backend().loraBackwardA(linear, x, db);
    const check = { arrays, loss };
    await expectGradient({ ...check, name: "dX", input: x, values, gradient: await arrays.read(dX) });
    const [a, b] = [await arrays.read(lora.a), await arrays.read(lora.b)];
    await expectGradient({ ...check, name: "dA", input: lora.a, values: a, gradient: await arrays.read(lora.aGradient!) });
    await expectGradient({ ...check, name: "dB", input: lora.b, values: b, gradient: await arrays.read(lora.bGradient!) });
    const dense = linear.parts[0]!.weight.data;
    const dW = arrays.changed("dW", "f32", [7, 64], new Float64Array(7 * 64));
    device.backend().zero(dW);
    device.backend().linearBackwardWeight(x, dY, dW, null, 0);
    await expectGradient({ ...check, name: "dW", input: dense, values: await arrays.read(dense), gradient: await arrays.read(dW) });
    arrays.release();
  });
});

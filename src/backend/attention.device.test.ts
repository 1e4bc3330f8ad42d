import { expect, it } from "vitest";
import type { AttentionRule } from "./backend.ts";
import { ACTIVATION_DTYPES } from "./element-types.ts";
import { compareWithReference } from "./testing/compare-with-reference.ts";
import { describeOnEachDevice } from "./testing/describe-on-each-device.ts";
import { expectClose } from "./testing/expect-close.ts";
import { dot, expectGradient } from "./testing/expect-gradient.ts";
import { RandomData } from "./testing/random-data.ts";
import { TestArrays } from "./testing/test-arrays.ts";

interface AttentionCase {
  N: number;
  heads: readonly [H: number, K: number, D: number];
  /** Lengths of the segments; what they leave of N is padding (start = end). */
  segments: readonly number[];
  causal?: boolean;
  window?: number;
  softcap?: number;
}

const CASES: readonly AttentionCase[] = [
  { N: 0, heads: [2, 1, 8], segments: [] },
  { N: 1, heads: [1, 1, 1], segments: [1] },
  { N: 31, heads: [3, 1, 7], segments: [31] },
  { N: 65, heads: [4, 2, 64], segments: [1, 30, 3, 20] },
  { N: 257, heads: [2, 2, 40], segments: [100, 157] },
  { N: 130, heads: [2, 1, 128], segments: [129], window: 33 },
  { N: 90, heads: [4, 1, 32], segments: [50, 40], softcap: 5 },
  { N: 70, heads: [2, 1, 24], segments: [40, 25], causal: false },
  { N: 70, heads: [2, 1, 24], segments: [60], causal: false, window: 9, softcap: 3 },
  { N: 20, heads: [2, 1, 256], segments: [20], window: 1 },
];

function bounds({ N, segments }: AttentionCase): { start: number[]; end: number[] } {
  const start: number[] = [];
  const end: number[] = [];
  for (const length of segments) {
    const first = start.length;
    for (let n = 0; n < length; n++) {
      start.push(first);
      end.push(first + length);
    }
  }
  while (start.length < N) {
    start.push(start.length);
    end.push(start.length - 1);
  }
  return { start, end };
}

function ruleOf({ heads: [H, K, D], causal = true, window = 0, softcap = 0 }: AttentionCase): AttentionRule {
  return { heads: H, keyValueHeads: K, headDim: D, scale: 1 / Math.sqrt(D), causal, window, softcap };
}

function describeCase({ N, heads, segments, causal = true, window = 0, softcap = 0 }: AttentionCase): string {
  return `N=${N} heads=${heads} segments=${segments} causal=${causal} window=${window} softcap=${softcap}`;
}

describeOnEachDevice("attention", (device) => {
  it("weighs two rows by hand", async () => {
    // One head of size 1, scale 1. Row 0 sees itself; row 1 sees scores q·k = [ln 3 · 0, ln 3 · 1] → p = [1/4, 3/4], out = 1/4 · 8 + 3/4 · 4.
    const arrays = new TestArrays(device.backend());
    const rule: AttentionRule = { heads: 1, keyValueHeads: 1, headDim: 1, scale: 1, causal: true, window: 0, softcap: 0 };
    const qkv = arrays.input("f32", [2, 3], [1, 0, 8, Math.log(3), 1, 4]);
    const [out, lse] = [arrays.output("out", "f32", [2, 1]), arrays.output("lse", "f32", [2, 1])];
    arrays.reset();
    device.backend().attentionForward(rule, qkv, arrays.input("i32", [2], [0, 0]), arrays.input("i32", [2], [2, 2]), out, lse);
    expectClose(await arrays.read(out), [8, 5], { name: "out", tolerance: 1e-6 });
    expectClose(await arrays.read(lse), [0, Math.log(4)], { name: "lse", tolerance: 1e-6 });
    arrays.release();
  });

  it("gives zeros to rows without a segment, and nothing of them to others", async () => {
    const arrays = new TestArrays(device.backend());
    const rule: AttentionRule = { heads: 1, keyValueHeads: 1, headDim: 2, scale: 1, causal: true, window: 0, softcap: 0 };
    const qkv = arrays.input("f32", [3, 6], [1, 1, 1, 1, 5, 6, 1, 1, 9, 9, 9, 9, 1, 1, 9, 9, 9, 9]);
    const [start, end] = [arrays.input("i32", [3], [0, 1, 2]), arrays.input("i32", [3], [1, 1, 2])];
    const [out, lse, dQkv] = [
      arrays.output("out", "f32", [3, 2]),
      arrays.output("lse", "f32", [3, 1]),
      arrays.output("dQkv", "f32", [3, 6]),
    ];
    arrays.reset();
    device.backend().attentionForward(rule, qkv, start, end, out, lse);
    expect(Array.from(await arrays.read(out))).toEqual([5, 6, 0, 0, 0, 0]);
    device.backend().attentionBackward(rule, qkv, start, end, out, lse, arrays.input("f32", [3, 2], [1, 1, 1, 1, 1, 1]), dQkv);
    expect(Array.from(await arrays.read(dQkv)).map((value) => value + 0)).toEqual([0, 0, 0, 0, 1, 1, ...new Array(12).fill(0)]);
    arrays.release();
  });

  it.runIf(!device.isReference).each(ACTIVATION_DTYPES)("equals the reference forward and backward, %s", async (dtype) => {
    for (const shape of CASES) await compareCase(shape, dtype);
  });

  // A row of these meets two tiles of keys at most, and a sum of two is equal in either order: runs are equal to the bit here too.
  it.runIf(device.name.startsWith("cuda")).each(["bf16", "f16"] as const)("does so where sums need no fixed order, %s", async (dtype) => {
    const untuned = { keepDecoded: false, headRows: 0 };
    device.backend().tune!({ ...untuned, deterministic: false });
    for (const shape of CASES.filter(({ heads: [, , D] }) => D === 64 || D === 128)) await compareCase(shape, dtype);
    device.backend().tune!({ ...untuned, deterministic: true });
  });

  async function compareCase(shape: AttentionCase, dtype: (typeof ACTIVATION_DTYPES)[number]): Promise<void> {
    await compareWithReference(
      device.backend(),
      (arrays) => {
        const { N, heads } = shape;
        const [H, K, D] = heads;
        const random = new RandomData(N * 31 + D);
        const { start, end } = bounds(shape);
        const [starts, ends] = [arrays.input("i32", [N], start), arrays.input("i32", [N], end)];
        const width = (H + 2 * K) * D;
        const qkv = arrays.input(dtype, [N, width], random.normals(N * width));
        const dOut = arrays.input(dtype, [N, H * D], random.normals(N * H * D));
        const out = arrays.output("out", dtype, [N, H * D]);
        const lse = arrays.changed("lse", "f32", [N, H], new Float64Array(N * H));
        const dQkv = arrays.output("dQkv", dtype, [N, width]);
        const inference = arrays.output("inference", dtype, [N, H * D]);
        return () => {
          arrays.backend.attentionForward(ruleOf(shape), qkv, starts, ends, out, lse);
          arrays.backend.attentionForward(ruleOf(shape), qkv, starts, ends, inference, null);
          arrays.backend.attentionBackward(ruleOf(shape), qkv, starts, ends, out, lse, dOut, dQkv);
          // The value of lse where a row sees nothing is nobody's business.
          hideUnseenRows(arrays, lse, start, end, H);
        };
      },
      // lse is f32 but made of products of rounded q and k; d_qkv is made of
      // probabilities and score gradients that kernels may round to the dtype, and of delta, which comes from the rounded out.
      { label: `${describeCase(shape)} ${dtype}`, slack: { lse: dtype === "f32" ? 1 : 20, dQkv: dtype === "bf16" ? 4 : 2 } },
    );
  }

  function hideUnseenRows(arrays: TestArrays, lse: ReturnType<TestArrays["input"]>, start: number[], end: number[], H: number): void {
    start.forEach((first, n) => {
      if (first < end[n]!) return;
      arrays.backend.zero({ ...lse, byteOffset: n * H * 4, shape: [H] });
    });
  }

  it.runIf(device.isReference)("has the gradient that central differences give", async () => {
    for (const shape of [
      { N: 7, heads: [2, 1, 4], segments: [4, 2] },
      { N: 6, heads: [2, 2, 3], segments: [6], causal: false, window: 3, softcap: 1.5 },
    ] satisfies AttentionCase[]) {
      const { N, heads } = shape;
      const [H, K, D] = heads as [number, number, number];
      const random = new RandomData(N);
      const arrays = new TestArrays(device.backend());
      const width = (H + 2 * K) * D;
      const values = random.normals(N * width);
      const cotangent = random.normals(N * H * D);
      const { start, end } = bounds(shape);
      const [starts, ends] = [arrays.input("i32", [N], start), arrays.input("i32", [N], end)];
      const qkv = arrays.input("f32", [N, width], values);
      const [out, lse, dQkv] = [
        arrays.output("out", "f32", [N, H * D]),
        arrays.output("lse", "f32", [N, H]),
        arrays.output("dQkv", "f32", [N, width]),
      ];
      const loss = async () => {
        device.backend().attentionForward(ruleOf(shape), qkv, starts, ends, out, lse);
        return dot(await arrays.read(out), cotangent);
      };
      await loss();
      device.backend().attentionBackward(ruleOf(shape), qkv, starts, ends, out, lse, arrays.input("f32", [N, H * D], cotangent), dQkv);
      await expectGradient({ name: describeCase(shape), arrays, loss, input: qkv, values, gradient: await arrays.read(dQkv), samples: 60 });
      arrays.release();
    }
  });
});

/** `attentionStep`, on devices that have it, against rotation, cache write and attention one after the other on the same device. */
import { expect, it } from "vitest";
import type { ActivationDType, AttentionRule, Backend, PagedCacheOperand, RopeOperand } from "./backend.ts";
import { describeOnEachDevice } from "./testing/describe-on-each-device.ts";
import { expectClose, TOLERANCE } from "./testing/expect-close.ts";
import { RandomData } from "./testing/random-data.ts";
import { TestArrays } from "./testing/test-arrays.ts";

interface StepCase {
  readonly heads: readonly [H: number, K: number, D: number];
  readonly rotary: number;
  readonly pageSize: number;
  readonly window: number;
  readonly softcap: number;
}

const CASES: readonly StepCase[] = [
  { heads: [4, 2, 64], rotary: 64, pageSize: 16, window: 0, softcap: 0 },
  { heads: [10, 2, 128], rotary: 128, pageSize: 7, window: 70, softcap: 0 },
  { heads: [3, 3, 40], rotary: 16, pageSize: 32, window: 0, softcap: 4 },
];
/** Positions of the new tokens of five sequences: one split, its last key, the first of the next, several. */
const POSITIONS = [0, 63, 64, 200, 17];

describeOnEachDevice("attention step", (device) => {
  it("equals rotation, cache write and attention one by one, op by op and in a captured step", async () => {
    const backend = device.backend();
    if (!backend.attentionStep) return;
    for (const dtype of ["bf16", "f16"] as const) {
      if (!backend.device.activationDTypes.includes(dtype)) continue;
      for (const shape of CASES) await compare(backend, shape, dtype);
    }
  });

  it("leaves norms of heads, odd rotations and f32 to the ops", () => {
    const backend = device.backend();
    if (!backend.attentionStep) return;
    for (const [dtype, rotary, normed] of [
      ["f32", 16, false],
      ["f16", 12, false],
      ["f16", 16, true],
    ] as const) {
      const arrays = new TestArrays(backend);
      const { rope, rule, qkv, cache, out } = operands(arrays, { ...CASES[2]!, rotary }, dtype);
      const norm = arrays.input("f32", [40], new Array(40).fill(1));
      arrays.reset();
      const operand = normed ? { ...rope, queryNorm: norm, keyNorm: norm } : rope;
      expect(backend.attentionStep(operand, rule, qkv, cache("mine"), out)).toBe(false);
      arrays.release();
    }
  });
});

async function compare(backend: Backend, shape: StepCase, dtype: ActivationDType): Promise<void> {
  const [H, K, D] = shape.heads;
  const N = POSITIONS.length + 1;
  const arrays = new TestArrays(backend);
  const { rope, rule, qkv, cache, out } = operands(arrays, shape, dtype);
  const rotated = arrays.output("rotated", dtype, [N, (H + 2 * K) * D]);
  const want = arrays.output("want", dtype, [N, H * D]);
  const [mine, theirs] = [cache("mine"), cache("theirs")];
  arrays.reset();
  backend.ropeForward(rope, rule, qkv, theirs.positions, rotated);
  backend.cacheWrite(rule, rotated, theirs);
  backend.attentionPaged(rule, rotated, theirs, want);
  const step = backend.capture(() => expect(backend.attentionStep!(rope, rule, qkv, mine, out)).toBe(true));
  step.replay();
  step.replay();
  const name = `${dtype} ${JSON.stringify(shape)}`;
  const tolerance = TOLERANCE[dtype];
  expectClose(await arrays.read(out), await arrays.read(want), { name, tolerance, shape: [N, H * D] });
  for (const pages of ["keyPages", "valuePages"] as const) {
    expectClose(await arrays.read(mine[pages]), await arrays.read(theirs[pages]), {
      name: `${name} ${pages}`,
      tolerance,
      shape: mine[pages].shape,
    });
  }
  step.release();
  arrays.release();
}

/** Five sequences in falling order and a padding row; every sequence has pages of its own. */
function operands(arrays: TestArrays, { heads, rotary, pageSize, window, softcap }: StepCase, dtype: ActivationDType) {
  const [H, K, D] = heads;
  const sequences = [4, 3, -1, 2, 1, 0];
  const positions = sequences.map((sequence) => (sequence < 0 ? 3 : POSITIONS[sequence]!));
  const N = sequences.length;
  const perSequence = Math.ceil((Math.max(...POSITIONS) + 1) / pageSize);
  const pages = POSITIONS.length * perSequence;
  const random = new RandomData(D + rotary);
  const old = [random.normals(pages * pageSize * K * D), random.normals(pages * pageSize * K * D)] as const;
  const rope: RopeOperand = {
    table: arrays.input("f32", [perSequence * pageSize, rotary / 2, 2], random.normals(perSequence * pageSize * rotary)),
    rotary,
    eps: 1e-5,
  };
  const rule: AttentionRule = { heads: H, keyValueHeads: K, headDim: D, scale: 1 / Math.sqrt(D), causal: true, window, softcap };
  const blockTable = arrays.input(
    "i32",
    [POSITIONS.length, perSequence],
    Float64Array.from({ length: pages }, (_, i) => pages - 1 - i),
  );
  const indices = { sequences: arrays.input("i32", [N], sequences), positions: arrays.input("i32", [N], positions) };
  const cache = (name: string): PagedCacheOperand => ({
    keyPages: arrays.changed(`${name} keys`, dtype, [pages, pageSize, K, D], old[0]),
    valuePages: arrays.changed(`${name} values`, dtype, [pages, pageSize, K, D], old[1]),
    blockTable,
    ...indices,
    pageSize,
  });
  const qkv = arrays.input(dtype, [N, (H + 2 * K) * D], random.normals(N * (H + 2 * K) * D));
  return { rope, rule, qkv, cache, out: arrays.output("out", dtype, [N, H * D]) };
}

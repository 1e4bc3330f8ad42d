/** `layersStep`, on devices that have it, against the ops it stands for, run one by one on the same device: some tokens in a row, op by op and replayed. */
import process from "node:process";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { Backend, GatedKind, LayerOperand, LinearOperand, Operand } from "./backend.ts";
import { openBackend } from "./open-backend.ts";
import { describeOnEachDevice } from "./testing/describe-on-each-device.ts";
import { expectClose, TOLERANCE } from "./testing/expect-close.ts";
import { RandomData } from "./testing/random-data.ts";
import { randomWeight, type StoredFormat } from "./testing/random-weights.ts";
import { TestArrays } from "./testing/test-arrays.ts";

interface Case {
  readonly C: number;
  readonly F: number;
  readonly heads: readonly [H: number, K: number, D: number];
  readonly rotary: number;
  readonly layers: number;
  readonly format: StoredFormat;
  readonly activation: GatedKind;
  readonly window: number;
  readonly softcap: number;
  readonly bias?: boolean;
  readonly norms?: boolean;
}

const CASES: readonly Case[] = [
  { C: 256, F: 384, heads: [4, 2, 64], rotary: 64, layers: 3, format: "nf4-nested", activation: "silu", window: 0, softcap: 0 },
  {
    C: 128,
    F: 640,
    heads: [6, 1, 128],
    rotary: 32,
    layers: 2,
    format: "nf4",
    activation: "gelu-tanh",
    window: 30,
    softcap: 9,
    bias: true,
    norms: true,
  },
];
const TURNS = process.env.REMORA_EMULATED_SM ? 1 : 50;
const PAGE_SIZE = 16;
const EPS = 1e-5;
/** Of the tokens one after the other; the cache before is random. */
const POSITIONS = [0, 40, 41, 42];
const SEQUENCE = 1;

const before = process.env.REMORA_CUDA_WALK;
beforeEach(() => {
  process.env.REMORA_CUDA_WALK = "1";
});
afterEach(() => {
  if (before === undefined) delete process.env.REMORA_CUDA_WALK;
  else process.env.REMORA_CUDA_WALK = before;
});

/** So wide that a card gives every block a multiprocessor of its own. */
const WIDE: Case = { ...CASES[0]!, C: 1152, F: 1152, heads: [9, 3, 128], rotary: 128, layers: 2 };

describeOnEachDevice("layers step", (device) => {
  it("equals the layers op by op, at each of several tokens, when captured too", async () => {
    const backend = device.backend();
    if (!backend.layersStep || !backend.device.activationDTypes.includes("bf16")) return;
    for (const shape of CASES) await compare(backend, shape);
  });

  it("two models at once get the card in turn: blocks of both would wait for each other for ever", async () => {
    const backend = device.backend();
    if (!backend.layersStep || !backend.device.activationDTypes.includes("bf16")) return;
    const other = await openBackend(device.name);
    try {
      const runs = [backend, other].map((on) => {
        const arrays = new TestArrays(on);
        const { layers } = makeModel(arrays, WIDE);
        const x = arrays.input("bf16", [1, WIDE.C], new Array(WIDE.C).fill(1));
        const y = arrays.output("y", "bf16", [1, WIDE.C]);
        arrays.reset();
        const takes = on.layersStep!(layers, x, y, { eps: EPS, activation: WIDE.activation });
        return { arrays, y, takes, step: on.capture(() => void on.layersStep!(layers, x, y, { eps: EPS, activation: WIDE.activation })) };
      });
      // Nothing is waited for in between.
      if (runs.every(({ takes }) => takes)) for (let turn = 0; turn < TURNS; turn++) for (const { step } of runs) step.replay();
      const [mine, theirs] = [await runs[0]!.arrays.read(runs[0]!.y), await runs[1]!.arrays.read(runs[1]!.y)];
      if (runs.every(({ takes }) => takes)) expect([...theirs]).toEqual([...mine]);
      for (const { step, arrays } of runs) {
        step.release();
        arrays.release();
      }
    } finally {
      other.dispose();
    }
  });

  it("leaves adapters, other weights and more rows alone", () => {
    const backend = device.backend();
    if (!backend.layersStep || !backend.device.activationDTypes.includes("bf16")) return;
    const arrays = new TestArrays(backend);
    const shape = CASES[0]!;
    const { layers } = makeModel(arrays, shape);
    const options = { eps: EPS, activation: shape.activation };
    const run = (changed: readonly LayerOperand[], N = 1) => {
      const [x, y] = [arrays.input("bf16", [N, shape.C], new Array(N * shape.C).fill(1)), arrays.output("y", "bf16", [N, shape.C])];
      return backend.layersStep!(changed, x, y, options);
    };
    const [first, ...rest] = layers;
    const down = first!.down.parts[0]!.weight;
    const lora = {
      a: arrays.input("f32", [2, shape.F], new Array(2 * shape.F).fill(0)),
      b: arrays.input("f32", [shape.C, 2], new Array(2 * shape.C).fill(0)),
      rank: 2,
      scale: 1,
    };
    expect(run([{ ...first!, down: { parts: [{ weight: down, lora }], dropout: 0 } }, ...rest])).toBe(false);
    const dense = arrays.weight("bf16", shape.C, shape.F, new Array(shape.C * shape.F).fill(0));
    expect(run([{ ...first!, down: { parts: [{ weight: dense }], dropout: 0 } }, ...rest])).toBe(false);
    expect(run([{ ...first!, rule: { ...first!.rule, softcap: 3 } }, ...rest])).toBe(false);
    expect(run(layers, 2)).toBe(false);
    arrays.release();
  });
});

async function compare(backend: Backend, shape: Case): Promise<void> {
  const { C, activation, layers: count } = shape;
  const arrays = new TestArrays(backend);
  const { layers, theirs, positions, random } = makeModel(arrays, shape);
  const x = arrays.input("bf16", [1, C], new Array(C).fill(0));
  const [y, want] = [arrays.output("y", "bf16", [1, C]), arrays.output("want", "bf16", [1, C])];
  arrays.reset();
  const options = { eps: EPS, activation };
  const probe = backend.layersStep!(layers, x, y, options);
  // The kernel is for one family of cards.
  if (!probe && backend.device.architecture !== "sm_90") return arrays.release();
  expect(probe).toBe(true);
  const step = backend.capture(() => expect(backend.layersStep!(layers, x, y, options)).toBe(true));
  const scratch = makeScratch(arrays, shape);
  for (const position of POSITIONS) {
    const row = random.normals(C);
    for (const [target, values] of [[x, encodeBf16(row)] as const, [positions, new Uint8Array(Int32Array.of(position).buffer)] as const])
      backend.upload(target, values);
    step.replay();
    opByOp(backend, shape, theirs, x, want, scratch);
    const name = `${JSON.stringify(shape)} at ${position}`;
    // The ops one by one round gate and up, and what each linear adds to the stream, before they are joined.
    expectClose(await arrays.read(y), await arrays.read(want), { name, tolerance: 2 * count * TOLERANCE.bf16, shape: [1, C] });
    const [mine, other] = [layers.at(-1)!.cache.keyPages, theirs.at(-1)!.cache.keyPages];
    expectClose(await arrays.read(mine), await arrays.read(other), {
      name: `${name} keys`,
      tolerance: 2 * count * TOLERANCE.bf16,
      shape: mine.shape,
    });
  }
  const first = await backend.download(y);
  step.replay();
  expect(await backend.download(y)).toEqual(first);
  step.release();
  arrays.release();
}

function encodeBf16(values: ArrayLike<number>): Uint8Array {
  const floats = Float32Array.from(values);
  const words = new Uint32Array(floats.buffer);
  return new Uint8Array(Uint16Array.from(words, (word) => (word + 0x8000) >>> 16).buffer);
}

function makeModel(arrays: TestArrays, shape: Case) {
  const { C, F, heads, rotary, format, window, softcap } = shape;
  const [H, K, D] = heads;
  const random = new RandomData(C + F);
  const perSequence = Math.ceil((Math.max(...POSITIONS) + 1) / PAGE_SIZE);
  const pages = 2 * perSequence;
  const blockTable = arrays.input(
    "i32",
    [2, perSequence],
    Array.from({ length: pages }, (_, i) => pages - 1 - i),
  );
  const sequences = arrays.input("i32", [1], [SEQUENCE]);
  const positions = arrays.input("i32", [1], [0]);
  const table = arrays.input("f32", [perSequence * PAGE_SIZE, rotary / 2, 2], random.uniforms(perSequence * PAGE_SIZE * rotary, -1, 1));
  const norm = (size: number) => arrays.input("f32", [size], random.uniforms(size, 0.5, 1.5));
  const linear = (outs: readonly number[], columns: number, bias?: Operand): LinearOperand => ({
    parts: outs.map((out) => ({ weight: randomWeight(arrays, format, out, columns, random) })),
    bias,
    dropout: 0,
  });
  const cached = [pages, PAGE_SIZE, K, D];
  const values = pages * PAGE_SIZE * K * D;
  const layers: LayerOperand[] = [];
  const theirs: LayerOperand[] = [];
  for (let index = 0; index < shape.layers; index++) {
    const width = (H + 2 * K) * D;
    const layer = {
      attentionNorm: norm(C),
      queryKeyValue: linear([H * D, K * D, K * D], C, shape.bias ? arrays.input("f32", [width], random.normals(width)) : undefined),
      rope: { table, rotary, eps: EPS, ...(shape.norms ? { queryNorm: norm(D), keyNorm: norm(D) } : {}) },
      rule: { heads: H, keyValueHeads: K, headDim: D, scale: D ** -0.5, causal: true, window, softcap },
      attentionOutput: linear([C], H * D),
      mlpNorm: norm(C),
      gateUp: linear([F, F], C),
      down: linear([C], F),
    };
    const [keys, kept] = [random.normals(values), random.normals(values)];
    const cache = (who: string) => ({
      keyPages: arrays.changed(`${who} keys ${index}`, "bf16", cached, keys),
      valuePages: arrays.changed(`${who} values ${index}`, "bf16", cached, kept),
      blockTable,
      sequences,
      positions,
      pageSize: PAGE_SIZE,
    });
    layers.push({ ...layer, cache: cache("my") });
    theirs.push({ ...layer, cache: cache("their") });
  }
  return { layers, theirs, positions, random };
}

function makeScratch(arrays: TestArrays, { C, F, heads: [H, K, D] }: Case) {
  const row = (name: string, columns: number) => arrays.output(name, "bf16", [1, columns]);
  const width = (H + 2 * K) * D;
  return {
    normed: row("normed", C),
    qkv: row("qkv", width),
    rotated: row("rotated", width),
    attended: row("attended", H * D),
    delta: row("delta", C),
    wide: row("wide", 2 * F),
    act: row("act", F),
  };
}

/** h = x; h += o(attention(qkv(norm(h)))); h += down(gate(norm(h))) for every layer. */
function opByOp(
  backend: Backend,
  { activation }: Case,
  layers: readonly LayerOperand[],
  x: Operand,
  h: Operand,
  scratch: ReturnType<typeof makeScratch>,
): void {
  const { normed, qkv, rotated, attended, delta, wide, act } = scratch;
  backend.copy(x, h);
  for (const { attentionNorm, queryKeyValue, rope, rule, cache, attentionOutput, mlpNorm, gateUp, down } of layers) {
    backend.rmsNormForward(h, null, attentionNorm, null, normed, null, EPS);
    backend.linearForward(queryKeyValue, normed, qkv, null);
    backend.ropeForward(rope, rule, qkv, cache.positions, rotated);
    backend.cacheWrite(rule, rotated, cache);
    backend.attentionPaged(rule, rotated, cache, attended);
    backend.linearForward(attentionOutput, attended, delta, null);
    backend.add(delta, h, 1);
    backend.rmsNormForward(h, null, mlpNorm, null, normed, null, EPS);
    backend.linearForward(gateUp, normed, wide, null);
    backend.gatedForward(wide, act, activation);
    backend.linearForward(down, act, delta, null);
    backend.add(delta, h, 1);
  }
}

import { expect, it } from "vitest";
import { DTypeError } from "../errors/dtype-error.ts";
import { ShapeError } from "../errors/shape-error.ts";
import { decodeFp8, roundRowsToFp8 } from "../quant/fp8.ts";
import type { ActivationDType, LinearOperand, WeightOperand } from "./backend.ts";
import { compareWithReference } from "./testing/compare-with-reference.ts";
import { type DeviceUnderTest, describeOnEachDevice } from "./testing/describe-on-each-device.ts";
import { decode, encode } from "./testing/number-codec.ts";
import { RandomData } from "./testing/random-data.ts";
import { randomWeight } from "./testing/random-weights.ts";
import { TestArrays } from "./testing/test-arrays.ts";

const DTYPES = ["f32", "bf16"] as const;

/** A card without 8-bit tensor cores has nothing to test here; what it answers then is tested in cuda/fp8-support.test.ts. */
function hasFp8(device: DeviceUnderTest): boolean {
  return typeof device.backend().device.fp8 === "string";
}

interface Fp8Case {
  N: number;
  In: number;
  /** Out and rank of each part. */
  parts: readonly (readonly [number, number])[];
  dropout?: number;
  bias?: boolean;
}

const CASES: readonly Fp8Case[] = [
  { N: 0, In: 32, parts: [[16, 4]] },
  { N: 1, In: 16, parts: [[16, 0]] },
  { N: 1, In: 160, parts: [[48, 3]], bias: true },
  { N: 5, In: 1200, parts: [[32, 0]] },
  { N: 33, In: 272, parts: [[48, 16]], bias: true },
  { N: 257, In: 64, parts: [[80, 8]] },
  // q|k|v and gate|up: one scale for the whole row of dY, another for each output.
  {
    N: 70,
    In: 96,
    parts: [
      [64, 8],
      [32, 0],
      [16, 5],
    ],
    bias: true,
  },
  {
    N: 64,
    In: 1296,
    parts: [
      [112, 16],
      [112, 16],
    ],
    dropout: 0.25,
  },
];

function makeLinear(arrays: TestArrays, { In, parts, dropout = 0, bias }: Fp8Case, random: RandomData): LinearOperand {
  const outs = parts.reduce((sum, [Out]) => sum + Out, 0);
  return {
    parts: parts.map(([Out, rank]) => ({
      weight: randomWeight(arrays, "e4m3", Out, In, random),
      lora:
        rank === 0
          ? undefined
          : {
              a: arrays.input("f32", [rank, In], random.normals(rank * In, 0.1)),
              b: arrays.input("f32", [Out, rank], random.normals(Out * rank, 0.3)),
              rank,
              scale: 1.5,
            },
    })),
    bias: bias ? arrays.input("f32", [outs], random.normals(outs)) : undefined,
    dropout,
    seed: arrays.input("u64", [1], [987654321]),
  };
}

function linearCase(shape: Fp8Case, dtype: ActivationDType) {
  return (arrays: TestArrays) => {
    const { N, In, parts } = shape;
    const outs = parts.reduce((sum, [Out]) => sum + Out, 0);
    const ranks = parts.reduce((sum, [, rank]) => sum + rank, 0);
    const random = new RandomData(N * 7919 + In);
    const linear = makeLinear(arrays, shape, random);
    // Neighbouring rows differ in size, and so in their scales.
    const spread = (values: Float64Array, width: number) =>
      values.map((value, i) => (Math.floor(i / width) % 2 === 0 ? value : value / 64));
    const x = arrays.input(dtype, [N, In], spread(random.normals(N * In), In));
    const dY = arrays.input(dtype, [N, outs], spread(random.normals(N * outs), outs));
    const y = arrays.output("y", dtype, [N, outs]);
    const dX = arrays.output("dX", dtype, [N, In]);
    const xa = ranks > 0 ? arrays.output("xa", dtype, [N, ranks]) : null;
    const db = ranks > 0 ? arrays.output("db", dtype, [N, ranks]) : null;
    return () => {
      arrays.backend.linearForward(linear, x, y, xa);
      arrays.backend.linearBackwardInput(linear, dY, dX, db);
    };
  };
}

describeOnEachDevice("E4M3", (device) => {
  it.each(DTYPES)("encodes rows to the codes and scales of quant/fp8.ts, %s", async (dtype) => {
    if (!hasFp8(device)) return;
    for (const [rows, cols] of [
      [0, 16],
      [1, 1],
      [3, 31],
      [17, 257],
      [5, 1200],
      [2, 40000],
    ] as const) {
      const arrays = new TestArrays(device.backend());
      const random = new RandomData(rows * 31 + cols);
      const values = random.normals(rows * cols).map((value, i) => value * 10 ** ((Math.floor(i / cols) % 7) - 3));
      if (rows > 2) values.fill(0, cols, 2 * cols); // a row of zeros
      const stored = decode(dtype, encode(dtype, values));
      const [codes, scales] = [arrays.output("codes", "u8", [rows, cols]), arrays.output("scales", "f32", [rows])];
      const x = arrays.input(dtype, [rows, cols], values);
      arrays.reset();
      device.backend().fp8Encode(x, codes, scales);
      const expected = roundRowsToFp8(stored, cols, "e4m3");
      expect(Array.from(await arrays.read(scales))).toEqual(Array.from(expected.scales));
      expect(Buffer.from(await device.backend().download(codes)).equals(Buffer.from(expected.codes))).toBe(true);
      arrays.release();
    }
  });

  it("rounds every bf16 number as the format's definition does", async () => {
    if (!hasFp8(device)) return;
    // All finite positive and negative bf16 numbers within 448, one row that also holds 448 so that the scale is 1.
    const bits = Array.from({ length: 65536 }, (_, i) => i).filter((i) => (i & 0x7fff) <= 0x43e0);
    const bytes = new Uint8Array(Uint16Array.from(bits).buffer);
    const arrays = new TestArrays(device.backend());
    const [codes, scales] = [arrays.output("codes", "u8", [1, bits.length]), arrays.output("scales", "f32", [1])];
    device.backend().fp8Encode(arrays.inputBytes("bf16", [1, bits.length], bytes), codes, scales);
    const expected = roundRowsToFp8(decode("bf16", bytes), bits.length, "e4m3");
    expect([...expected.scales]).toEqual([1]);
    expect(Buffer.from(await device.backend().download(codes)).equals(Buffer.from(expected.codes))).toBe(true);
    arrays.release();
  });

  it("marks a row that is not finite", async () => {
    if (!hasFp8(device)) return;
    const arrays = new TestArrays(device.backend());
    const [codes, scales] = [arrays.output("codes", "u8", [3, 16]), arrays.output("scales", "f32", [3])];
    const values = new Float64Array(48).fill(1);
    values[5] = Number.NaN;
    values[20] = Number.NEGATIVE_INFINITY;
    device.backend().fp8Encode(arrays.input("f32", [3, 16], values), codes, scales);
    expect(Array.from(await arrays.read(scales))).toEqual([Number.NaN, Number.NaN, 2 ** -8]);
    expect((await arrays.read(codes)).slice(0, 32)).toEqual(new Float64Array(32).fill(0x7f));
    arrays.release();
  });

  it.each(DTYPES)("decodes every code exactly, %s", async (dtype) => {
    if (!hasFp8(device)) return;
    const arrays = new TestArrays(device.backend());
    const scales = Array.from({ length: 16 }, (_, row) => 2 ** (row - 8));
    const data = Array.from({ length: 16 * 256 }, (_, i) => i % 256);
    const weight: WeightOperand = {
      format: "e4m3",
      rows: 16,
      cols: 256,
      data: arrays.input("u8", [16, 256], data),
      scales: arrays.input("f32", [16], scales),
      path: "test",
    };
    const out = arrays.output("out", dtype, [11, 256]);
    arrays.reset();
    device.backend().weightDecode(weight, out, 3, 11);
    const found = await arrays.read(out);
    for (const [i, value] of found.entries()) expect(value).toBe(decodeFp8(i % 256, "e4m3") * scales[3 + Math.floor(i / 256)]!);
    arrays.release();
  });

  it("rounds what W multiplies and not what the adapter sees, both ways", async () => {
    if (!hasFp8(device)) return;
    // Row scale of x = [1.0625, 1.75, 0 …]: 2^-8, so 1.0625 = 272/256 rounds to 272 → 1.0 (a tie, to even) and 1.75 stays.
    const arrays = new TestArrays(device.backend());
    const codes = new Uint8Array(16 * 16);
    codes[0] = codes[1] = 0x38; // 1.0 in row 0, which has scale 2
    codes[16] = 0x40; // 2.0 in row 1, which has scale ¼
    const scales = new Float64Array(16).fill(1);
    scales.set([2, 0.25]);
    const lora = {
      a: arrays.input("f32", [1, 16], [1, ...new Array(15).fill(0)]),
      b: arrays.input("f32", [16, 1], [1, ...new Array(15).fill(0)]),
      rank: 1,
      scale: 1,
    };
    const weight: WeightOperand = {
      format: "e4m3",
      rows: 16,
      cols: 16,
      data: arrays.input("u8", [16, 16], codes),
      scales: arrays.input("f32", [16], scales),
      path: "test",
    };
    const linear: LinearOperand = { parts: [{ weight, lora }], dropout: 0 };
    const row = (...values: number[]) => arrays.input("f32", [1, 16], [...values, ...new Array(16 - values.length).fill(0)]);
    const [y, xa] = [arrays.output("y", "f32", [1, 16]), arrays.output("xa", "f32", [1, 1])];
    const [dX, db] = [arrays.output("dX", "f32", [1, 16]), arrays.output("db", "f32", [1, 1])];
    arrays.reset();
    device.backend().linearForward(linear, row(1.0625, 1.75), y, xa);
    // Through W: 2·(1 + 1.75) and ½·1; through the adapter 1.0625 itself.
    expect(Array.from(await arrays.read(y)).slice(0, 2)).toEqual([5.5 + 1.0625, 0.5]);
    expect(Array.from(await arrays.read(xa))).toEqual([1.0625]);
    // d_y = [1.75, 1.0625]: with the outputs' scales [3.5, 0.265625]. Row scale 2^-7; 0.265625 · 128 = 34, between 32 and 36: a tie, to even 32,
    // so ¼ comes out; W's codes give [3.5 + 2·¼, 3.5]. The adapter: db = 1.75.
    device.backend().linearBackwardInput(linear, row(1.75, 1.0625), dX, db);
    expect(Array.from(await arrays.read(dX)).slice(0, 2)).toEqual([3.5 + 0.5 + 1.75, 3.5]);
    expect(Array.from(await arrays.read(db))).toEqual([1.75]);
    arrays.release();
  });

  it.runIf(!device.isReference).each(DTYPES)("multiplies as the reference does, %s", async (dtype) => {
    if (!hasFp8(device)) return;
    // y and dX hold LoRA's part, made of xa, db, A and B as they were rounded, and it is larger than that of these small weights.
    // Tensor cores add 8-bit products in about 14 bits, into f32 results too: 1.7e-4 of rms on an H100 with 16 terms.
    const sums = dtype === "f32" && device.backend().device.fp8 === "native" ? 50 : 2;
    for (const shape of CASES) {
      const parts = shape.parts.map(([Out, rank]) => `[${Out}] r${rank}`).join(" | ");
      await compareWithReference(device.backend(), linearCase(shape, dtype), {
        label: `e4m3 N=${shape.N} In=${shape.In} ${parts} ${dtype}`,
        slack: { y: sums, dX: sums },
      });
    }
  });

  it("gives the same bits where norm, gate and the backward of rope round for the linear that reads them", async () => {
    if (!hasFp8(device)) return;
    const backend = device.backend();
    const [N, C, F] = [130, 64, 96];
    const results: Uint8Array[][] = [];
    for (const told of [true, false]) {
      const arrays = new TestArrays(backend);
      const random = new RandomData(5);
      const group = (In: number, ...parts: (readonly [number, number])[]) => makeLinear(arrays, { N, In, parts }, random);
      const [gateUp, down] = [group(C, [F, 4], [F, 4]), group(F, [C, 4])];
      const [readsGateUp, readsDown] = told ? [gateUp, down] : [];
      const rows = (width: number) => arrays.input("bf16", [N, width], random.normals(N * width));
      const made = (name: string, width: number) => arrays.output(name, "bf16", [N, width]);
      const [x, residual, dOut, weight] = [rows(C), rows(C), rows(C), arrays.input("f32", [C], random.normals(C))];
      const [sum, normed, wide, gate, out] = [made("sum", C), made("normed", C), made("wide", 2 * F), made("gate", F), made("out", C)];
      const [dGate, dWide, dNormed, dSum, dX] = [
        made("dGate", F),
        made("dWide", 2 * F),
        made("dNormed", C),
        made("dSum", C),
        made("dX", F),
      ];
      const rstd = arrays.output("rstd", "f32", [N]);
      // Six heads of 32, of which 16 rotate: as wide as gate|up, which reads their gradient here.
      const ropeOperand = { table: arrays.input("f32", [N, 8, 2], random.normals(N * 16)), rotary: 16, eps: 1e-5 };
      const positions = arrays.input(
        "i32",
        [N],
        Array.from({ length: N }, (_, n) => (n * 7) % N),
      );
      const [dTurned, dQkv, dRead] = [rows(2 * F), made("dQkv", 2 * F), made("dRead", C)];
      const thin = (name: string, ranks: number) => arrays.output(name, "bf16", [N, ranks]);
      const [low, lowDown, db, dbDown] = [thin("xa", 8), thin("xa of down", 4), thin("db", 8), thin("db of down", 4)];
      arrays.reset();
      backend.rmsNormForward(x, residual, weight, sum, normed, rstd, 1e-5, readsGateUp);
      backend.linearForward(gateUp, normed, wide, low);
      backend.gatedForward(wide, gate, "silu", readsDown);
      backend.linearForward(down, gate, out, lowDown);
      backend.linearBackwardInput(down, dOut, dGate, dbDown);
      backend.gatedBackward(wide, dGate, dWide, "silu", readsGateUp);
      backend.linearBackwardInput(gateUp, dWide, dNormed, db);
      backend.rmsNormBackward(sum, weight, rstd, dNormed, dOut, dSum, null, readsDown);
      backend.linearBackwardInput(down, dSum, dX, dbDown);
      const heads = { heads: 4, keyValueHeads: 1, headDim: 32 };
      backend.ropeBackward(ropeOperand, heads, null, positions, dTurned, dQkv, null, null, readsGateUp);
      backend.linearBackwardInput(gateUp, dQkv, dRead, db);
      results.push(await Promise.all(arrays.written.map(({ operand }) => backend.download(operand))));
      arrays.release();
    }
    expect(results[0]!.length).toBe(17);
    for (const [i, bytes] of results[0]!.entries()) expect(Buffer.from(bytes).equals(Buffer.from(results[1]![i]!))).toBe(true);
  });

  it("replays in a captured step as it ran, with what x and the adapter hold by then", async () => {
    if (!hasFp8(device)) return;
    const backend = device.backend();
    const results: number[][] = [];
    for (const captured of [true, false]) {
      const arrays = new TestArrays(backend);
      const random = new RandomData(77);
      const linear = makeLinear(
        arrays,
        {
          N: 32,
          In: 64,
          parts: [
            [32, 4],
            [16, 0],
          ],
        },
        random,
      ); // prettier-ignore
      const [x, dY] = [arrays.input("bf16", [32, 64], random.normals(32 * 64)), arrays.input("bf16", [32, 48], random.normals(32 * 48))];
      const [y, dX] = [arrays.output("y", "bf16", [32, 48]), arrays.output("dX", "bf16", [32, 64])];
      const [xa, db] = [arrays.output("xa", "bf16", [32, 4]), arrays.output("db", "bf16", [32, 4])];
      const run = () => {
        backend.linearForward(linear, x, y, xa);
        backend.linearBackwardInput(linear, dY, dX, db);
        backend.add(dX, x, 0.5);
        backend.add(linear.parts[0]!.lora!.a, linear.parts[0]!.lora!.a, 0.25);
      };
      if (captured) {
        const graph = backend.capture(run);
        graph.replay();
        graph.replay();
        results.push([...(await arrays.read(y)), ...(await arrays.read(dX))]);
        graph.release();
      } else {
        for (let i = 0; i < 3; i++) run();
        results.push([...(await arrays.read(y)), ...(await arrays.read(dX))]);
      }
      arrays.release();
    }
    expect(results[0]).toEqual(results[1]);
    expect(results[0]!.every(Number.isFinite)).toBe(true);
  });

  it("refuses what has no exact values: f16 activations, sizes that are no multiple of 16, mixed groups", () => {
    const arrays = new TestArrays(device.backend());
    const random = new RandomData(1);
    const [weight, dense] = [randomWeight(arrays, "e4m3", 16, 32, random), randomWeight(arrays, "bf16", 16, 32, random)];
    const forward = (linear: LinearOperand, outs: number, dtype: ActivationDType) =>
      device
        .backend()
        .linearForward(linear, arrays.input(dtype, [1, 32], new Float64Array(32)), arrays.output("y", dtype, [1, outs]), null);
    expect(() => forward({ parts: [{ weight }], dropout: 0 }, 16, "f16")).toThrow(DTypeError);
    expect(() => forward({ parts: [{ weight }, { weight: dense }], dropout: 0 }, 32, "bf16")).toThrow(ShapeError);
    const odd = { ...weight, rows: 15, data: arrays.input("u8", [15, 32], new Float64Array(480)) };
    expect(() => forward({ parts: [{ weight: odd }], dropout: 0 }, 15, "bf16")).toThrow(/multiple of 16 rows/);
    arrays.release();
  });
});

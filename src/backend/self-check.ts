/**
 * A quick check that a backend's kernels compute what the reference computes, for `remora doctor`: one small odd-sized case a family, whole
 * results compared. The device tests are the thorough version of this.
 */
import type { Backend, DType, Operand } from "./backend.ts";
import { decode } from "./testing/number-codec.ts";
import { RandomData } from "./testing/random-data.ts";
import { TestArrays } from "./testing/test-arrays.ts";

export interface CheckResult {
  readonly name: string;
  readonly ok: boolean;
  /** Largest error found, or what went wrong. */
  readonly detail: string;
}

/** Makes the arrays of a case and runs the op; must make the same arrays each time. */
type Case = (arrays: TestArrays, random: RandomData) => void;

const HEADS = { heads: 6, keyValueHeads: 2, headDim: 16 };
const RULE = { ...HEADS, scale: 0.25, causal: true, window: 0, softcap: 0 };
const ROWS = 37;
const WIDTH = (6 + 2 * 2) * 16;

const CASES: Readonly<Record<string, Case>> = {
  "matrix product, f32": (arrays, random) => product(arrays, random, "f32"),
  "matrix product, bf16": (arrays, random) => product(arrays, random, "bf16"),
  "4-bit product, NF4": (arrays, random) => {
    const dense = arrays.input("f32", [40, 128], random.normals(40 * 128));
    const codes = arrays.output("codes", "u8", [(40 * 128) / 2]);
    const absmax = arrays.output("absmax", "f32", [(40 * 128) / 64]);
    arrays.backend.nf4Encode(dense, codes, absmax);
    const x = arrays.input("f32", [ROWS, 128], random.normals(ROWS * 128));
    const y = arrays.output("y", "f32", [ROWS, 40]);
    const weight = { format: "nf4" as const, rows: 40, cols: 128, data: codes, scales: absmax, path: "check" };
    arrays.backend.linearForward({ parts: [{ weight }], dropout: 0 }, x, y, null);
  },
  "RMS norm": (arrays, random) => {
    const x = arrays.input("f32", [ROWS, 65], random.normals(ROWS * 65));
    const weight = arrays.input("f32", [65], random.normals(65));
    arrays.backend.rmsNormForward(x, null, weight, null, arrays.output("y", "f32", [ROWS, 65]), null, 1e-6);
  },
  "attention, forward and backward": (arrays, random) => {
    const { backend } = arrays;
    const qkv = arrays.input("f32", [ROWS, WIDTH], random.normals(ROWS * WIDTH));
    const start = arrays.input(
      "i32",
      [ROWS],
      segments((row) => (row < 20 ? 0 : 20)),
    );
    const end = arrays.input(
      "i32",
      [ROWS],
      segments((row) => (row < 20 ? 20 : ROWS)),
    );
    const out = arrays.output("out", "f32", [ROWS, 96]);
    const lse = arrays.output("lse", "f32", [ROWS, 6]);
    backend.attentionForward(RULE, qkv, start, end, out, lse);
    const dOut = arrays.input("f32", [ROWS, 96], random.normals(ROWS * 96));
    backend.attentionBackward(RULE, qkv, start, end, out, lse, dOut, arrays.output("dQkv", "f32", [ROWS, WIDTH]));
  },
  "head and loss": (arrays, random) => {
    const h = arrays.input("f32", [ROWS, 48], random.normals(ROWS * 48));
    const head = arrays.weight("f32", 101, 48, random.normals(101 * 48));
    const targets = arrays.input(
      "i32",
      [ROWS],
      segments((row) => (row % 5 === 0 ? -1 : row)),
    );
    const scale = arrays.input("f32", [1], [1 / ROWS]);
    const [loss, dH] = [arrays.output("loss", "f32", [ROWS]), arrays.output("dH", "f32", [ROWS, 48])];
    arrays.backend.headLoss(head, h, targets, scale, loss, dH, null, null, { chunkRows: 16, softcap: 0 });
  },
  AdamW: (arrays, random) => {
    const gradients = arrays.input("f32", [ROWS], random.normals(ROWS));
    const hyper = arrays.input("f32", [8], [1e-3, 0.9, 0.999, 1e-8, 0.01, 0.1, 0.001, 0]);
    const clip = arrays.input("f32", [1], [1]);
    const zeros = new Float32Array(ROWS);
    const params = arrays.changed("params", "f32", [ROWS], random.normals(ROWS));
    const [m, v] = [arrays.changed("m", "f32", [ROWS], zeros), arrays.changed("v", "f32", [ROWS], zeros)];
    arrays.reset(); // what the op changes starts from the values given
    arrays.backend.adamw({ gradients, hyper, clip, params, m, v });
  },
};

function product(arrays: TestArrays, random: RandomData, dtype: "f32" | "bf16"): void {
  const x = arrays.input(dtype, [ROWS, 65], random.normals(ROWS * 65));
  const weight = arrays.weight(dtype, 43, 65, random.normals(43 * 65));
  arrays.backend.linearForward({ parts: [{ weight }], dropout: 0 }, x, arrays.output("y", dtype, [ROWS, 43]), null);
}

function segments(of: (row: number) => number): number[] {
  return Array.from({ length: ROWS }, (_, row) => of(row));
}

/** Normalized errors that pass: f32 sums in another order, and one rounding to bf16. */
const TOLERANCE: Readonly<Partial<Record<DType, number>>> = { f32: 1e-4, bf16: 1.2e-2 };

export async function selfCheck(backend: Backend, reference: Backend): Promise<CheckResult[]> {
  const results: CheckResult[] = [];
  for (const [name, body] of Object.entries(CASES)) results.push(await check(name, body, backend, reference));
  return results;
}

async function check(name: string, body: Case, backend: Backend, reference: Backend): Promise<CheckResult> {
  const sides = [backend, reference].map((side) => new TestArrays(side));
  try {
    for (const arrays of sides) body(arrays, new RandomData(7));
    let worst = 0;
    for (const [index, { operand }] of sides[0]!.written.entries()) {
      const expected = await values(sides[1]!, sides[1]!.written[index]!.operand);
      const share = largestError(await values(sides[0]!, operand), expected) / (TOLERANCE[operand.dtype] ?? 1e-12);
      worst = Math.max(worst, Number.isNaN(share) ? Number.POSITIVE_INFINITY : share);
    }
    return {
      name,
      ok: worst <= 1,
      detail:
        worst <= 1 ? `error ${(worst * 100).toPrecision(2)}% of what is allowed` : `error ${worst.toPrecision(3)} times what is allowed`,
    };
  } catch (error) {
    return { name, ok: false, detail: (error as Error).message };
  } finally {
    for (const arrays of sides) arrays.release();
  }
}

async function values(arrays: TestArrays, operand: Operand): Promise<Float64Array> {
  return decode(operand.dtype, await arrays.backend.download(operand));
}

/** |a − b| / (|b| + rms(b)), at its largest. */
function largestError(actual: Float64Array, expected: Float64Array): number {
  const rms = Math.sqrt(expected.reduce((sum, value) => sum + value * value, 0) / Math.max(1, expected.length));
  let worst = 0;
  for (const [index, value] of expected.entries()) {
    const error = Math.abs(actual[index]! - value) / (Math.abs(value) + rms + 1e-30);
    if (!(error <= worst)) worst = error;
  }
  return worst;
}

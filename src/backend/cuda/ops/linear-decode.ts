/**
 * A group of linears for 1 to 16 rows, as asking needs them, and up to 64 of NF4 without adapters: one kernel reads the stored weights (NF4 or dense) once and
 * writes y with bias and adapters. Kernels: for NF4 linear_vector.cu up to four rows and linear_rows.cu from five on, else linear_decode.cu.
 */
import { ShapeError } from "../../../errors/shape-error.ts";
import type { ActivationDType, GatedKind, LinearOperand, LinearSurroundings, Operand } from "../../backend.ts";
import type { CudaRuntime } from "../cuda-runtime.ts";
import { copyMatrix } from "./adapter-copies.ts";
import { blocks } from "./grids.ts";
import { linearRows, takesRows } from "./linear-rows.ts";
import type { LinearState, LinearStates } from "./linear-state.ts";
import { linearVector, takesVector, type VectorProduct } from "./linear-vector.ts";
import { isDense } from "./weights.ts";

const MOST_ROWS = 16;
/** The streaming kernels: rows, outputs of a tile, parts of a group, elements of a chunk. */
const STREAM_ROWS = 8;
const STREAM_OUTPUTS = 8;
const STREAM_PARTS = 4;
const STREAM_CHUNK = { nf4: 128, nf4_nested: 128, dense: 64 };
/** sizeof(LinearPart) in linear_part.cuh. */
const PART_BYTES = 80;
/** The NF4 kernels' lookup table. */
const NF4_SHARED = 32768;
/** gate_value in gate.cuh. */
const GATE: Readonly<Record<GatedKind, number>> = { silu: 0, "gelu-tanh": 1 };
const OUTPUTS_A_TILE = 16;
const BLOCKS_A_MULTIPROCESSOR = 4;

type Family = keyof typeof STREAM_CHUNK;

export interface FewRows {
  readonly N: number;
  readonly dtype: ActivationDType;
  readonly x: number;
  readonly y: number;
  /** 0 without adapters. */
  readonly xa: number;
}

/** Runs the group this way when it can; false when it cannot. */
export function linearDecode(cuda: CudaRuntime, linear: LinearOperand, state: LinearState, rows: FewRows): boolean {
  const { N, dtype, x, y, xa } = rows;
  const family = kernelFamily(cuda, linear, state, rows);
  if (family === null) return false;
  const { In, outs, ranks } = state.sizes;
  const parts = partTable(cuda, linear, state);
  const count = linear.parts.length;
  let scaled = 0;
  if (ranks > 0) {
    scaled = cuda.scratch.take("scaled xa", MOST_ROWS * ranks * 4);
    cuda.launch(`lora_down_block_per_rank_${dtype}`, ranks, [parts, count, x, scaled, N, In, ranks]);
    linear.parts.forEach(({ lora }, p) => {
      if (!lora || lora.rank === 0) return;
      const { rankStart } = state.places[p]!;
      const bytes = dtype === "f32" ? 4 : 2;
      copyMatrix(cuda, dtype, scaled + rankStart * 4, xa + rankStart * bytes, N, lora.rank, ranks, ranks, 1 / lora.scale);
    });
  }
  if (family !== "dense" && takesVector(cuda, linear, N)) {
    linearVector(cuda, linear, { N, dtype, parts, x, y, xa: scaled, ranks });
    return true;
  }
  if (family !== "dense" && takesRows(cuda, linear, N)) {
    linearRows(cuda, linear, { N, dtype, parts, x, y, xa: scaled, ranks });
    return true;
  }
  const values = [parts, count, cuda.optionalIn(linear.bias), x, scaled, y, N, In, outs, ranks];
  const shared = family === "dense" ? 0 : NF4_SHARED;
  const tiles = (outputs: number) => linear.parts.reduce((sum, { weight }) => sum + blocks(weight.rows, outputs), 0);
  const { multiprocessors } = cuda.card;
  if (N <= STREAM_ROWS && count <= STREAM_PARTS && In % STREAM_CHUNK[family] === 0) {
    cuda.launch(`linear_stream_${family}_${dtype}`, Math.min(tiles(STREAM_OUTPUTS), multiprocessors), values, shared);
  } else {
    const grid = Math.min(tiles(OUTPUTS_A_TILE), BLOCKS_A_MULTIPROCESSOR * multiprocessors);
    cuda.launch(`linear_decode_${family}_rows16_${dtype}`, grid, values, shared);
  }
  return true;
}

/**
 * y f32 = Σ over three terms of x Wᵀ for one dense bf16 matrix, without its adapters and bias; false when there are too many rows.
 * @param rows N terms in all: x bf16 [N, In]
 */
export function streamTerms(
  cuda: CudaRuntime,
  linear: LinearOperand,
  state: LinearState,
  { N, x, y }: { N: number; x: number; y: number },
): boolean {
  const { In, outs } = state.sizes;
  if (N > STREAM_ROWS || In % STREAM_CHUNK.dense !== 0) return false;
  const weight = cuda.in(linear.parts[0]!.weight.data);
  if (weight % 16 !== 0) return false;
  const grid = Math.min(blocks(outs, STREAM_OUTPUTS), cuda.card.multiprocessors);
  cuda.launch("linear_stream_dense_terms_bf16", grid, [weight, x, y, outs, N, In]);
  return true;
}

/** `Backend.linearStep` for NF4 without adapters. */
export function linearStep(
  cuda: CudaRuntime,
  states: LinearStates,
  linear: LinearOperand,
  x: Operand,
  y: Operand,
  { norm, eps = 0, residual, gate, next }: LinearSurroundings,
): boolean {
  const state = states.of(linear);
  const { outs, ranks, In, path } = state.sizes;
  const N = x.shape[0]!;
  const dtype = x.dtype as ActivationDType;
  const width = gate ? outs / 2 : outs;
  for (const operand of [y, residual]) {
    if (operand && (operand.dtype !== dtype || operand.shape.join() !== `${N},${width}`)) {
      throw new ShapeError(path, [N, width], operand.shape);
    }
  }
  if (x.shape[1] !== In) throw new ShapeError(path, [N, In], x.shape);
  if (gate && (linear.parts.length !== 2 || linear.parts[0]!.weight.rows !== width)) return false;
  const input = cuda.in(x);
  const family = kernelFamily(cuda, linear, state, { N, dtype, x: input, y: 0, xa: 0 });
  if (N === 0 || ranks > 0 || family === null || family === "dense" || !takesVector(cuda, linear, N)) return false;
  linearVector(cuda, linear, {
    N,
    dtype,
    parts: partTable(cuda, linear, state),
    x: input,
    y: cuda.out(y),
    xa: 0,
    ranks,
    norm: cuda.optionalIn(norm),
    eps,
    residual: cuda.optionalIn(residual),
    gate: gate && GATE[gate],
    next: next && comingNext(cuda, states, next, { N, dtype, x: input, y: 0, xa: 0 }),
  });
  return true;
}

/** The group that runs next, when it takes the same kernel. */
function comingNext(cuda: CudaRuntime, states: LinearStates, linear: LinearOperand, rows: FewRows): VectorProduct["next"] {
  const state = states.of(linear);
  const family = kernelFamily(cuda, linear, state, rows);
  if (family === null || family === "dense" || !takesVector(cuda, linear, rows.N)) return undefined;
  return { linear, parts: partTable(cuda, linear, state) };
}

/** null when the group is not for the kernels of few rows. */
function kernelFamily(cuda: CudaRuntime, linear: LinearOperand, state: LinearState, { N, dtype, x }: FewRows): Family | null {
  const many = N > MOST_ROWS;
  if (many && (state.sizes.ranks > 0 || linear.parts[0]!.weight.format !== "nf4" || !takesRows(cuda, linear, N))) return null;
  if (linear.parts.some(({ lora }) => lora && lora.rank > 0 && (linear.dropout > 0 || lora.scale === 0))) return null;
  return storedFamily(cuda, linear, state, dtype, x);
}

/** How all weights of the group are stored; null when no kernel reads them so, or x. */
function storedFamily(cuda: CudaRuntime, linear: LinearOperand, { sizes }: LinearState, dtype: ActivationDType, x: number): Family | null {
  if (dtype === "f32" || (dtype === "bf16" && cuda.card.major < 8)) return null;
  const first = linear.parts[0]!.weight;
  const alike = linear.parts.every(({ weight }) => weight.format === first.format && !weight.nested === !first.nested);
  const aligned = x % 16 === 0 && linear.parts.every(({ weight }) => cuda.in(weight.data) % 16 === 0);
  if (!alike || !aligned) return null;
  if (first.format === "nf4") return sizes.In % 64 === 0 ? (first.nested ? "nf4_nested" : "nf4") : null;
  return isDense(first) && first.format === dtype && sizes.In % 8 === 0 ? "dense" : null;
}

/** Address of the group's LinearPart table, written once. */
function partTable(cuda: CudaRuntime, linear: LinearOperand, state: LinearState): number {
  if (state.table) return state.table.address!;
  const bytes = new Uint8Array(linear.parts.length * PART_BYTES);
  const view = new DataView(bytes.buffer);
  linear.parts.forEach(({ weight, lora }, p) => {
    const at = p * PART_BYTES;
    const { row, rank, rankStart } = state.places[p]!;
    const pointers = [weight.data, weight.scales, weight.nested?.scales, weight.nested?.code, lora?.a, lora?.b];
    for (const [i, operand] of pointers.entries()) view.setBigUint64(at + 8 * i, BigInt(cuda.optionalIn(operand)), true);
    for (const [i, value] of [weight.rows, row, rank, rankStart].entries()) view.setInt32(at + 48 + 4 * i, value, true);
    view.setFloat32(at + 64, lora?.scale ?? 0, true);
    view.setFloat32(at + 68, weight.nested?.offset ?? 0, true);
  });
  const table = cuda.memory.allocate(bytes.byteLength, `parts of ${state.sizes.path}`);
  cuda.sendBytes(table.address!, bytes);
  state.table = table;
  return table.address!;
}

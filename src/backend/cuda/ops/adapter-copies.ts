/**
 * Adapters in the compute dtype. Their masters are f32 and change once a step, so the copies are made once a step too: when a group is first used
 * after a write to its A or B, and once in every captured graph (which must bring them up to date at each replay).
 *
 * One launch a group (pack_matrices) writes both; they are laid out so that a group of several parts needs one thin product: A's rows one below
 * the other, scale · B on a block diagonal.
 */
import type { ActivationDType, LinearOperand } from "../../backend.ts";
import { BYTES_PER_ELEMENT } from "../../element-types.ts";
import type { CudaRuntime } from "../cuda-runtime.ts";
import { blocks, gridRows } from "./grids.ts";
import { type AdapterCopy, type LinearState, versionOf } from "./linear-state.ts";

/** sizeof(PackEntry) in lora.cu. */
const ENTRY_BYTES = 48;
const BLOCKS_AN_ENTRY = 64;

export function adapterCopies(cuda: CudaRuntime, linear: LinearOperand, state: LinearState, dtype: ActivationDType): AdapterCopy {
  const madeFrom = versionOf(
    cuda,
    linear.parts.flatMap(({ lora }) => [lora?.a, lora?.b]),
  );
  const known = state.adapters;
  if (known?.dtype === dtype && known.madeFrom === madeFrom) return known;
  const { In, outs, ranks, path } = state.sizes;
  const bytes = BYTES_PER_ELEMENT[dtype];
  let { a, b } = known?.dtype === dtype ? known : { a: undefined, b: undefined };
  a ??= cuda.memory.allocate(ranks * In * bytes, `A of ${path} in ${dtype}`);
  if (!b) {
    b = cuda.memory.allocate(outs * ranks * bytes, `B of ${path} in ${dtype}`);
    cuda.zero(b.address!, outs * ranks * bytes);
  }
  const target = { a: a.address!, b: b.address! };
  const entries = packEntries(cuda, linear, state, dtype, target);
  let table = known?.dtype === dtype ? known.table : undefined;
  if (!table && !cuda.capturing) {
    table = cuda.memory.allocate(entries.length * ENTRY_BYTES, `adapters of ${path}`);
    cuda.sendBytes(table.address!, entryTable(entries));
  }
  if (table) cuda.launch(`pack_matrices_${dtype}`, { x: BLOCKS_AN_ENTRY, y: entries.length }, [table.address!]);
  else for (const entry of entries) copyMatrix(cuda, dtype, ...entry);
  state.adapters = { dtype, a, b, madeFrom, table };
  return state.adapters;
}

/** source, target, rows, cols, strides of both, scale. */
type PackEntry = [number, number, number, number, number, number, number];

function packEntries(
  cuda: CudaRuntime,
  linear: LinearOperand,
  { sizes: { In, ranks }, places }: LinearState,
  dtype: ActivationDType,
  { a, b }: { a: number; b: number },
): PackEntry[] {
  const bytes = BYTES_PER_ELEMENT[dtype];
  return linear.parts.flatMap(({ weight, lora }, p): PackEntry[] => {
    if (!lora || lora.rank === 0) return [];
    const { row, rankStart } = places[p]!;
    const target = b + (row * ranks + rankStart) * bytes;
    return [
      [cuda.in(lora.a), a + rankStart * In * bytes, lora.rank, In, In, In, 1],
      [cuda.in(lora.b), target, weight.rows, lora.rank, lora.rank, ranks, lora.scale],
    ];
  });
}

/** PackEntry of lora.cu, one after the other. */
function entryTable(entries: readonly PackEntry[]): Uint8Array {
  const bytes = new Uint8Array(entries.length * ENTRY_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [index, [source, target, rows, cols, sourceStride, targetStride, scale]] of entries.entries()) {
    const at = index * ENTRY_BYTES;
    view.setBigUint64(at, BigInt(source), true);
    view.setBigUint64(at + 8, BigInt(target), true);
    for (const [i, value] of [rows, cols, sourceStride, targetStride, 0].entries()) view.setInt32(at + 16 + 4 * i, value, true);
    view.setFloat32(at + 36, scale, true);
  }
  return bytes;
}

/** target[r, c] = scale · source[r, c], f32 to `dtype`, rows strides apart. */
export function copyMatrix(
  cuda: CudaRuntime,
  dtype: ActivationDType,
  source: number,
  target: number,
  rows: number,
  cols: number,
  sourceStride: number,
  targetStride: number,
  scale: number,
  accumulate = false,
): void {
  const grid = { x: blocks(cols, 256), y: gridRows(rows) };
  const values = [source, target, rows, cols, sourceStride, targetStride, scale, accumulate ? 1 : 0];
  cuda.launch(`copy_matrix_f32_to_${dtype}`, grid, values);
}

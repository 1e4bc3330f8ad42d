/**
 * Adapters in the compute dtype. Their masters are f32 and change once a step, so the copies are made once a step too: when a group is first used
 * after a write to its A or B, and once in every captured graph (which must bring them up to date at each replay).
 *
 * Both are laid out so that a group of several parts needs one thin product: A's rows one below the other, scale · B on a block diagonal.
 */
import type { ActivationDType, LinearOperand } from "../../backend.ts";
import { BYTES_PER_ELEMENT } from "../../element-types.ts";
import type { CudaRuntime } from "../cuda-runtime.ts";
import { blocks, gridRows } from "./grids.ts";
import { type AdapterCopy, type LinearState, versionOf } from "./linear-state.ts";

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
  linear.parts.forEach(({ weight, lora }, p) => {
    if (!lora || lora.rank === 0) return;
    const { row, rankStart } = state.places[p]!;
    copyMatrix(cuda, dtype, cuda.in(lora.a), a.address! + rankStart * In * bytes, lora.rank, In, In, In, 1);
    const target = b.address! + (row * ranks + rankStart) * bytes;
    copyMatrix(cuda, dtype, cuda.in(lora.b), target, weight.rows, lora.rank, lora.rank, ranks, lora.scale);
  });
  state.adapters = { dtype, a, b, madeFrom };
  return state.adapters;
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

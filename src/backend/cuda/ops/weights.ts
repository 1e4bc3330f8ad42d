/**
 * Stored weights made dense: NF4 by nf4.cu, E4M3 by fp8.cu, GGUF blocks by weights.cu, another float type by conversion. Rows of a weight go to rows of a dense
 * matrix `stride` elements apart; a gathered form decodes the rows that `ids` name (an embedding).
 */
import { KernelError } from "../../../errors/kernel-error.ts";
import type { ActivationDType, WeightOperand } from "../../backend.ts";
import { BYTES_PER_ELEMENT } from "../../element-types.ts";
import type { CudaRuntime } from "../cuda-runtime.ts";
import { blocks, strideBlocks } from "./grids.ts";

export interface DenseTarget {
  readonly address: number;
  readonly dtype: ActivationDType;
}

export function isDense(weight: WeightOperand): weight is WeightOperand & { format: ActivationDType } {
  return weight.format === "f32" || weight.format === "bf16" || weight.format === "f16";
}

/** Bytes of one stored row of a dense weight. */
function rowBytes(weight: WeightOperand & { format: ActivationDType }): number {
  return weight.cols * BYTES_PER_ELEMENT[weight.format];
}

/** Rows [row, row + count) to a dense [count, cols]. */
export function decodeRows(cuda: CudaRuntime, weight: WeightOperand, target: DenseTarget, row: number, count: number): void {
  const { cols } = weight;
  const elements = count * cols;
  if (elements === 0) return;
  const data = cuda.in(weight.data);
  if (isDense(weight)) {
    const source = data + row * rowBytes(weight);
    if (weight.format === target.dtype) cuda.copy(target.address, source, count * rowBytes(weight));
    else cuda.launch(`convert_${weight.format}_to_${target.dtype}`, strideBlocks(elements, 2048), [source, target.address, elements]);
    return;
  }
  if (weight.format === "e4m3") {
    const grid = Math.min(blocks(elements, 2048), 16384);
    cuda.launch(`fp8_decode_${target.dtype}`, grid, [data, cuda.in(weight.scales!), target.address, row, count, cols]);
    return;
  }
  if (weight.format !== "nf4") {
    const grid = Math.min(blocks(elements, 2048), 16384);
    cuda.launch(`gguf_decode_${weight.format}_${target.dtype}`, grid, [data, 0, target.address, row, count, cols, cols, 1]);
    return;
  }
  if (target.address % 16 !== 0 || data % 4 !== 0) {
    throw new KernelError(cuda.op, "ARGUMENT", `${weight.path}: NF4 codes must start at a multiple of 4 bytes and their dense copy at 16`);
  }
  const { scales, nested } = nf4Parts(cuda, weight);
  const rest = [target.address, row, cols, elements];
  const grid = blocks(elements, 16384);
  if (nested) cuda.launch(`nf4_decode_nested_flat_${target.dtype}`, grid, [data, scales, ...nested, ...rest]);
  else cuda.launch(`nf4_decode_flat_${target.dtype}`, grid, [data, scales, ...rest]);
}

/** out[n] = scale · weight[ids[n]], zeros where ids[n] < 0. */
export function gatherWeightRows(
  cuda: CudaRuntime,
  weight: WeightOperand,
  ids: number,
  target: DenseTarget,
  N: number,
  scale: number,
): void {
  const { cols } = weight;
  const data = cuda.in(weight.data);
  if (isDense(weight)) {
    const kernel = `embedding_forward_warp_per_row_${weight.format}_to_${target.dtype}`;
    cuda.launch(kernel, blocks(N, 8), [data, ids, target.address, N, cols, weight.rows, scale]);
  } else if (weight.format === "nf4") {
    const { scales, nested } = nf4Parts(cuda, weight);
    const kernel = `nf4_gather_rows_warp_per_row_${target.dtype}`;
    cuda.launch(kernel, blocks(N, 8), [data, scales, ...(nested ?? [0, 0, 0]), ids, target.address, N, cols, scale]);
  } else {
    const grid = Math.min(blocks(N * cols, 2048), 16384);
    cuda.launch(`gguf_decode_${weight.format}_${target.dtype}`, grid, [data, ids, target.address, 0, N, cols, cols, scale]);
  }
}

/** Address of the scales, and scales, code and offset of double quantization. */
export function nf4Parts(cuda: CudaRuntime, { scales, nested, path }: WeightOperand): { scales: number; nested: number[] | null } {
  if (!scales) throw new KernelError(cuda.op, "ARGUMENT", `${path}: an NF4 weight needs scales`);
  return { scales: cuda.in(scales), nested: nested ? [cuda.in(nested.scales), cuda.in(nested.code), nested.offset] : null };
}

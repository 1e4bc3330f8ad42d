/** Copies, conversion, scaled add, sums, random numbers, row gathers. Kernels: elementwise.cu. */
import type { Operand } from "../../backend.ts";
import { BYTES_PER_ELEMENT, operandBytes } from "../../element-types.ts";
import { addSizes, convertSizes, copySizes, gatherRowsSizes, randomSizes, sumSizes } from "../../shapes/elementwise.ts";
import type { CudaRuntime } from "../cuda-runtime.ts";
import { blocks, strideBlocks } from "./grids.ts";

export function copy(cuda: CudaRuntime, source: Operand, target: Operand): void {
  copySizes(source, target);
  cuda.copy(cuda.out(target), cuda.in(source), operandBytes(source));
}

export function zero(cuda: CudaRuntime, target: Operand): void {
  cuda.zero(cuda.out(target), operandBytes(target));
}

export function convert(cuda: CudaRuntime, source: Operand, target: Operand): void {
  const { count, from, to } = convertSizes(source, target);
  const [input, output] = [cuda.in(source), cuda.out(target)];
  if (from === to) cuda.copy(output, input, operandBytes(source));
  else cuda.launch(`convert_${from}_to_${to}`, strideBlocks(count, 2048), [input, output, count]);
}

export function add(cuda: CudaRuntime, x: Operand, y: Operand, scale: number): void {
  const { count, dtype } = addSizes(x, y);
  cuda.launch(`add_${dtype}`, strideBlocks(count, 2048), [cuda.in(x), cuda.out(y), count, scale]);
}

export function sum(cuda: CudaRuntime, x: Operand, out: Operand): void {
  const { count } = sumSizes(x, out);
  const { address, parts } = sumPartials(cuda, "sum_partials_f32", cuda.in(x), count);
  cuda.launch("sum_final_f32", 1, [address, cuda.out(out), parts]);
}

/** First pass of a sum over f32: f64 partial sums of blocks, in a fixed order. */
export function sumPartials(cuda: CudaRuntime, kernel: string, x: number, count: number): { address: number; parts: number } {
  const parts = Math.min(1024, blocks(count, 4096));
  const address = cuda.scratch.take("partial sums", 1024 * 8);
  cuda.launch(kernel, parts, [x, address, count]);
  return { address, parts };
}

export function random(cuda: CudaRuntime, x: Operand, seed: bigint, bound: number, distribution: "uniform" | "normal"): void {
  const { count } = randomSizes(x);
  cuda.launch("random_f32", strideBlocks(count, 256), [cuda.out(x), count, seed, bound, distribution === "normal" ? 1 : 0]);
}

export function gatherRows(cuda: CudaRuntime, x: Operand, rows: Operand, out: Operand): void {
  const { count, C, dtype } = gatherRowsSizes(x, rows, out);
  const values = [cuda.in(x), cuda.in(rows), cuda.out(out), count, C * BYTES_PER_ELEMENT[dtype]];
  cuda.launch("gather_rows_warp_per_row", blocks(count, 8), values);
}

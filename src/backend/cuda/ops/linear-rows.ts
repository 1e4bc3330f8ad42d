/**
 * NF4 products of 5 to 64 rows, from the codes as they are stored: no decoded copy of the weights is written or read. Kernels: linear_rows.cu.
 * REMORA_CUDA_ROWS=0 turns them off.
 */
import process from "node:process";
import type { LinearOperand } from "../../backend.ts";
import type { CudaRuntime } from "../cuda-runtime.ts";
import { blocks } from "./grids.ts";
import type { StoredProduct } from "./stored-product.ts";

const FEWEST_ROWS = 5;
/** Beyond, decoding once for all rows costs less than reading the codes again for each 64: 4,207 and 3,592 tokens/s for 128 rows on an H100. */
const MOST_ROWS = 64;
const MOST_PARTS = 4;
const UNIT_COLUMNS = 256;
/** The table of code pairs, and what the kernels keep beside their dynamic shared memory. */
const TABLE_BYTES = 65536;
const STATIC_BYTES = 5120;
/** Rows of x that a kernel takes, rows of W in a tile, slots of its ring in shared memory. */
const KERNELS = [
  { rows: 8, tile: 128, slots: 4 },
  { rows: 16, tile: 128, slots: 3 },
  { rows: 32, tile: 128, slots: 2 },
  { rows: 64, tile: 64, slots: 3 },
] as const;
type RowsKernel = (typeof KERNELS)[number];
/** Elements of a part, and units times blocks: the kernel counts in 32 bits. */
const MOST_COUNTED = 2 ** 31;

/** Whether `linearRows` takes this group, which is NF4, alike in nesting and aligned. */
export function takesRows(cuda: CudaRuntime, { parts }: LinearOperand, N: number): boolean {
  if (process.env.REMORA_CUDA_ROWS === "0" || N < FEWEST_ROWS || N > MOST_ROWS || parts.length > MOST_PARTS) return false;
  if (parts.some(({ weight }) => weight.rows * weight.cols >= MOST_COUNTED)) return false;
  const kernel = kernelFor(cuda, N);
  return kernel !== undefined && unitsOf(parts, kernel) * cuda.card.multiprocessors < MOST_COUNTED;
}

/** y = x Wᵀ + bias + xa Bᵀ */
export function linearRows(cuda: CudaRuntime, linear: LinearOperand, { N, dtype, parts, x, y, xa, ranks }: StoredProduct): void {
  const { cols } = linear.parts[0]!.weight;
  const outs = linear.parts.reduce((sum, { weight }) => sum + weight.rows, 0);
  const bias = cuda.optionalIn(linear.bias);
  const kernel = kernelFor(cuda, N)!;
  const { rows, tile } = kernel;
  const grid = Math.min(unitsOf(linear.parts, kernel), cuda.card.multiprocessors);
  const arrivals = cuda.counters(tilesOf(linear.parts, kernel));
  const partial = cuda.scratch.take("shares of products", 2 * grid * tile * rows * 4);
  const values = [parts, linear.parts.length, bias, x, xa, y, partial, arrivals, N, cols, outs, ranks];
  cuda.launch(`linear_rows_nf4_rows${rows}_${dtype}`, grid, values, sharedBytes(kernel));
}

function tilesOf(parts: LinearOperand["parts"], { tile }: RowsKernel): number {
  return parts.reduce((sum, { weight }) => sum + blocks(weight.rows, tile), 0);
}

function unitsOf(parts: LinearOperand["parts"], kernel: RowsKernel): number {
  return tilesOf(parts, kernel) * blocks(parts[0]!.weight.cols, UNIT_COLUMNS);
}

/** The smallest kernel for N rows, when this card holds it. */
function kernelFor(cuda: CudaRuntime, N: number): RowsKernel | undefined {
  const kernel = KERNELS.find(({ rows }) => rows >= N);
  return kernel && sharedBytes(kernel) + STATIC_BYTES <= cuda.card.sharedPerBlock ? kernel : undefined;
}

/** A slot holds codes and scales of a tile's rows of W, and the rows of x, 256 columns of each. */
function sharedBytes({ rows, tile, slots }: RowsKernel): number {
  return TABLE_BYTES + slots * (tile * 144 + rows * UNIT_COLUMNS * 2);
}

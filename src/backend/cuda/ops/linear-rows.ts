/**
 * NF4 products of 5 to 128 rows, from the codes as they are stored: no decoded copy of the weights is written or read. Kernels: linear_rows.cu, 64 rows
 * at a time. REMORA_CUDA_ROWS=0 turns them off.
 */
import process from "node:process";
import type { ActivationDType, LinearOperand } from "../../backend.ts";
import { BYTES_PER_ELEMENT } from "../../element-types.ts";
import type { CudaRuntime } from "../cuda-runtime.ts";
import { blocks } from "./grids.ts";

const FEWEST_ROWS = 5;
/** Beyond, decoding once for all rows costs less than reading the codes again for each 64. */
const MOST_ROWS = 128;
/** Where decoded weights are kept, twice the codes are about as many bytes to multiply as they cost to read. */
const MOST_ROWS_BESIDE_KEPT = 64;
const MOST_PARTS = 4;
const TILE = 128;
const UNIT_COLUMNS = 256;
/** The table of code pairs, and what the kernels keep beside their dynamic shared memory. */
const TABLE_BYTES = 65536;
const STATIC_BYTES = 5120;
/** Rows of x that a kernel takes, and slots of its ring in shared memory: most first. Those with fewer slots are for an A100. */
const KERNELS = [
  { rows: 64, slots: 3 },
  { rows: 32, slots: 4 },
  { rows: 32, slots: 2 },
  { rows: 16, slots: 6 },
  { rows: 16, slots: 3 },
  { rows: 8, slots: 7 },
  { rows: 8, slots: 4 },
] as const;
type RowsKernel = (typeof KERNELS)[number];
/** Elements of a part, and units times blocks: the kernel counts in 32 bits. */
const MOST_COUNTED = 2 ** 31;

/** Addresses; 0 where there is none. */
export interface RowsProduct {
  readonly N: number;
  readonly dtype: ActivationDType;
  /** Address of the group's LinearPart table. */
  readonly parts: number;
  readonly x: number;
  readonly y: number;
  /** f32 [N, ΣR]: scale · x Aᵀ. 0: without the adapters. */
  readonly xa: number;
  readonly ranks: number;
}

/** Whether `linearRows` takes this group, which is NF4, alike in nesting and aligned. */
export function takesRows(cuda: CudaRuntime, { parts }: LinearOperand, N: number): boolean {
  const most = cuda.options.keepDecoded ? MOST_ROWS_BESIDE_KEPT : MOST_ROWS;
  if (process.env.REMORA_CUDA_ROWS === "0" || N < FEWEST_ROWS || N > most || parts.length > MOST_PARTS) return false;
  if (parts.some(({ weight }) => weight.rows * weight.cols >= MOST_COUNTED)) return false;
  return unitsOf(parts) * cuda.card.multiprocessors < MOST_COUNTED && kernelFor(cuda, N) !== undefined;
}

/** y = x Wᵀ + bias + xa Bᵀ */
export function linearRows(cuda: CudaRuntime, linear: LinearOperand, { N, dtype, parts, x, y, xa, ranks }: RowsProduct): void {
  const { cols } = linear.parts[0]!.weight;
  const outs = linear.parts.reduce((sum, { weight }) => sum + weight.rows, 0);
  const bias = cuda.optionalIn(linear.bias);
  const grid = Math.min(unitsOf(linear.parts), cuda.card.multiprocessors);
  const arrivals = cuda.counters(tilesOf(linear.parts));
  const bytes = BYTES_PER_ELEMENT[dtype];
  for (let first = 0; first < N; ) {
    const kernel = kernelFor(cuda, N - first)!;
    const { rows, slots } = kernel;
    const count = Math.min(rows, N - first);
    const partial = cuda.scratch.take("shares of products", 2 * grid * TILE * rows * 4);
    const [from, to, low] = [x + first * cols * bytes, y + first * outs * bytes, xa && xa + first * ranks * 4];
    const values = [parts, linear.parts.length, bias, from, low, to, partial, arrivals, count, cols, outs, ranks];
    cuda.launch(`linear_rows_nf4_rows${rows}_slots${slots}_${dtype}`, grid, values, sharedBytes(kernel));
    first += count;
  }
}

function tilesOf(parts: LinearOperand["parts"]): number {
  return parts.reduce((sum, { weight }) => sum + blocks(weight.rows, TILE), 0);
}

function unitsOf(parts: LinearOperand["parts"]): number {
  return tilesOf(parts) * blocks(parts[0]!.weight.cols, UNIT_COLUMNS);
}

/** The smallest kernel for N rows, or the one for most rows, among those that this card holds. */
function kernelFor(cuda: CudaRuntime, N: number): RowsKernel | undefined {
  const fitting = KERNELS.filter((kernel) => sharedBytes(kernel) + STATIC_BYTES <= cuda.card.sharedPerBlock);
  const rows = fitting.findLast((kernel) => kernel.rows >= N)?.rows ?? fitting[0]?.rows;
  return fitting.find((kernel) => kernel.rows === rows);
}

/** A slot holds codes and scales of TILE rows of W, and the rows of x, 256 columns of each. */
function sharedBytes({ rows, slots }: RowsKernel): number {
  return TABLE_BYTES + slots * (TILE * 144 + rows * UNIT_COLUMNS * 2);
}

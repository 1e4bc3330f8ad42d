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
/** Slots of the ring: one is multiplied while others are under way. */
const SLOTS = { fewest: 2, most: 7 } as const;
/** Rows of x that there is a kernel for. */
const KERNELS = [64, 32, 16, 8] as const;
type KernelRows = (typeof KERNELS)[number];
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
    const rows = kernelFor(cuda, N - first)!;
    const count = Math.min(rows, N - first);
    const partial = cuda.scratch.take("shares of products", 2 * grid * TILE * rows * 4);
    const slots = slotsOf(cuda, rows);
    const [from, to, low] = [x + first * cols * bytes, y + first * outs * bytes, xa && xa + first * ranks * 4];
    const values = [parts, linear.parts.length, bias, from, low, to, partial, arrivals, count, cols, outs, ranks, slots];
    cuda.launch(`linear_rows_nf4_rows${rows}_${dtype}`, grid, values, TABLE_BYTES + slots * slotBytes(rows));
    first += count;
  }
}

function tilesOf(parts: LinearOperand["parts"]): number {
  return parts.reduce((sum, { weight }) => sum + blocks(weight.rows, TILE), 0);
}

function unitsOf(parts: LinearOperand["parts"]): number {
  return tilesOf(parts) * blocks(parts[0]!.weight.cols, UNIT_COLUMNS);
}

/** The smallest kernel for N rows, or the largest one whose ring this card holds. */
function kernelFor(cuda: CudaRuntime, N: number): KernelRows | undefined {
  return (
    KERNELS.findLast((rows) => rows >= N && slotsOf(cuda, rows) >= SLOTS.fewest) ??
    KERNELS.find((rows) => slotsOf(cuda, rows) >= SLOTS.fewest)
  );
}

/** Codes and scales of TILE rows of W, and the rows of x, 256 columns of each. */
function slotBytes(rows: KernelRows): number {
  return TILE * 144 + rows * UNIT_COLUMNS * 2;
}

function slotsOf({ card }: CudaRuntime, rows: KernelRows): number {
  return Math.min(SLOTS.most, Math.floor((card.sharedPerBlock - STATIC_BYTES - TABLE_BYTES) / slotBytes(rows)));
}

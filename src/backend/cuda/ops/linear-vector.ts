/**
 * NF4 products of one to four rows, with what rides along: a norm of x before, a residual or a gate after. Kernels: linear_vector.cu.
 * REMORA_CUDA_VECTOR=0 turns them off.
 */
import process from "node:process";
import type { LinearOperand } from "../../backend.ts";
import type { CudaRuntime } from "../cuda-runtime.ts";
import { blocks } from "./grids.ts";
import type { StoredProduct } from "./stored-product.ts";

const MOST_ROWS = 4;
const MOST_PARTS = 4;
/** The table of code pairs. */
const TABLE_BYTES = 65536;
/** What the kernel keeps beside its dynamic shared memory. */
const STATIC_BYTES = 6144;
/** Shares times rows of a part stays below 2^32. */
const MOST_SHARES = 4096;
/** Columns of a scale, and of what a warp multiplies at a time. */
const BLOCK_COLUMNS = 64;
const CHUNK_COLUMNS = 512;
const NO_GATE = -1;

/** With what rides along. */
export interface VectorProduct extends StoredProduct {
  /** f32 [In]: y is made of rms_norm(x) · norm. */
  readonly norm?: number;
  readonly eps?: number;
  /** Like y, added to it; may be y. */
  readonly residual?: number;
  /** 0 SiLU, 1 GELU: y is gate(first part) · second part. */
  readonly gate?: number;
  /** What this kernel will be given next, and the address of its LinearPart table. */
  readonly next?: { readonly linear: LinearOperand; readonly parts: number };
}

/** Whether `linearVector` takes this NF4 group. */
export function takesVector(cuda: CudaRuntime, linear: LinearOperand, N: number): boolean {
  return (
    process.env.REMORA_CUDA_VECTOR !== "0" &&
    N <= MOST_ROWS &&
    linear.parts.length <= MOST_PARTS &&
    sharing(cuda, linear, rowsOf(N)) !== null
  );
}

export function linearVector(cuda: CudaRuntime, linear: LinearOperand, product: VectorProduct): void {
  const { N, dtype, parts, x, y, xa, ranks, norm = 0, eps = 0, residual = 0, gate = NO_GATE, next } = product;
  const rows = rowsOf(N);
  const { shares, shared } = sharing(cuda, linear, rows)!;
  const { cols } = linear.parts[0]!.weight;
  const outs = linear.parts.map(({ weight }) => weight.rows);
  const width = gate === NO_GATE ? outs.reduce((sum, out) => sum + out, 0) : outs[0]!;
  const values = [parts, outs.length, cuda.optionalIn(linear.bias), x, norm, eps, xa, residual, y, N, cols, width, ranks, gate, shares];
  const coming = next
    ? [next.parts, next.linear.parts.length, next.linear.parts[0]!.weight.cols, sharing(cuda, next.linear, rows)!.shares]
    : [0, 0, 0, 0];
  cuda.launch(`linear_vector_nf4_rows${rows}_${dtype}`, Math.min(shares, cuda.card.multiprocessors), [...values, ...coming], shared);
}

/** Rows of x that a kernel is made for. */
function rowsOf(N: number): 1 | 2 | 4 {
  return N <= 1 ? 1 : N === 2 ? 2 : 4;
}

/** As few shares a multiprocessor as shared memory allows; null when even few rows of W do not fit. */
function sharing({ card }: CudaRuntime, { parts }: LinearOperand, rows: number): { shares: number; shared: number } | null {
  const { cols } = parts[0]!.weight;
  const chunks = blocks(cols, CHUNK_COLUMNS);
  const pairBytes = (cols / BLOCK_COLUMNS) * 8 + chunks * 64 * rows + 8;
  for (let shares = card.multiprocessors; shares <= MOST_SHARES; shares += card.multiprocessors) {
    const pairs = parts.reduce((sum, { weight }) => sum + blocks(blocks(weight.rows, shares), 2), 0);
    const shared = TABLE_BYTES + rows * chunks * CHUNK_COLUMNS * 2 + pairs * pairBytes;
    if (shared + STATIC_BYTES <= card.sharedPerBlock) return { shares, shared };
  }
  return null;
}

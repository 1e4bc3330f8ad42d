/**
 * A matrix product as this backend writes it, row-major, and the same as cuBLASLt reads it, column-major.
 *
 *   C[M, N] = alpha · op(A)[M, K] · op(B)[K, N] + beta · C       rows `ld` elements apart, so that a range of columns is a matrix too
 *
 * A row-major matrix is its transpose to cuBLASLt, so the product is handed over as Cᵀ = op(B)ᵀ · op(A)ᵀ: B first, A second, and a flag stays
 * a flag. Y = X·Wᵀ has `transposeB`, dX = dY·W none, dW = dYᵀ·X `transposeA`.
 */
import type { ActivationDType } from "../backend.ts";

export interface ProductMatrix {
  readonly address: number;
  /** Elements from one row to the next. */
  readonly ld: number;
}

export interface Product {
  readonly a: ProductMatrix;
  readonly b: ProductMatrix;
  readonly c: ProductMatrix;
  readonly M: number;
  readonly N: number;
  readonly K: number;
  /** A is stored as [K, M]. */
  readonly transposeA?: boolean;
  /** B is stored as [N, K]. */
  readonly transposeB?: boolean;
  /** Of A and B. */
  readonly dtype: ActivationDType;
  /** Of C. @default that of A and B */
  readonly outDType?: ActivationDType;
  /** @default 1 */
  readonly alpha?: number;
  /** 1 adds to C. @default 0 */
  readonly beta?: 0 | 1;
}

/** Largest power of two up to 256 that divides an address: what the product's algorithm may rely on. */
export function alignmentOf(address: number): number {
  const low = address % 256;
  return low === 0 ? 256 : low & -low;
}

/** Everything the choice of an algorithm depends on. */
export function planKey(product: Product): string {
  const { a, b, c, M, N, K, dtype, outDType = dtype, transposeA = false, transposeB = false, beta = 0 } = product;
  const alignments = `${alignmentOf(a.address)},${alignmentOf(b.address)},${alignmentOf(c.address)}`;
  return `${M}x${N}x${K} ${transposeA ? "T" : "N"}${transposeB ? "T" : "N"} ${dtype}>${outDType} b${beta} ld${a.ld},${b.ld},${c.ld} @${alignments}`;
}

/** Stored matrices as column-major layouts [rows, cols, ld], and cuBLASLt's transpose flags (1 is T). */
export function columnMajor({ a, b, c, M, N, K, transposeA = false, transposeB = false }: Product) {
  return {
    first: { rows: transposeB ? K : N, cols: transposeB ? N : K, ld: b.ld, transposed: transposeB ? 1 : 0 },
    second: { rows: transposeA ? M : K, cols: transposeA ? K : M, ld: a.ld, transposed: transposeA ? 1 : 0 },
    out: { rows: N, cols: M, ld: c.ld },
  };
}

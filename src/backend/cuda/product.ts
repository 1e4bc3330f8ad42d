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
  /** Of A and B. E4M3 has `scales`, its A as written and its B stored as [N, K]: both are read along the sum. */
  readonly dtype: ActivationDType | "e4m3";
  /** Of C. @default that of A and B; E4M3 must say it */
  readonly outDType?: ActivationDType;
  /** E4M3: addresses of f32 [M] and f32 [N]. Row m of A and column n of op(B) are multiplied by scales.a[m] and scales.b[n]. */
  readonly scales?: { readonly a: number; readonly b: number };
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

/** Element type of C. */
export function outputType({ dtype, outDType }: Product): ActivationDType {
  if (outDType) return outDType;
  if (dtype === "e4m3") throw new RangeError("a product of E4M3 operands must say the type of its result");
  return dtype;
}

/** Everything the choice of an algorithm depends on. */
export function planKey(product: Product): string {
  const { a, b, c, M, N, K, dtype, transposeA = false, transposeB = false, beta = 0 } = product;
  const alignments = `${alignmentOf(a.address)},${alignmentOf(b.address)},${alignmentOf(c.address)}`;
  return `${M}x${N}x${K} ${transposeA ? "T" : "N"}${transposeB ? "T" : "N"} ${dtype}>${outputType(product)} b${beta} ld${a.ld},${b.ld},${c.ld} @${alignments}`;
}

/** Stored matrices as column-major layouts [rows, cols, ld], and cuBLASLt's transpose flags (1 is T). */
export function columnMajor({ a, b, c, M, N, K, transposeA = false, transposeB = false }: Product) {
  return {
    first: { rows: transposeB ? K : N, cols: transposeB ? N : K, ld: b.ld, transposed: transposeB ? 1 : 0 },
    second: { rows: transposeA ? M : K, cols: transposeA ? K : M, ld: a.ld, transposed: transposeA ? 1 : 0 },
    out: { rows: N, cols: M, ld: c.ld },
  };
}

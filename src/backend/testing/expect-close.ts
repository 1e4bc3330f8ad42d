/**
 * Compares whole arrays. The error of an element is normalized: |actual − expected| / (|expected| + rms(expected)), so that it is relative
 * where a value is large and measured against the array's own size where a value is near zero. One NaN too many fails; infinities must agree.
 */
import type { DType } from "../backend.ts";

/** The normalized error that each element type may show. */
export const TOLERANCE: Readonly<Record<DType, number>> = {
  // Sums of a few hundred terms in f32 in another order, and exp/tanh polynomials good to about 1e-6.
  f32: 2e-5,
  // Half a unit in the last of 8 bits is 2⁻⁹ = 0.002; results also pass through one or two rounded intermediates (xa, db, P, decoded weights).
  bf16: 1e-2,
  // 11 bits: 2⁻¹² = 0.00024, and the same intermediates.
  f16: 1.5e-3,
  // Numbers that stand for themselves: ids, codes.
  i32: 0,
  u8: 0,
  u64: 0,
};

/** Where everything expected is below this, so may be what is found: exponentials of f32 kernels stop near e⁻⁸⁷ = 1e-38, times activations. */
const NOTHING = 1e-20;

export interface Closeness {
  /** What is compared, for the message. */
  name: string;
  /** Largest normalized error that passes. */
  tolerance: number;
  /** Dimensions, so that the worst element can be named by its indices. */
  shape?: readonly number[];
}

export function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, { name, tolerance, shape }: Closeness): void {
  if (actual.length !== expected.length) throw new Error(`${name}: expected ${expected.length} elements, found ${actual.length}`);
  const scale = rootMeanSquare(expected);
  let worst = -1;
  let worstError = 0;
  let different = 0;
  for (let i = 0; i < expected.length; i++) {
    const error = normalizedError(actual[i]!, expected[i]!, scale);
    if (error > tolerance) different++;
    if (error > worstError) {
      worst = i;
      worstError = error;
    }
  }
  if (different === 0) return;
  const where = indices(worst, shape ?? [expected.length]).join(", ");
  throw new Error(
    `${name}: ${different} of ${expected.length} elements differ. The worst is [${where}]: expected ${expected[worst]}, found ${actual[worst]} ` +
      `(normalized error ${worstError.toPrecision(3)}, allowed ${tolerance}; rms of expected ${scale.toPrecision(3)})`,
  );
}

function normalizedError(actual: number, expected: number, scale: number): number {
  if (Object.is(actual, expected) || actual === expected) return 0;
  if (!Number.isFinite(actual) || !Number.isFinite(expected)) return Number.isNaN(actual) && Number.isNaN(expected) ? 0 : Infinity;
  return Math.abs(actual - expected) / (Math.abs(expected) + scale + NOTHING);
}

/** Of the finite elements. */
function rootMeanSquare(values: ArrayLike<number>): number {
  let squares = 0;
  let count = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (!Number.isFinite(value)) continue;
    squares += value * value;
    count++;
  }
  return count === 0 ? 0 : Math.sqrt(squares / count);
}

function indices(flat: number, shape: readonly number[]): number[] {
  const result: number[] = [];
  let rest = flat;
  for (const size of [...shape].reverse()) {
    result.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  return result;
}

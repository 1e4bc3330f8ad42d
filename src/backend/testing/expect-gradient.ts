/**
 * The third oracle: a hand-written backward against central differences of its forward, on the reference kernels (f64 inside, f32 results).
 *
 *   ∂L/∂x_i ≈ (L(x + ε e_i) − L(x − ε e_i)) / 2ε,   L = Σ cotangent · output
 * With ε = 1e-2 on values near 1, rounding the outputs to f32 costs about 1e-5 and the third derivative about 1e-4 of the gradient's size.
 */
import type { Operand } from "../backend.ts";
import { encode } from "./number-codec.ts";
import type { TestArrays } from "./test-arrays.ts";

export interface GradientCheck {
  name: string;
  arrays: TestArrays;
  /** f32 operand that is varied, and its values. */
  input: Operand;
  values: ArrayLike<number>;
  /** What backward says, one per element. */
  gradient: ArrayLike<number>;
  /** Runs forward on the operands as they are and gives L. */
  loss: () => Promise<number>;
  /** Elements to try, spread evenly; all of them when there are fewer. @default 24 */
  samples?: number;
  epsilon?: number;
  tolerance?: number;
}

export async function expectGradient(check: GradientCheck): Promise<void> {
  const { arrays, input, gradient, loss, samples = 24, epsilon = 1e-2, tolerance = 2e-3 } = check;
  const values = Float32Array.from(check.values);
  const scale = Math.sqrt(Array.from(gradient).reduce((sum, g) => sum + g * g, 0) / gradient.length);
  if (!(scale > 0)) throw new Error(`${check.name}: the gradient is zero or not a number everywhere`);
  const step = Math.max(1, values.length / samples);
  for (let position = 0; position < values.length; position += step) {
    const i = Math.floor(position);
    const original = values[i]!;
    const high = Math.fround(original + epsilon);
    const low = Math.fround(original - epsilon);
    const difference = (await lossAt(high)) - (await lossAt(low));
    set(original);
    const numeric = difference / (high - low);
    const error = Math.abs(numeric - gradient[i]!) / (Math.abs(numeric) + scale);
    if (!(error <= tolerance)) {
      throw new Error(
        `${check.name}: element ${i} of ${values.length}: central difference ${numeric}, backward ${gradient[i]} (normalized error ${error})`,
      );
    }

    function set(value: number): void {
      values[i] = value;
      arrays.backend.upload(input, encode("f32", values));
    }
    async function lossAt(value: number): Promise<number> {
      set(value);
      return loss();
    }
  }
}

/** Σ a · b */
export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < a.length; i++) total += a[i]! * b[i]!;
  return total;
}

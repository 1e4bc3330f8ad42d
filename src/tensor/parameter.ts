/**
 * What the optimizer changes and what it leaves alone. A parameter's compute copy is what ops read; its gradient, when there is one, is f32
 * and ADDED to by backward. Frozen parameters have no gradient and cost nothing.
 */
import type { Operand, WeightOperand } from "../backend/backend.ts";
import type { Tensor } from "./tensor.ts";

/** A vector that ops read in f32: a norm's weight, a bias. */
export interface VectorParameter {
  /** Name in the checkpoint: `model.norm.weight`. */
  readonly path: string;
  readonly value: Tensor; // f32 [n]
  gradient?: Operand; // f32 [n]
}

/** A weight matrix, dense or quantized. */
export interface MatrixParameter {
  readonly path: string;
  weight: WeightOperand; // [rows, cols]
  /** Owns the weight's memory. */
  readonly owned: readonly { release(by?: string): void }[];
  gradient?: Operand; // f32 [rows, cols]
}

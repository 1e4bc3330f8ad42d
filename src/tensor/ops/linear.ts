/**
 * A group of linears that share their input, each with an optional low-rank update, outputs side by side:
 *
 *   y[:, part] = x W_partᵀ + bias + scale · (drop(x) A_partᵀ) B_partᵀ
 *
 * W may be dense or quantized and is usually frozen; A and B are f32 and receive gradients. With dense trainable weights (all-weights
 * training) each part also has a gradient dW += dYᵀ x.
 * Keeps for backward: x (or its recipe) and x Aᵀ (ΣR values a row); nothing but the gradient's path when everything is frozen.
 * Source: LoRA, arXiv:2106.09685 · QLoRA, arXiv:2305.14314.
 */
import type { LinearOperand, Operand } from "../../backend/backend.ts";
import { ShapeError } from "../../errors/shape-error.ts";
import type { Tape } from "../tape.ts";
import type { Tensor } from "../tensor.ts";

/** What the op needs to know of a group; `nn/linear-group.ts` makes it. */
export interface LinearOp {
  readonly path: string;
  readonly operand: LinearOperand;
  readonly inFeatures: number;
  readonly outFeatures: number;
  /** ΣR over the parts; 0 without adapters. */
  readonly rankTotal: number;
  /** Per part, in all-weights training: f32 [Out, In]. */
  readonly weightGradients: readonly (Operand | undefined)[];
  readonly biasGradient?: Operand; // f32 [ΣOut]
}

/** @param x act [N, In]  @returns act [N, ΣOut]  @throws ShapeError when x does not end in In */
export function linear(tape: Tape, x: Tensor, op: LinearOp): Tensor {
  const rows = x.shape[0]!;
  if (x.shape[1] !== op.inFeatures) throw new ShapeError(op.path, [rows, op.inFeatures], x.shape);
  const y = tape.allocate(x.dtype, [rows, op.outFeatures], `output of ${op.path}`);
  const xa = op.rankTotal > 0 ? tape.allocate(x.dtype, [rows, op.rankTotal], `x Aᵀ of ${op.path}`) : null;
  tape.backend.linearForward(op.operand, x, y, xa);

  const trainsAdapter = xa !== null && op.operand.parts.some((part) => part.lora?.aGradient);
  const trainsWeights = op.weightGradients.some((gradient) => gradient !== undefined);
  if (!tape.needsGradient([x], trainsAdapter || trainsWeights)) return y;

  y.gradientReader = op.operand;
  const keptX = trainsAdapter || trainsWeights ? tape.keep(x) : undefined;
  const keptXa = trainsAdapter ? tape.keep(xa) : undefined;
  tape.record({
    name: op.path,
    inputs: [x],
    outputs: [y],
    kept: [keptX, keptXa].filter((kept) => kept !== undefined),
    backward([dY]) {
      if (!dY) return [undefined];
      const dX = x.requiresGradient ? tape.allocate(x.dtype, x.shape, `gradient of the input of ${op.path}`) : undefined;
      const db = op.rankTotal > 0 ? tape.allocate(x.dtype, [rows, op.rankTotal], `dY B of ${op.path}`) : null;
      if (dX || db) tape.backend.linearBackwardInput(op.operand, dY, dX ?? null, db, keptXa?.get());
      const input = keptX?.get();
      if (input && trainsAdapter && db) tape.backend.loraBackwardA(op.operand, input, db);
      if (input && trainsWeights) addWeightGradients(tape, op, input, dY);
      return [dX];
    },
  });
  return y;
}

function addWeightGradients(tape: Tape, op: LinearOp, x: Tensor, dY: Tensor): void {
  let column = 0;
  for (const [index, part] of op.operand.parts.entries()) {
    const gradient = op.weightGradients[index];
    const bias = op.biasGradient ? biasSlice(op.biasGradient, column, part.weight.rows) : null;
    if (gradient) tape.backend.linearBackwardWeight(x, dY, gradient, bias, column);
    column += part.weight.rows;
  }
}

function biasSlice(bias: Operand, column: number, count: number): Operand {
  return { memory: bias.memory, byteOffset: bias.byteOffset + 4 * column, dtype: "f32", shape: [count] };
}

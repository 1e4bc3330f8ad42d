/**
 * Rotary position on the query and key heads of a packed qkv matrix, with the heads' own RMS norm first where the model has one.
 * Without norms it works in place, forward and backward: the rotation is orthogonal, its transpose turns the gradient back.
 * With norms the raw qkv is kept (the norm's backward reads it) and the result is another array.
 * Source: Su et al. 2021, arXiv:2104.09864.
 */
import type { HeadShape, RopeOperand } from "../../backend/backend.ts";
import type { VectorParameter } from "../parameter.ts";
import type { Tape } from "../tape.ts";
import type { Tensor } from "../tensor.ts";

export interface RopeOp extends HeadShape {
  readonly table: Tensor; // f32 [positions, rotary/2, 2]
  readonly rotary: number;
  readonly queryNorm?: VectorParameter;
  readonly keyNorm?: VectorParameter;
  readonly eps: number;
}

/** @param qkv act [N, (H+2K)·D]; its contents are replaced when there are no norms  @param positions i32 [N] */
export function rope(tape: Tape, qkv: Tensor, positions: Tensor, op: RopeOp): Tensor {
  const operand: RopeOperand = {
    table: op.table,
    rotary: op.rotary,
    queryNorm: op.queryNorm?.value,
    keyNorm: op.keyNorm?.value,
    eps: op.eps,
  };
  const normed = op.queryNorm !== undefined;
  const out = normed ? tape.allocate(qkv.dtype, qkv.shape, "rotated qkv") : qkv.view(qkv.shape);
  tape.backend.ropeForward(operand, op, qkv, positions, out);
  if (!tape.needsGradient([qkv], op.queryNorm?.gradient !== undefined)) return out;

  const keptQkv = normed ? tape.keep(qkv) : undefined;
  const keptPositions = tape.keep(positions);
  tape.record({
    name: "rope",
    inputs: [qkv],
    outputs: [out],
    kept: keptQkv ? [keptQkv, keptPositions] : [keptPositions],
    backward([dOut]) {
      if (!dOut) return [undefined];
      const dQkv = dOut.isSoleOwner ? dOut : tape.allocate(qkv.dtype, qkv.shape, "gradient of qkv");
      tape.backend.ropeBackward(
        operand,
        op,
        keptQkv?.get() ?? null,
        keptPositions.get(),
        dOut,
        dQkv,
        op.queryNorm?.gradient ?? null,
        op.keyNorm?.gradient ?? null,
        qkv.gradientReader,
      );
      return [dQkv];
    },
  });
  return out;
}

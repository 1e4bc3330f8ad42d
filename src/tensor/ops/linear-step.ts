/**
 * A group of linears for few rows with what stands around it, in one launch where the device has such a kernel:
 *
 *   y = rms_norm(x) · norm Wᵀ + bias [+ residual]        or        act(first part) · second part
 *
 * Only for asking: nothing is recorded, and adapters are left to the op by itself.
 */
import type { GatedKind, LinearOperand } from "../../backend/backend.ts";
import type { VectorParameter } from "../parameter.ts";
import type { Tape } from "../tape.ts";
import type { Tensor } from "../tensor.ts";
import type { LinearOp } from "./linear.ts";

export interface StepSurroundings {
  readonly norm?: VectorParameter;
  readonly eps?: number;
  /** act [N, ΣOut]. */
  readonly residual?: Tensor;
  readonly gate?: GatedKind;
  /** What will run next. */
  readonly next?: LinearOperand;
}

/** @param x act [N, In]  @returns act [N, ΣOut], with a gate [N, ΣOut / 2]; null when the ops must run one by one */
export function linearStep(tape: Tape, x: Tensor, op: LinearOp, { norm, eps, residual, gate, next }: StepSurroundings): Tensor | null {
  const { backend } = tape;
  if (!backend.linearStep || tape.isTraining || op.rankTotal > 0) return null;
  const y = tape.allocate(x.dtype, [x.shape[0]!, gate ? op.outFeatures / 2 : op.outFeatures], `output of ${op.path}`);
  if (backend.linearStep(op.operand, x, y, { norm: norm?.value, eps, residual, gate, next })) return y;
  tape.free(y);
  return null;
}

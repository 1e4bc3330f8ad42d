/** Gradient norm, loss scaling, AdamW with f32 or 8-bit state. */
import type { AdamWOperand, Operand } from "../../backend.ts";
import { adamwSizes, gradientNormSizes, scaleLossSizes, updateLossScaleSizes } from "../../shapes/optimizer.ts";
import { OK } from "../bindings.generated.ts";
import { nextLossScale } from "../loss-scale.ts";
import type { NativeCall } from "../native-call.ts";
import { DTYPE_CODES } from "../native-codes.ts";

export function gradientNorm(call: NativeCall, gradients: Operand, norm: Operand, maxNorm: number): void {
  const { count } = gradientNormSizes(gradients, norm);
  const ctx = call.enter("gradientNorm");
  call.leave(call.library.remora_gradient_norm(ctx, call.in(gradients), call.out(norm), count, maxNorm));
}

export function scaleLoss(call: NativeCall, scaling: Operand, factor: Operand, lossScale: Operand): void {
  scaleLossSizes(scaling, factor, lossScale);
  call.enter("scaleLoss");
  call.writeFloats(lossScale, [call.readFloats(factor)[0]! * call.readFloats(scaling)[0]!]);
  call.leave(OK);
}

export function updateLossScale(
  call: NativeCall,
  norm: Operand,
  scaling: Operand,
  options: { maxNorm: number; growthInterval: number },
): void {
  updateLossScaleSizes(norm, scaling);
  call.enter("updateLossScale");
  const next = nextLossScale(call.readFloats(norm)[0]!, [...call.readFloats(scaling)], options);
  call.writeFloats(norm, next.norm);
  call.writeFloats(scaling, next.scaling);
  call.leave(OK);
}

export function adamw(call: NativeCall, state: AdamWOperand): void {
  const { count, eightBit, outDType } = adamwSizes(state);
  const ctx = call.enter("adamw");
  if (call.readFloats(state.clip)[0]! < 0) return; // the gradients overflowed: this step changes nothing
  const inputs = [call.in(state.gradients), call.in(state.hyper), call.in(state.clip)] as const;
  const moments = [call.out(state.params), call.out(state.m), call.out(state.v)] as const;
  const last = [call.out(state.weightsOut), count, DTYPE_CODES[outDType]] as const;
  if (eightBit) {
    const scales = [call.out(state.mScales), call.out(state.vScales)] as const;
    call.leave(call.library.remora_adamw_8bit(ctx, ...inputs, ...moments, ...scales, ...last));
  } else {
    call.leave(call.library.remora_adamw(ctx, ...inputs, ...moments, ...last));
  }
}

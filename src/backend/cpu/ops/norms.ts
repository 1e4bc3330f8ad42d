/** RMS norm and layer norm. */
import type { Operand } from "../../backend.ts";
import { layerNormForwardSizes, rmsNormApplySizes, rmsNormBackwardSizes, rmsNormForwardSizes } from "../../shapes/norms.ts";
import type { NativeCall } from "../native-call.ts";
import { DTYPE_CODES } from "../native-codes.ts";

export function rmsNormForward(
  call: NativeCall,
  x: Operand,
  residual: Operand | null,
  weight: Operand,
  sum: Operand | null,
  y: Operand,
  rstd: Operand | null,
  eps: number,
): void {
  const { N, C, dtype } = rmsNormForwardSizes(x, residual, weight, sum, y, rstd);
  const ctx = call.enter("rmsNormForward");
  const inputs = [call.in(x), call.in(residual), call.in(weight)] as const;
  const outputs = [call.out(sum), call.out(y), call.out(rstd)] as const;
  call.leave(call.library.remora_rms_norm_forward(ctx, ...inputs, ...outputs, N, C, DTYPE_CODES[dtype], eps));
}

export function rmsNormBackward(
  call: NativeCall,
  s: Operand,
  weight: Operand,
  rstd: Operand,
  dY: Operand,
  dResidual: Operand | null,
  dSum: Operand,
  weightGradient: Operand | null,
): void {
  const { N, C, dtype } = rmsNormBackwardSizes(s, weight, rstd, dY, dResidual, dSum, weightGradient);
  const ctx = call.enter("rmsNormBackward");
  const inputs = [call.in(s), call.in(weight), call.in(rstd), call.in(dY), call.in(dResidual)] as const;
  const outputs = [call.out(dSum), call.out(weightGradient)] as const;
  call.leave(call.library.remora_rms_norm_backward(ctx, ...inputs, ...outputs, N, C, DTYPE_CODES[dtype]));
}

export function rmsNormApply(call: NativeCall, s: Operand, weight: Operand, rstd: Operand, y: Operand): void {
  const { N, C, dtype } = rmsNormApplySizes(s, weight, rstd, y);
  const ctx = call.enter("rmsNormApply");
  call.leave(call.library.remora_rms_norm_apply(ctx, call.in(s), call.in(weight), call.in(rstd), call.out(y), N, C, DTYPE_CODES[dtype]));
}

export function layerNormForward(
  call: NativeCall,
  x: Operand,
  residual: Operand | null,
  weight: Operand,
  bias: Operand,
  y: Operand,
  eps: number,
): void {
  const { N, C, dtype } = layerNormForwardSizes(x, residual, weight, bias, y);
  const ctx = call.enter("layerNormForward");
  const inputs = [call.in(x), call.in(residual), call.in(weight), call.in(bias)] as const;
  call.leave(call.library.remora_layer_norm_forward(ctx, ...inputs, call.out(y), N, C, DTYPE_CODES[dtype], eps));
}

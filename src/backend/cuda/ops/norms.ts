/** RMS norm and layer norm. Kernels: rms_norm.cu, layer_norm.cu. */
import type { LinearOperand, Operand } from "../../backend.ts";
import { layerNormForwardSizes, rmsNormApplySizes, rmsNormBackwardSizes, rmsNormForwardSizes } from "../../shapes/norms.ts";
import type { CudaRuntime } from "../cuda-runtime.ts";
import { roundedFor } from "./fp8-products.ts";
import { blocks, gridRows } from "./grids.ts";
import type { LinearStates } from "./linear-state.ts";

/** Widest row that one warp keeps in registers. */
const WARP_WIDTH = 2048;

function rowStrategy(N: number, C: number): { name: string; grid: number } {
  return C <= WARP_WIDTH ? { name: "warp_per_row", grid: blocks(N, 8) } : { name: "block_per_row", grid: N };
}

export function rmsNormForward(
  cuda: CudaRuntime,
  states: LinearStates,
  x: Operand,
  residual: Operand | null,
  weight: Operand,
  sum: Operand | null,
  y: Operand,
  rstd: Operand | null,
  eps: number,
  reader?: LinearOperand,
): void {
  const { N, C, dtype } = rmsNormForwardSizes(x, residual, weight, sum, y, rstd);
  const inputs = [cuda.in(x), cuda.optionalIn(residual), cuda.in(weight)];
  const outputs = [cuda.optionalOut(sum), cuda.out(y), cuda.optionalOut(rstd)] as const;
  const arrays = [...inputs, outputs[0], outputs[1]];
  const rounded = roundedFor(cuda, states, reader, "forward", { address: outputs[1], N, C, dtype, arrays });
  if (rounded) {
    cuda.launch("rms_norm_forward_rounded_bf16", N, [...inputs, ...outputs, rounded.codes, rounded.scales, N, C, eps]);
    return;
  }
  const { name, grid } = rowStrategy(N, C);
  cuda.launch(`rms_norm_forward_${name}_${dtype}`, grid, [...inputs, ...outputs, N, C, eps]);
}

export function rmsNormBackward(
  cuda: CudaRuntime,
  states: LinearStates,
  s: Operand,
  weight: Operand,
  rstd: Operand,
  dY: Operand,
  dResidual: Operand | null,
  dSum: Operand,
  weightGradient: Operand | null,
  reader?: LinearOperand,
): void {
  const { N, C, dtype } = rmsNormBackwardSizes(s, weight, rstd, dY, dResidual, dSum, weightGradient);
  // First: dSum may take the place of what this reads.
  if (weightGradient) {
    const rows = Math.max(16, blocks(N, 256));
    const chunks = blocks(N, rows);
    const partials = cuda.scratch.take("norm partials", chunks * C * 4);
    const grid = { x: blocks(C, 2048), y: chunks };
    cuda.launch(`rms_norm_weight_gradient_partials_${dtype}`, grid, [cuda.in(s), cuda.in(rstd), cuda.in(dY), partials, N, C, rows]);
    cuda.launch("add_partials_f32", blocks(C, 256), [partials, cuda.out(weightGradient), chunks, C, 1]);
  }
  const arrays = [cuda.in(s), cuda.in(weight), cuda.in(rstd), cuda.in(dY), cuda.optionalIn(dResidual), cuda.out(dSum)] as const;
  const rounded = roundedFor(cuda, states, reader, "backward", { address: arrays[5], N, C, dtype, arrays });
  if (rounded) {
    const { exponents, codes, scales } = rounded;
    cuda.launch("rms_norm_backward_rounded_bf16", N, [...arrays, exponents, codes, scales, N, C]);
    return;
  }
  const { name, grid } = rowStrategy(N, C);
  cuda.launch(`rms_norm_backward_${name}_${dtype}`, grid, [...arrays, N, C]);
}

export function rmsNormApply(cuda: CudaRuntime, s: Operand, weight: Operand, rstd: Operand, y: Operand): void {
  const { N, C, dtype } = rmsNormApplySizes(s, weight, rstd, y);
  const grid = { x: blocks(C, 2048), y: gridRows(N) };
  cuda.launch(`rms_norm_apply_${dtype}`, grid, [cuda.in(s), cuda.in(weight), cuda.in(rstd), cuda.out(y), N, C]);
}

export function layerNormForward(
  cuda: CudaRuntime,
  x: Operand,
  residual: Operand | null,
  weight: Operand,
  bias: Operand,
  y: Operand,
  eps: number,
): void {
  const { N, C, dtype } = layerNormForwardSizes(x, residual, weight, bias, y);
  const inputs = [cuda.in(x), cuda.optionalIn(residual), cuda.in(weight), cuda.in(bias)];
  cuda.launch(`layer_norm_forward_warp_per_row_${dtype}`, blocks(N, 8), [...inputs, cuda.out(y), N, C, eps]);
}

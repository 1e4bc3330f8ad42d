/** Gradient norm, loss scaling, AdamW with f32 or 8-bit state. Kernels: optimizer.cu. */
import type { AdamWOperand, Operand } from "../../backend.ts";
import { adamwSizes, gradientNormSizes, scaleLossSizes, updateLossScaleSizes } from "../../shapes/optimizer.ts";
import type { CudaRuntime } from "../cuda-runtime.ts";
import type { ConstantTables } from "./constant-tables.ts";
import { sumPartials } from "./elementwise.ts";
import { blocks, strideBlocks } from "./grids.ts";

export function gradientNorm(cuda: CudaRuntime, gradients: Operand, norm: Operand, maxNorm: number): void {
  const { count } = gradientNormSizes(gradients, norm);
  const { address, parts } = sumPartials(cuda, "gradient_norm_partials_f32", cuda.in(gradients), count);
  cuda.launch("gradient_norm_final_f32", 1, [address, cuda.out(norm), parts, maxNorm]);
}

export function scaleLoss(cuda: CudaRuntime, scaling: Operand, factor: Operand, lossScale: Operand): void {
  scaleLossSizes(scaling, factor, lossScale);
  cuda.launch("scale_loss", 1, [cuda.in(scaling), cuda.in(factor), cuda.out(lossScale)]);
}

export function updateLossScale(
  cuda: CudaRuntime,
  norm: Operand,
  scaling: Operand,
  { maxNorm, growthInterval }: { maxNorm: number; growthInterval: number },
): void {
  updateLossScaleSizes(norm, scaling);
  cuda.launch("update_loss_scale", 1, [cuda.out(norm), cuda.out(scaling), maxNorm, growthInterval]);
}

export function adamw(cuda: CudaRuntime, tables: ConstantTables, state: AdamWOperand): void {
  const { count, eightBit, outDType } = adamwSizes(state);
  const inputs = [cuda.in(state.gradients), cuda.in(state.hyper), cuda.in(state.clip)];
  const moments = [cuda.out(state.params), cuda.out(state.m), cuda.out(state.v)];
  const copy = cuda.optionalOut(state.weightsOut);
  if (eightBit) {
    const scales = [cuda.optionalOut(state.mScales), cuda.optionalOut(state.vScales)];
    const { signed, unsigned } = tables.dynamicMaps();
    const grid = Math.min(blocks(count, 256), 8192);
    cuda.launch(`adamw_8bit_block_per_256_${outDType}`, grid, [...inputs, ...moments, ...scales, signed, unsigned, copy, count]);
  } else {
    cuda.launch(`adamw_${outDType}`, strideBlocks(count, 1024), [...inputs, ...moments, copy, count]);
  }
}

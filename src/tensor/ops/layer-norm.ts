/**
 * Layer norm with bias, alone or with the residual addition before it: `y = (s − mean)·rstd·w + b`, `s = x + residual`.
 * For encoders, which only compute forwards here: nothing is kept and there is no backward.
 * Source: Ba et al. 2016, arXiv:1607.06450.
 */
import type { VectorParameter } from "../parameter.ts";
import type { Tape } from "../tape.ts";
import type { Tensor } from "../tensor.ts";

export interface LayerNormParameters {
  readonly weight: VectorParameter; // [C]
  readonly bias: VectorParameter; // [C]
}

/** @param x, residual act [N, C]  @returns act [N, C] */
export function layerNorm(tape: Tape, x: Tensor, residual: Tensor | null, norm: LayerNormParameters, eps: number): Tensor {
  if (tape.needsGradient([x, residual])) throw new Error(`${norm.weight.path}: layer norm has no backward`);
  const y = tape.allocate(x.dtype, x.shape, `output of ${norm.weight.path}`);
  tape.backend.layerNormForward(x, residual, norm.weight.value, norm.bias.value, y, eps);
  return y;
}

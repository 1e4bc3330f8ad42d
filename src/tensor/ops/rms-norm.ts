/**
 * Root-mean-square norm, alone or with the residual addition before it.
 *
 *   s = x + residual        y[n,c] = s[n,c] · rstd[n] · w[c]        rstd[n] = 1/√(mean_c s² + ε)
 *
 * Keeps for backward: s and rstd (one f32 a row). y is cheap to make again from them, so it carries a recipe.
 * Source: Zhang & Sennrich 2019, arXiv:1910.07467.
 */
import type { LinearOperand } from "../../backend/backend.ts";
import type { VectorParameter } from "../parameter.ts";
import type { Tape } from "../tape.ts";
import type { Tensor } from "../tensor.ts";

/** @param x act [N, C]  @param reader the linear that reads y next  @returns y, act [N, C] */
export function rmsNorm(tape: Tape, x: Tensor, weight: VectorParameter, eps: number, reader?: LinearOperand): Tensor {
  return normalize(tape, x, null, weight, eps, reader).y;
}

/** @param x, residual act [N, C]  @param reader as above  @returns sum (the new residual stream) and y, act [N, C] */
export function addRmsNorm(
  tape: Tape,
  x: Tensor,
  residual: Tensor,
  weight: VectorParameter,
  eps: number,
  reader?: LinearOperand,
): { sum: Tensor; y: Tensor } {
  return normalize(tape, x, residual, weight, eps, reader);
}

function normalize(
  tape: Tape,
  x: Tensor,
  residual: Tensor | null,
  weight: VectorParameter,
  eps: number,
  reader: LinearOperand | undefined,
): { sum: Tensor; y: Tensor } {
  const rows = x.shape[0]!;
  const needsGradient = tape.needsGradient([x, residual], weight.gradient !== undefined);
  const sum = residual ? tape.allocate(x.dtype, x.shape, "residual stream") : x;
  const y = tape.allocate(x.dtype, x.shape, `output of ${weight.path}`);
  const rstd = needsGradient ? tape.allocate("f32", [rows], `rstd of ${weight.path}`) : null;
  tape.backend.rmsNormForward(x, residual, weight.value, residual ? sum : null, y, rstd, eps, reader);
  if (!rstd) return { sum, y };

  y.recipe = {
    needs: [sum, rstd],
    make() {
      const again = tape.allocate(x.dtype, x.shape, `output of ${weight.path}, again`);
      tape.backend.rmsNormApply(sum, weight.value, rstd, again);
      return again;
    },
  };
  const kept = [tape.keep(sum), tape.keep(rstd)];
  tape.record({
    name: weight.path,
    inputs: [x, residual],
    outputs: residual ? [sum, y] : [y],
    kept,
    backward(dOutputs) {
      const [dResidualStream, dY] = residual ? dOutputs : [undefined, dOutputs[0]];
      // Nothing flowed through y (a model cut short): the sum's gradient passes unchanged.
      if (!dY) return [dResidualStream, dResidualStream];
      const dSum = dResidualStream?.isSoleOwner ? dResidualStream : tape.allocate(x.dtype, x.shape, `gradient of ${sum.label}`);
      tape.backend.rmsNormBackward(
        kept[0]!.get(),
        weight.value,
        kept[1]!.get(),
        dY,
        dResidualStream ?? null,
        dSum,
        weight.gradient ?? null,
        (residual ?? x).gradientReader,
      );
      return [dSum, dSum];
    },
  });
  return { sum, y };
}

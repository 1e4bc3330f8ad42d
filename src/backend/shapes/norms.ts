/** Sizes of the norms, checked: x [N, C], weight f32 [C], rstd f32 [N]. */

import { ShapeError } from "../../errors/shape-error.ts";
import type { Operand } from "../backend.ts";
import { expectCount, expectMatrix, matrix } from "../operand-checks.ts";

export function rmsNormForwardSizes(
  x: Operand,
  residual: Operand | null,
  weight: Operand,
  sum: Operand | null,
  y: Operand,
  rstd: Operand | null,
) {
  const op = "rmsNormForward";
  const { N, width: C, dtype } = matrix(op, "x", x);
  if (residual) expectMatrix(op, "residual", residual, N, C, dtype);
  expectCount(op, "weight", weight, C, "f32");
  if (sum) expectMatrix(op, "sum", sum, N, C, dtype);
  else if (residual) throw new ShapeError(`${op}: sum`, [N, C], "nothing", "With a residual, the sum must have a place to be written.");
  expectMatrix(op, "y", y, N, C, dtype);
  if (rstd) expectCount(op, "rstd", rstd, N, "f32");
  return { N, C, dtype };
}

export function rmsNormBackwardSizes(
  s: Operand,
  weight: Operand,
  rstd: Operand,
  dY: Operand,
  dResidual: Operand | null,
  dSum: Operand,
  weightGradient: Operand | null,
) {
  const op = "rmsNormBackward";
  const { N, width: C, dtype } = matrix(op, "s", s);
  expectCount(op, "weight", weight, C, "f32");
  expectCount(op, "rstd", rstd, N, "f32");
  expectMatrix(op, "dY", dY, N, C, dtype);
  if (dResidual) expectMatrix(op, "dResidual", dResidual, N, C, dtype);
  expectMatrix(op, "dSum", dSum, N, C, dtype);
  if (weightGradient) expectCount(op, "weightGradient", weightGradient, C, "f32");
  return { N, C, dtype };
}

export function rmsNormApplySizes(s: Operand, weight: Operand, rstd: Operand, y: Operand) {
  const op = "rmsNormApply";
  const { N, width: C, dtype } = matrix(op, "s", s);
  expectCount(op, "weight", weight, C, "f32");
  expectCount(op, "rstd", rstd, N, "f32");
  expectMatrix(op, "y", y, N, C, dtype);
  return { N, C, dtype };
}

export function layerNormForwardSizes(x: Operand, residual: Operand | null, weight: Operand, bias: Operand, y: Operand) {
  const op = "layerNormForward";
  const { N, width: C, dtype } = matrix(op, "x", x);
  if (residual) expectMatrix(op, "residual", residual, N, C, dtype);
  expectCount(op, "weight", weight, C, "f32");
  expectCount(op, "bias", bias, C, "f32");
  expectMatrix(op, "y", y, N, C, dtype);
  return { N, C, dtype };
}

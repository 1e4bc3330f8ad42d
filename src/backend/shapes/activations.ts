/** Sizes of the gated MLP and GELU, checked: gateUp [N, 2F], y [N, F]. */
import { ShapeError } from "../../errors/shape-error.ts";
import type { Operand } from "../backend.ts";
import { elementCount } from "../element-types.ts";
import { expectCount, expectMatrix, matrix } from "../operand-checks.ts";

function gatedSizes(op: string, gateUp: Operand) {
  const { N, width, dtype } = matrix(op, "gateUp", gateUp);
  if (width % 2 !== 0) throw new ShapeError(`${op}: gateUp`, "an even width, gate then up", gateUp.shape);
  return { N, F: width / 2, dtype };
}

export function gatedForwardSizes(gateUp: Operand, y: Operand) {
  const sizes = gatedSizes("gatedForward", gateUp);
  expectMatrix("gatedForward", "y", y, sizes.N, sizes.F, sizes.dtype);
  return sizes;
}

export function gatedBackwardSizes(gateUp: Operand, dY: Operand, dGateUp: Operand) {
  const sizes = gatedSizes("gatedBackward", gateUp);
  expectMatrix("gatedBackward", "dY", dY, sizes.N, sizes.F, sizes.dtype);
  expectMatrix("gatedBackward", "dGateUp", dGateUp, sizes.N, 2 * sizes.F, sizes.dtype);
  return sizes;
}

export function geluForwardSizes(x: Operand, y: Operand) {
  const { dtype } = matrix("geluForward", "x", x);
  const count = elementCount(x);
  expectCount("geluForward", "y", y, count, dtype);
  return { count, dtype };
}

/**
 * GELU alone, `y = x · Φ(x)` exactly (`erf`) or in its tanh form. For encoders: forward only, like layer norm.
 * Source: Hendrycks & Gimpel 2016, arXiv:1606.08415.
 */
import type { Tape } from "../tape.ts";
import type { Tensor } from "../tensor.ts";

export type GeluKind = "erf" | "tanh";

/** @param x act [N, F]  @returns act [N, F] */
export function gelu(tape: Tape, x: Tensor, kind: GeluKind): Tensor {
  if (tape.needsGradient([x])) throw new Error("gelu has no backward");
  const y = tape.allocate(x.dtype, x.shape, "gelu");
  tape.backend.geluForward(x, y, kind);
  return y;
}

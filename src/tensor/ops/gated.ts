/**
 * Gated MLP activation: `y = f(gate) · up` with f = SiLU (SwiGLU) or GELU in its tanh form (GeGLU).
 * Keeps gate and up; y is cheap to make again, so it carries a recipe. Backward writes the gradient over gate and up.
 * Source: Shazeer 2020, arXiv:2002.05202.
 */
import type { GatedKind, LinearOperand } from "../../backend/backend.ts";
import type { Tape } from "../tape.ts";
import type { Tensor } from "../tensor.ts";

/** @param gateUp act [N, 2F]: gate, then up  @param reader the linear that reads y next  @returns act [N, F] */
export function gated(tape: Tape, gateUp: Tensor, kind: GatedKind, reader?: LinearOperand): Tensor {
  const [rows, width] = gateUp.shape as [number, number];
  const shape = [rows, width / 2];
  const y = tape.allocate(gateUp.dtype, shape, "gated activation");
  tape.backend.gatedForward(gateUp, y, kind, reader);
  if (!tape.needsGradient([gateUp])) return y;

  y.recipe = {
    needs: [gateUp],
    make() {
      const again = tape.allocate(gateUp.dtype, shape, "gated activation, again");
      tape.backend.gatedForward(gateUp, again, kind);
      return again;
    },
  };
  const kept = tape.keep(gateUp);
  tape.record({
    name: "gated",
    inputs: [gateUp],
    outputs: [y],
    kept: [kept],
    backward([dY]) {
      if (!dY) return [undefined];
      const values = kept.get();
      // The values are read for the last time here, so the gradient may take their place when nobody else holds them.
      const dGateUp = values.isSoleOwner ? values.view(values.shape) : tape.allocate(values.dtype, values.shape, "gradient of gate and up");
      tape.backend.gatedBackward(values, dY, dGateUp, kind, gateUp.gradientReader);
      return [dGateUp];
    },
  });
  return y;
}

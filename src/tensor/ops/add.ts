/** Sum of two activations, for where no norm follows to carry it: `y = x + residual`. Both gradients are the output's. */
import type { Tape } from "../tape.ts";
import type { Tensor } from "../tensor.ts";

export function add(tape: Tape, x: Tensor, residual: Tensor): Tensor {
  const y = tape.allocate(x.dtype, x.shape, "residual stream");
  tape.backend.copy(x, y);
  tape.backend.add(residual, y, 1);
  if (tape.needsGradient([x, residual])) {
    tape.record({ name: "add", inputs: [x, residual], outputs: [y], kept: [], backward: ([dY]) => [dY, dY] });
  }
  return y;
}

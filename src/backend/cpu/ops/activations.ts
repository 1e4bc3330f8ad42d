/** Gated MLP activations and GELU. */
import type { GatedKind, Operand } from "../../backend.ts";
import { gatedBackwardSizes, gatedForwardSizes, geluForwardSizes } from "../../shapes/activations.ts";
import type { NativeCall } from "../native-call.ts";
import { DTYPE_CODES } from "../native-codes.ts";

export function gatedForward(call: NativeCall, gateUp: Operand, y: Operand, kind: GatedKind): void {
  const { N, F, dtype } = gatedForwardSizes(gateUp, y);
  const ctx = call.enter("gatedForward");
  call.leave(call.library.remora_gated_forward(ctx, call.in(gateUp), call.out(y), N, F, DTYPE_CODES[dtype], kind === "silu" ? 0 : 1));
}

export function gatedBackward(call: NativeCall, gateUp: Operand, dY: Operand, dGateUp: Operand, kind: GatedKind): void {
  const { N, F, dtype } = gatedBackwardSizes(gateUp, dY, dGateUp);
  const ctx = call.enter("gatedBackward");
  const operands = [call.in(gateUp), call.in(dY), call.out(dGateUp)] as const;
  call.leave(call.library.remora_gated_backward(ctx, ...operands, N, F, DTYPE_CODES[dtype], kind === "silu" ? 0 : 1));
}

export function geluForward(call: NativeCall, x: Operand, y: Operand, kind: "erf" | "tanh"): void {
  const { count, dtype } = geluForwardSizes(x, y);
  const ctx = call.enter("geluForward");
  call.leave(call.library.remora_gelu_forward(ctx, call.in(x), call.out(y), count, DTYPE_CODES[dtype], kind === "erf" ? 0 : 1));
}

/** Gated MLP and GELU. Kernels: gated.cu. */
import type { GatedKind, LinearOperand, Operand } from "../../backend.ts";
import { gatedBackwardSizes, gatedForwardSizes, geluForwardSizes } from "../../shapes/activations.ts";
import type { CudaRuntime } from "../cuda-runtime.ts";
import { roundedFor } from "./fp8-products.ts";
import { blocks, gridRows, strideBlocks } from "./grids.ts";
import type { LinearStates } from "./linear-state.ts";

const GATED_CODES: Readonly<Record<GatedKind, number>> = { silu: 0, "gelu-tanh": 1 };

export function gatedForward(
  cuda: CudaRuntime,
  states: LinearStates,
  gateUp: Operand,
  y: Operand,
  kind: GatedKind,
  reader?: LinearOperand,
): void {
  const { N, F, dtype } = gatedForwardSizes(gateUp, y);
  const arrays = [cuda.in(gateUp), cuda.out(y)] as const;
  const rounded = roundedFor(cuda, states, reader, "forward", { address: arrays[1], N, C: F, dtype, arrays });
  if (rounded) {
    cuda.launch("gated_forward_rounded_bf16", N, [...arrays, rounded.codes, rounded.scales, F, GATED_CODES[kind]]);
    return;
  }
  const grid = { x: blocks(F, 2048), y: gridRows(N) };
  cuda.launch(`gated_forward_${dtype}`, grid, [...arrays, N, F, GATED_CODES[kind]]);
}

export function gatedBackward(
  cuda: CudaRuntime,
  states: LinearStates,
  gateUp: Operand,
  dY: Operand,
  dGateUp: Operand,
  kind: GatedKind,
  reader?: LinearOperand,
): void {
  const { N, F, dtype } = gatedBackwardSizes(gateUp, dY, dGateUp);
  const arrays = [cuda.in(gateUp), cuda.in(dY), cuda.out(dGateUp)] as const;
  const rounded = roundedFor(cuda, states, reader, "backward", { address: arrays[2], N, C: 2 * F, dtype, arrays });
  if (rounded) {
    const { exponents, codes, scales } = rounded;
    cuda.launch("gated_backward_rounded_bf16", N, [...arrays, exponents, codes, scales, F, GATED_CODES[kind]]);
    return;
  }
  const grid = { x: blocks(F, 2048), y: gridRows(N) };
  cuda.launch(`gated_backward_${dtype}`, grid, [...arrays, N, F, GATED_CODES[kind]]);
}

export function geluForward(cuda: CudaRuntime, x: Operand, y: Operand, kind: "erf" | "tanh"): void {
  const { count, dtype } = geluForwardSizes(x, y);
  cuda.launch(`gelu_forward_${dtype}`, strideBlocks(count, 2048), [cuda.in(x), cuda.out(y), count, kind === "erf" ? 0 : 1]);
}

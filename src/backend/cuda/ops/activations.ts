/** Gated MLP and GELU. Kernels: gated.cu. */
import type { GatedKind, Operand } from "../../backend.ts";
import { gatedBackwardSizes, gatedForwardSizes, geluForwardSizes } from "../../shapes/activations.ts";
import type { CudaRuntime } from "../cuda-runtime.ts";
import { blocks, gridRows, strideBlocks } from "./grids.ts";

const GATED_CODES: Readonly<Record<GatedKind, number>> = { silu: 0, "gelu-tanh": 1 };

export function gatedForward(cuda: CudaRuntime, gateUp: Operand, y: Operand, kind: GatedKind): void {
  const { N, F, dtype } = gatedForwardSizes(gateUp, y);
  const grid = { x: blocks(F, 2048), y: gridRows(N) };
  cuda.launch(`gated_forward_${dtype}`, grid, [cuda.in(gateUp), cuda.out(y), N, F, GATED_CODES[kind]]);
}

export function gatedBackward(cuda: CudaRuntime, gateUp: Operand, dY: Operand, dGateUp: Operand, kind: GatedKind): void {
  const { N, F, dtype } = gatedBackwardSizes(gateUp, dY, dGateUp);
  const grid = { x: blocks(F, 2048), y: gridRows(N) };
  cuda.launch(`gated_backward_${dtype}`, grid, [cuda.in(gateUp), cuda.in(dY), cuda.out(dGateUp), N, F, GATED_CODES[kind]]);
}

export function geluForward(cuda: CudaRuntime, x: Operand, y: Operand, kind: "erf" | "tanh"): void {
  const { count, dtype } = geluForwardSizes(x, y);
  cuda.launch(`gelu_forward_${dtype}`, strideBlocks(count, 2048), [cuda.in(x), cuda.out(y), count, kind === "erf" ? 0 : 1]);
}

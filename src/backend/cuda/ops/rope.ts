/** Rotary position, with or without the norms of q and k heads. Kernels: rope.cu. */
import type { HeadShape, LinearOperand, Operand, RopeOperand } from "../../backend.ts";
import { ropeBackwardSizes, ropeForwardSizes } from "../../shapes/attention.ts";
import type { CudaRuntime } from "../cuda-runtime.ts";
import { roundedFor } from "./fp8-products.ts";
import { blocks } from "./grids.ts";
import type { LinearStates } from "./linear-state.ts";

const [FORWARD, BACKWARD] = [1, -1];

export function ropeForward(cuda: CudaRuntime, rope: RopeOperand, heads: HeadShape, qkv: Operand, positions: Operand, out: Operand): void {
  const { N, H, K, D, dtype } = ropeForwardSizes(rope, heads, qkv, positions, out);
  const [x, table, rows] = [cuda.in(qkv), cuda.in(rope.table), cuda.in(positions)];
  const y = cuda.out(out);
  if (!rope.queryNorm || !rope.keyNorm) {
    cuda.launch(`rope_rotate_block_per_row_${dtype}`, N, [x, table, rows, y, H + K, H + 2 * K, D, rope.rotary, FORWARD]);
    return;
  }
  const norms = [cuda.in(rope.queryNorm), cuda.in(rope.keyNorm)];
  const grid = blocks(N * (H + 2 * K), 8);
  cuda.launch(`rope_norm_forward_warp_per_head_${dtype}`, grid, [x, ...norms, table, rows, y, N, H, K, D, rope.rotary, rope.eps]);
}

export function ropeBackward(
  cuda: CudaRuntime,
  states: LinearStates,
  rope: RopeOperand,
  heads: HeadShape,
  qkv: Operand | null,
  positions: Operand,
  dOut: Operand,
  dQkv: Operand,
  queryNormGradient: Operand | null,
  keyNormGradient: Operand | null,
  reader?: LinearOperand,
): void {
  const { N, H, K, D, dtype } = ropeBackwardSizes(rope, heads, qkv, positions, dOut, dQkv, queryNormGradient, keyNormGradient);
  const [table, rows, dy] = [cuda.in(rope.table), cuda.in(positions), cuda.in(dOut)];
  const dx = cuda.out(dQkv);
  if (!rope.queryNorm || !rope.keyNorm || !qkv) {
    const whole = rope.rotary % 16 === 0 && D % 8 === 0;
    const row = { address: dx, N, C: (H + 2 * K) * D, dtype, arrays: [dy, table, dx] };
    const rounded = whole ? roundedFor(cuda, states, reader, "backward", row) : undefined;
    if (rounded) {
      const { exponents, codes, scales } = rounded;
      const arrays = [dy, table, rows, dx, exponents, codes, scales];
      cuda.launch("rope_rotate_rounded_bf16", N, [...arrays, H + K, H + 2 * K, D, rope.rotary, BACKWARD]);
      return;
    }
    cuda.launch(`rope_rotate_block_per_row_${dtype}`, N, [dy, table, rows, dx, H + K, H + 2 * K, D, rope.rotary, BACKWARD]);
    return;
  }
  const grid = Math.min(1024, blocks(N * (H + 2 * K), 8));
  const chunks = grid * 8;
  const trained = queryNormGradient !== null || keyNormGradient !== null;
  const partials = trained ? cuda.scratch.take("norm partials", 2 * chunks * D * 4) : 0;
  const keyPartials = trained ? partials + chunks * D * 4 : 0;
  const inputs = [cuda.in(qkv), cuda.in(rope.queryNorm), cuda.in(rope.keyNorm), table, rows, dy];
  const values = [...inputs, dx, partials, keyPartials, N, H, K, D, rope.rotary, rope.eps];
  cuda.launch(`rope_norm_backward_warp_per_head_${dtype}`, grid, values);
  if (grid === 0) return;
  const add = (from: number, gradient: Operand | null) => {
    if (gradient) cuda.launch("add_partials_f32", blocks(D, 256), [from, cuda.out(gradient), chunks, D, 1]);
  };
  add(partials, queryNormGradient);
  add(keyPartials, keyNormGradient);
}

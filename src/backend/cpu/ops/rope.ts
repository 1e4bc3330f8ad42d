/** Rotary positions with the norms of queries and keys, forward and backward. */
import type { HeadShape, Operand, RopeOperand } from "../../backend.ts";
import { ropeBackwardSizes, ropeForwardSizes } from "../../shapes/attention.ts";
import type { NativeCall } from "../native-call.ts";
import { DTYPE_CODES } from "../native-codes.ts";

export function ropeForward(call: NativeCall, rope: RopeOperand, heads: HeadShape, qkv: Operand, positions: Operand, out: Operand): void {
  const { N, H, K, D, dtype } = ropeForwardSizes(rope, heads, qkv, positions, out);
  const ctx = call.enter("ropeForward");
  const norms = [call.in(rope.queryNorm), call.in(rope.keyNorm)] as const;
  const operands = [call.in(qkv), ...norms, call.in(rope.table), call.in(positions), call.out(out)] as const;
  call.leave(call.library.remora_rope_forward(ctx, ...operands, N, H, K, D, rope.rotary, DTYPE_CODES[dtype], rope.eps));
}

export function ropeBackward(
  call: NativeCall,
  rope: RopeOperand,
  heads: HeadShape,
  qkv: Operand | null,
  positions: Operand,
  dOut: Operand,
  dQkv: Operand,
  queryNormGradient: Operand | null,
  keyNormGradient: Operand | null,
): void {
  const { N, H, K, D, dtype } = ropeBackwardSizes(rope, heads, qkv, positions, dOut, dQkv, queryNormGradient, keyNormGradient);
  const ctx = call.enter("ropeBackward");
  const norms = [call.in(rope.queryNorm), call.in(rope.keyNorm)] as const;
  const inputs = [call.in(qkv), ...norms, call.in(rope.table), call.in(positions), call.in(dOut)] as const;
  const outputs = [call.out(dQkv), call.out(queryNormGradient), call.out(keyNormGradient)] as const;
  call.leave(call.library.remora_rope_backward(ctx, ...inputs, ...outputs, N, H, K, D, rope.rotary, DTYPE_CODES[dtype], rope.eps));
}

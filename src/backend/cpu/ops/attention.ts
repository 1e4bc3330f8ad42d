/** Attention over packed segments, forward and backward. */
import type { AttentionRule, Operand } from "../../backend.ts";
import { attentionBackwardSizes, attentionForwardSizes } from "../../shapes/attention.ts";
import type { NativeCall } from "../native-call.ts";
import { DTYPE_CODES } from "../native-codes.ts";

export function attentionForward(
  call: NativeCall,
  rule: AttentionRule,
  qkv: Operand,
  segmentStart: Operand,
  segmentEnd: Operand,
  out: Operand,
  lse: Operand | null,
): void {
  const { N, H, K, D, dtype } = attentionForwardSizes(rule, qkv, segmentStart, segmentEnd, out, lse);
  const ctx = call.enter("attentionForward");
  const operands = [call.in(qkv), call.in(segmentStart), call.in(segmentEnd), call.out(out), call.out(lse)] as const;
  const scalars = [rule.scale, rule.causal ? 1 : 0, rule.window, rule.softcap] as const;
  call.leave(call.library.remora_attention_forward(ctx, ...operands, N, H, K, D, DTYPE_CODES[dtype], ...scalars));
}

export function attentionBackward(
  call: NativeCall,
  rule: AttentionRule,
  qkv: Operand,
  segmentStart: Operand,
  segmentEnd: Operand,
  out: Operand,
  lse: Operand,
  dOut: Operand,
  dQkv: Operand,
): void {
  const { N, H, K, D, dtype } = attentionBackwardSizes(rule, qkv, segmentStart, segmentEnd, out, lse, dOut, dQkv);
  const ctx = call.enter("attentionBackward");
  const inputs = [call.in(qkv), call.in(segmentStart), call.in(segmentEnd), call.in(out), call.in(lse), call.in(dOut)] as const;
  const scalars = [rule.scale, rule.causal ? 1 : 0, rule.window, rule.softcap] as const;
  call.leave(call.library.remora_attention_backward(ctx, ...inputs, call.out(dQkv), N, H, K, D, DTYPE_CODES[dtype], ...scalars));
}

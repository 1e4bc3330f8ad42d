/** The paged KV cache: writing it, and attention over it. */
import type { AttentionRule, HeadShape, Operand, PagedCacheOperand } from "../../backend.ts";
import { attentionPagedSizes, cacheSizes } from "../../shapes/attention.ts";
import type { NativeCall } from "../native-call.ts";
import { DTYPE_CODES } from "../native-codes.ts";

export function cacheWrite(call: NativeCall, heads: HeadShape, qkv: Operand, cache: PagedCacheOperand): void {
  const { N, H, K, D, dtype, pageSize, blocksPerSequence } = cacheSizes("cacheWrite", heads, qkv, cache);
  const ctx = call.enter("cacheWrite");
  const inputs = [call.in(qkv), call.in(cache.sequences), call.in(cache.positions), call.in(cache.blockTable)] as const;
  const pages = [call.out(cache.keyPages), call.out(cache.valuePages)] as const;
  call.leave(call.library.remora_cache_write(ctx, ...inputs, ...pages, N, H, K, D, pageSize, blocksPerSequence, DTYPE_CODES[dtype]));
}

export function attentionPaged(call: NativeCall, rule: AttentionRule, qkv: Operand, cache: PagedCacheOperand, out: Operand): void {
  const { N, H, K, D, dtype, pageSize, blocksPerSequence } = attentionPagedSizes(rule, qkv, cache, out);
  const ctx = call.enter("attentionPaged");
  const inputs = [call.in(qkv), call.in(cache.sequences), call.in(cache.positions), call.in(cache.blockTable)] as const;
  const operands = [...inputs, call.in(cache.keyPages), call.in(cache.valuePages), call.out(out)] as const;
  const sizes = [N, H, K, D, pageSize, blocksPerSequence] as const;
  call.leave(call.library.remora_attention_paged(ctx, ...operands, ...sizes, DTYPE_CODES[dtype], rule.scale, rule.window, rule.softcap));
}

/**
 * Causal attention over packed rows: a row sees only its own segment, never another example of the same block.
 *
 *   out = softmax(scale · q kᵀ, masked) v      blocked, so that no N×N matrix exists
 *
 * Keeps for backward: the rotated qkv, out, and the log-sum-exp of each row and head (f32).
 * Source: Dao 2023, arXiv:2307.08691.
 */
import type { AttentionRule } from "../../backend/backend.ts";
import type { Tape } from "../tape.ts";
import type { Tensor } from "../tensor.ts";

/** Segment bounds of packed rows: i32 [N] each, absolute row numbers; padding rows have start = end. */
export interface Segments {
  readonly start: Tensor;
  readonly end: Tensor;
}

/** @param qkv act [N, (H+2K)·D], rotated  @returns act [N, H·D] */
export function attention(tape: Tape, qkv: Tensor, segments: Segments, rule: AttentionRule): Tensor {
  const rows = qkv.shape[0]!;
  const out = tape.allocate(qkv.dtype, [rows, rule.heads * rule.headDim], "attention output");
  const needsGradient = tape.needsGradient([qkv]);
  const lse = needsGradient ? tape.allocate("f32", [rows, rule.heads], "attention log-sum-exp") : null;
  tape.backend.attentionForward(rule, qkv, segments.start, segments.end, out, lse);
  if (!lse) return out;

  const kept = [qkv, segments.start, segments.end, out, lse].map((tensor) => tape.keep(tensor));
  tape.record({
    name: "attention",
    inputs: [qkv],
    outputs: [out],
    kept,
    backward([dOut]) {
      if (!dOut) return [undefined];
      const dQkv = tape.allocate(qkv.dtype, qkv.shape, "gradient of qkv");
      const [keptQkv, start, end, keptOut, keptLse] = kept.map((entry) => entry.get());
      tape.backend.attentionBackward(rule, keptQkv!, start!, end!, keptOut!, keptLse!, dOut, dQkv);
      return [dQkv];
    },
  });
  return out;
}

/** Embedding, forward and backward. */
import type { Operand, WeightOperand } from "../../backend.ts";
import { embeddingBackwardSizes, embeddingForwardSizes } from "../../shapes/embedding.ts";
import type { NativeCall } from "../native-call.ts";
import { DTYPE_CODES } from "../native-codes.ts";

export function embeddingForward(call: NativeCall, table: WeightOperand, ids: Operand, y: Operand, scale: number): void {
  const ctx = call.enter("embeddingForward");
  const weight = call.structs.weight(call.op, table);
  const { N, dtype } = embeddingForwardSizes(table, ids, y);
  call.leave(call.library.remora_embedding_forward(ctx, weight, call.in(ids), call.out(y), N, DTYPE_CODES[dtype], scale));
}

export function embeddingBackward(call: NativeCall, ids: Operand, dY: Operand, dTable: Operand, scale: number): void {
  const { N, C, rows, dtype } = embeddingBackwardSizes(ids, dY, dTable);
  const ctx = call.enter("embeddingBackward");
  const operands = [call.in(ids), call.in(dY), call.out(dTable)] as const;
  call.leave(call.library.remora_embedding_backward(ctx, ...operands, N, C, rows, DTYPE_CODES[dtype], scale));
}

/** Cross-entropy through the output head, chunk by chunk. */
import type { Operand, WeightOperand } from "../../backend.ts";
import { headLossSizes } from "../../shapes/embedding.ts";
import type { NativeCall } from "../native-call.ts";
import { DTYPE_CODES } from "../native-codes.ts";

export function headLoss(
  call: NativeCall,
  head: WeightOperand,
  h: Operand,
  targets: Operand,
  lossScale: Operand | null,
  rowLoss: Operand,
  dH: Operand | null,
  headGradient: Operand | null,
  rowTop1: Operand | null,
  options: { chunkRows: number; softcap: number },
): void {
  const ctx = call.enter("headLoss");
  const weight = call.structs.weight(call.op, head);
  const { N, dtype } = headLossSizes(head, h, targets, lossScale, rowLoss, dH, headGradient, rowTop1, options.chunkRows);
  const inputs = [call.in(h), weight, call.in(targets), call.in(lossScale)] as const;
  const outputs = [call.out(rowLoss), call.out(dH), call.out(headGradient), call.out(rowTop1)] as const;
  call.leave(call.library.remora_head_loss(ctx, ...inputs, ...outputs, N, DTYPE_CODES[dtype], options.chunkRows, options.softcap));
}

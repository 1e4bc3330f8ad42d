/** Adapters merged into rows of a weight. */
import type { ActivationDType, LoraOperand, Operand, WeightOperand } from "../../backend.ts";
import { mergeRowsSizes } from "../../shapes/optimizer.ts";
import type { NativeCall } from "../native-call.ts";
import { DTYPE_CODES } from "../native-codes.ts";

export function mergeRows(
  call: NativeCall,
  weight: WeightOperand,
  lora: LoraOperand | null,
  out: Operand,
  row: number,
  rowCount: number,
): void {
  const ctx = call.enter("mergeRows");
  const bytes = call.structs.weight(call.op, weight);
  const { rank, dtype } = mergeRowsSizes(weight, lora, row, rowCount, { out });
  const inputs = [bytes, call.in(lora?.a), call.in(lora?.b)] as const;
  call.leave(call.library.remora_merge_rows(ctx, ...inputs, call.out(out), row, rowCount, rank, DTYPE_CODES[dtype], lora?.scale ?? 0));
}

export function mergeRowsNf4(
  call: NativeCall,
  weight: WeightOperand,
  lora: LoraOperand | null,
  dtype: ActivationDType,
  codes: Operand,
  absmax: Operand,
  row: number,
  rowCount: number,
): void {
  const ctx = call.enter("mergeRowsNf4");
  const bytes = call.structs.weight(call.op, weight);
  const { rank } = mergeRowsSizes(weight, lora, row, rowCount, { dtype, codes, absmax });
  const operands = [bytes, call.in(lora?.a), call.in(lora?.b), call.out(codes), call.out(absmax)] as const;
  call.leave(call.library.remora_merge_rows_nf4(ctx, ...operands, row, rowCount, rank, DTYPE_CODES[dtype], lora?.scale ?? 0));
}

/** Groups of linears with their LoRA parts, forward and backward. */
import type { LinearOperand, Operand } from "../../backend.ts";
import { linearBackwardInputSizes, linearBackwardWeightSizes, linearForwardSizes, loraBackwardASizes } from "../../shapes/linear.ts";
import type { NativeCall } from "../native-call.ts";
import { DTYPE_CODES } from "../native-codes.ts";

export function linearForward(call: NativeCall, linear: LinearOperand, x: Operand, y: Operand, xa: Operand | null): void {
  const ctx = call.enter("linearForward");
  const { bytes, partCount, sizes } = call.structs.linear(call.op, linear);
  const { N, dtype } = linearForwardSizes(sizes, x, y, xa);
  const inputs = [bytes, partCount, call.in(linear.bias), call.in(x)] as const;
  const outputs = [call.out(y), call.out(xa)] as const;
  const dropout = [linear.dropout, call.in(linear.seed)] as const;
  call.leave(call.library.remora_linear_forward(ctx, ...inputs, ...outputs, N, DTYPE_CODES[dtype], ...dropout));
}

export function linearBackwardInput(
  call: NativeCall,
  linear: LinearOperand,
  dY: Operand,
  dX: Operand | null,
  db: Operand | null,
  xa: Operand | null,
): void {
  const ctx = call.enter("linearBackwardInput");
  const { bytes, partCount, sizes } = call.structs.linear(call.op, linear);
  const { N, dtype } = linearBackwardInputSizes(sizes, dY, dX, db, xa);
  const operands = [bytes, partCount, call.in(dY), call.out(dX), call.out(db)] as const;
  const rest = [N, DTYPE_CODES[dtype], linear.dropout, call.in(linear.seed)] as const;
  call.leave(call.library.remora_linear_backward_input(ctx, ...operands, ...rest));
  if (!xa || sizes.ranks === 0) return;
  call.enter("loraBackwardB"); // timed by itself
  call.leave(call.library.remora_lora_backward(ctx, bytes, partCount, null, call.in(xa), call.in(dY), null, ...rest));
}

export function loraBackwardA(call: NativeCall, linear: LinearOperand, x: Operand, db: Operand): void {
  const ctx = call.enter("loraBackwardA");
  const { bytes, partCount, sizes } = call.structs.linear(call.op, linear);
  const { N, dtype } = loraBackwardASizes(sizes, x, db);
  const operands = [bytes, partCount, call.in(x), null, null, call.in(db)] as const;
  const dropout = [linear.dropout, call.in(linear.seed)] as const;
  call.leave(call.library.remora_lora_backward(ctx, ...operands, N, DTYPE_CODES[dtype], ...dropout));
}

export function linearBackwardWeight(call: NativeCall, x: Operand, dY: Operand, dW: Operand, dBias: Operand | null, column: number): void {
  const { N, In, Out, stride, dtype } = linearBackwardWeightSizes(x, dY, dW, dBias, column);
  const ctx = call.enter("linearBackwardWeight");
  const operands = [call.in(x), call.in(dY), call.out(dW), call.out(dBias)] as const;
  call.leave(call.library.remora_linear_backward_weight(ctx, ...operands, N, In, Out, stride, column, DTYPE_CODES[dtype]));
}

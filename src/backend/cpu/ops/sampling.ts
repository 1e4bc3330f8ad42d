/** One token a row from logits. */
import type { Operand, SamplingOperand } from "../../backend.ts";
import { sampleSizes } from "../../shapes/optimizer.ts";
import type { NativeCall } from "../native-call.ts";

export function sample(call: NativeCall, logits: Operand, controls: SamplingOperand, ids: Operand, logprobs: Operand): void {
  const { B, V, stride } = sampleSizes(logits, controls, ids, logprobs);
  const ctx = call.enter("sample");
  const rows = [call.in(controls.params), call.in(controls.seeds), call.in(controls.steps)] as const;
  const history = [call.in(controls.history), call.in(controls.historyLength)] as const;
  const outputs = [call.out(ids), call.out(logprobs)] as const;
  call.leave(call.library.remora_sample(ctx, call.in(logits), ...rows, ...history, ...outputs, B, V, stride));
}

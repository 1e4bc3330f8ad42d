/**
 * Head and cross-entropy in chunks of rows: logits of a chunk by one product, loss and gradient of the logits by one kernel (head_loss.cu), the
 * gradients of h and of the head by two more products. Logits are f32; their gradient has the compute dtype.
 *
 * Rows without a target are multiplied too (their gradient is zero): which rows they are is known on the card only.
 */
import type { Operand, WeightOperand } from "../../backend.ts";
import { BYTES_PER_ELEMENT } from "../../element-types.ts";
import { headLossSizes } from "../../shapes/embedding.ts";
import { checkWeight } from "../../shapes/weights.ts";
import type { CudaRuntime } from "../cuda-runtime.ts";
import { decodeRows, isDense } from "./weights.ts";

export function headLoss(
  cuda: CudaRuntime,
  head: WeightOperand,
  h: Operand,
  targets: Operand,
  lossScale: Operand | null,
  rowLoss: Operand,
  dH: Operand | null,
  headGradient: Operand | null,
  rowTop1: Operand | null,
  { chunkRows, softcap }: { chunkRows: number; softcap: number },
): void {
  checkWeight("headLoss", head);
  const { N, dtype } = headLossSizes(head, h, targets, lossScale, rowLoss, dH, headGradient, rowTop1, chunkRows);
  if (N === 0) return;
  const [V, C] = [head.rows, head.cols];
  const bytes = BYTES_PER_ELEMENT[dtype];
  const weight = { address: headMatrix(cuda, head, dtype), ld: C };
  const [x, ids, scale] = [cuda.in(h), cuda.in(targets), cuda.optionalIn(lossScale)];
  const [loss, dx, dw, top1] = [cuda.out(rowLoss), cuda.optionalOut(dH), cuda.optionalOut(headGradient), cuda.optionalOut(rowTop1)];
  const chunk = Math.min(N, Math.max(chunkRows, cuda.options.headRows));
  const logits = cuda.scratch.take("logits", chunk * V * 4);
  const needsGradient = dx !== 0 || dw !== 0;
  const gradient = !needsGradient ? 0 : dtype === "f32" ? logits : cuda.scratch.take("logit gradients", chunk * V * bytes);
  for (let row = 0; row < N; row += chunk) {
    const rows = Math.min(chunk, N - row);
    const input = { address: x + row * C * bytes, ld: C };
    const wide = { address: logits, ld: V };
    cuda.multiply({ a: input, b: weight, c: wide, M: rows, N: V, K: C, transposeB: true, dtype, outDType: "f32" });
    const perRow = [ids + row * 4, scale, loss + row * 4, top1 === 0 ? 0 : top1 + row * 4];
    cuda.launch(`cross_entropy_block_per_row_f32_to_${dtype}`, rows, [logits, gradient, ...perRow, V, softcap]);
    const g = { address: gradient, ld: V };
    if (dx !== 0) cuda.multiply({ a: g, b: weight, c: { address: dx + row * C * bytes, ld: C }, M: rows, N: C, K: V, dtype });
    if (dw !== 0) {
      const c = { address: dw, ld: C };
      cuda.multiply({ a: g, b: input, c, M: V, N: C, K: rows, transposeA: true, dtype, outDType: "f32", beta: 1 });
    }
  }
}

/** The head in the compute dtype: where it lies, or a copy in scratch. */
function headMatrix(cuda: CudaRuntime, head: WeightOperand, dtype: "f32" | "bf16" | "f16"): number {
  if (isDense(head) && head.format === dtype) return cuda.in(head.data);
  const address = cuda.scratch.take("decoded head", head.rows * head.cols * BYTES_PER_ELEMENT[dtype]);
  decodeRows(cuda, head, { address, dtype }, 0, head.rows);
  return address;
}

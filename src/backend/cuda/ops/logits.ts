/**
 * Logits of the rows that a token is drawn for: one product with the head as it lies, f32 out. Products of 16-bit values are exact in f32, so these
 * are the logits of the rows widened to f32, without a copy of the head in f32 (2.7 GB a step for Nemo 12B) or two more bf16 rows for each row.
 */
import type { Operand, WeightOperand } from "../../backend.ts";
import { logitsSizes } from "../../shapes/embedding.ts";
import { checkWeight } from "../../shapes/weights.ts";
import type { CudaRuntime } from "../cuda-runtime.ts";

/** So few bf16 rows stream through a kernel of their own as f32 (split-product.ts), at more of the memory's rate than cuBLASLt's. */
const STREAMED_ROWS = 2;

/** `Backend.logits` */
export function logits(cuda: CudaRuntime, head: WeightOperand, x: Operand, y: Operand): boolean {
  checkWeight("logits", head);
  const { N, dtype } = logitsSizes(head, x, y);
  const [V, C] = [head.rows, head.cols];
  if (dtype === "f32" || head.format !== dtype || (dtype === "bf16" && (cuda.card.major < 8 || N <= STREAMED_ROWS))) return false;
  const a = { address: cuda.in(x), ld: C };
  const b = { address: cuda.in(head.data), ld: C };
  cuda.multiply({ a, b, c: { address: cuda.out(y), ld: V }, M: N, N: V, K: C, transposeB: true, dtype, outDType: "f32" });
  return true;
}

/** Embedding, forward and backward. Kernels: embedding.cu, nf4.cu, weights.cu. */
import { KernelError } from "../../../errors/kernel-error.ts";
import type { Operand, WeightOperand } from "../../backend.ts";
import { embeddingBackwardSizes, embeddingForwardSizes } from "../../shapes/embedding.ts";
import { checkWeight } from "../../shapes/weights.ts";
import { largestIndex } from "../cuda-memory.ts";
import type { CudaRuntime } from "../cuda-runtime.ts";
import { gatherWeightRows } from "./weights.ts";

export function embeddingForward(cuda: CudaRuntime, table: WeightOperand, ids: Operand, y: Operand, scale: number): void {
  checkWeight("embeddingForward", table);
  const { N, dtype } = embeddingForwardSizes(table, ids, y);
  checkIds(cuda, ids, table.rows);
  gatherWeightRows(cuda, table, cuda.in(ids), { address: cuda.out(y), dtype }, N, scale);
}

export function embeddingBackward(cuda: CudaRuntime, ids: Operand, dY: Operand, dTable: Operand, scale: number): void {
  const { N, C, rows, dtype } = embeddingBackwardSizes(ids, dY, dTable);
  checkIds(cuda, ids, rows);
  cuda.launch(`embedding_backward_block_per_token_${dtype}`, N, [cuda.in(ids), cuda.in(dY), cuda.out(dTable), N, C, rows, scale]);
}

/** Ids that the host uploaded are checked here; those made on the card (sampled tokens) cannot be out of range. */
function checkIds(cuda: CudaRuntime, ids: Operand, rows: number): void {
  const largest = largestIndex(ids);
  if (largest >= rows) throw new KernelError(cuda.op, "ARGUMENT", `the ids hold ${largest}, but the table has ${rows} rows`);
}

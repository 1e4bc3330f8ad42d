/**
 * Few f32 rows against a large bf16 weight (the head when a token is drawn, whose logits must not be rounded): decoding the weight to f32 would
 * move five times its bytes. Instead each row is written as a sum of three bf16 rows, which holds all 24 bits of an f32, and the weight is read
 * once for all of them: by the streaming kernel of linear_decode.cu, or as one product where there are more rows than it takes.
 */
import type { ActivationDType, LinearOperand } from "../../backend.ts";
import type { CudaRuntime } from "../cuda-runtime.ts";
import { blocks, strideBlocks } from "./grids.ts";
import { streamTerms } from "./linear-decode.ts";
import type { LinearState } from "./linear-state.ts";

const MOST_ROWS = 32;
/** Smaller weights are converted: it costs little. */
const SMALLEST_WEIGHT = 2 ** 24;
const TERMS = 3;

/** y = x Wᵀ when the group is for this; false when it is not. */
export function splitProduct(
  cuda: CudaRuntime,
  linear: LinearOperand,
  state: LinearState,
  { N, dtype, x, y }: { N: number; dtype: ActivationDType; x: number; y: number },
): boolean {
  const { In, outs } = state.sizes;
  const { weight } = linear.parts[0]!;
  if (dtype !== "f32" || N > MOST_ROWS || linear.parts.length !== 1 || cuda.card.major < 8) return false;
  if (weight.format !== "bf16" || In * outs < SMALLEST_WEIGHT || In % 8 !== 0) return false;
  const count = N * In;
  const terms = cuda.scratch.take("split rows", TERMS * count * 2);
  cuda.launch("split_rows_f32_to_bf16", strideBlocks(count, 256), [x, terms, count]);
  if (streamTerms(cuda, linear, state, { N: TERMS * N, x: terms, y })) return true;
  const wide = cuda.scratch.take("products of split rows", TERMS * N * outs * 4);
  const product = { a: { address: terms, ld: In }, b: { address: cuda.in(weight.data), ld: In }, c: { address: wide, ld: outs } };
  cuda.multiply({ ...product, M: TERMS * N, N: outs, K: In, transposeB: true, dtype: "bf16", outDType: "f32" });
  // The small terms first.
  for (let term = TERMS - 1; term >= 0; term--) {
    const values = [wide + term * N * outs * 4, y, N, outs, outs, outs, 1, term < TERMS - 1 ? 1 : 0];
    cuda.launch("copy_matrix_f32_to_f32", { x: blocks(outs, 256), y: N }, values);
  }
  return true;
}

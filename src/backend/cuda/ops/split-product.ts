/**
 * Few f32 rows against a large bf16 weight (the head when a token is drawn, whose logits must not be rounded): decoding the weight to f32 would
 * move five times its bytes. Instead each row is written as a sum of three bf16 rows, which holds all 24 bits of an f32, and one product over
 * three times the rows reads the weight once.
 */
import type { ActivationDType, LinearOperand } from "../../backend.ts";
import type { CudaRuntime } from "../cuda-runtime.ts";
import { blocks, strideBlocks } from "./grids.ts";
import type { LinearState } from "./linear-state.ts";

const MOST_ROWS = 32;
/** Smaller weights are converted: it costs little. */
const SMALLEST_WEIGHT = 2 ** 24;
const TERMS = 3;

/** y = x Wᵀ when the group is for this; false when it is not. */
export function splitProduct(
  cuda: CudaRuntime,
  linear: LinearOperand,
  { sizes }: LinearState,
  { N, dtype, x, y }: { N: number; dtype: ActivationDType; x: number; y: number },
): boolean {
  const { In, outs } = sizes;
  const { weight } = linear.parts[0]!;
  if (dtype !== "f32" || N > MOST_ROWS || linear.parts.length !== 1 || cuda.card.major < 8) return false;
  if (weight.format !== "bf16" || In * outs < SMALLEST_WEIGHT || In % 8 !== 0) return false;
  const count = N * In;
  const terms = cuda.scratch.take("split rows", TERMS * count * 2);
  const rest = cuda.scratch.take("rest of split rows", count * 4);
  const wide = cuda.scratch.take("products of split rows", TERMS * N * outs * 4);
  cuda.copy(rest, x, count * 4);
  for (let term = 0; term < TERMS; term++) {
    const target = terms + term * count * 2;
    if (term > 0) addMatrix(cuda, "bf16", target - count * 2, rest, N, In, -1, true);
    cuda.launch("convert_f32_to_bf16", strideBlocks(count, 2048), [rest, target, count]);
  }
  const product = { a: { address: terms, ld: In }, b: { address: cuda.in(weight.data), ld: In }, c: { address: wide, ld: outs } };
  cuda.multiply({ ...product, M: TERMS * N, N: outs, K: In, transposeB: true, dtype: "bf16", outDType: "f32" });
  // The small terms first.
  for (let term = TERMS - 1; term >= 0; term--) addMatrix(cuda, "f32", wide + term * N * outs * 4, y, N, outs, 1, term < TERMS - 1);
  return true;
}

function addMatrix(
  cuda: CudaRuntime,
  from: "bf16" | "f32",
  source: number,
  target: number,
  rows: number,
  cols: number,
  scale: number,
  accumulate: boolean,
): void {
  const grid = { x: blocks(cols, 256), y: rows };
  cuda.launch(`copy_matrix_${from}_to_f32`, grid, [source, target, rows, cols, cols, cols, scale, accumulate ? 1 : 0]);
}

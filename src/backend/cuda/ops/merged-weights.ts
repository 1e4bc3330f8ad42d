/**
 * LoRA's share inside the decoded weight: where a quantized weight is decoded for each use anyway, nf4_lora.cu writes W' = round(W + scale · B A) in
 * the same pass, and the large products, y = x W'ᵀ and dX = dY W', need no second one over their output. Why, and what it costs:
 * docs/decisions/lora-in-the-decoded-weight.md.
 */
import process from "node:process";
import type { ActivationDType, LinearOperand, WeightOperand } from "../../backend.ts";
import type { CudaRuntime } from "../cuda-runtime.ts";
import { blocks } from "./grids.ts";
import type { AdapterCopy, LinearState, PartPlace } from "./linear-state.ts";
import { type DenseTarget, nf4Parts } from "./weights.ts";

/** The kernel counts bytes in 32 bits. */
const MOST_BYTES = 2 ** 32;
/** nf4_lora.cu: codes, A and B of a block. */
const SHARED_BYTES = 45_184;

/** Whether a group's adapters go into its decoded weights. REMORA_CUDA_LORA_MERGED=0: none do. */
export function mergesAdapters(cuda: CudaRuntime, linear: LinearOperand, state: LinearState, dtype: ActivationDType): boolean {
  const { In, outs, ranks } = state.sizes;
  if (process.env.REMORA_CUDA_LORA_MERGED === "0" || ranks === 0) return false;
  if (dtype === "f32" || (dtype === "bf16" && cuda.card.major < 8)) return false;
  // A kept copy outlives the adapters of its step, and a mask is drawn for each row of x.
  if (cuda.options.keepDecoded || linear.dropout > 0) return false;
  if (2 * outs * Math.max(In, ranks) >= MOST_BYTES || 2 * ranks * In >= MOST_BYTES) return false;
  return linear.parts.every(({ weight }, p) => {
    const { rank } = state.places[p]!;
    return rank === 0 || (rank % 2 === 0 && weight.format === "nf4" && In % 64 === 0);
  });
}

/** Decodes one part of the group with its adapter. */
export function decodeMerged(
  cuda: CudaRuntime,
  weight: WeightOperand,
  target: DenseTarget,
  { row, rank, rankStart }: PartPlace,
  adapters: AdapterCopy,
  ranks: number,
): void {
  const { rows, cols } = weight;
  const { scales, nested } = nf4Parts(cuda, weight);
  const [a, b] = [adapters.a.address! + 2 * rankStart * cols, adapters.b.address! + 2 * (row * ranks + rankStart)];
  const grid = { x: blocks(cols, 128), y: blocks(rows, 128) };
  const kernel = nested ? "nf4_decode_nested_lora" : "nf4_decode_lora";
  const values = [cuda.in(weight.data), scales, ...(nested ?? []), a, b, target.address, rows, cols, rank, ranks];
  cuda.launch(`${kernel}_${target.dtype}`, grid, values, SHARED_BYTES);
}

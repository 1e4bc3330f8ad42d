/**
 * The weights of a group as dense matrices of the compute dtype, row blocks one below the other: [ΣOut, In].
 *
 * Dense parts of that dtype are used where they lie. Anything else is decoded into one scratch that the next group uses again, or, with
 * `keepDecoded`, into memory that stays. Merged, the decoded weights hold LoRA's share (merged-weights.ts).
 */
import type { ActivationDType, LinearOperand } from "../../backend.ts";
import { BYTES_PER_ELEMENT } from "../../element-types.ts";
import type { CudaRuntime } from "../cuda-runtime.ts";
import { type AdapterCopy, type LinearState, versionOf } from "./linear-state.ts";
import { decodeMerged } from "./merged-weights.ts";
import { decodeRows, isDense } from "./weights.ts";

/** Rows [row, row + rows) of the group. */
export interface WeightBlock {
  readonly address: number;
  readonly row: number;
  readonly rows: number;
}

/** @param adapters merged into the weights; only where `mergesAdapters` allows it */
export function denseWeights(
  cuda: CudaRuntime,
  linear: LinearOperand,
  state: LinearState,
  dtype: ActivationDType,
  adapters?: AdapterCopy,
): WeightBlock[] {
  const { In, outs } = state.sizes;
  const width = In * BYTES_PER_ELEMENT[dtype];
  if (linear.parts.every(({ weight }) => isDense(weight) && weight.format === dtype)) {
    const found = linear.parts.map(({ weight }, p) => ({ address: cuda.in(weight.data), row: state.places[p]!.row, rows: weight.rows }));
    return joined(found, width);
  }
  const address = cuda.options.keepDecoded ? keptCopy(cuda, linear, state, dtype) : cuda.scratch.take("decoded weights", outs * width);
  if (!cuda.options.keepDecoded) decodeInto(cuda, linear, state, dtype, address, adapters);
  return [{ address, row: 0, rows: outs }];
}

function decodeInto(
  cuda: CudaRuntime,
  linear: LinearOperand,
  state: LinearState,
  dtype: ActivationDType,
  address: number,
  adapters?: AdapterCopy,
): void {
  const { In, ranks } = state.sizes;
  const width = In * BYTES_PER_ELEMENT[dtype];
  linear.parts.forEach(({ weight }, p) => {
    const place = state.places[p]!;
    const target = { address: address + place.row * width, dtype };
    if (adapters && place.rank > 0) decodeMerged(cuda, weight, target, place, adapters, ranks);
    else decodeRows(cuda, weight, target, 0, weight.rows);
  });
}

function keptCopy(cuda: CudaRuntime, linear: LinearOperand, state: LinearState, dtype: ActivationDType): number {
  // Once where all are quantized: those never change while their model lives. (Versions of memory would not tell: an arena's block holds
  // activations too.) Dense weights of another type may be trained; the epoch does not count for them: a captured step trains adapters.
  const quantized = linear.parts.every(({ weight }) => !isDense(weight));
  const madeFrom = quantized
    ? 0
    : versionOf(
        cuda,
        linear.parts.map(({ weight }) => weight.data),
      ) - cuda.epoch; // prettier-ignore
  if (state.decoded?.dtype === dtype && state.decoded.madeFrom === madeFrom) return state.decoded.memory.address!;
  const { In, outs } = state.sizes;
  const reused = state.decoded?.dtype === dtype ? state.decoded.memory : undefined;
  const memory = reused ?? cuda.memory.allocate(outs * In * BYTES_PER_ELEMENT[dtype], `decoded ${state.sizes.path}`);
  decodeInto(cuda, linear, state, dtype, memory.address!);
  state.decoded = { dtype, memory, madeFrom };
  return memory.address!;
}

/** Blocks that follow each other in memory are one. */
function joined(found: readonly WeightBlock[], width: number): WeightBlock[] {
  const result: WeightBlock[] = [];
  for (const block of found) {
    const last = result.at(-1);
    if (last && last.address + last.rows * width === block.address) {
      result[result.length - 1] = { ...last, rows: last.rows + block.rows };
    } else result.push(block);
  }
  return result;
}

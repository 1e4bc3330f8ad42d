/**
 * The weights of a group as dense matrices of the compute dtype, row blocks one below the other: [ΣOut, In].
 *
 * Dense parts of that dtype are used where they lie. Anything else is decoded into a scratch that the next groups use again, on a stream of its own
 * where there is one (decode-stream.ts), or, with `keepDecoded`, into memory that stays. Merged, the decoded weights hold LoRA's share.
 */
import type { ActivationDType, LinearOperand } from "../../backend.ts";
import { BYTES_PER_ELEMENT } from "../../element-types.ts";
import type { CudaRuntime } from "../cuda-runtime.ts";
import { adapterCopies } from "./adapter-copies.ts";
import { type AdapterCopy, type LinearState, versionOf } from "./linear-state.ts";
import { decodeMerged } from "./merged-weights.ts";
import { decodeRows, isDense } from "./weights.ts";

/** Rows [row, row + rows) of the group. */
export interface WeightBlock {
  readonly address: number;
  readonly row: number;
  readonly rows: number;
}

/**
 * `productsEnqueued` must follow once the products that read them are enqueued.
 * @param merged with the adapters' share; only where `mergesAdapters` allows it
 */
export function denseWeights(
  cuda: CudaRuntime,
  linear: LinearOperand,
  state: LinearState,
  dtype: ActivationDType,
  merged = false,
): WeightBlock[] {
  const { In, outs } = state.sizes;
  const width = In * BYTES_PER_ELEMENT[dtype];
  if (linear.parts.every(({ weight }) => isDense(weight) && weight.format === dtype)) {
    const found = linear.parts.map(({ weight }, p) => ({ address: cuda.in(weight.data), row: state.places[p]!.row, rows: weight.rows }));
    return joined(found, width);
  }
  const address = cuda.options.keepDecoded ? keptCopy(cuda, linear, state, dtype) : usedOnce(cuda, linear, state, dtype, merged);
  return [{ address, row: 0, rows: outs }];
}

/** The products that read the last dense weights are enqueued: their scratch may be written once those have run. */
export function productsEnqueued(cuda: CudaRuntime): void {
  cuda.decodeStream?.done(cuda);
}

/** A decoded copy in scratch. */
function usedOnce(cuda: CudaRuntime, linear: LinearOperand, state: LinearState, dtype: ActivationDType, merged: boolean): number {
  const bytes = state.sizes.outs * state.sizes.In * BYTES_PER_ELEMENT[dtype];
  const decode = (address: number) => {
    decodeInto(cuda, linear, state, dtype, address, merged ? adapterCopies(cuda, linear, state, dtype) : undefined);
  };
  if (!cuda.decodeStream || !cuda.options.decodeBeside) {
    const address = cuda.scratch.take("decoded weights", bytes);
    decode(address);
    return address;
  }
  const reads = linear.parts.flatMap(({ weight: { data, scales, nested }, lora }) => [
    ...[data, scales, nested?.scales, nested?.code],
    ...(merged ? [lora?.a, lora?.b] : []),
  ]);
  // Copies of the adapters are made on that stream too, unless the main one, or nobody, has made them before.
  const fresh = merged && (state.adapters?.dtype !== dtype || state.adapters !== state.beside);
  const address = cuda.decodeStream.decode(cuda, bytes, reads, fresh, decode);
  state.beside = merged ? state.adapters : undefined;
  return address;
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

/**
 * A group of linears with adapters, for many rows: the whole weight is decoded into a reused scratch and multiplied by cuBLASLt; the adapters are
 * two thin products each way. Few rows take `linear-decode.ts`; E4M3 weights are not decoded: `fp8-products.ts` makes the large product, the adapters
 * see x and dY as they are.
 *
 * NF4 weights that are decoded for each use get the adapters' share while they are (W' = W + scale·B A, merged-weights.ts): the large products are
 * all there is then, but for xa and db, which the adapters' gradients need. The rest is for everything else.
 *
 * Forward in 16 bits, an adapter's share smaller than half a unit of y must not be lost, or training lags: it is added by a kernel that rounds up or
 * down at random (lora_add.cu). cuBLASLt cannot do it: by the losses of a card (docs/log.md) it rounds a product to 16 bits before C is added, in
 * whichever order the two products run. In f32, and backward, where a lost share is only a small error of the gradient, the large product adds itself.
 *
 *   forward         xa = drop(x) Aᵀ       y  = x Wᵀ + bias + xa (scale·B)ᵀ       merged: y  = x W'ᵀ + bias
 *   backward        db = dY (scale·B)     dX = dY W + mask/(1−p) · (db A)        merged: dX = dY W'
 *   adapters        dA += dbᵀ drop(x)     dB += scale · dYᵀ xa             (dB and db read all of dY: lora-backward.ts)
 *
 * drop(x) is mask(x), exact in the compute dtype, and 1/(1−p) is the product's own factor.
 */
import process from "node:process";
import type { ActivationDType, LinearOperand, Operand } from "../../backend.ts";
import { BYTES_PER_ELEMENT } from "../../element-types.ts";
import { linearBackwardInputSizes, linearBackwardWeightSizes, linearForwardSizes, loraBackwardASizes } from "../../shapes/linear.ts";
import type { CudaRuntime } from "../cuda-runtime.ts";
import { adapterCopies, copyMatrix } from "./adapter-copies.ts";
import { denseWeights } from "./dense-weights.ts";
import { fp8BackwardInput, fp8Forward } from "./fp8-products.ts";
import { blocks, gridRows, strideBlocks } from "./grids.ts";
import { linearDecode } from "./linear-decode.ts";
import type { LinearStates } from "./linear-state.ts";
import { loraBackwardOutputs } from "./lora-backward.ts";
import { mergesAdapters } from "./merged-weights.ts";
import { splitProduct } from "./split-product.ts";

/** lora_add.cu: B of 64 outputs, and two tiles of y for each of its warps. */
const LORA_ADD_SHARED_BYTES = 25_600;

export function linearForward(
  cuda: CudaRuntime,
  states: LinearStates,
  linear: LinearOperand,
  x: Operand,
  y: Operand,
  xa: Operand | null,
): void {
  const state = states.of(linear);
  const { In, outs, ranks, fp8 } = state.sizes;
  const { N, dtype } = linearForwardSizes(state.sizes, x, y, xa);
  if (N === 0) return;
  const [input, output] = [cuda.in(x), cuda.out(y)];
  const rankOutput = ranks > 0 ? cuda.optionalOut(xa) : 0;
  if (linearDecode(cuda, linear, state, { N, dtype, x: input, y: output, xa: rankOutput })) return;
  const bytes = BYTES_PER_ELEMENT[dtype];
  const split = splitProduct(cuda, linear, state, { N, dtype, x: input, y: output });
  const adapters = ranks > 0 ? adapterCopies(cuda, linear, state, dtype) : undefined;
  const merged = mergesAdapters(cuda, linear, state, dtype) ? adapters : undefined;
  const atRandom = adapters && !merged && addsAtRandom(cuda, dtype, outs, ranks, output);
  const first = merged || atRandom;
  const large = () => {
    const beta = adapters && !first ? 1 : 0;
    if (fp8) return fp8Forward(cuda, linear, state, { N, dtype, input, output, beta });
    for (const { address, row, rows } of split ? [] : denseWeights(cuda, linear, state, dtype, merged)) {
      const c = { address: output + row * bytes, ld: outs };
      cuda.multiply({ a: { address: input, ld: In }, b: { address, ld: In }, c, M: N, N: rows, K: In, transposeB: true, dtype, beta });
    }
  };
  if (first) large();
  if (adapters) {
    const { a, b } = adapters;
    const dropped = maskedInput(cuda, linear, input, N * In, dtype);
    const low = { address: rankOutput, ld: ranks };
    const down = { a: { address: dropped, ld: In }, b: { address: a.address!, ld: In }, c: low, M: N, N: ranks, K: In };
    cuda.multiply({ ...down, transposeB: true, dtype, alpha: keptFactor(linear) });
    if (atRandom) {
      const grid = { x: blocks(outs, 64), y: blocks(N, 256) };
      cuda.launch(`lora_add_${dtype}`, grid, [rankOutput, b.address!, output, N, outs, ranks], LORA_ADD_SHARED_BYTES);
    } else if (!merged) {
      const up = { a: low, b: { address: b.address!, ld: ranks }, c: { address: output, ld: outs }, M: N, N: outs, K: ranks };
      cuda.multiply({ ...up, transposeB: true, dtype, beta: split ? 1 : 0 });
    }
  }
  if (!first) large();
  if (!linear.bias) return;
  const grid = { x: blocks(outs, 2048), y: gridRows(N) };
  cuda.launch(`add_bias_${dtype}`, grid, [cuda.in(linear.bias), output, N, outs, outs]);
}

export function linearBackwardInput(
  cuda: CudaRuntime,
  states: LinearStates,
  linear: LinearOperand,
  dY: Operand,
  dX: Operand | null,
  db: Operand | null,
  xa: Operand | null,
): void {
  const state = states.of(linear);
  const { In, outs, ranks, fp8 } = state.sizes;
  const { N, dtype } = linearBackwardInputSizes(state.sizes, dY, dX, db, xa);
  if (N === 0) return;
  const gradient = cuda.in(dY);
  const target = cuda.optionalOut(dX);
  const c = { address: target, ld: In };
  const adapters = ranks > 0 ? adapterCopies(cuda, linear, state, dtype) : undefined;
  const merged = mergesAdapters(cuda, linear, state, dtype) ? adapters : undefined;
  if (adapters) {
    const { a, b } = adapters;
    const low = { address: cuda.optionalOut(db), ld: ranks };
    const addresses = { N, dtype, dY: gradient, xa: cuda.optionalIn(xa), b: b.address!, db: low.address };
    loraBackwardOutputs(cuda, linear, state, addresses);
    if (target === 0) return;
    const up = { a: low, b: { address: a.address!, ld: In }, c, M: N, N: In, K: ranks, dtype, alpha: keptFactor(linear) };
    if (!merged) cuda.multiply(up);
    if (linear.dropout > 0) mask(cuda, linear, target, target, N * In, dtype);
  }
  if (target === 0) return;
  if (fp8) {
    fp8BackwardInput(cuda, linear, state, { N, dtype, input: gradient, output: target, beta: ranks > 0 ? 1 : 0 });
    return;
  }
  denseWeights(cuda, linear, state, dtype, merged).forEach(({ address, row, rows }, index) => {
    const a = { address: gradient + row * BYTES_PER_ELEMENT[dtype], ld: outs };
    cuda.multiply({ a, b: { address, ld: In }, c, M: N, N: In, K: rows, dtype, beta: (adapters && !merged) || index > 0 ? 1 : 0 });
  });
}

export function loraBackwardA(cuda: CudaRuntime, states: LinearStates, linear: LinearOperand, x: Operand, db: Operand): void {
  const state = states.of(linear);
  const { In, ranks } = state.sizes;
  const { N, dtype } = loraBackwardASizes(state.sizes, x, db);
  const trained = linear.parts.filter(({ lora }) => lora?.aGradient && lora.rank > 0);
  if (N === 0 || trained.length === 0) return;
  const product = { K: N, transposeA: true, dtype, outDType: "f32" } as const;
  const alpha = keptFactor(linear);
  const a = { address: cuda.in(db), ld: ranks };
  const b = { address: maskedInput(cuda, linear, cuda.in(x), N * In, dtype), ld: In };
  if (ranks === trained[0]!.lora!.rank) {
    cuda.multiply({ ...product, a, b, c: { address: cuda.out(trained[0]!.lora!.aGradient!), ld: In }, M: ranks, N: In, alpha, beta: 1 });
    return;
  }
  // One pass over x for all parts, then a small addition each.
  const all = cuda.scratch.take("A gradients", ranks * In * 4);
  cuda.multiply({ ...product, a, b, c: { address: all, ld: In }, M: ranks, N: In, alpha });
  linear.parts.forEach(({ lora }, p) => {
    if (!lora?.aGradient || lora.rank === 0) return;
    const source = all + state.places[p]!.rankStart * In * 4;
    copyMatrix(cuda, "f32", source, cuda.out(lora.aGradient), lora.rank, In, In, In, 1, true);
  });
}

export function linearBackwardWeight(cuda: CudaRuntime, x: Operand, dY: Operand, dW: Operand, dBias: Operand | null, column: number): void {
  const { N, In, Out, stride, dtype } = linearBackwardWeightSizes(x, dY, dW, dBias, column);
  if (N === 0) return;
  const a = { address: cuda.in(dY) + column * BYTES_PER_ELEMENT[dtype], ld: stride };
  const [b, c] = [
    { address: cuda.in(x), ld: In },
    { address: cuda.out(dW), ld: In },
  ];
  cuda.multiply({ a, b, c, M: Out, N: In, K: N, transposeA: true, dtype, outDType: "f32", beta: 1 });
  if (!dBias) return;
  const rows = Math.max(16, blocks(N, 256));
  const chunks = blocks(N, rows);
  const partials = cuda.scratch.take("bias partials", chunks * Out * 4);
  const grid = { x: blocks(Out, 256), y: chunks };
  cuda.launch(`column_sum_partials_${dtype}`, grid, [a.address, partials, N, Out, stride, rows]);
  cuda.launch("add_partials_f32", blocks(Out, 256), [partials, cuda.out(dBias), chunks, Out, 1]);
}

/** Whether lora_add.cu takes the shapes. REMORA_CUDA_LORA_ADD=0 leaves it to cuBLASLt. */
function addsAtRandom(cuda: CudaRuntime, dtype: ActivationDType, outs: number, ranks: number, output: number): boolean {
  if (dtype === "f32" || (dtype === "bf16" && cuda.card.major < 8) || process.env.REMORA_CUDA_LORA_ADD === "0") return false;
  return outs % 8 === 0 && ranks % 2 === 0 && output % 16 === 0;
}

function keptFactor({ dropout }: LinearOperand): number {
  return 1 / (1 - dropout);
}

/** x itself, or in scratch x with zeros where it is dropped. */
function maskedInput(cuda: CudaRuntime, linear: LinearOperand, x: number, count: number, dtype: ActivationDType): number {
  if (linear.dropout === 0) return x;
  const dropped = cuda.scratch.take("dropped rows", count * BYTES_PER_ELEMENT[dtype]);
  mask(cuda, linear, x, dropped, count, dtype);
  return dropped;
}

/** The same mask each time, made from the seed; in place when source is target. */
function mask(cuda: CudaRuntime, linear: LinearOperand, source: number, target: number, count: number, dtype: ActivationDType): void {
  cuda.launch(`dropout_${dtype}`, strideBlocks(count, 2048), [source, target, count, cuda.optionalIn(linear.seed), linear.dropout]);
}

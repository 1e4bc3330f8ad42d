/**
 * A group of linears with adapters, for many rows: the whole weight is decoded into a reused scratch and multiplied by cuBLASLt; the adapters are
 * two thin products each way. Few rows, and from NF4 up to 128, take `linear-decode.ts`. E4M3 weights are not decoded: `fp8-products.ts` makes the
 * large product, the adapters see x and dY as they are.
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
 *   adapters        dA += dbᵀ drop(x)     dB += scale · dYᵀ xa
 *
 * drop(x) is mask(x), exact in the compute dtype, and 1/(1−p) is the product's own factor.
 */
import process from "node:process";
import type { ActivationDType, LinearOperand, Operand } from "../../backend.ts";
import { BYTES_PER_ELEMENT } from "../../element-types.ts";
import { linearBackwardInputSizes, linearBackwardWeightSizes, linearForwardSizes, loraBackwardSizes } from "../../shapes/linear.ts";
import type { CudaRuntime } from "../cuda-runtime.ts";
import { adapterCopies, copyMatrix } from "./adapter-copies.ts";
import { denseWeights, productsEnqueued } from "./dense-weights.ts";
import { fp8BackwardInput, fp8Forward } from "./fp8-products.ts";
import { blocks, gridRows, strideBlocks } from "./grids.ts";
import { linearDecode, linearDecodeMany } from "./linear-decode.ts";
import type { LinearStates } from "./linear-state.ts";
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
  const able = ranks > 0 && addsAtRandom(cuda, dtype, outs, ranks, output);
  const fromCodes = (ranks === 0 || able) && linearDecodeMany(cuda, linear, state, { N, dtype, x: input, y: output });
  if (fromCodes && ranks === 0) return;
  const split = splitProduct(cuda, linear, state, { N, dtype, x: input, y: output });
  const merged = !fromCodes && mergesAdapters(cuda, linear, state, dtype);
  const atRandom = able && !merged;
  const first = merged || atRandom;
  const large = () => {
    if (fromCodes) return;
    const beta = ranks > 0 && !first ? 1 : 0;
    if (fp8) return fp8Forward(cuda, linear, state, { N, dtype, input, output, beta });
    for (const { address, row, rows } of split ? [] : denseWeights(cuda, linear, state, dtype, merged)) {
      const c = { address: output + row * bytes, ld: outs };
      cuda.multiply({ a: { address: input, ld: In }, b: { address, ld: In }, c, M: N, N: rows, K: In, transposeB: true, dtype, beta });
    }
    productsEnqueued(cuda);
  };
  if (first) large();
  if (ranks > 0) {
    const { a, b } = adapterCopies(cuda, linear, state, dtype);
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
  if (!linear.bias || fromCodes) return;
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
): void {
  const state = states.of(linear);
  const { In, outs, ranks, fp8 } = state.sizes;
  const { N, dtype } = linearBackwardInputSizes(state.sizes, dY, dX, db);
  if (N === 0) return;
  const gradient = cuda.in(dY);
  const target = cuda.optionalOut(dX);
  const c = { address: target, ld: In };
  const merged = mergesAdapters(cuda, linear, state, dtype);
  // Merged weights come first: the copies of the adapters are made with them.
  const weights = merged && target !== 0 ? denseWeights(cuda, linear, state, dtype, true) : undefined;
  if (ranks > 0) {
    const { a, b } = adapterCopies(cuda, linear, state, dtype);
    const low = { address: cuda.optionalOut(db), ld: ranks };
    cuda.multiply({ a: { address: gradient, ld: outs }, b: { address: b.address!, ld: ranks }, c: low, M: N, N: ranks, K: outs, dtype });
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
  (weights ?? denseWeights(cuda, linear, state, dtype)).forEach(({ address, row, rows }, index) => {
    const a = { address: gradient + row * BYTES_PER_ELEMENT[dtype], ld: outs };
    cuda.multiply({ a, b: { address, ld: In }, c, M: N, N: In, K: rows, dtype, beta: (ranks > 0 && !merged) || index > 0 ? 1 : 0 });
  });
  productsEnqueued(cuda);
}

export function loraBackward(
  cuda: CudaRuntime,
  states: LinearStates,
  linear: LinearOperand,
  x: Operand,
  xa: Operand,
  dY: Operand,
  db: Operand,
): void {
  const state = states.of(linear);
  const { In, outs, ranks } = state.sizes;
  const { N, dtype } = loraBackwardSizes(state.sizes, x, xa, dY, db);
  if (N === 0 || ranks === 0) return;
  const bytes = BYTES_PER_ELEMENT[dtype];
  const [gradient, low, lowGradient] = [cuda.in(dY), cuda.in(xa), cuda.in(db)];
  const product = { K: N, transposeA: true, dtype, outDType: "f32" } as const;
  linear.parts.forEach(({ weight, lora }, p) => {
    if (!lora?.bGradient || lora.rank === 0) return;
    const { row, rankStart } = state.places[p]!;
    const a = { address: gradient + row * bytes, ld: outs };
    const b = { address: low + rankStart * bytes, ld: ranks };
    const c = { address: cuda.out(lora.bGradient), ld: lora.rank };
    cuda.multiply({ ...product, a, b, c, M: weight.rows, N: lora.rank, alpha: lora.scale, beta: 1 });
  });
  const alpha = keptFactor(linear);
  const b = { address: maskedInput(cuda, linear, cuda.in(x), N * In, dtype), ld: In };
  const a = { address: lowGradient, ld: ranks };
  const trained = linear.parts.filter(({ lora }) => lora?.aGradient && lora.rank > 0);
  if (trained.length === 0) return;
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

/** NF4 encoding with double quantization, E4M3 encoding, decoding of any weight, sampling. Kernels: nf4.cu, fp8.cu, weights.cu, sample.cu. */
import { KernelError } from "../../../errors/kernel-error.ts";
import type { Operand, SamplingOperand, WeightOperand } from "../../backend.ts";
import { fp8EncodeSizes, nf4EncodeSizes, nf4NestSizes, sampleSizes, weightDecodeSizes } from "../../shapes/optimizer.ts";
import { checkWeight } from "../../shapes/weights.ts";
import type { CudaRuntime } from "../cuda-runtime.ts";
import { sumPartials } from "./elementwise.ts";
import { launchEncode } from "./fp8-products.ts";
import { blocks } from "./grids.ts";
import { decodeRows } from "./weights.ts";

export function nf4Encode(cuda: CudaRuntime, x: Operand, codes: Operand, absmax: Operand): void {
  const { count, dtype } = nf4EncodeSizes(x, codes, absmax);
  const target = cuda.out(codes);
  if (target % 4 !== 0 && count % 8 === 0) throw new KernelError(cuda.op, "ARGUMENT", "NF4 codes must start at a multiple of 4 bytes");
  cuda.launch(`nf4_encode_${dtype}`, blocks(count, 2048), [cuda.in(x), target, cuda.out(absmax), count]);
}

export function nf4Nest(
  cuda: CudaRuntime,
  absmax: Operand,
  nestedCode: Operand,
  scaleCodes: Operand,
  nested: Operand,
  offset: Operand,
): void {
  const { blocks: count } = nf4NestSizes(absmax, nestedCode, scaleCodes, nested, offset);
  const [source, mean] = [cuda.in(absmax), cuda.out(offset)];
  const { address, parts } = sumPartials(cuda, "sum_partials_f32", source, count);
  cuda.launch("nf4_nest_offset", 1, [address, mean, parts, count]);
  const values = [source, cuda.in(nestedCode), mean, cuda.out(scaleCodes), cuda.out(nested), count];
  cuda.launch("nf4_nest_block_per_256", blocks(count, 256), values);
}

export function fp8Encode(cuda: CudaRuntime, x: Operand, codes: Operand, scales: Operand): void {
  const { rows, cols, dtype } = fp8EncodeSizes(x, codes, scales);
  launchEncode(cuda, dtype, [cuda.in(x), 0, cuda.out(codes), cuda.out(scales)], rows, cols);
}

export function weightDecode(cuda: CudaRuntime, weight: WeightOperand, out: Operand, row: number, rowCount: number): void {
  checkWeight("weightDecode", weight);
  const { dtype } = weightDecodeSizes(weight, out, row, rowCount);
  decodeRows(cuda, weight, { address: cuda.out(out), dtype }, row, rowCount);
}

/** Bins of the histogram and bytes of what a slice leaves, in sample.cu. */
const SAMPLE_BINS = 2048;
const SLICE_BYTES = 16;
const MOST_SLICES = 64;
const SLICE_TOKENS = 1024;

export function sample(cuda: CudaRuntime, logits: Operand, controls: SamplingOperand, ids: Operand, logprobs: Operand): void {
  const { B, V, stride } = sampleSizes(logits, controls, ids, logprobs);
  if (B === 0) return;
  const slices = Math.min(MOST_SLICES, blocks(V, SLICE_TOKENS));
  const bytes = { masses: B * SAMPLE_BINS * 8, counts: B * SAMPLE_BINS * 4, slices: B * slices * SLICE_BYTES, penalized: B * V * 4 };
  const masses = cuda.scratch.take("sampling", bytes.masses + bytes.counts + bytes.slices + bytes.penalized);
  const counts = masses + bytes.masses;
  const parts = counts + bytes.counts;
  const penalized = parts + bytes.slices;
  const [x, params] = [cuda.in(logits), cuda.in(controls.params)];
  const history = [cuda.in(controls.history), cuda.in(controls.historyLength)];
  const grid = { x: slices, y: B };
  cuda.launch("sample_slices", grid, [x, params, ...history, penalized, parts, masses, counts, V, stride]);
  cuda.launch("sample_histogram", grid, [params, penalized, parts, masses, counts, V]);
  const random = [cuda.in(controls.seeds), cuda.in(controls.steps)];
  const results = [cuda.out(ids), cuda.out(logprobs)];
  cuda.launch("sample_choose", B, [x, params, ...random, penalized, parts, masses, counts, ...results, V, slices]);
}

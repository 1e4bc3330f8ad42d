/**
 * Products of E4M3 weights for a group of linears, both ways: the other operand is rounded to E4M3 row by row, cuBLASLt multiplies codes and
 * applies the scales of rows and outputs where it writes. Kernels: fp8.cu.
 *
 *   forward    y  = diag(t) (X₈ W₈ᵀ) diag(s)         X₈, t: rows of x rounded       W₈, s: the weight, a scale an output
 *   backward   dX = diag(t) (G₈ W₈)                  G₈, t: rows of dY·diag(s) rounded: s belongs to what is summed over, so it goes in first
 *
 * Where norm, gate or the backward of rope wrote x or dY in the op before, they have rounded it already (`roundedFor`).
 * Tensor cores of sm_90 read 8-bit operands along the sum only, so dX needs W₈ by columns: a transposed copy of the codes, made once a weight.
 */
import process from "node:process";
import { CudaError } from "../../../errors/cuda-error.ts";
import type { ActivationDType, LinearOperand } from "../../backend.ts";
import { BYTES_PER_ELEMENT } from "../../element-types.ts";
import { LONGEST_FAST_SUM } from "../cublaslt.ts";
import type { CudaRuntime, RoundedRows } from "../cuda-runtime.ts";
import type { Product } from "../product.ts";
import { copyMatrix } from "./adapter-copies.ts";
import { blocks } from "./grids.ts";
import type { LinearState, LinearStates, TransposedCodes } from "./linear-state.ts";

/** Widest row of which four warps keep all in registers. */
const FOUR_WARPS_WIDTH = 8192;

/** Of fewer rows, norm and gate do not round for their reader: a block a row would leave most of the card empty. */
const FUSED_ROWS = 128;

/** Terms that cuBLASLt wants 8-bit operands to begin at. */
const ALIGNED_TERMS = 16;

type Fp8Product = Omit<Product, "dtype" | "transposeB"> & { readonly outDType: ActivationDType };

interface Rows {
  readonly N: number;
  readonly dtype: ActivationDType;
  readonly input: number;
  readonly output: number;
  /** 1 adds to the output. */
  readonly beta: 0 | 1;
}

/** output[N, ΣOut] (+)= input[N, In] Wᵀ */
export function fp8Forward(cuda: CudaRuntime, linear: LinearOperand, state: LinearState, { N, dtype, input, output, beta }: Rows): void {
  const { In, outs } = state.sizes;
  const x = encodeRows(cuda, dtype, input, 0, N, In);
  linear.parts.forEach(({ weight }, p) => {
    const c = { address: output + state.places[p]!.row * BYTES_PER_ELEMENT[dtype], ld: outs };
    const b = { address: cuda.in(weight.data), ld: In };
    const scales = { a: x.scales, b: cuda.in(weight.scales!) };
    const sizes = { M: N, N: weight.rows, K: In };
    multiply(cuda, { a: { address: x.codes, ld: In }, b, c, ...sizes, outDType: dtype, beta, scales });
  });
}

/** output[N, In] (+)= input[N, ΣOut] W */
export function fp8BackwardInput(
  cuda: CudaRuntime,
  linear: LinearOperand,
  state: LinearState,
  { N, dtype, input, output, beta }: Rows,
): void {
  const { In, outs } = state.sizes;
  const { codes, exponents, ones } = transposedCodes(cuda, linear, state);
  const gradient = encodeRows(cuda, dtype, input, exponents.address!, N, outs);
  const a = { address: gradient.codes, ld: outs };
  const b = { address: codes.address!, ld: outs };
  const c = { address: output, ld: In };
  const scales = { a: gradient.scales, b: ones.address! };
  multiply(cuda, { a, b, c, M: N, N: In, K: outs, outDType: dtype, beta, scales });
}

/**
 * One product. A sum of up to twice what accumulates fast is two products, the second added to the first: on an H100 0.89 ms for 1.05 at 8,192 × 5,120
 * outputs and 14,336 terms; four pieces of 28,672 terms gain nothing. What it costs is one rounding to 16 bits in between.
 */
function multiply(cuda: CudaRuntime, part: Fp8Product): void {
  const { a, b, K, scales } = part;
  const half = K / 2;
  if (K <= LONGEST_FAST_SUM || half > LONGEST_FAST_SUM || half % ALIGNED_TERMS !== 0 || process.env.REMORA_CUDA_FP8_FAST === "0") {
    multiplyWhole(cuda, part);
    return;
  }
  multiplyWhole(cuda, { ...part, K: half });
  const rest = { a: { ...a, address: a.address + half }, b: { ...b, address: b.address + half }, scales };
  multiplyWhole(cuda, { ...part, ...rest, K: half, beta: 1 });
}

/**
 * cuBLASLt's manual does not say whether a product with scale vectors can be added to its output; where it is refused, it goes to f32
 * scratch and is added from there: rounded once too, for 10 bytes more an output.
 */
function multiplyWhole(cuda: CudaRuntime, part: Fp8Product): void {
  const product = { ...part, transposeB: true, dtype: "e4m3" } as const;
  if (product.beta !== 1 || cuda.addsFp8) {
    try {
      cuda.multiply(product);
      return;
    } catch (error) {
      if (product.beta !== 1 || !CudaError.isInstance(error) || !error.status.endsWith("NOT_SUPPORTED")) throw error;
      cuda.addsFp8 = false;
    }
  }
  const { M, N, c, outDType } = product;
  const apart = cuda.scratch.take("E4M3 products", M * N * 4);
  cuda.multiply({ ...product, c: { address: apart, ld: N }, outDType: "f32", beta: 0 });
  copyMatrix(cuda, outDType, apart, c.address, M, N, N, c.ld, 1, true);
}

/** Where codes u8 [N, C] and scales f32 [N] lie. Scratch, which may outlive its op by one here: nothing else takes it, and the next op reads before it takes. */
function takeRows(cuda: CudaRuntime, N: number, C: number) {
  return { codes: cuda.scratch.take("E4M3 rows", N * C), scales: cuda.scratch.take("E4M3 row scales", N * 4) };
}

/** Rows in E4M3: those that the op before wrote, or made now. `exponents` u8 [C]: powers of two that go into the columns first; 0 for none. */
function encodeRows(cuda: CudaRuntime, dtype: ActivationDType, source: number, exponents: number, N: number, C: number) {
  const { rounded } = cuda;
  if (rounded && rounded.madeBy === cuda.opCount - 1 && rounded.address === source && rounded.exponents === exponents) {
    if (rounded.N === N && rounded.C === C && dtype === "bf16") return rounded;
  }
  const { codes, scales } = takeRows(cuda, N, C);
  launchEncode(cuda, dtype, [source, exponents, codes, scales], N, C);
  return { codes, scales };
}

/**
 * For an op that writes bf16 rows [N, C] of which it knows the `reader`: where to write them in E4M3 too, for the next op to find; undefined when they
 * are not wanted. A row then costs 1 byte an element instead of the 3 of rounding it later. REMORA_CUDA_FP8_FUSED=0 leaves it to later.
 * @param arrays addresses that the op's kernel reads in pieces of 16 bytes
 */
export function roundedFor(
  cuda: CudaRuntime,
  states: LinearStates,
  reader: LinearOperand | undefined,
  way: "forward" | "backward",
  { address, N, C, dtype, arrays }: { address: number; N: number; C: number; dtype: ActivationDType; arrays: readonly number[] },
): RoundedRows | undefined {
  if (!reader || dtype !== "bf16" || N < FUSED_ROWS || process.env.REMORA_CUDA_FP8_FUSED === "0") return undefined;
  const state = states.of(reader);
  const { fp8, In, outs } = state.sizes;
  if (!fp8 || C !== (way === "forward" ? In : outs) || arrays.some((array) => array % 16 !== 0)) return undefined;
  const exponents = way === "forward" ? 0 : transposedCodes(cuda, reader, state).exponents.address!;
  cuda.rounded = { address, N, C, exponents, ...takeRows(cuda, N, C), madeBy: cuda.opCount };
  return cuda.rounded;
}

/** Rows [N, C] → codes and scales: addresses, as `fp8_encode` takes them. */
export function launchEncode(
  cuda: CudaRuntime,
  dtype: ActivationDType,
  [source, exponents, codes, scales]: readonly [source: number, exponents: number, codes: number, scales: number],
  N: number,
  C: number,
): void {
  const strategy = dtype === "bf16" && C <= FOUR_WARPS_WIDTH ? "four_warps_per_row" : "block_per_row";
  cuda.launch(`fp8_encode_${strategy}_${dtype}`, N, [source, exponents, codes, scales, C]);
}

function transposedCodes(cuda: CudaRuntime, linear: LinearOperand, state: LinearState): TransposedCodes {
  // Once: a quantized weight never changes while its model lives. (Versions of memory would not tell: an arena's block holds activations too.)
  if (state.transposed) return state.transposed;
  const { In, outs, path } = state.sizes;
  const made = {
    codes: cuda.memory.allocate(outs * In, `E4M3 codes of ${path}, transposed`),
    exponents: cuda.memory.allocate(outs, `scale exponents of ${path}`),
    ones: cuda.memory.allocate(In * 4, `unit scales of ${path}`),
  };
  cuda.sendBytes(made.ones.address!, new Uint8Array(new Float32Array(In).fill(1).buffer));
  linear.parts.forEach(({ weight }, p) => {
    const { row } = state.places[p]!;
    const grid = { x: blocks(In, 64), y: blocks(weight.rows, 64) };
    cuda.launch("fp8_transpose_64x64", grid, [cuda.in(weight.data), made.codes.address! + row, weight.rows, In, outs]);
    const values = [cuda.in(weight.scales!), made.exponents.address! + row, weight.rows];
    cuda.launch("fp8_scale_exponents", blocks(weight.rows, 256), values);
  });
  state.transposed = made;
  return made;
}

/**
 * Dense products by cuBLASLt: f32, bf16, f16 and E4M3 operands, f32 sums (those of split products too), no TF32. The algorithm of each shape is asked for once and kept, with its
 * descriptors, so a product is one call; which algorithm it was can be read (`plans`), because equal results need equal algorithms.
 */
import process from "node:process";
import koffi from "koffi";
import { CudaError } from "../../errors/cuda-error.ts";
import {
  ALGORITHM,
  ALGORITHM_BYTES,
  COMPUTE_32F,
  CUBLASLT_DECLARATIONS,
  type CublasLtFunctions,
  DATA_TYPES,
  DESCRIPTOR,
  PREFERENCE,
  REDUCTION_COMPUTE_TYPE,
  RESULT_BYTES,
  SCALE_OUTER_VECTOR,
} from "./cublaslt-functions.ts";
import { type CudaSearch, cublasLtCandidates } from "./library-search.ts";
import { alignmentOf, columnMajor, outputType, type Product, planKey } from "./product.ts";

/** cuBLASLt's own advice for Hopper is 32 MiB. */
export const WORKSPACE_BYTES = 32 * 2 ** 20;

/**
 * Longest sum of an 8-bit product that stays in the tensor cores. Hopper's add 8-bit products in about 14 bits; accumulation in f32 promotes those sums
 * every 128 terms, fast accumulation seldom or never. On an H100 the largest difference from bf16 was the same both ways for 4,096 and 5,120 terms (2.4 and
 * 2.2% of rms: the rounding of a bf16 result) but twice as large for 14,336 (5.2 and 2.6%), and fast products take 5 to 15% less time.
 */
export const LONGEST_FAST_SUM = 8192;

interface Plan {
  readonly descriptor: bigint;
  readonly layouts: readonly [first: bigint, second: bigint, out: bigint];
  readonly algorithm: Uint8Array;
  readonly description: string;
}

export type CublasLtLibrary = { readonly fn: CublasLtFunctions; readonly path: string; readonly version: number };

/** Finds and opens cuBLASLt, or says in one line why it cannot be used. */
export function findCublasLt(search: CudaSearch = {}): { readonly library: CublasLtLibrary } | { readonly reason: string } {
  const candidates = cublasLtCandidates(search);
  for (const path of candidates) {
    try {
      const handle = koffi.load(path);
      const functions: Record<string, unknown> = {};
      for (const [name, declaration] of Object.entries(CUBLASLT_DECLARATIONS)) functions[name] = handle.func(declaration);
      const fn = functions as unknown as CublasLtFunctions;
      return { library: { fn, path, version: Number(fn.cublasLtGetVersion()) } };
    } catch {
      // the next one may load
    }
  }
  return {
    reason:
      `cuBLASLt was not found (tried ${candidates.join(", ")}). Install the CUDA toolkit's cuBLAS 12 or 13, or \`pip install nvidia-cublas\`, ` +
      "and name its folder in REMORA_CUDA_LIBS.",
  };
}

export class CublasLt {
  readonly library: CublasLtLibrary;
  readonly #fn: CublasLtFunctions;
  readonly #handle: bigint;
  readonly #workspace: number;
  readonly #plans = new Map<string, Plan>();
  readonly #alpha = new Float32Array(1);
  readonly #beta = new Float32Array(1);
  readonly #scale = new BigUint64Array(1);

  constructor(library: CublasLtLibrary, workspace: number) {
    this.library = library;
    this.#fn = library.fn;
    this.#workspace = workspace;
    this.#handle = this.#create("cublasLtCreate", (out) => this.#fn.cublasLtCreate(out));
  }

  /** Algorithm by shape, in the order of first use. */
  get plans(): ReadonlyMap<string, string> {
    return new Map([...this.#plans].map(([key, plan]) => [key, plan.description]));
  }

  /** Enqueues one product with M, N, K ≥ 1. */
  multiply(op: string, stream: bigint, product: Product): void {
    const key = planKey(product);
    let plan = this.#plans.get(key);
    if (!plan) {
      plan = this.#plan(op, product);
      this.#plans.set(key, plan);
    }
    const { a, b, c, alpha = 1, beta = 0 } = product;
    const [first, second, out] = plan.layouts;
    if (product.scales) this.#setScales(op, plan.descriptor, product.scales);
    this.#alpha[0] = alpha;
    this.#beta[0] = beta;
    const status = this.#fn.cublasLtMatmul(
      this.#handle,
      plan.descriptor,
      this.#alpha,
      b.address,
      first,
      a.address,
      second,
      this.#beta,
      c.address,
      out,
      c.address,
      out,
      plan.algorithm,
      this.#workspace,
      WORKSPACE_BYTES,
      stream,
    );
    if (status !== 0) throw this.#error(`${op} (product ${key}, ${plan.description})`, status);
  }

  release(): void {
    for (const { descriptor, layouts } of this.#plans.values()) {
      this.#fn.cublasLtMatmulDescDestroy(descriptor);
      for (const layout of layouts) this.#fn.cublasLtMatrixLayoutDestroy(layout);
    }
    this.#plans.clear();
    this.#fn.cublasLtDestroy(this.#handle);
  }

  #plan(op: string, product: Product): Plan {
    const { dtype, scales } = product;
    const outDType = outputType(product);
    const { first, second, out } = columnMajor(product);
    const descriptor = this.#create(op, (at) => this.#fn.cublasLtMatmulDescCreate(at, COMPUTE_32F, DATA_TYPES.f32));
    this.#set(op, descriptor, DESCRIPTOR.transposeA, first.transposed);
    this.#set(op, descriptor, DESCRIPTOR.transposeB, second.transposed);
    if (scales) {
      this.#set(op, descriptor, DESCRIPTOR.scaleModeA, SCALE_OUTER_VECTOR);
      this.#set(op, descriptor, DESCRIPTOR.scaleModeB, SCALE_OUTER_VECTOR);
      if (accumulatesFast(product))
        this.#check(op, this.#fn.cublasLtMatmulDescSetAttribute(descriptor, DESCRIPTOR.fastAccumulation, Int8Array.of(1), 1));
      // No algorithm is found without them.
      this.#setScales(op, descriptor, scales);
    }
    const layout = (type: number, { rows, cols, ld }: { rows: number; cols: number; ld: number }) =>
      this.#create(op, (at) => this.#fn.cublasLtMatrixLayoutCreate(at, type, rows, cols, ld));
    const inType = DATA_TYPES[dtype];
    const layouts = [layout(inType, first), layout(inType, second), layout(DATA_TYPES[outDType], out)] as const;
    const algorithm = this.#choose(op, product, descriptor, layouts);
    return { descriptor, layouts, algorithm, description: this.#describe(algorithm) };
  }

  #choose(op: string, product: Product, descriptor: bigint, [first, second, out]: Plan["layouts"]): Uint8Array {
    const preference = this.#create(op, (at) => this.#fn.cublasLtMatmulPreferenceCreate(at));
    const prefer = (attribute: number, value: ArrayBufferView) =>
      this.#check(op, this.#fn.cublasLtMatmulPreferenceSetAttribute(preference, attribute, value, value.byteLength));
    prefer(PREFERENCE.workspaceBytes, BigUint64Array.of(BigInt(WORKSPACE_BYTES)));
    prefer(PREFERENCE.reductions, Uint32Array.of(REDUCTION_COMPUTE_TYPE));
    const { a, b, c } = product;
    prefer(PREFERENCE.alignmentA, Uint32Array.of(alignmentOf(b.address)));
    prefer(PREFERENCE.alignmentB, Uint32Array.of(alignmentOf(a.address)));
    prefer(PREFERENCE.alignmentC, Uint32Array.of(alignmentOf(c.address)));
    prefer(PREFERENCE.alignmentD, Uint32Array.of(alignmentOf(c.address)));
    const result = new Uint8Array(RESULT_BYTES);
    const found = new Int32Array(1);
    const status = this.#fn.cublasLtMatmulAlgoGetHeuristic(this.#handle, descriptor, first, second, out, out, preference, 1, result, found);
    this.#fn.cublasLtMatmulPreferenceDestroy(preference);
    if (status !== 0 || found[0] === 0) {
      throw this.#error(`${op} (no algorithm for the product ${planKey(product)})`, status);
    }
    return result.slice(0, ALGORITHM_BYTES);
  }

  #describe(algorithm: Uint8Array): string {
    const read = (attribute: number): number | string => {
      const value = new Uint32Array(1);
      const written = new BigUint64Array(1);
      const status = this.#fn.cublasLtMatmulAlgoConfigGetAttribute(algorithm, attribute, value, 4, written);
      return status === 0 ? value[0]! : "?";
    };
    const { id, tile, stages, splitK, reduction } = ALGORITHM;
    return `algorithm ${read(id)} tile ${read(tile)} stages ${read(stages)} split-k ${read(splitK)} reduction ${read(reduction)}`;
  }

  #set(op: string, descriptor: bigint, attribute: number, value: number): void {
    this.#check(op, this.#fn.cublasLtMatmulDescSetAttribute(descriptor, attribute, Int32Array.of(value), 4));
  }

  /** Read when a product is enqueued, so a recorded graph keeps its own. */
  #setScales(op: string, descriptor: bigint, { a, b }: NonNullable<Product["scales"]>): void {
    this.#scale[0] = BigInt(b);
    this.#check(op, this.#fn.cublasLtMatmulDescSetAttribute(descriptor, DESCRIPTOR.scaleA, this.#scale, 8));
    this.#scale[0] = BigInt(a);
    this.#check(op, this.#fn.cublasLtMatmulDescSetAttribute(descriptor, DESCRIPTOR.scaleB, this.#scale, 8));
  }

  #create(op: string, make: (at: BigUint64Array) => number): bigint {
    const out = new BigUint64Array(1);
    this.#check(op, make(out));
    return out[0]!;
  }

  #check(op: string, status: number): void {
    if (status !== 0) throw this.#error(op, status);
  }

  #error(op: string, status: number): CudaError {
    return new CudaError(op, this.#fn.cublasLtGetStatusName(status) ?? `cublasStatus ${status}`, "cuBLASLt refused");
  }
}

/** A result in f32 is asked for by those who want its bits. REMORA_CUDA_FP8_FAST=0 or 1 says it for all products. */
function accumulatesFast(product: Product): boolean {
  const forced = process.env.REMORA_CUDA_FP8_FAST;
  if (forced === "0" || forced === "1") return forced === "1";
  return product.K <= LONGEST_FAST_SUM && outputType(product) !== "f32";
}

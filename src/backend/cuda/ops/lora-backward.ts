/**
 * LoRA's backward at the output's side: db = dY (scale·B) and, where the adapters are trained, dB += scale · dYᵀ xa. Both read all of dY, which is
 * larger than everything else here together. lora_backward.cu makes both in one pass over it; what its sizes do not fit takes two products, and B
 * one for each part.
 */
import process from "node:process";
import type { ActivationDType, LinearOperand } from "../../backend.ts";
import { BYTES_PER_ELEMENT } from "../../element-types.ts";
import type { CudaRuntime } from "../cuda-runtime.ts";
import { blocks } from "./grids.ts";
import type { LinearState } from "./linear-state.ts";

/** lora_backward.cu: rows of a unit, parts of a group, threads of a block. */
const ROWS = 16;
const MOST_PARTS = 3;
const THREADS = 256;
/** By the largest rank: tiles of 16 ranks, columns of a group, bytes of shared memory. */
const VARIANTS = [
  { tiles: 1, columns: 1024, shared: 155_648 },
  { tiles: 2, columns: 1024, shared: 174_080 },
  { tiles: 4, columns: 512, shared: 145_408 },
] as const;
/** A block writes as many sums as two units have bytes, and they are read again: below this the pass that is saved is no longer worth it. */
const LEAST_UNITS_A_BLOCK = 4;

interface Addresses {
  readonly N: number;
  readonly dtype: ActivationDType;
  readonly dY: number;
  /** 0 when the adapters are not trained. */
  readonly xa: number;
  /** scale·B of all parts, [ΣOut, ΣR]. */
  readonly b: number;
  readonly db: number;
}

export function loraBackwardOutputs(cuda: CudaRuntime, linear: LinearOperand, state: LinearState, addresses: Addresses): void {
  if (onePass(cuda, linear, state, addresses)) return;
  const { outs, ranks } = state.sizes;
  const { N, dtype, dY, xa, b, db } = addresses;
  const bytes = BYTES_PER_ELEMENT[dtype];
  cuda.multiply({
    a: { address: dY, ld: outs },
    b: { address: b, ld: ranks },
    c: { address: db, ld: ranks },
    M: N,
    N: ranks,
    K: outs,
    dtype,
  });
  if (xa === 0) return;
  linear.parts.forEach(({ weight, lora }, p) => {
    if (!lora?.bGradient || lora.rank === 0) return;
    const { row, rankStart } = state.places[p]!;
    const columns = { address: dY + row * bytes, ld: outs };
    const low = { address: xa + rankStart * bytes, ld: ranks };
    const c = { address: cuda.out(lora.bGradient), ld: lora.rank };
    const product = { a: columns, b: low, c, M: weight.rows, N: lora.rank, K: N, transposeA: true, dtype };
    cuda.multiply({ ...product, outDType: "f32", alpha: lora.scale, beta: 1 });
  });
}

/** Returns false, with nothing enqueued, when the sizes are not for it. REMORA_CUDA_LORA_ONE_PASS=0 leaves all to cuBLASLt, =1 takes few rows too. */
function onePass(cuda: CudaRuntime, linear: LinearOperand, state: LinearState, { N, dtype, dY, xa, b, db }: Addresses): boolean {
  const wanted = process.env.REMORA_CUDA_LORA_ONE_PASS;
  const { outs, ranks } = state.sizes;
  const { card } = cuda;
  if (wanted === "0" || dtype === "f32" || card.major < 8 || xa === 0 || outs % 8 !== 0 || (dY | xa | b) % 16 !== 0) return false;
  const parts = linear.parts.flatMap(({ weight, lora }, p) => {
    const { row, rank } = state.places[p]!;
    return lora && rank > 0 ? [{ column: row, columns: weight.rows, rank, scale: lora.scale, gradient: lora.bGradient }] : [];
  });
  if (parts.length > MOST_PARTS || !parts.some(({ gradient }) => gradient)) return false;
  if (parts.some(({ column, columns, rank }) => (column | columns | rank) % 8 !== 0)) return false;
  const largest = Math.max(...parts.map(({ rank }) => rank));
  const variant = VARIANTS.find(({ tiles }) => largest <= 16 * tiles);
  if (!variant || variant.shared > card.sharedPerBlock) return false;

  const { tiles, columns: width, shared } = variant;
  const groups = parts.reduce((sum, { columns }) => sum + blocks(columns, width), 0);
  const steps = blocks(N, ROWS);
  const units = groups * steps;
  if (units < LEAST_UNITS_A_BLOCK * card.multiprocessors && wanted !== "1") return false;
  const unitsABlock = blocks(units, card.multiprocessors);
  const grid = blocks(units, unitsABlock);
  const sums = cuda.scratch.take("partial sums of db", units * ROWS * 16 * tiles * 4);
  const gradientSums = cuda.scratch.take("partial sums of B gradients", (grid + groups - 1) * width * 16 * tiles * 4);
  const each = Array.from({ length: MOST_PARTS }, (_, p) => parts[p]);
  const places = each.flatMap((part) => [part?.column ?? 0, part?.columns ?? 0, part?.rank ?? 0]);
  const variantName = `tiles${tiles}_${dtype}`;
  cuda.launch(`lora_backward_${variantName}`, grid, [dY, xa, b, sums, gradientSums, N, outs, ranks, ...places, unitsABlock], shared);
  const gradients = each.map((part) => (part?.gradient ? cuda.out(part.gradient) : 0));
  const scales = each.map((part) => part?.scale ?? 0);
  const pairs = groups * width * 8 * tiles + parts.length * steps * ROWS * 8 * tiles;
  const values = [sums, gradientSums, db, ...gradients, ...scales, N, ranks, ...places, unitsABlock];
  cuda.launch(`lora_backward_add_${variantName}`, blocks(pairs, THREADS), values);
  return true;
}

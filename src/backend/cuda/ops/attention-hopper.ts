/**
 * Flash attention for Hopper (attention_hopper.cu, attention_hopper_one_pass.cu): fed by the tensor copy engine, so its inputs are tensor maps
 * over the rows, made on the host for each launch and passed by value. Tiles are walked in an order that ends with the short ones.
 */
import process from "node:process";
import type { AttentionRule } from "../../backend.ts";
import type { CudaRuntime } from "../cuda-runtime.ts";
import type { AttentionPlan, HeadSizes } from "./attention-sizes.ts";

/** Columns of a tensor map's box: 128 bytes, the width of the swizzle. */
const BOX_COLUMNS = 64;

/** Whether these kernels take the case. REMORA_CUDA_HOPPER=0 leaves them out. */
export function isForHopper(cuda: CudaRuntime, rule: AttentionRule, { D, dtype }: HeadSizes, addresses: readonly number[]): boolean {
  if (cuda.card.major !== 9 || dtype === "f32" || (D !== 64 && D !== 128) || rule.softcap > 0) return false;
  if (process.env.REMORA_CUDA_HOPPER === "0" || addresses.some((address) => address % 16 !== 0)) return false;
  return cuda.kernels.has(`attention_forward_hopper_d${D}_${dtype}`);
}

export function hopperForward(
  cuda: CudaRuntime,
  sizes: HeadSizes,
  plan: AttentionPlan,
  scale: number,
  qkv: number,
  out: number,
  lse: number,
): void {
  const { N, H, K, D } = sizes;
  const dtype = halfType(sizes);
  const { queryOrder, queryRanges } = orderTiles(cuda, plan);
  const rows = cuda.tensorMap(dtype, qkv, (H + 2 * K) * D, N, BOX_COLUMNS, 128);
  const values = [rows, plan.rows, plan.bounds, queryOrder, queryRanges, out, lse, N, H, K, plan.tiles, scale];
  const grid = Math.min(plan.tiles * H, cuda.card.multiprocessors);
  cuda.launch(`attention_forward_hopper_d${D}_${dtype}`, grid, values, 5 * 256 * D + 128);
}

/** In two walks over the scores, each sum in a fixed order; or in one, where runs need not be equal to the bit (attention_hopper_one_pass.cu). */
export function hopperBackward(
  cuda: CudaRuntime,
  sizes: HeadSizes,
  plan: AttentionPlan,
  scale: number,
  qkv: number,
  stats: number,
  dOut: number,
  dQkv: number,
): void {
  const { N, H, K, D } = sizes;
  const dtype = halfType(sizes);
  const { queryOrder, keyOrder, queryRanges, keyRanges } = orderTiles(cuda, plan);
  const [width, outWidth, tail] = [(H + 2 * K) * D, H * D, `hopper_d${D}_${dtype}`];
  const rows = cuda.tensorMap(dtype, qkv, width, N, BOX_COLUMNS, 128);
  const keyInputs = [
    rows,
    cuda.tensorMap(dtype, qkv, width, N, BOX_COLUMNS, 64),
    cuda.tensorMap(dtype, dOut, outWidth, N, BOX_COLUMNS, 64),
    plan.rows,
    plan.bounds,
    keyOrder,
    keyRanges,
  ];
  if (!cuda.options.deterministic && cuda.kernels.has(`attention_backward_one_pass_${tail}`)) {
    const bytes = H * plan.paddedRows * D * 4;
    const sums = cuda.scratch.take("attention's sums of dQ", bytes);
    cuda.zero(sums, bytes);
    const values = [...keyInputs, stats, sums, dQkv, N, plan.paddedRows, H, K, scale];
    cuda.launch(`attention_backward_one_pass_${tail}`, plan.tiles * K, values, 1536 * D + 32768 + 64);
    cuda.launch(`attention_backward_convert_${tail}`, 2 * plan.tiles * H, [sums, dQkv, N, H, K, scale]);
    return;
  }
  const keyShared = 512 * D + 3 * 256 * D + 4096 + 128;
  const keyValues = [...keyInputs, stats, dQkv, N, plan.paddedRows, H, K, scale];
  cuda.launch(`attention_backward_keys_${tail}`, plan.tiles * K, keyValues, keyShared);
  const dOutRows = cuda.tensorMap(dtype, dOut, outWidth, N, BOX_COLUMNS, 128);
  const queryInputs = [rows, dOutRows, plan.rows, plan.bounds, queryOrder, queryRanges];
  const queryValues = [...queryInputs, stats, dQkv, N, plan.paddedRows, H, K, plan.tiles, scale];
  const grid = Math.min(plan.tiles * H, cuda.card.multiprocessors);
  cuda.launch(`attention_backward_queries_${tail}`, grid, queryValues, 6 * 256 * D + 128);
}

/** `isForHopper` let only these through. */
function halfType({ dtype }: HeadSizes): "f16" | "bf16" {
  return dtype as "f16" | "bf16";
}

/** Tiles by falling work, and the tiles that each must meet. */
function orderTiles(cuda: CudaRuntime, { bounds, tiles, rest }: AttentionPlan) {
  const [queryRanges, keyRanges] = [rest, rest + tiles * 8];
  const queryOrder = keyRanges + tiles * 8;
  const keyOrder = queryOrder + tiles * 4;
  const work = keyOrder + tiles * 4;
  cuda.launch("attention_plan_order", 1, [bounds, work, queryOrder, keyOrder, queryRanges, keyRanges, tiles]);
  return { queryOrder, keyOrder, queryRanges, keyRanges };
}

/**
 * Attention over packed rows. First a plan of the batch (which keys each row sees, attention_plan.cu), then flash attention on tensor cores
 * (attention.cu: bf16 and f16, head sizes that are multiples of 16 up to 256; attention_hopper.cu and attention_hopper_one_pass.cu: head sizes 64
 * and 128 on sm_90), or plain rows for everything else (attention_rows.cu).
 */
import { KernelError } from "../../../errors/kernel-error.ts";
import type { AttentionRule, Operand } from "../../backend.ts";
import { attentionBackwardSizes, attentionForwardSizes } from "../../shapes/attention.ts";
import type { CudaRuntime } from "../cuda-runtime.ts";
import { hopperBackward, hopperForward, isForHopper } from "./attention-hopper.ts";
import type { AttentionPlan, HeadSizes } from "./attention-sizes.ts";
import { blocks } from "./grids.ts";

/** Rows of one tile of the plan; bounds are kept for halves of it. */
const TILE = 128;
const LARGEST_HEAD = 256;
/** Of each tile: two ranges, two places in the order, two numbers of work. */
const ORDER_BYTES = 32;

export function attentionForward(
  cuda: CudaRuntime,
  rule: AttentionRule,
  qkv: Operand,
  segmentStart: Operand,
  segmentEnd: Operand,
  out: Operand,
  lse: Operand | null,
): void {
  const sizes = attentionForwardSizes(rule, qkv, segmentStart, segmentEnd, out, lse);
  const { N, H, K, D, dtype } = sizes;
  if (N === 0) return;
  const plan = planRows(cuda, rule, segmentStart, segmentEnd, N);
  const [x, y, sums] = [cuda.in(qkv), cuda.out(out), cuda.optionalOut(lse)];
  if (isForHopper(cuda, rule, sizes, [x, y])) {
    hopperForward(cuda, sizes, plan, rule.scale, x, y, sums);
    return;
  }
  const values = [x, plan.rows, plan.bounds, y, sums, N, H, K, D, rule.scale, rule.softcap];
  const padded = tensorCoreHead(cuda, sizes, [x, y]);
  if (padded === null) {
    cuda.launch(`attention_forward_rows_${dtype}`, blocks(N * H, 8), [x, plan.rows, y, sums, N, H, K, D, rule.scale, rule.softcap]);
    return;
  }
  cuda.launch(`attention_forward_mma_d${padded}_${dtype}`, { x: H, y: blocks(N, 64) }, values, forwardShared(cuda, padded));
}

export function attentionBackward(
  cuda: CudaRuntime,
  rule: AttentionRule,
  qkv: Operand,
  segmentStart: Operand,
  segmentEnd: Operand,
  out: Operand,
  lse: Operand,
  dOut: Operand,
  dQkv: Operand,
): void {
  const sizes = attentionBackwardSizes(rule, qkv, segmentStart, segmentEnd, out, lse, dOut, dQkv);
  const { N, H, K, D, dtype } = sizes;
  if (N === 0) return;
  const plan = planRows(cuda, rule, segmentStart, segmentEnd, N);
  const { rows, bounds, paddedRows } = plan;
  const [x, dy, dx] = [cuda.in(qkv), cuda.in(dOut), cuda.out(dQkv)];
  const stats = cuda.scratch.take("attention statistics", H * paddedRows * 8);
  const statValues = [cuda.in(out), dy, cuda.in(lse), stats, N, paddedRows, H, D];
  cuda.launch(`attention_backward_stats_${dtype}`, blocks(paddedRows * H, 8), statValues);
  if (isForHopper(cuda, rule, sizes, [x, dy, dx])) {
    hopperBackward(cuda, sizes, plan, rule.scale, x, stats, dy, dx);
    return;
  }
  const padded = tensorCoreHead(cuda, sizes, [x, dy, dx], true);
  if (padded === null) {
    const values = [x, rows, stats, dy, dx, N, paddedRows, H, K, D, rule.scale, rule.softcap];
    cuda.launch(`attention_backward_keys_rows_${dtype}`, blocks(N * K, 8), values);
    cuda.launch(`attention_backward_queries_rows_${dtype}`, blocks(N * H, 8), values);
    return;
  }
  const values = [x, rows, bounds, stats, dy, dx, N, paddedRows, H, K, D, rule.scale, rule.softcap];
  const stages = padded === 256 || isTuring(cuda) ? 1 : 2;
  const keysShared = 256 * padded + stages * (128 * padded + 512);
  const queriesShared = 256 * padded + stages * 128 * padded;
  const keysGrid = { x: K, y: blocks(N, 64), z: padded === 256 ? 2 : 1 };
  cuda.launch(`attention_backward_keys_mma_d${padded}_${dtype}`, keysGrid, values, keysShared);
  cuda.launch(`attention_backward_queries_mma_d${padded}_${dtype}`, { x: H, y: blocks(N, 64) }, values, queriesShared);
}

/** Which keys each row sees, and bounds of them for each 64 rows. */
function planRows(cuda: CudaRuntime, rule: AttentionRule, start: Operand, end: Operand, N: number): AttentionPlan {
  const tiles = blocks(N, TILE);
  const rows = cuda.scratch.take("attention plan", tiles * (TILE * 8 + 32 + ORDER_BYTES));
  const bounds = rows + tiles * TILE * 8;
  const values = [cuda.in(start), cuda.in(end), rows, bounds, N, rule.causal ? 1 : 0, rule.window];
  cuda.launch("attention_plan_rows", 2 * tiles, values);
  return { rows, bounds, tiles, paddedRows: tiles * TILE, rest: bounds + tiles * 32 };
}

/** Head size the tensor-core kernels pad to (64, 128, 256), or null where they cannot run. */
export function tensorCoreHead(cuda: CudaRuntime, { D, dtype }: HeadSizes, addresses: readonly number[], backward = false): number | null {
  if (D > LARGEST_HEAD) throw new KernelError(cuda.op, "UNSUPPORTED", `head size ${D}; the CUDA kernels take up to ${LARGEST_HEAD}`);
  const fits = dtype !== "f32" && D % 16 === 0 && addresses.every((address) => address % 16 === 0);
  if (!fits || (dtype === "bf16" && cuda.card.major < 8)) return null;
  const padded = D <= 64 ? 64 : D <= 128 ? 128 : 256;
  // Turing's shared memory does not hold these tiles.
  if (isTuring(cuda) && (padded === 256 || (backward && padded > 64))) return null;
  return padded;
}

/** Dynamic shared memory of the forward kernels: 64 query rows and, for each stage, tiles of keys and values. */
export function forwardShared(cuda: CudaRuntime, padded: number): number {
  const keys = padded === 256 ? 32 : 64;
  const stages = isTuring(cuda) ? 1 : 2;
  return (64 + 2 * stages * keys) * padded * 2;
}

function isTuring(cuda: CudaRuntime): boolean {
  return cuda.card.major < 8;
}

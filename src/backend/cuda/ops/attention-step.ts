/**
 * Rotation, cache write and paged attention of one token of each of several sequences, in one launch. Kernel: attention_step.cu.
 * On an H200 it doubles the answers of 32 rows, whose attention would otherwise take the kernel for prompts; for one row three launches, which start
 * before their predecessors have ended, are 1.6% faster (docs/log.md). REMORA_CUDA_ATTENTION_STEP=0: never.
 */
import process from "node:process";
import type { AttentionRule, Operand, PagedCacheOperand, RopeOperand } from "../../backend.ts";
import { attentionPagedSizes, ropeForwardSizes } from "../../shapes/attention.ts";
import type { CudaRuntime } from "../cuda-runtime.ts";
import { blocks } from "./grids.ts";
import { splitsOf } from "./paged.ts";

const HEADS_A_BLOCK = 4;
const LARGEST_HEAD = 256;
const FEWEST_ROWS = 4;

export function attentionStep(
  cuda: CudaRuntime,
  rope: RopeOperand,
  rule: AttentionRule,
  qkv: Operand,
  cache: PagedCacheOperand,
  out: Operand,
): boolean {
  const { N, H, K, D, dtype, pageSize, blocksPerSequence } = attentionPagedSizes(rule, qkv, cache, out);
  ropeForwardSizes(rope, rule, qkv, cache.positions, qkv);
  const [x, table, keys, values, y] = [
    cuda.in(qkv),
    cuda.in(rope.table),
    cuda.out(cache.keyPages),
    cuda.out(cache.valuePages),
    cuda.out(out),
  ];
  const able = dtype === "f16" || (dtype === "bf16" && cuda.card.major >= 8);
  const fits =
    D <= LARGEST_HEAD && D % 8 === 0 && rope.rotary % 16 === 0 && [x, table, keys, values, y].every((address) => address % 16 === 0);
  if (!able || !fits || N < FEWEST_ROWS || rope.queryNorm || rope.keyNorm || process.env.REMORA_CUDA_ATTENTION_STEP === "0") return false;
  const { splits, splitKeys } = splitsOf(N, pageSize * blocksPerSequence);
  const groups = K * blocks(H / K, HEADS_A_BLOCK);
  const partial = cuda.scratch.take("partial attention", N * H * splits * (D + 2) * 4);
  const indices = [cuda.in(cache.sequences), cuda.in(cache.positions), cuda.in(cache.blockTable)];
  const addresses = [x, table, ...indices, keys, values, y, partial, cuda.counters(N * groups)];
  const scalars = [H, K, D, rope.rotary, pageSize, blocksPerSequence, splitKeys, rule.scale, rule.window, rule.softcap];
  const padded = D <= 64 ? 64 : D <= 128 ? 128 : 256;
  cuda.launch(`attention_step_d${padded}_${dtype}`, { x: N, y: groups, z: splits }, [...addresses, ...scalars]);
  return true;
}

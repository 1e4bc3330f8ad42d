/**
 * Rotation, cache write and paged attention of one token of each of several sequences, in one launch. Kernel: attention_step.cu.
 * It has not run on a card yet and is off until it has: REMORA_CUDA_ATTENTION_STEP=1 turns it on.
 */
import process from "node:process";
import type { AttentionRule, Operand, PagedCacheOperand, RopeOperand } from "../../backend.ts";
import { attentionPagedSizes, ropeForwardSizes } from "../../shapes/attention.ts";
import type { CudaRuntime } from "../cuda-runtime.ts";
import { blocks } from "./grids.ts";
import { splitsOf } from "./paged.ts";

const HEADS_A_BLOCK = 4;
const LARGEST_HEAD = 256;

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
  if (!able || !fits || N === 0 || rope.queryNorm || rope.keyNorm || process.env.REMORA_CUDA_ATTENTION_STEP !== "1") return false;
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

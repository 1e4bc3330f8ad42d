/**
 * The paged cache: writing keys and values of new rows, and attention over the pages. Few rows (decoding) are split over the sequence and
 * combined, so that one row fills the card; many rows (a prompt) take the flash kernel. Kernels: attention_paged.cu, attention.cu.
 *
 * Grids depend on the limits of the cache, never on positions, so that one captured step serves every length.
 */
import { KernelError } from "../../../errors/kernel-error.ts";
import type { AttentionRule, HeadShape, Operand, PagedCacheOperand } from "../../backend.ts";
import { attentionPagedSizes, cacheSizes } from "../../shapes/attention.ts";
import type { CudaRuntime } from "../cuda-runtime.ts";
import { forwardShared, tensorCoreHead } from "./attention.ts";
import { blocks } from "./grids.ts";

/** Query heads that one block of the split kernels serves: the one for any head, the one whose lanes share a key. */
const HEADS_A_BLOCK = 8;
const HEADS_A_BLOCK_OF_LANES = 4;
/** Keys of one split, until the partial results of all rows would take too much memory. */
const SPLIT_KEYS = 64;
const MOST_SPLITS_OF_ALL_ROWS = 2048;
/** From this many rows on the flash kernel is the better one. */
const PROMPT_ROWS = 32;

export function cacheWrite(cuda: CudaRuntime, heads: HeadShape, qkv: Operand, cache: PagedCacheOperand): void {
  const { N, H, K, D, dtype, pageSize, blocksPerSequence } = cacheSizes("cacheWrite", heads, qkv, cache);
  const inputs = [cuda.in(qkv), cuda.in(cache.sequences), cuda.in(cache.positions), cuda.in(cache.blockTable)];
  const pages = [cuda.out(cache.keyPages), cuda.out(cache.valuePages)];
  cuda.launch(`cache_write_block_per_row_${dtype}`, N, [...inputs, ...pages, H, K, D, pageSize, blocksPerSequence]);
}

export function attentionPaged(cuda: CudaRuntime, rule: AttentionRule, qkv: Operand, cache: PagedCacheOperand, out: Operand): void {
  const sizes = attentionPagedSizes(rule, qkv, cache, out);
  const { N, H, K, D, dtype, pageSize, blocksPerSequence } = sizes;
  if (N === 0) return;
  const [x, sequences, positions, table] = [cuda.in(qkv), cuda.in(cache.sequences), cuda.in(cache.positions), cuda.in(cache.blockTable)];
  const [keys, values, y] = [cuda.in(cache.keyPages), cuda.in(cache.valuePages), cuda.out(out)];
  if (D > 256) throw new KernelError(cuda.op, "UNSUPPORTED", `head size ${D}; the CUDA kernels take up to 256`);
  const padded = N >= PROMPT_ROWS ? tensorCoreHead(cuda, sizes, [x, keys, values, y]) : null;
  if (padded !== null) {
    const scalars = [N, H, K, D, pageSize, blocksPerSequence, rule.scale, rule.window, rule.softcap];
    const inputs = [x, sequences, positions, table, keys, values, y];
    const grid = { x: H, y: blocks(N, 64) };
    cuda.launch(`attention_paged_prompt_mma_d${padded}_${dtype}`, grid, [...inputs, ...scalars], forwardShared(cuda, padded));
    return;
  }
  const { splits, splitKeys } = splitsOf(N, blocksPerSequence * pageSize);
  const partial = cuda.scratch.take("partial attention", N * H * splits * (D + 2) * 4);
  const sums = partial + N * H * splits * D * 4;
  const lanes = dtype !== "f32" && D % 8 === 0 && [x, keys, values].every((address) => address % 16 === 0);
  const kernel = lanes ? `attention_paged_lanes_d${D <= 64 ? 64 : D <= 128 ? 128 : 256}` : "attention_paged_split";
  const rounds = blocks(H / K, lanes ? HEADS_A_BLOCK_OF_LANES : HEADS_A_BLOCK);
  const grid = { x: N, y: K * rounds, z: splits };
  const scalars = [H, K, D, pageSize, blocksPerSequence, splitKeys, rule.scale, rule.window, rule.softcap];
  cuda.launch(`${kernel}_${dtype}`, grid, [x, sequences, positions, table, keys, values, partial, sums, ...scalars]);
  const combine = [sequences, positions, partial, sums, y, D, splits, splitKeys, rule.window];
  cuda.launch(`attention_paged_combine_${dtype}`, { x: N, y: H }, combine);
}

/** How the keys of `positions` positions are shared out among the blocks of one row. */
export function splitsOf(N: number, positions: number): { splits: number; splitKeys: number } {
  const longest = Math.max(1, positions);
  const wanted = Math.min(blocks(longest, SPLIT_KEYS), Math.max(1, Math.floor(MOST_SPLITS_OF_ALL_ROWS / N)));
  const splitKeys = blocks(longest, wanted);
  return { splits: blocks(longest, splitKeys), splitKeys };
}

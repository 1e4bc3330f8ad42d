// All layers of a decoder for one row from NF4 weights, in one launch (sm_90a only): what a token of one answer costs is then the reading of the weights.
// Plan. One block a multiprocessor, all resident. Four warps stream this block's rows of every linear, in the order in which they are used, through a
// ring in shared memory (bulk copies, mbarriers); they need nothing but addresses, so they never wait for the model: while the others exchange rows
// or attend, the ring fills. 20 warps multiply. A layer is five phases:
//   qkv = rms_norm(h) Wqkv + bias | rotation, cache write, attention | m = h + a Wo | act = gate(rms_norm(m) Wg) · (rms_norm(m) Wu) | h = m + act Wd
// Blocks meet without barriers: a row that blocks exchange lies in memory as NONE (every bit set, which no conversion to T makes) until its owner writes it, 8
// elements at once, and who needs it reads it until all of it is there. Each kind of row has two buffers, in turn by layer; once a layer
// each block clears its rows of those that everyone has read, which it knows because every phase needs all blocks of the phase before.
// A stage of the ring: 8 rows of W x up to PIECE columns, rows 32 bytes apart by banks, with their scales as they lie in memory. Unit u of 512 columns belongs to
// warps u, u + units, …, which keep x for it in registers and take the stages in turn. A byte becomes two levels by one PRMT and one load from a table of
// 256 pairs that every bank has a copy of (linear_vector.cu); products ride on mma.m16n8k16: rows g and g + 8 of its left operand are blocks 2d and
// 2d + 1 (64 columns) of row g, the columns of its right one are the 8 blocks of x. After four steps d the lane (g, t) owns the sums of blocks 2t and
// 2t + 1 of row g, whose scales lie side by side.
// An item (4,096 codes, 128 a lane): 64 PRMT, 64 + 14 LDS, 16 HMMA, about 250 instructions in the disassembly, 108 passes of shared memory with the ring's
// own writes.
// Bytes: W once, 0.52 an element. Limit: memory, 35 µs a layer of Nemo 12B at 4 TB/s; shared memory alone would take 28 at 1.98 GHz.
// Beside it stand five exchanges, x and sums around them, and attention, of which the ring hides 5 µs each: 81 µs a layer of Nemo 12B on an H100, where its bytes take 48.
// The parts: walk_stream.cuh, walk_linear.cuh, walk_attention.cuh; walk.cuh is what they share.
#include "walk_attention.cuh"
#include "walk_linear.cuh"
#include "walk_stream.cuh"

#if defined(REMORA_EMULATE) || !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)

namespace {
template <class T, int D, int MODE>
__device__ __forceinline__ void decoder_walk(const WalkLayer *layers, int layer_count, const T *x, T *y, uint8_t *workspace, const int32_t *sequences, const int32_t *positions,
                                             const int32_t *block_table, const WalkShape &shape) {
  DYNAMIC_SHARED(shared);
  const int tid = threadIdx.x;
#ifndef REMORA_EMULATE
  if (shared_address(shared) != SHARED_BASE) asm volatile("trap;");
#endif
  const uint32_t full = shared_address(shared + BARRIER_AT), empty = full + 128;
  if (tid < WALK_STAGES) barrier_init(full + tid * 8, 1), barrier_init(empty + tid * 8, WALK_WARPS);
  barrier_init_fence();
  if (tid < 4) reinterpret_cast<WalkShare *>(shared + SHARE_AT)[tid].find(shape, tid);
  for (int i = tid; i < 2048; i += WALK_BLOCK) {
    const uint32_t pair = pack2<T>(NF4_LEVELS[i >> 7], NF4_LEVELS[i >> 3 & 15]);
    reinterpret_cast<uint4 *>(shared + TABLE_AT)[i / 8 * 16 + i % 8] = make_uint4(pair, pair, pair, pair);
  }
  if (tid < static_cast<int>(sizeof(WalkLayer) / 4)) reinterpret_cast<uint32_t *>(shared + LAYER_AT)[tid] = reinterpret_cast<const uint32_t *>(layers)[tid];
  __syncthreads();
  if (tid >= WALK_THREADS) {
    walk_stream<MODE>(layers, layer_count, shape, shared, (tid - WALK_THREADS) / 32);
    return;
  }
  wait_for_previous_kernel();
  Walk<T, D, MODE> walk{shape, shared, workspace, 0};
  const int sequence = sequences[0], position = positions[0];
  uint32_t *const state = reinterpret_cast<uint32_t *>(workspace);
  const uint32_t base = load_word_now(state);
  for (int l = 0; l < layer_count; l++) {
    const WalkLayer &layer = reinterpret_cast<const WalkLayer *>(shared + LAYER_AT)[l & 1], &next = reinterpret_cast<const WalkLayer *>(shared + LAYER_AT)[(l + 1) & 1];
    const uint32_t now = (base + l) & 1;
    const bool last = l + 1 == layer_count;
#pragma unroll 1
    for (int phase = 0; phase < 4; phase++) {
      if (phase == 1) {
        if (!last && tid < static_cast<int>(sizeof(WalkLayer) / 16))
          copy_async_16(shared_address(shared + LAYER_AT) + ((l + 1) & 1) * sizeof(WalkLayer) + tid * 16, reinterpret_cast<const uint8_t *>(layers + l + 1) + tid * 16, true);
        copy_async_commit();
        walk.attend(layer, now, sequence, position, block_table);
      }
      if (phase == 2) copy_async_wait<0>();  // the next layer's addresses; the barriers of this phase show them to all
      if (phase == 3 && !last)  // the next layer's norms come into L2, a line a block
        for (int i = blockIdx.x + tid * static_cast<int>(gridDim.x); i < shape.C / 16; i += WALK_THREADS * gridDim.x) prefetch_l2((i & 1 ? next.mlp_norm : next.attention_norm) + i / 2 * 32);
      walk.linear(phase, layer, now, l ? nullptr : x, last && phase == 3 ? y : nullptr);
    }
  }
  // Everyone has read it: everyone's rows of the last act are here.
  if (blockIdx.x == 0 && tid == 0) *state = (base + layer_count) & 1;
}
}  // namespace

// y [C] = all layers of x [C] for the token at positions[0] of sequences[0]; keys and values go into the pages. x and y differ.
// C, F, H · D, K · D multiples of 128, none over 16384; rotary a multiple of 2, at most D; page_size a power of two; parts of a linear alike: nested scales or not. gate as in linear_vector.cu.
// workspace: 4,096 bytes of 0, then f32-sized scratch: rows of T [2, (H + 2K) D + H D + 2 C + F] with every bit set, then max(grid, jobs) · 4 · (D + 2) f32,
// jobs = K · ceil(H / K / 4) <= 512. Each launch leaves it ready for the next; launches that share one must not overlap.
// launch: grid G <= multiprocessors and at most C / 8, F / 8, (H + 2K) D / 8; every block must be resident; block 768; dynamic shared 224256.
// Per linear 32 · groups · ceil(In / 512) <= 13056 bytes of sums, groups = ceil(rows / 8 / G) (gate|up: twice those of gate).
#define DECODER_WALK(name, DIM, MODE, T)                                                                                                    \
  extern "C" __global__ void __launch_bounds__(768, 1) decoder_walk_##name(                                                                          \
      const WalkLayer *layers, int layer_count, const T *x, T *y, uint8_t *workspace, const int32_t *sequences, const int32_t *positions, \
      const int32_t *block_table, int C, int F, int H, int K, int rotary, int page_size, int blocks_per_sequence, int gate, float eps, \
      float scale, float softcap) {                                                                                                   \
    decoder_walk<T, DIM, MODE>(layers, layer_count, x, y, workspace, sequences, positions, block_table,                                     \
                          WalkShape{C, F, H, K, DIM, rotary, page_size, blocks_per_sequence, gate, eps, scale, softcap});                \
  }
#ifndef REMORA_VARIANTS
DECODER_WALK(d64_bf16, 64, 0, bf16_t)
DECODER_WALK(d128_bf16, 128, 0, bf16_t)
#endif
#endif

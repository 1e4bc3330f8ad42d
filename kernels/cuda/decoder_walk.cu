// All layers of a decoder for one row from NF4 weights, in one launch (sm_90a only): what a token of one answer costs is then the reading of the weights.
// Plan. One block a multiprocessor, all resident, 20 warps. A layer is five phases:
//   qkv = rms_norm(h) Wqkv + bias | rotation, cache write, attention | m = h + a Wo | act = gate(rms_norm(m) Wg) · (rms_norm(m) Wu) | h = m + act Wd
// A phase of a linear is five steps (walk_linear.cuh): what needs no x is asked for, x is waited for, later phases' needs come closer, products, sums to rows.
// Blocks meet without barriers: a row that blocks exchange lies in memory as NONE (every bit set, which no conversion to T makes) until its owner writes it, 8
// elements at once, and who needs it reads it until all of it is there. Each kind of row has two buffers, in turn by layer; once a layer
// each block clears its rows of those that everyone has read, which it knows because every phase needs all blocks of the phase before.
// A block's rows of a linear are cut into pieces of 8 rows x 512 columns, dealt to its warps once for all layers. A warp's pieces come by tensor copies into a ring of
// its own (walk_stream.cuh), which need only addresses: while blocks exchange rows or attend, the rings fill.
// A byte becomes two levels by one PRMT and one load from a table of 256 pairs that every bank has a copy of (linear_vector.cu); products ride on mma.m16n8k16: rows g and g + 8
// of its left operand are blocks 2d and 2d + 1 (64 columns) of row g, the columns of its right one are the 8 blocks of x. After four steps d the lane (g, t) owns the sums of blocks 2t and
// 2t + 1 of row g, whose scales lie side by side.
// A piece (4,096 codes, 128 a lane): 64 PRMT, 64 + 20 LDS, 16 HMMA, about 370 instructions with its copies and scales (counted on a card), about 100 passes of shared memory.
// Bytes: W once, 0.52 an element. Limit: memory, 35 µs a layer of Nemo 12B at 4 TB/s. Beside it stand five exchanges and attention, of which the rings hide 5.5 µs each:
// 60 µs a layer of Nemo 12B on an H100, where its bytes take 48.
// Nothing of it may lie in local memory: where registers were short, each load of a spilled value took about a thousand cycles, because shared memory leaves no first-level cache.
// The parts: walk_stream.cuh, walk_linear.cuh, walk_attention.cuh; walk.cuh is what they share.
#include "walk_attention.cuh"
#include "walk_linear.cuh"

#if defined(REMORA_EMULATE) || !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)

namespace {
// What later phases need comes closer: the next phase's scales into L2 and, once a layer, the next layer's addresses into shared memory (the barriers of
// these phases show them to all) and its norms into L2, a line a block.
__device__ __forceinline__ void walk_look_ahead(uint8_t *shared, const WalkLayers &layers) {
  const WalkStep step(shared);
  const bool last = step.layer + 1 == layers.count;
  const uint32_t tid = this_thread();
  if (step.phase == 2 && !last && tid < sizeof(WalkLayer) / 4)
    reinterpret_cast<uint32_t *>(shared + LAYER_AT)[(step.layer + 1) % 2 * (sizeof(WalkLayer) / 4) + tid] = __ldg(reinterpret_cast<const uint32_t *>(layers.all + step.layer + 1) + tid);
  if (step.phase < 3) prefetch_scales(shared, layer_of(shared, step.layer), step.phase + 1);
  else if (!last) {
    const WalkLayer &next = layer_of(shared, step.layer + 1);
    prefetch_scales(shared, next, 0);
    const uint32_t lines = reinterpret_cast<const WalkShape *>(shared + SHAPE_AT)->C / 16;
    for (uint32_t i = blockIdx.x + tid * gridDim.x; i < lines; i += WALK_THREADS * gridDim.x) prefetch_l2((i & 1 ? next.mlp_norm : next.attention_norm) + i / 2 * 32);
  }
}

template <class T, int D, int MODE>
__device__ __forceinline__ void decoder_walk(const WalkLayers &layers, const T *x, T *y, uint8_t *workspace, const int32_t *sequences, const int32_t *positions,
                                             const int32_t *block_table, const WalkShape &given) {
  DYNAMIC_SHARED(shared);
  const int tid = threadIdx.x;
#ifndef REMORA_EMULATE
  if (shared_address(shared) != SHARED_BASE) asm volatile("trap;");
#endif
  WalkShape &shape = *reinterpret_cast<WalkShape *>(shared + SHAPE_AT);
  if (tid < 4) reinterpret_cast<WalkShare *>(shared + SHARE_AT)[tid].find(given, tid);
  if (tid <= EXCHANGED) find_row(given, shared, tid);
  if (tid == 32) {
    shape = given;
    shape.jobs = given.K * ((given.H / given.K + ATTEND_HEADS - 1) / ATTEND_HEADS), shape.most_parts = max(1, static_cast<int>(gridDim.x) / shape.jobs);
    reinterpret_cast<WalkJob *>(shared + JOB_AT)->find(shape);
  }
  for (int i = tid; i < 2048; i += WALK_THREADS) {
    const uint32_t pair = pack2<T>(NF4_LEVELS[i >> 7], NF4_LEVELS[i >> 3 & 15]);
    reinterpret_cast<uint4 *>(shared + TABLE_AT)[i / 8 * 16 + i % 8] = make_uint4(pair, pair, pair, pair);
  }
  if (tid < static_cast<int>(sizeof(WalkLayer) / 4)) reinterpret_cast<uint32_t *>(shared + LAYER_AT)[tid] = reinterpret_cast<const uint32_t *>(layers.all)[tid];
  if (tid < WALK_WARPS * SLOTS) barrier_init(shared_address(shared + BARRIERS_AT) + tid * 8, 1);
  barrier_init_fence();
  __syncthreads();
  write_list(shared, tid / 32, tid % 32);
  __syncwarp();
  if (tid % 32 == 0)
#pragma unroll 1
    for (uint32_t slot = 0; slot < SLOTS; slot++) copy_piece<MODE>(layers, shared, tid / 32, slot, 0, slot);
  wait_for_previous_kernel();
  const int sequence = sequences[0];
  if (tid == 0) shape.sequence = sequence, shape.position = positions[0];
  for (int i = tid; i < min(MOST_PAGES, given.blocks_per_sequence); i += WALK_THREADS)
    reinterpret_cast<int32_t *>(shared + PAGES_AT)[i] = sequence < 0 ? 0 : block_table[static_cast<int64_t>(sequence) * given.blocks_per_sequence + i];
  uint32_t *const state = reinterpret_cast<uint32_t *>(workspace);
  WalkStep::set(shared, 0);
  if (tid == 0) shape.turn = load_word_now(state);
  prefetch_scales(shared, reinterpret_cast<const WalkLayer *>(shared + LAYER_AT)[0], 0);
  __syncthreads();
#pragma unroll 1
  for (; WalkStep(shared).layer < layers.count; WalkStep::set(shared, WalkStep(shared).next())) {
    walk_prepare<T>(shared, workspace, x);
    if (WalkStep(shared).phase == 1) walk_attend_or_clear<T, D, MODE>(shared, workspace, block_table);
    walk_x<T, MODE>(shared, workspace, x);
    walk_look_ahead(shared, layers);
    walk_products<T, MODE>(shared, layers);
    walk_publish<T>(shared, workspace, layers.count, x, y);
  }
  // Everyone has read it: everyone's rows of the last act are here.
  if (blockIdx.x == 0 && tid == 0) *state = (shape.turn + layers.count) & 1;
}
}  // namespace

// y [C] = all layers of x [C] for the token at positions[0] of sequences[0]; keys and values go into the pages. x and y differ.
// C, F, H · D, K · D multiples of 128, none over 16384; rotary a multiple of 2, at most D; page_size a power of two; parts of a linear alike: nested scales or not. gate as in linear_vector.cu.
// workspace: 4,096 bytes of 0, then f32-sized scratch: rows of T [2, (H + 2K) D + H D + 2 C + F] with every bit set, then grid · 4 · (D + 2) f32.
// Each launch leaves it ready for the next; launches that share one must not overlap. maps: [layer_count, 7], of the parts' codes as 16-bit elements
// [out, In / 4], boxes of 64 x 8, swizzled by 128 bytes.
// launch: grid G <= multiprocessors and at most C / 8, F / 8, (H + 2K) D / 8, and at least jobs = K · ceil(H / K / 4), which is at most 512; every block must be resident; block 640; dynamic shared 231424.
// Per linear groups = ceil(rows / 8 / G) (gate|up: twice those of gate), pieces = groups · ceil(In / 512): 32 · pieces <= 10240, the sum of ceil(pieces / 20) over the four <= 40,
// ceil(groups · In / 2048) + 2 · parts <= 640.
#define DECODER_WALK(name, DIM, MODE, T)                                                                                                    \
  extern "C" __global__ void __launch_bounds__(640, 1) decoder_walk_##name(                                                                          \
      const WalkLayer *layers, const TensorMap *maps, int layer_count, const T *x, T *y, uint8_t *workspace, const int32_t *sequences, const int32_t *positions, \
      const int32_t *block_table, int C, int F, int H, int K, int rotary, int page_size, int blocks_per_sequence, int gate, float eps, \
      float scale, float softcap) {                                                                                                   \
    decoder_walk<T, DIM, MODE>({layers, maps, layer_count}, x, y, workspace, sequences, positions, block_table,                                     \
                          WalkShape{C, F, H, K, DIM, rotary, __ffs(page_size) - 1, blocks_per_sequence, gate, eps, scale, softcap});                \
  }
#ifndef REMORA_VARIANTS
DECODER_WALK(d64_bf16, 64, 0, bf16_t)
DECODER_WALK(d128_bf16, 128, 0, bf16_t)
#endif
#endif

// Flash attention for Hopper (sm_90a only): wgmma fed by the bulk tensor copy engine. Head sizes 64 and 128, bf16 and f16, no softcap; the semantics
// and the plan arrays are those of attention.cu, whose kernels serve every other case.
//
// Plan. Three warpgroups a block, one block a multiprocessor. Warpgroup 0 is the producer: one thread walks the work and keeps the stages in
// shared memory full (mbarriers full/empty). Warpgroups 1 and 2 compute, 64 rows each.
// - Forward: persistent; an item is 128 query rows of a head, taken from query_order in turn, so that every block gets a like mix. Key tiles
//   of 128. While the tensor cores make the next scores and add p·v of the last tile, the threads do the softmax.
// - dK, dV: a block owns 128 keys of one key head and walks the 64-row query tiles of all heads of the group. Scores are made transposed
//   (keys are the rows), so P and dS go from registers straight into the next products.
// - dQ: persistent like forward; walks key tiles of 128.
// No atomics anywhere; the order of every sum is fixed. Operations a score: forward 4 D, dK dV 8 D, dQ 6 D. Limit: tensor cores.
// attention_hopper_one_pass.cu makes dK, dV and dQ in one walk, 10 D, where runs need not be equal to the bit.
#include "attention_hopper.cuh"

#if defined(REMORA_EMULATE) || !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)

// ---------------------------------------------------------------- forward

// Scores of one tile to probabilities in place, for this thread's two rows.
template <int N> struct RowState {
  float top[2], sum[2];
};
template <int COUNT>
__device__ __forceinline__ void softmax_step(float (&s)[COUNT], RowState<COUNT> &state, float (&old)[2], int key0, bool masked, const int2 (&range)[2], float unit) {
  const int t = threadIdx.x % 4;
  if (masked) {
#pragma unroll
    for (int i = 0; i < COUNT; i++) {
      const int key = key0 + i / 4 * 8 + 2 * t + (i & 1);
      const int2 r = range[i >> 1 & 1];
      if (key < r.x || key >= r.y) s[i] = -REMORA_INFINITY;
    }
  }
#pragma unroll
  for (int h = 0; h < 2; h++) {
    float best = state.top[h];
#pragma unroll
    for (int i = 0; i < COUNT; i += 4) best = fmaxf(best, fmaxf(s[i + 2 * h], s[i + 2 * h + 1]));
    best = fmaxf(best, __shfl_xor_sync(0xffffffffu, best, 1));
    best = fmaxf(best, __shfl_xor_sync(0xffffffffu, best, 2));
    const float reference = best == -REMORA_INFINITY ? 0.0f : best * unit;
    old[h] = exp2_fast(state.top[h] * unit - reference);
    state.top[h] = best;
    float total = 0;
#pragma unroll
    for (int i = 0; i < COUNT; i += 4) {
      s[i + 2 * h] = exp2_fast(s[i + 2 * h] * unit - reference);
      s[i + 2 * h + 1] = exp2_fast(s[i + 2 * h + 1] * unit - reference);
      total += s[i + 2 * h] + s[i + 2 * h + 1];
    }
    state.sum[h] = state.sum[h] * old[h] + total;
  }
}

template <class T, int D>
__device__ __forceinline__ void attention_forward_hopper(const TensorMap *map, const int2 *rows, const int4 *bounds, const int32_t *query_order, const int2 *query_ranges, T *out,
                                                         float *lse, int N, int H, int K, int tiles, float scale) {
  constexpr int STAGES = 2;
  constexpr uint32_t TILE = TILE_BYTES<128, D>;
  DYNAMIC_SHARED(shared);
  const uint32_t q_tile = shared_address(shared), k_tiles = q_tile + TILE, v_tiles = k_tiles + STAGES * TILE, barriers = v_tiles + STAGES * TILE;
  const uint32_t q_full = barriers, q_empty = barriers + 8, k_full = barriers + 16, k_empty = k_full + 8 * STAGES, v_full = k_empty + 8 * STAGES, v_empty = v_full + 8 * STAGES;
  const int group = threadIdx.x / 128, items = tiles * H;
  if (threadIdx.x == 0) {
    barrier_init(q_full, 1);
    barrier_init(q_empty, COMPUTE_WARPS);
    for (int s = 0; s < STAGES; s++) {
      barrier_init(k_full + 8 * s, 1);
      barrier_init(v_full + 8 * s, 1);
      barrier_init(k_empty + 8 * s, COMPUTE_WARPS);
      barrier_init(v_empty + 8 * s, COMPUTE_WARPS);
    }
    barrier_init_fence();
    prefetch_tensor_map(map);
  }
  __syncthreads();
  if (group == 0) {
    registers_give<24>();
    if (threadIdx.x == 0) {
      Ring ring;
      int q_parity = 0;
      for (int item = blockIdx.x; item < items; item += gridDim.x) {
        const int tile = query_order[item / H], head = item % H, kv = head / (H / K);
        const int2 keys = query_ranges[tile];
        if (keys.x >= keys.y) continue;
        barrier_wait(q_empty, q_parity ^ 1);
        q_parity ^= 1;
        barrier_expect(q_full, TILE);
        load_panels<128, D>(q_tile, map, head * D, tile * 128, q_full);
        for (int j = keys.x; j < keys.y; j++) {
          const int s = ring.stage;
          barrier_wait(k_empty + 8 * s, ring.parity ^ 1);
          barrier_expect(k_full + 8 * s, TILE);
          load_panels<128, D>(k_tiles + s * TILE, map, (H + kv) * D, j * 128, k_full + 8 * s);
          barrier_wait(v_empty + 8 * s, ring.parity ^ 1);
          barrier_expect(v_full + 8 * s, TILE);
          load_panels<128, D>(v_tiles + s * TILE, map, (H + K + kv) * D, j * 128, v_full + 8 * s);
          ring.next<STAGES>();
        }
      }
    }
  } else {
    registers_take<240>();
    const int warp = threadIdx.x / 32 % 4, g = threadIdx.x % 32 / 4, half = group - 1;
    Ring ring;
    int q_parity = 0;
    const float unit = scale * LOG2E;
    for (int item = blockIdx.x; item < items; item += gridDim.x) {
      const int tile = query_order[item / H], head = item % H;
      const int2 keys = query_ranges[tile];
      const int row0 = tile * 128 + half * 64 + warp * 16 + g;
      const int2 range[2] = {rows[row0], rows[row0 + 8]};
      const int4 b = bounds[tile * 2 + half];
      float o[D / 2], s[64], old[2];
      uint32_t p[8][4];
      RowState<64> state;
#pragma unroll
      for (int h = 0; h < 2; h++) state.top[h] = -REMORA_INFINITY, state.sum[h] = 0;
#pragma unroll
      for (int i = 0; i < D / 2; i++) o[i] = 0;
      if (keys.x < keys.y) {
        barrier_wait(q_full, q_parity);
        q_parity ^= 1;
        barrier_wait(k_full + 8 * ring.stage, ring.parity);
        wgmma_begin();
        multiply_rows<T, 128, D, 128>(s, q_tile, half * 64, k_tiles + ring.stage * TILE);
        wgmma_commit();
        wgmma_wait<0>();
        pin(s);
        release(k_empty + 8 * ring.stage);
        softmax_step(s, state, old, keys.x * 128, b.z > keys.x * 128 || b.w < keys.x * 128 + 128, range, unit);
        pack_operands<T>(p, s);
        for (int j = keys.x + 1; j < keys.y; j++) {
          const Ring last = ring;
          ring.next<STAGES>();
          barrier_wait(k_full + 8 * ring.stage, ring.parity);
          pin(o);
          wgmma_begin();
          multiply_rows<T, 128, D, 128>(s, q_tile, half * 64, k_tiles + ring.stage * TILE);
          wgmma_commit();
          barrier_wait(v_full + 8 * last.stage, last.parity);
          accumulate_rows<T, 128, D>(o, p, v_tiles + last.stage * TILE);
          wgmma_commit();
          wgmma_wait<1>();
          pin(s);
          release(k_empty + 8 * ring.stage);
          softmax_step(s, state, old, j * 128, b.z > j * 128 || b.w < j * 128 + 128, range, unit);
          wgmma_wait<0>();
          pin(o);
          release(v_empty + 8 * last.stage);
#pragma unroll
          for (int i = 0; i < D / 2; i++) o[i] *= old[i >> 1 & 1];
          pack_operands<T>(p, s);
        }
        release(q_empty);
        barrier_wait(v_full + 8 * ring.stage, ring.parity);
        pin(o);
        wgmma_begin();
        accumulate_rows<T, 128, D>(o, p, v_tiles + ring.stage * TILE);
        wgmma_commit();
        wgmma_wait<0>();
        pin(o);
        release(v_empty + 8 * ring.stage);
        ring.next<STAGES>();
      }
      float inverse[2];
#pragma unroll
      for (int h = 0; h < 2; h++) {
        float total = state.sum[h];
        total += __shfl_xor_sync(0xffffffffu, total, 1);
        total += __shfl_xor_sync(0xffffffffu, total, 2);
        inverse[h] = total > 0 ? 1.0f / total : 0.0f;
        const float top = state.top[h] * unit;
        if (lse && threadIdx.x % 4 == 0 && row0 + 8 * h < N) lse[static_cast<int64_t>(row0 + 8 * h) * H + head] = total > 0 ? top * LN2 + logf(total) : -REMORA_INFINITY;
      }
      store_accumulator<T, D>(o, inverse[0], inverse[1], out + static_cast<int64_t>(head) * D, row0, N, static_cast<int64_t>(H) * D);
    }
  }
}

// launch: grid min(T · H, multiprocessors), block 384, dynamic shared 5 · 256 · D + 128 (D 64: 82048, D 128: 163968). T = ceil(N / 128).
// qkv: tensor map over [N, (H + 2K) D] 16-bit elements, box 64 columns x 128 rows, 128-byte swizzle, zero fill; row pitch a multiple of 16 bytes.
// rows, bounds, query_order, query_ranges: attention_plan_*. lse f32 [N, H] or 0. out 16-byte aligned.
#define FORWARD(D, suffix, T)                                                                                                          \
  extern "C" __global__ void __launch_bounds__(384, 1) attention_forward_hopper_d##D##_##suffix(                                       \
      const __grid_constant__ TensorMap qkv, const int2 *rows, const int4 *bounds, const int32_t *query_order, const int2 *query_ranges, T *out, float *lse, int N, int H, \
      int K, int tiles, float scale) {                                                                                 \
    attention_forward_hopper<T, D>(&qkv, rows, bounds, query_order, query_ranges, out, lse, N, H, K, tiles, scale);          \
  }
FORWARD(64, bf16, bf16_t)
FORWARD(128, bf16, bf16_t)
FORWARD(64, f16, f16_t)
FORWARD(128, f16, f16_t)

// ---------------------------------------------------------------- backward

template <class T, int D>
__device__ __forceinline__ void attention_backward_keys_hopper(const TensorMap *qkv_map, const TensorMap *q_map, const TensorMap *d_out_map, const int2 *rows, const int4 *bounds,
                                                               const int32_t *key_order, const int2 *key_ranges, const float2 *stats, T *d_qkv, int N, int padded_rows, int H, int K,
                                                               float scale) {
  constexpr int STAGES = 3, STEP = 64;
  constexpr uint32_t TILE = TILE_BYTES<128, D>, STEP_TILE = TILE_BYTES<STEP, D>, STAGE = 2 * STEP_TILE, NOTES = 1024;  // notes: statistics and ranges of a step
  DYNAMIC_SHARED(shared);
  const uint32_t k_tile = shared_address(shared), v_tile = k_tile + TILE, stages = v_tile + TILE, notes = stages + STAGES * STAGE, barriers = notes + 4 * NOTES;
  const uint32_t kv_full = barriers, full = barriers + 8, empty = full + 8 * STAGES;
  const int group = threadIdx.x / 128, heads = H / K;
  const int tile = key_order[blockIdx.x / K], kv = blockIdx.x % K;
  const int2 range = key_ranges[tile];
  const int steps = range.y - range.x, total = steps * heads;
  if (threadIdx.x == 0) {
    barrier_init(kv_full, 1);
    for (int s = 0; s < STAGES; s++) {
      barrier_init(full + 8 * s, 1);
      barrier_init(empty + 8 * s, COMPUTE_WARPS);
    }
    barrier_init_fence();
    prefetch_tensor_map(qkv_map);
    prefetch_tensor_map(q_map);
    prefetch_tensor_map(d_out_map);
  }
  __syncthreads();
  if (group == 0) {
    registers_give<24>();
    if (threadIdx.x == 0) {
      if (total > 0) {
        barrier_expect(kv_full, 2 * TILE);
        load_panels<128, D>(k_tile, qkv_map, (H + kv) * D, tile * 128, kv_full);
        load_panels<128, D>(v_tile, qkv_map, (H + K + kv) * D, tile * 128, kv_full);
      }
      Ring ring;
      for (int i = 0; i < total; i++) {
        const int head = kv * heads + i / steps, row0 = (range.x + i % steps) * STEP, s = ring.stage;
        const uint32_t q = stages + s * STAGE, o = q + STEP_TILE, barrier = full + 8 * s;
        barrier_wait(empty + 8 * s, ring.parity ^ 1);
        barrier_expect(barrier, STAGE);
        load_panels<STEP, D>(q, q_map, head * D, row0, barrier);
        load_panels<STEP, D>(o, d_out_map, head * D, row0, barrier);
        ring.next<STAGES>();
      }
    }
  } else {
    registers_take<240>();
    const int warp = threadIdx.x / 32 % 4, g = threadIdx.x % 32 / 4, t = threadIdx.x % 4, half = group - 1;
    const int key0 = tile * 128 + half * 64, own0 = key0 + warp * 16 + g;
    float dk[D / 2], dv[D / 2], s[STEP / 2], dp[STEP / 2];
    uint32_t p[STEP / 16][4], ds[STEP / 16][4];
#pragma unroll
    for (int i = 0; i < D / 2; i++) dk[i] = dv[i] = 0;
    Ring ring;
    const float unit = scale * LOG2E;
    // A step's notes go to shared memory by plain stores of this warpgroup, loaded a step ahead: half of its threads hold a row's statistics, half its range.
    const int thread = threadIdx.x % 128;
    const uint2 *source = thread < STEP ? reinterpret_cast<const uint2 *>(stats) + static_cast<int64_t>(kv) * heads * padded_rows + thread : reinterpret_cast<const uint2 *>(rows) + thread - STEP;
    const int next_head = thread < STEP ? padded_rows : 0;
    uint8_t *const own_notes = shared + (notes - k_tile) + half * 2 * NOTES;
    uint2 note = make_uint2(0, 0);
    int step = 0;
    if (total > 0) {
      note = source[range.x * STEP];
      barrier_wait(kv_full, 0);
    }
    for (int i = 0; i < total; i++) {
      const uint32_t q = stages + ring.stage * STAGE, o = q + STEP_TILE;
      const float4 *stat = reinterpret_cast<const float4 *>(own_notes + i % 2 * NOTES) + t;
      float dots[STEP / 8][2];  // of out and d_out, for this thread's queries
      const int2 *seen = reinterpret_cast<const int2 *>(own_notes + i % 2 * NOTES + NOTES / 2) + 2 * t;
      const int4 b = bounds[range.x + step];
      const bool masked = b.z > key0 || b.w < key0 + 64;
      reinterpret_cast<uint2 *>(own_notes + i % 2 * NOTES)[thread] = note;
      if (++step == steps) step = 0, source += next_head;
      if (i + 1 < total) note = source[(range.x + step) * STEP];
      named_barrier_wait(1 + half, 128);  // two buffers: nobody still reads the one that the next step writes
      barrier_wait(full + 8 * ring.stage, ring.parity);
      wgmma_begin();
      multiply_rows<T, STEP, D, 128>(s, k_tile, half * 64, q);
      wgmma_commit();
      multiply_rows<T, STEP, D, 128>(dp, v_tile, half * 64, o);
      wgmma_commit();
      wgmma_wait<1>();
      pin(s);
#pragma unroll
      for (int j = 0; j < STEP / 8; j++) {
        const float4 two = stat[j * 4];  // the statistics of two queries
        dots[j][0] = two.y, dots[j][1] = two.w;
#pragma unroll
        for (int c = 0; c < 4; c++) s[j * 4 + c] = exp2_fast(s[j * 4 + c] * unit - (c & 1 ? two.z : two.x));
      }
      if (masked) {
#pragma unroll
        for (int e = 0; e < STEP / 2; e++) {
          const int2 r = seen[e / 4 * 8 + (e & 1)];
          const int own = own0 + (e & 2) * 4;
          if (own < r.x || own >= r.y) s[e] = 0;
        }
      }
      wgmma_wait<0>();  // nothing may be in flight while operands are packed: the compiler would serialize all of it
      pin(dp);
#pragma unroll
      for (int e = 0; e < STEP / 2; e++) dp[e] = s[e] * (dp[e] - dots[e / 4][e & 1]);
      pack_operands<T>(p, s);
      pack_operands<T>(ds, dp);
      pin(dv);
      pin(dk);
      wgmma_begin();
      accumulate_rows<T, STEP, D>(dv, p, o);
      accumulate_rows<T, STEP, D>(dk, ds, q);
      wgmma_commit();
      wgmma_wait<0>();  // registers do not suffice for the operands of two steps
      pin(dk);
      pin(dv);
      release(empty + 8 * ring.stage);
      ring.next<STAGES>();
    }
    const int64_t stride = static_cast<int64_t>(H + 2 * K) * D;
    store_accumulator<T, D>(dk, scale, scale, d_qkv + static_cast<int64_t>(H + kv) * D, own0, N, stride);
    store_accumulator<T, D>(dv, 1, 1, d_qkv + static_cast<int64_t>(H + K + kv) * D, own0, N, stride);
  }
}

template <class T, int D>
__device__ __forceinline__ void attention_backward_queries_hopper(const TensorMap *qkv_map, const TensorMap *d_out_map, const int2 *rows, const int4 *bounds, const int32_t *query_order,
                                                                  const int2 *query_ranges, const float2 *stats, T *d_qkv, int N, int padded_rows, int H, int K, int tiles, float scale) {
  constexpr int STAGES = 2;
  constexpr uint32_t TILE = TILE_BYTES<128, D>;
  DYNAMIC_SHARED(shared);
  const uint32_t q_tile = shared_address(shared), o_tile = q_tile + TILE, stages = o_tile + TILE, barriers = stages + STAGES * 2 * TILE;
  const uint32_t q_full = barriers, q_empty = barriers + 8, full = barriers + 16, empty = full + 8 * STAGES;
  const int group = threadIdx.x / 128, items = tiles * H;
  if (threadIdx.x == 0) {
    barrier_init(q_full, 1);
    barrier_init(q_empty, COMPUTE_WARPS);
    for (int s = 0; s < STAGES; s++) {
      barrier_init(full + 8 * s, 1);
      barrier_init(empty + 8 * s, COMPUTE_WARPS);
    }
    barrier_init_fence();
    prefetch_tensor_map(qkv_map);
    prefetch_tensor_map(d_out_map);
  }
  __syncthreads();
  if (group == 0) {
    registers_give<24>();
    if (threadIdx.x == 0) {
      Ring ring;
      int q_parity = 0;
      for (int item = blockIdx.x; item < items; item += gridDim.x) {
        const int tile = query_order[item / H], head = item % H, kv = head / (H / K);
        const int2 keys = query_ranges[tile];
        if (keys.x >= keys.y) continue;
        barrier_wait(q_empty, q_parity ^ 1);
        q_parity ^= 1;
        barrier_expect(q_full, 2 * TILE);
        load_panels<128, D>(q_tile, qkv_map, head * D, tile * 128, q_full);
        load_panels<128, D>(o_tile, d_out_map, head * D, tile * 128, q_full);
        for (int j = keys.x; j < keys.y; j++) {
          const int s = ring.stage;
          const uint32_t k = stages + s * 2 * TILE, barrier = full + 8 * s;
          barrier_wait(empty + 8 * s, ring.parity ^ 1);
          barrier_expect(barrier, 2 * TILE);
          load_panels<128, D>(k, qkv_map, (H + kv) * D, j * 128, barrier);
          load_panels<128, D>(k + TILE, qkv_map, (H + K + kv) * D, j * 128, barrier);
          ring.next<STAGES>();
        }
      }
    }
  } else {
    registers_take<240>();
    const int warp = threadIdx.x / 32 % 4, g = threadIdx.x % 32 / 4, t = threadIdx.x % 4, half = group - 1;
    const int64_t stride = static_cast<int64_t>(H + 2 * K) * D;
    const float unit = scale * LOG2E;
    Ring ring;
    int q_parity = 0;
    for (int item = blockIdx.x; item < items; item += gridDim.x) {
      const int tile = query_order[item / H], head = item % H;
      const int2 keys = query_ranges[tile];
      const int row0 = tile * 128 + half * 64 + warp * 16 + g;
      const int2 range[2] = {rows[row0], rows[row0 + 8]};
      const float2 *row_stats = stats + static_cast<int64_t>(head) * padded_rows + row0;
      const float2 stat[2] = {row_stats[0], row_stats[8]};
      const int4 b = bounds[tile * 2 + half];
      float dq[D / 2], s[64], dp[64];
      uint32_t ds[8][4];
#pragma unroll
      for (int i = 0; i < D / 2; i++) dq[i] = 0;
      if (keys.x < keys.y) {
        barrier_wait(q_full, q_parity);
        q_parity ^= 1;
        for (int j = keys.x; j < keys.y; j++) {
          const uint32_t k = stages + ring.stage * 2 * TILE;
          barrier_wait(full + 8 * ring.stage, ring.parity);
          wgmma_begin();
          multiply_rows<T, 128, D, 128>(s, q_tile, half * 64, k);
          wgmma_commit();
          multiply_rows<T, 128, D, 128>(dp, o_tile, half * 64, k + TILE);
          wgmma_commit();
          wgmma_wait<1>();
          pin(s);
    #pragma unroll
          for (int e = 0; e < 64; e++) s[e] = exp2_fast(s[e] * unit - stat[e >> 1 & 1].x);
          if (b.z > j * 128 || b.w < j * 128 + 128) {
#pragma unroll
            for (int e = 0; e < 64; e++) {
              const int key = j * 128 + e / 4 * 8 + 2 * t + (e & 1);
              const int2 r = range[e >> 1 & 1];
              if (key < r.x || key >= r.y) s[e] = 0;
            }
          }
          wgmma_wait<0>();
          pin(dp);
          if (j + 1 == keys.y) release(q_empty);
#pragma unroll
          for (int e = 0; e < 64; e++) dp[e] = s[e] * (dp[e] - stat[e >> 1 & 1].y);
          pack_operands<T>(ds, dp);
          pin(dq);
          wgmma_begin();
          accumulate_rows<T, 128, D>(dq, ds, k);
          wgmma_commit();
          wgmma_wait<0>();
          pin(dq);
          release(empty + 8 * ring.stage);
          ring.next<STAGES>();
        }
      }
      store_accumulator<T, D>(dq, scale, scale, d_qkv + static_cast<int64_t>(head) * D, row0, N, stride);
    }
  }
}

// launch: grid T · K, block 384, dynamic shared 512 · D + 3 · 256 · D + 4096 + 128 (D 64: 86144, D 128: 168064). T = ceil(N / 128), padded_rows 128 · T.
// qkv: tensor map as in forward (box 64 x 128); q: the same array with box 64 x 64; d_out: tensor map over [N, H D], box 64 x 64. stats:
// attention_backward_stats. Writes the key and value columns of d_qkv (16-byte aligned).
#define BACKWARD_KEYS(D, suffix, T)                                                                                                    \
  extern "C" __global__ void __launch_bounds__(384, 1) attention_backward_keys_hopper_d##D##_##suffix(                                 \
      const __grid_constant__ TensorMap qkv, const __grid_constant__ TensorMap q, const __grid_constant__ TensorMap d_out, const int2 *rows, const int4 *bounds, \
      const int32_t *key_order, const int2 *key_ranges, const float2 *stats, T *d_qkv, int N, int padded_rows, int H, int K, float scale) { \
    attention_backward_keys_hopper<T, D>(&qkv, &q, &d_out, rows, bounds, key_order, key_ranges, stats, d_qkv, N, padded_rows, H, K, scale); \
  }
BACKWARD_KEYS(64, bf16, bf16_t)
BACKWARD_KEYS(128, bf16, bf16_t)
BACKWARD_KEYS(64, f16, f16_t)
BACKWARD_KEYS(128, f16, f16_t)

// launch: grid min(T · H, multiprocessors), block 384, dynamic shared 6 · 256 · D + 128 (D 64: 98432, D 128: 196736).
// qkv and d_out: tensor maps with box 64 columns x 128 rows. Writes the query columns of d_qkv.
#define BACKWARD_QUERIES(D, suffix, T)                                                                                                 \
  extern "C" __global__ void __launch_bounds__(384, 1) attention_backward_queries_hopper_d##D##_##suffix(                              \
      const __grid_constant__ TensorMap qkv, const __grid_constant__ TensorMap d_out, const int2 *rows, const int4 *bounds, const int32_t *query_order, const int2 *query_ranges, \
      const float2 *stats, T *d_qkv, int N, int padded_rows, int H, int K, int tiles, float scale) {                     \
    attention_backward_queries_hopper<T, D>(&qkv, &d_out, rows, bounds, query_order, query_ranges, stats, d_qkv, N, padded_rows, H, K, tiles, scale); \
  }
BACKWARD_QUERIES(64, bf16, bf16_t)
BACKWARD_QUERIES(128, bf16, bf16_t)
BACKWARD_QUERIES(64, f16, f16_t)
BACKWARD_QUERIES(128, f16, f16_t)
#endif

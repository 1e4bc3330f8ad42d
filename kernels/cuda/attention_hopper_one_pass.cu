// Attention's backward pass for Hopper in one walk (sm_90a only), the fast mode beside attention_hopper.cu, which walks twice: scores and dP are made
// once and serve dK, dV and dQ. Cases, inputs and plan arrays are the same.
//
// Plan. A block owns 128 keys of one key head and walks the 64-row query tiles of all heads of the group. Three warpgroups:
// - 1 and 2 compute 64 keys each, transposed, as the kernel for keys does; each leaves its half of dS in shared memory (two buffers).
// - 0 makes dQ of the tile, dSᵀ K over the block's 128 keys, and adds it to an f32 sum in global memory by bulk reduction; one of its threads
//   keeps three stages of Q and dO full. A stage is free when both halves of the next dS are there, so it needs no barrier of its own.
// A thread of 1 and 2 reads the statistics of its own 16 queries from the caches, before it waits for the step's tiles, into the registers that dP takes after the
// scores are packed; bounds and ranges too.
// Then attention_backward_convert makes 16-bit dQ of the sums.
// The sums of one 64-row tile and head lie as the accumulator of their product does, [4 warps][D / 8][32 lanes][4] f32, so that a warp's share is
// one run of bytes on both sides; `sums` is [H, T · 2] such tiles, zeroed before.
// Blocks add in no fixed order: dQ differs in its last bits from run to run; dK and dV do not. Operations a score: 10 D, for 14 D of the two walks.
// Bytes: 4 D a query row, head and key tile added, which the second-level cache takes. Limit: tensor cores, and shared memory close behind.
#include "attention_hopper.cuh"

#if defined(REMORA_EMULATE) || !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)

// acc (64 x 64) = dSᵀ B: dS a panel of 128 keys x 64 queries, B a panel of 128 keys x 64 columns.
template <class T> __device__ __forceinline__ void multiply_keys(float (&acc)[32], uint32_t ds, uint32_t b_panel) {
#pragma unroll
  for (int k = 0; k < 8; k++) {
    const uint64_t a = descriptor_mn(ds + k * 2048, 0), b = descriptor_mn(b_panel + k * 2048, 0);
    if (k == 0) Wgmma<T, 64, true>::template shared_first<true>(acc, a, b);
    else Wgmma<T, 64, true>::template shared<true>(acc, a, b, 1);
  }
}

// Stores a warpgroup's operands, 64 keys x 64 queries, as rows of a panel; this thread's rows are `row` and row + 8.
__device__ __forceinline__ void store_operands(uint32_t panel, int row, const uint32_t (&p)[4][4]) {
  const uint32_t place = panel + row * 128 + (row % 8 << 4) + threadIdx.x % 4 * 4;
#pragma unroll
  for (int k = 0; k < 4; k++)
#pragma unroll
    for (int i = 0; i < 4; i++) store_shared((place ^ (2 * k + i / 2) << 4) + i % 2 * 1024, p[k][i]);
}

// Adds a warp's 16 rows of dQ to the sums in global memory: by way of shared memory, so that the copy engine does it while the next dQ is made.
template <int D> struct StagedSums {
  static constexpr uint32_t BYTES = 16 * D * 4;  // of a warp
  float4 *const staging;
  const uint32_t address;
  const int lane = threadIdx.x % 32;
  __device__ __forceinline__ StagedSums(uint8_t *shared, uint32_t shared_begin, uint32_t place, int warp)
      : staging(reinterpret_cast<float4 *>(shared + (place - shared_begin) + warp * BYTES)), address(place + warp * BYTES) {}
  // Columns 64 panel … 64 panel + 63; `target` is the warp's run of all D.
  __device__ __forceinline__ void add(const float (&dq)[32], int panel, float *target) const {
    if (panel == 0) finish();
#pragma unroll
    for (int j = 0; j < 8; j++) staging[(panel * 8 + j) * 32 + lane] = make_float4(dq[j * 4], dq[j * 4 + 1], dq[j * 4 + 2], dq[j * 4 + 3]);
    if (panel < D / 64 - 1) return;
    shared_store_fence();
    __syncwarp();
    if (lane == 0) bulk_add(target, address, BYTES);
  }
  // The staging may be written again, or left.
  __device__ __forceinline__ void finish() const {
    if (lane == 0) bulk_add_wait_read();
    __syncwarp();
  }
};

// 16 bytes that other warps of the block read too: they stay in the first-level cache.
__device__ __forceinline__ float4 load_kept(const float4 *p) {
#ifdef REMORA_EMULATE
  return *p;
#else
  float4 v;
  asm volatile("ld.global.nc.v4.f32 {%0,%1,%2,%3}, [%4];" : "=f"(v.x), "=f"(v.y), "=f"(v.z), "=f"(v.w) : "l"(p) : "memory");
  return v;
#endif
}

template <class T, int D, class Sums = StagedSums<D>>
__device__ __forceinline__ void attention_backward_one_pass(const TensorMap *qkv_map, const TensorMap *q_map, const TensorMap *d_out_map, const int2 *rows, const int4 *bounds,
                                                            const int32_t *key_order, const int2 *key_ranges, const float2 *stats, float *sums, T *d_qkv, int N, int padded_rows, int H,
                                                            int K, float scale) {
  constexpr int STAGES = 3, STEP = 64;
  constexpr uint32_t TILE = TILE_BYTES<128, D>, STEP_TILE = TILE_BYTES<STEP, D>, STAGE = 2 * STEP_TILE, PANEL = 128 * 128, SUM = STEP * D * 4;
  DYNAMIC_SHARED(shared);
  const uint32_t k_tile = shared_address(shared), v_tile = k_tile + TILE, stages = v_tile + TILE, panels = stages + STAGES * STAGE, sum = panels + 2 * PANEL;
  const uint32_t kv_full = sum + SUM, full = kv_full + 8, ds_full = full + 8 * STAGES, ds_empty = ds_full + 16;
  const int group = __shfl_sync(0xffffffffu, threadIdx.x / 128, 0), heads = H / K, warp = threadIdx.x / 32 % 4, lane = threadIdx.x % 32;
  const int tile = key_order[blockIdx.x / K], kv = blockIdx.x % K;
  const int2 range = key_ranges[tile];
  const int steps = range.y - range.x, total = steps * heads;
  if (threadIdx.x == 0) {
    barrier_init(kv_full, 1);
    for (int s = 0; s < STAGES; s++) barrier_init(full + 8 * s, 1);
    for (int b = 0; b < 2; b++) {
      barrier_init(ds_full + 8 * b, COMPUTE_WARPS);
      barrier_init(ds_empty + 8 * b, 4);
    }
    barrier_init_fence();
    prefetch_tensor_map(qkv_map);
    prefetch_tensor_map(q_map);
    prefetch_tensor_map(d_out_map);
  }
  __syncthreads();
  if (group == 0) {
    registers_give<72>();
    // Step i: Q and dO into stage i % 3, which step i - 3 has left.
    int head = kv * heads, query_tile = range.x;  // of the next step to load
    const auto load = [&](int i) {
      const int row0 = query_tile * STEP, s = i % STAGES;
      const uint32_t barrier = full + 8 * s;
      barrier_expect(barrier, STAGE);
      load_panels<STEP, D>(stages + s * STAGE, q_map, head * D, row0, barrier);
      load_panels<STEP, D>(stages + s * STAGE + STEP_TILE, d_out_map, head * D, row0, barrier);
      if (++query_tile == range.y) query_tile = range.x, head++;
    };
    if (threadIdx.x == 0 && total > 0) {
      barrier_expect(kv_full, 2 * TILE);
      load_panels<128, D>(k_tile, qkv_map, (H + kv) * D, tile * 128, kv_full);
      load_panels<128, D>(v_tile, qkv_map, (H + K + kv) * D, tile * 128, kv_full);
      load(0);
      if (total > 1) load(1);
    }
    const Sums adder(shared, k_tile, sum, warp);
    float *target = sums + (static_cast<int64_t>(kv) * heads * padded_rows + range.x * STEP + warp * 16) * D;
    int step = 0;
    if (total > 0) barrier_wait(kv_full, 0);
    for (int i = 0; i < total; i++) {
      const uint32_t ds = panels + i % 2 * PANEL;
      barrier_wait(ds_full + i % 2 * 8, i / 2 & 1);
      if (threadIdx.x == 0 && i + 2 < total) load(i + 2);
#pragma unroll 1
      for (int panel = 0; panel < D / 64; panel++) {  // the other warpgroups leave registers for 64 columns
        float dq[32];
        wgmma_begin();
        multiply_keys<T>(dq, ds, k_tile + panel * PANEL);
        wgmma_commit();
        wgmma_wait<0>();
        pin(dq);
        if (panel == D / 64 - 1) release(ds_empty + i % 2 * 8);
        adder.add(dq, panel, target);
      }
      target += STEP * D;
      if (++step == steps) step = 0, target += static_cast<int64_t>(padded_rows - steps * STEP) * D;
    }
    adder.finish();
  } else {
    registers_take<216>();
    const int g = lane / 4, t = threadIdx.x % 4, half = group - 1;
    const int key0 = tile * 128 + half * 64, own0 = key0 + warp * 16 + g;
    float dk[D / 2], dv[D / 2], s[STEP / 2], dp[STEP / 2];
    uint32_t p[STEP / 16][4], ds[STEP / 16][4];
#pragma unroll
    for (int i = 0; i < D / 2; i++) dk[i] = dv[i] = 0;
    Ring ring;
    const float unit = scale * LOG2E;
    int query_tile = range.x, head_rows = kv * heads * padded_rows;  // of the next step
    if (total > 0) barrier_wait(kv_full, 0);
    for (int i = 0; i < total; i++) {
      const uint32_t q = stages + ring.stage * STAGE, o = q + STEP_TILE;
      float4 two[STEP / 8];  // the statistics of this thread's queries, two by two; they arrive while the scores are made
#pragma unroll
      for (int j = 0; j < STEP / 8; j++) two[j] = load_kept(reinterpret_cast<const float4 *>(stats) + ((head_rows + query_tile * STEP) / 2 + t) + j * 4);
      const int2 b = reinterpret_cast<const int2 *>(bounds + query_tile)[1];
      const bool masked = b.x > key0 || b.y < key0 + 64;
      barrier_wait(full + 8 * ring.stage, ring.parity);
      wgmma_begin();
      multiply_rows<T, STEP, D, 128>(s, k_tile, half * 64, q);
      wgmma_commit();
      wgmma_wait<0>();
      pin(s);
#pragma unroll
      for (int j = 0; j < STEP / 8; j++) {
#pragma unroll
        for (int c = 0; c < 4; c++) s[j * 4 + c] = exp2_fast(s[j * 4 + c] * unit - (c & 1 ? two[j].z : two[j].x));
      }
      if (masked) {
        const int4 *seen = reinterpret_cast<const int4 *>(rows + query_tile * STEP) + t;
#pragma unroll
        for (int j = 0; j < STEP / 8; j++) {
          const int4 r = seen[j * 4];  // the ranges of two queries
#pragma unroll
          for (int c = 0; c < 4; c++) {
            const int own = own0 + (c & 2) * 4;
            if (own < (c & 1 ? r.z : r.x) || own >= (c & 1 ? r.w : r.y)) s[j * 4 + c] = 0;
          }
        }
      }
      pack_operands<T>(p, s);
      wgmma_begin();
      multiply_rows<T, STEP, D, 128>(dp, v_tile, half * 64, o);
      wgmma_commit();
      barrier_wait(ds_empty + i % 2 * 8, (i / 2 & 1) ^ 1);  // here, and not before the stores: dP hides it
      wgmma_wait<0>();
      pin(dp);
#pragma unroll
      for (int e = 0; e < STEP / 2; e += 2) {
        const float2 probability = unpack2<T>(p[e / 8][e % 8 / 2]);  // as rounded for dV: registers do not suffice for both
        dp[e] = probability.x * (dp[e] - two[e / 4].y);
        dp[e + 1] = probability.y * (dp[e + 1] - two[e / 4].w);
      }
      pack_operands<T>(ds, dp);
      pin(dv);
      wgmma_begin();
      accumulate_rows<T, STEP, D>(dv, p, o);
      wgmma_commit();
      store_operands(panels + i % 2 * PANEL, half * 64 + warp * 16 + g, ds);
      shared_store_fence();
      release(ds_full + i % 2 * 8);
      pin(dk);
      wgmma_begin();
      accumulate_rows<T, STEP, D>(dk, ds, q);
      wgmma_commit();
      wgmma_wait<0>();
      pin(dv);
      pin(dk);
      ring.next<STAGES>();
      if (++query_tile == range.y) query_tile = range.x, head_rows += padded_rows;
    }
    const int64_t stride = static_cast<int64_t>(H + 2 * K) * D;
    store_accumulator<T, D>(dk, scale, scale, d_qkv + static_cast<int64_t>(H + kv) * D, own0, N, stride);
    store_accumulator<T, D>(dv, 1, 1, d_qkv + static_cast<int64_t>(H + K + kv) * D, own0, N, stride);
  }
}

// launch: grid T · K, block 384, dynamic shared 1536 · D + 32768 + 64. T = ceil(N / 128), padded_rows 128 · T.
// Inputs as attention_backward_keys_hopper. sums f32 [H, padded_rows, D], zeroed, 16-byte aligned. Writes the key and value columns of d_qkv.
#define ONE_PASS(name, D, T, ...)                                                                                                      \
  extern "C" __global__ void __launch_bounds__(384, 1) attention_backward_one_pass_hopper_##name(                                      \
      const __grid_constant__ TensorMap qkv, const __grid_constant__ TensorMap q, const __grid_constant__ TensorMap d_out, const int2 *rows, const int4 *bounds, \
      const int32_t *key_order, const int2 *key_ranges, const float2 *stats, float *sums, T *d_qkv, int N, int padded_rows, int H, int K, float scale) { \
    attention_backward_one_pass<T, D __VA_OPT__(, ) __VA_ARGS__>(&qkv, &q, &d_out, rows, bounds, key_order, key_ranges, stats, sums, d_qkv, N, padded_rows, H, K, scale); \
  }
#ifndef REMORA_VARIANTS  // kernels/lab/attention_variants.cu has others of these
ONE_PASS(d64_bf16, 64, bf16_t)
ONE_PASS(d128_bf16, 128, bf16_t)
ONE_PASS(d64_f16, 64, f16_t)
ONE_PASS(d128_f16, 128, f16_t)

// Sums of one 64-row tile and head to the query columns of d_qkv, times `scale`. Bytes: 6 a value. Limit: memory.
// launch: grid 2T · H, block 128.
#define CONVERT(D, suffix, T)                                                                                                          \
  extern "C" __global__ void __launch_bounds__(128) attention_backward_convert_hopper_d##D##_##suffix(const float *sums, T *d_qkv, int N, int H, int K, float scale) { \
    const int head = blockIdx.x % H, tile = blockIdx.x / H, warp = threadIdx.x / 32, lane = threadIdx.x % 32, tiles = gridDim.x / H;   \
    const float4 *source = reinterpret_cast<const float4 *>(sums + (static_cast<int64_t>(head) * tiles + tile) * 64 * D) + warp * (D / 8 * 32) + lane; \
    float dq[D / 2];                                                                                                                   \
    _Pragma("unroll") for (int j = 0; j < D / 8; j++) {                                                                                \
      const float4 v = source[j * 32];                                                                                                 \
      dq[j * 4] = v.x, dq[j * 4 + 1] = v.y, dq[j * 4 + 2] = v.z, dq[j * 4 + 3] = v.w;                                                  \
    }                                                                                                                                  \
    store_accumulator<T, D>(dq, scale, scale, d_qkv + static_cast<int64_t>(head) * D, tile * 64 + warp * 16 + lane / 4, N, static_cast<int64_t>(H + 2 * K) * D); \
  }
CONVERT(64, bf16, bf16_t)
CONVERT(128, bf16, bf16_t)
CONVERT(64, f16, f16_t)
CONVERT(128, f16, f16_t)
#endif
#endif

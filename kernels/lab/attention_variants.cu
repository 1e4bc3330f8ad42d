// The kernel of attention_hopper_one_pass.cu otherwise: what it costs to add dQ (vector reductions from registers, and none at all: its dQ is then wrong,
// and what is left is the walk), and statistics read where they lie. An image of it beside the others lets the check program time them.
#define REMORA_VARIANTS
#include "../cuda/attention_hopper_one_pass.cu"

#if defined(REMORA_EMULATE) || !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)

#ifndef REMORA_EMULATE
struct VectorSums {
  const int lane = threadIdx.x % 32;
  __device__ __forceinline__ VectorSums(uint8_t *, uint32_t, uint32_t, int) {}
  __device__ __forceinline__ void add(const float (&dq)[32], int panel, float *target) const {
    float *const place = target + panel * 1024 + lane * 4;
#pragma unroll
    for (int j = 0; j < 8; j++)
      asm volatile("red.global.add.v4.f32 [%0], {%1, %2, %3, %4};" ::"l"(place + j * 128), "f"(dq[j * 4]), "f"(dq[j * 4 + 1]), "f"(dq[j * 4 + 2]), "f"(dq[j * 4 + 3]) : "memory");
  }
  __device__ void finish() const {}
};
struct NoSums {
  __device__ NoSums(uint8_t *, uint32_t, uint32_t, int) {}
  __device__ void add(const float (&)[32], int, float *) const {}
  __device__ void finish() const {}
};

ONE_PASS(vector_d128_bf16, 128, bf16_t, VectorSums)
ONE_PASS(unadded_d128_bf16, 128, bf16_t, NoSums)
#endif

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

// The walk without notes in shared memory, which racecheck cannot follow (bulk copies ordered by mbarriers): a thread reads the statistics of its own 16
// queries from the caches, before it waits for the step's tiles, into the registers that dP takes after the scores are packed; bounds and ranges too.
template <class T, int D>
__device__ __forceinline__ void attention_backward_one_pass_direct(const TensorMap *qkv_map, const TensorMap *q_map, const TensorMap *d_out_map, const int2 *rows, const int4 *bounds,
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
    const StagedSums<D> adder(shared, k_tile, sum, warp);
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

// Arguments and grid as attention_backward_one_pass_hopper's; dynamic shared memory 2,080 bytes less.
#define DIRECT(D, suffix, T)                                                                                                           \
  extern "C" __global__ void __launch_bounds__(384, 1) attention_backward_one_pass_hopper_direct_d##D##_##suffix(                      \
      const __grid_constant__ TensorMap qkv, const __grid_constant__ TensorMap q, const __grid_constant__ TensorMap d_out, const int2 *rows, const int4 *bounds, \
      const int32_t *key_order, const int2 *key_ranges, const float2 *stats, float *sums, T *d_qkv, int N, int padded_rows, int H, int K, float scale) { \
    attention_backward_one_pass_direct<T, D>(&qkv, &q, &d_out, rows, bounds, key_order, key_ranges, stats, sums, d_qkv, N, padded_rows, H, K, scale); \
  }
DIRECT(64, bf16, bf16_t)
DIRECT(128, bf16, bf16_t)
DIRECT(64, f16, f16_t)
DIRECT(128, f16, f16_t)
#endif

// Flash attention over packed rows with mma.m16n8k16 (sm_80 and newer; f16 also on sm_75): forward, backward for keys and values,
// backward for queries, and the forward over the paged cache for prompts. Arithmetic of Dao 2023, arXiv:2307.08691, f32 sums.
//
// Plan, forward: a block of 4 warps owns 64 query rows of one head, a warp 16 of them; it walks the key tiles that its rows can see. Q, K
// and V lie in shared memory with 16-byte pieces XOR-swizzled by row (no bank conflicts for ldmatrix), K and V in two stages filled by
// cp.async. Scores never leave registers: the accumulator of q·k is the operand of p·v.
// Plan, backward: no atomics. One kernel owns 64 keys of one key head and walks the query tiles and heads that see them (dK, dV); it
// computes scores transposed, so that P and dS are again register operands. Another owns 64 query rows of one head (dQ). Both make the
// scores again: 7 products instead of 5, the price of results that are equal on every run.
// Ranges come from attention_plan.cu. Head sizes: multiples of 16 up to DP, the padded size of the kernel (64, 128 or 256).
// Operations a score: forward 4 D, dK dV 8 D, dQ 6 D. Limit: tensor cores.
#include "ptx.cuh"

constexpr float LOG2E = 1.4426950408889634f, LN2 = 0.6931471805599453f;
#if defined(REMORA_EMULATE) || !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
#define HAS_COPY_ASYNC 1
#define IF_BF16(x) x
#else
#define HAS_COPY_ASYNC 0
#define IF_BF16(x)
#endif

// Byte offset of 16-byte piece `piece` of row `row` in a swizzled tile whose rows have DP elements.
template <int DP> __device__ __forceinline__ uint32_t tile_at(int row, int piece) { return row * DP * 2 + ((piece ^ (row & 7)) << 4); }

// ROWS rows of D elements to a tile, `stride` elements apart from `source`; rows from `limit` on and columns from D on become zeros.
template <class T, int DP, int ROWS> __device__ __forceinline__ void load_tile(uint32_t tile, const T *source, int limit, int64_t stride, int D) {
#pragma unroll
  for (int i = 0; i < ROWS * DP / 8 / 128; i++) {
    const int item = i * 128 + threadIdx.x, row = item / (DP / 8), piece = item % (DP / 8);
    const bool valid = row < limit && piece * 8 < D;
    copy_async_16(tile + tile_at<DP>(row, piece), valid ? source + row * stride + piece * 8 : source, valid);
  }
}

// Operand A (16 rows from `row`, step kk of 16 columns) of a tile.
template <int DP> __device__ __forceinline__ void load_a(uint32_t r[4], uint32_t tile, int row, int kk) {
  const int lane = threadIdx.x % 32, m = lane / 8;
  load_matrix_x4<false>(r, tile + tile_at<DP>(row + (m & 1) * 8 + lane % 8, kk * 2 + (m >> 1)));
}
// Operand B of two neighbouring n-tiles (tile rows row … row + 15 are n, columns are k): r0, r1 first, r2, r3 second.
template <int DP> __device__ __forceinline__ void load_b(uint32_t r[4], uint32_t tile, int row, int kk) {
  const int lane = threadIdx.x % 32, m = lane / 8;
  load_matrix_x4<false>(r, tile + tile_at<DP>(row + (m >> 1) * 8 + lane % 8, kk * 2 + (m & 1)));
}
// Operand B of two neighbouring n-tiles when tile rows are k (row … row + 15) and columns are n (16 from pair * 16).
template <int DP> __device__ __forceinline__ void load_b_transposed(uint32_t r[4], uint32_t tile, int row, int pair) {
  const int lane = threadIdx.x % 32, m = lane / 8;
  load_matrix_x4<true>(r, tile + tile_at<DP>(row + (m & 1) * 8 + lane % 8, pair * 2 + (m >> 1)));
}

// Accumulator of 16 rows x 8·NT columns to operand A fragments: fragment kk from n-tiles 2kk and 2kk + 1.
template <class T> __device__ __forceinline__ void to_operand(uint32_t a[4], const float left[4], const float right[4]) {
  a[0] = pack2<T>(left[0], left[1]);
  a[1] = pack2<T>(left[2], left[3]);
  a[2] = pack2<T>(right[0], right[1]);
  a[3] = pack2<T>(right[2], right[3]);
}

// Writes a warp's 16 x W accumulator, scaled by row factors, as T through its own 16 rows of a tile (already consumed by this warp).
template <class T, int DP, int W>
__device__ __forceinline__ void store_rows(uint8_t *shared, uint32_t tile, int tile_row, const float (*acc)[4], float factor0, float factor1, T *out, int limit,
                                           int64_t stride, int D) {
  const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
  uint8_t *base = shared + (tile - shared_address(shared));
  __syncwarp();
#pragma unroll
  for (int i = 0; i < W / 8; i++) {
    *reinterpret_cast<uint32_t *>(base + tile_at<DP>(tile_row + g, i) + t * 4) = pack2<T>(acc[i][0] * factor0, acc[i][1] * factor0);
    *reinterpret_cast<uint32_t *>(base + tile_at<DP>(tile_row + g + 8, i) + t * 4) = pack2<T>(acc[i][2] * factor1, acc[i][3] * factor1);
  }
  __syncwarp();
#pragma unroll
  for (int i = 0; i < W / 16; i++) {
    const int item = i * 32 + lane, row = item / (W / 8), piece = item % (W / 8);
    if (row < limit && piece * 8 < D)
      *reinterpret_cast<uint4 *>(out + row * stride + piece * 8) = *reinterpret_cast<const uint4 *>(base + tile_at<DP>(tile_row + row, piece));
  }
}

// ---------------------------------------------------------------- forward

template <int DP> struct ForwardShape {
  static constexpr int KEYS = DP > 128 ? 32 : 64, STAGES = HAS_COPY_ASYNC ? 2 : 1;
};

// Where the keys of a paged sequence lie.
struct Pages {
  const int32_t *sequences, *positions, *block_table;
  int page_size, blocks_per_sequence, window;
};

template <class T, int DP, bool PAGED>
__device__ void attention_forward(const T *qkv, const T *keys, const T *values, const int2 *rows, const int4 *bounds, const Pages pages, T *out, float *lse, int N,
                                  int H, int K, int D, float scale, float softcap) {
  constexpr int KEYS = ForwardShape<DP>::KEYS, STAGES = ForwardShape<DP>::STAGES, NT = KEYS / 8, DT = DP / 8;
  constexpr uint32_t TILE = KEYS * DP * 2;
  DYNAMIC_SHARED(shared);
  __shared__ int4 shared_bounds;
  const uint32_t tile_q = shared_address(shared), tile_kv = tile_q + 64 * DP * 2;
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, g = lane / 4, t = lane % 4;
  const int head = blockIdx.x, kv_head = head / (H / K);
  const int tile = gridDim.y - 1 - blockIdx.y, row0 = tile * 64;
  const int64_t stride = static_cast<int64_t>(H + 2 * K) * D;

  load_tile<T, DP, 64>(tile_q, qkv + row0 * stride + static_cast<int64_t>(head) * D, N - row0, stride, D);
  copy_async_commit();

  float o[DT][4], top0 = -REMORA_INFINITY, top1 = -REMORA_INFINITY, sum0 = 0, sum1 = 0;
#pragma unroll
  for (int i = 0; i < DT; i++) o[i][0] = o[i][1] = o[i][2] = o[i][3] = 0;
  const int own0 = row0 + warp * 16 + g, own1 = own0 + 8;
  const float factor = softcap > 0 ? scale / softcap : scale * LOG2E;  // then softcap · log2 e · tanh

  // Paged rows of several sequences may share the block: one pass for each sequence, in row order.
  for (int next_row = row0; next_row < min(row0 + 64, N);) {
    int sequence = 0, lo0, hi0, lo1, hi1;
    int4 b;
    if (PAGED) {
      sequence = pages.sequences[next_row];
      const auto range = [&](int n, int &lo, int &hi) {
        lo = hi = 0;
        if (n < N && sequence >= 0 && pages.sequences[n] == sequence) {
          hi = pages.positions[n] + 1;
          lo = pages.window > 0 ? max(0, hi - pages.window) : 0;
        }
      };
      range(own0, lo0, hi0);
      range(own1, lo1, hi1);
      __syncthreads();
      if (warp == 0) {
        int x = 0x7fffffff, y = 0, z = 0, w = 0x7fffffff;
        for (int half = 0; half < 2; half++) {
          int lo, hi;
          range(row0 + lane + 32 * half, lo, hi);
          if (lo < hi) x = min(x, lo), y = max(y, hi), z = max(z, lo), w = min(w, hi);
          else z = 0x7fffffff, w = 0;
        }
#pragma unroll
        for (int d = 16; d; d >>= 1) {
          x = min(x, __shfl_xor_sync(0xffffffffu, x, d));
          y = max(y, __shfl_xor_sync(0xffffffffu, y, d));
          z = max(z, __shfl_xor_sync(0xffffffffu, z, d));
          w = min(w, __shfl_xor_sync(0xffffffffu, w, d));
        }
        if (lane == 0) shared_bounds = make_int4(x, y, z, w);
      }
      __syncthreads();
      b = shared_bounds;
      // the next row of a sequence that no earlier row of the block belongs to
      int candidate = next_row + 1;
      for (; candidate < min(row0 + 64, N); candidate++) {
        bool seen = false;
        for (int n = row0; n < candidate; n++) seen = seen || pages.sequences[n] == pages.sequences[candidate];
        if (!seen) break;
      }
      next_row = candidate;
    } else {
      const int2 r0 = rows[own0], r1 = rows[own1];
      lo0 = r0.x, hi0 = r0.y, lo1 = r1.x, hi1 = r1.y;
      b = bounds[tile];
      next_row = row0 + 64;
    }
    if (b.x >= b.y) continue;
    const int first = b.x / KEYS, last = (b.y + KEYS - 1) / KEYS;
    const auto fetch = [&](int j, int stage) {
      const uint32_t k_tile = tile_kv + stage * 2 * TILE, v_tile = k_tile + TILE;
      if (PAGED) {
#pragma unroll
        for (int i = 0; i < KEYS * DP / 8 / 128; i++) {
          const int item = i * 128 + threadIdx.x, row = item / (DP / 8), piece = item % (DP / 8), key = j * KEYS + row;
          const bool valid = key < b.y && piece * 8 < D;
          int64_t at = 0;
          if (valid)
            at = ((static_cast<int64_t>(pages.block_table[static_cast<int64_t>(sequence) * pages.blocks_per_sequence + key / pages.page_size]) * pages.page_size +
                   key % pages.page_size) * K + kv_head) * D + piece * 8;
          copy_async_16(k_tile + tile_at<DP>(row, piece), keys + at, valid);
          copy_async_16(v_tile + tile_at<DP>(row, piece), values + at, valid);
        }
      } else {
        const int64_t at = static_cast<int64_t>(j) * KEYS * stride + static_cast<int64_t>(H + kv_head) * D;
        load_tile<T, DP, KEYS>(k_tile, qkv + at, N - j * KEYS, stride, D);
        load_tile<T, DP, KEYS>(v_tile, qkv + at + static_cast<int64_t>(K) * D, N - j * KEYS, stride, D);
      }
      copy_async_commit();
    };
    if (STAGES > 1) fetch(first, 0);
    for (int j = first; j < last; j++) {
      const int stage = STAGES > 1 ? (j - first) & 1 : 0;
      if (STAGES > 1) {
        if (j + 1 < last) {
          fetch(j + 1, stage ^ 1);
          copy_async_wait<1>();
        } else {
          copy_async_wait<0>();
        }
      } else {
        fetch(j, 0);
        copy_async_wait<0>();
      }
      __syncthreads();
      const uint32_t k_tile = tile_kv + stage * 2 * TILE, v_tile = k_tile + TILE;
      float s[NT][4];
#pragma unroll
      for (int i = 0; i < NT; i++) s[i][0] = s[i][1] = s[i][2] = s[i][3] = 0;
#pragma unroll
      for (int kk = 0; kk < DP / 16; kk++) {
        uint32_t a[4], k[4];
        load_a<DP>(a, tile_q, warp * 16, kk);
#pragma unroll
        for (int i = 0; i < NT / 2; i++) {
          load_b<DP>(k, k_tile, i * 16, kk);
          mma_16x8x16<T>(s[2 * i], a, k[0], k[1]);
          mma_16x8x16<T>(s[2 * i + 1], a, k[2], k[3]);
        }
      }
      const bool masked = b.z > j * KEYS || b.w < (j + 1) * KEYS;
      float best0 = top0, best1 = top1;
#pragma unroll
      for (int i = 0; i < NT; i++) {
#pragma unroll
        for (int c = 0; c < 4; c++) {
          s[i][c] *= factor;
          if (softcap > 0) s[i][c] = softcap * LOG2E * tanhf(s[i][c]);
        }
        if (masked) {
          const int key = j * KEYS + i * 8 + 2 * t;
          if (key < lo0 || key >= hi0) s[i][0] = -REMORA_INFINITY;
          if (key + 1 < lo0 || key + 1 >= hi0) s[i][1] = -REMORA_INFINITY;
          if (key < lo1 || key >= hi1) s[i][2] = -REMORA_INFINITY;
          if (key + 1 < lo1 || key + 1 >= hi1) s[i][3] = -REMORA_INFINITY;
        }
        best0 = fmaxf(best0, fmaxf(s[i][0], s[i][1]));
        best1 = fmaxf(best1, fmaxf(s[i][2], s[i][3]));
      }
#pragma unroll
      for (int d = 1; d < 4; d <<= 1) {
        best0 = fmaxf(best0, __shfl_xor_sync(0xffffffffu, best0, d));
        best1 = fmaxf(best1, __shfl_xor_sync(0xffffffffu, best1, d));
      }
      const float ref0 = best0 == -REMORA_INFINITY ? 0 : best0, ref1 = best1 == -REMORA_INFINITY ? 0 : best1;
      const float old0 = exp2_fast(top0 - ref0), old1 = exp2_fast(top1 - ref1);
      top0 = best0, top1 = best1;
      sum0 *= old0, sum1 *= old1;
#pragma unroll
      for (int i = 0; i < DT; i++) o[i][0] *= old0, o[i][1] *= old0, o[i][2] *= old1, o[i][3] *= old1;
#pragma unroll
      for (int i = 0; i < NT; i++) {
        s[i][0] = exp2_fast(s[i][0] - ref0), s[i][1] = exp2_fast(s[i][1] - ref0);
        s[i][2] = exp2_fast(s[i][2] - ref1), s[i][3] = exp2_fast(s[i][3] - ref1);
        sum0 += s[i][0] + s[i][1];
        sum1 += s[i][2] + s[i][3];
      }
#pragma unroll
      for (int kk = 0; kk < KEYS / 16; kk++) {
        uint32_t a[4], v[4];
        to_operand<T>(a, s[2 * kk], s[2 * kk + 1]);
#pragma unroll
        for (int i = 0; i < DT / 2; i++) {
          load_b_transposed<DP>(v, v_tile, kk * 16, i);
          mma_16x8x16<T>(o[2 * i], a, v[0], v[1]);
          mma_16x8x16<T>(o[2 * i + 1], a, v[2], v[3]);
        }
      }
      __syncthreads();
    }
  }
  copy_async_wait<0>();
  __syncthreads();
#pragma unroll
  for (int d = 1; d < 4; d <<= 1) {
    sum0 += __shfl_xor_sync(0xffffffffu, sum0, d);
    sum1 += __shfl_xor_sync(0xffffffffu, sum1, d);
  }
  if (lse && t == 0) {
    if (own0 < N) lse[static_cast<int64_t>(own0) * H + head] = sum0 > 0 ? top0 * LN2 + logf(sum0) : -REMORA_INFINITY;
    if (own1 < N) lse[static_cast<int64_t>(own1) * H + head] = sum1 > 0 ? top1 * LN2 + logf(sum1) : -REMORA_INFINITY;
  }
  const int64_t out_stride = static_cast<int64_t>(H) * D, at = row0 + warp * 16;
  store_rows<T, DP, DP>(shared, tile_q, warp * 16, o, sum0 > 0 ? 1.0f / sum0 : 0.0f, sum1 > 0 ? 1.0f / sum1 : 0.0f, out + at * out_stride + head * D,
                        N - static_cast<int>(at), out_stride, D);
}

// launch: grid (H, ceil(N / 64)), block 128, dynamic shared (64 + 2 · stages · keys) · DP · 2 with keys = 64 (32 for DP 256), stages = 2 (sm_75: 1):
// DP 64: 40960, DP 128: 81920, DP 256: 98304. D <= DP, a multiple of 16; qkv, out 16-byte aligned. rows, bounds: attention_plan_rows. lse f32 [N, H] or 0.
#define ATTENTION_FORWARD(DP, suffix, T)                                                                                               \
  extern "C" __global__ void __launch_bounds__(128) attention_forward_mma_d##DP##_##suffix(const T *qkv, const int2 *rows, const int4 *bounds, T *out, float *lse, \
                                                                                           int N, int H, int K, int D, float scale, float softcap) { \
    attention_forward<T, DP, false>(qkv, nullptr, nullptr, rows, bounds, Pages{}, out, lse, N, H, K, D, scale, softcap);              \
  }
// The same over the paged cache, for prompts of many rows: row n sees positions 0 … positions[n] of its sequence. Launch as above.
#define ATTENTION_PAGED_PROMPT(DP, suffix, T)                                                                                          \
  extern "C" __global__ void __launch_bounds__(128) attention_paged_prompt_mma_d##DP##_##suffix(                                       \
      const T *qkv, const int32_t *sequences, const int32_t *positions, const int32_t *block_table, const T *k_pages, const T *v_pages, T *out, int N, int H, int K, \
      int D, int page_size, int blocks_per_sequence, float scale, int window, float softcap) {                                         \
    attention_forward<T, DP, true>(qkv, k_pages, v_pages, nullptr, nullptr, Pages{sequences, positions, block_table, page_size, blocks_per_sequence, window}, out, \
                                   nullptr, N, H, K, D, scale, softcap);                                                              \
  }
#define FORWARD_ALL(M) IF_BF16(M(64, bf16, bf16_t)) IF_BF16(M(128, bf16, bf16_t)) IF_BF16(M(256, bf16, bf16_t)) M(64, f16, f16_t) M(128, f16, f16_t) M(256, f16, f16_t)
FORWARD_ALL(ATTENTION_FORWARD)
FORWARD_ALL(ATTENTION_PAGED_PROMPT)

// ---------------------------------------------------------------- backward

// Probability and gradient of the score from a raw product: p = exp(score - lse), ds = p · (dp - delta) · d score / d raw · scale.
__device__ __forceinline__ void score_gradient(float raw, float dp, float lse2, float delta, bool valid, float scale, float softcap, float &p, float &ds) {
  float slope = scale, z;
  if (softcap > 0) {
    const float th = tanhf(raw * scale / softcap);
    z = softcap * LOG2E * th;
    slope *= 1.0f - th * th;
  } else {
    z = raw * scale * LOG2E;
  }
  p = valid ? exp2_fast(z - lse2) : 0.0f;
  ds = valid ? p * (dp - delta) * slope : 0.0f;
}

template <int DP> struct BackwardShape {
  static constexpr int STEP = 32, STAGES = HAS_COPY_ASYNC && DP <= 128 ? 2 : 1, WIDTH = DP > 128 ? 128 : DP;
};

// dK and dV of 64 keys of one key head: columns [blockIdx.z · WIDTH, …) of them.
template <class T, int DP>
__device__ void attention_backward_keys(const T *qkv, const int2 *rows, const int4 *bounds, const float2 *stats, const T *d_out, T *d_qkv, int N, int padded_rows, int H,
                                        int K, int D, float scale, float softcap) {
  constexpr int STEP = BackwardShape<DP>::STEP, STAGES = BackwardShape<DP>::STAGES, W = BackwardShape<DP>::WIDTH, NT = STEP / 8;
  constexpr uint32_t TILE = STEP * DP * 2, STAGE = 2 * TILE + STEP * 16;
  DYNAMIC_SHARED(shared);
  const uint32_t tile_k = shared_address(shared), tile_v = tile_k + 64 * DP * 2, stages = tile_v + 64 * DP * 2;
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, g = lane / 4, t = lane % 4;
  const int kv_head = blockIdx.x, group = H / K, key0 = blockIdx.y * 64, column = blockIdx.z * W;
  const int64_t stride = static_cast<int64_t>(H + 2 * K) * D, out_stride = static_cast<int64_t>(H) * D;

  const int64_t at = key0 * stride + static_cast<int64_t>(H + kv_head) * D;
  load_tile<T, DP, 64>(tile_k, qkv + at, N - key0, stride, D);
  load_tile<T, DP, 64>(tile_v, qkv + at + static_cast<int64_t>(K) * D, N - key0, stride, D);
  copy_async_commit();

  float dk[W / 8][4], dv[W / 8][4];
#pragma unroll
  for (int i = 0; i < W / 8; i++)
#pragma unroll
    for (int c = 0; c < 4; c++) dk[i][c] = dv[i][c] = 0;

  // Query steps of STEP rows, for each head of the group; steps outside the bounds of their 64 rows are passed over.
  const int steps = padded_rows / STEP;
  const auto find = [&](int item) {  // first item (head · steps + step) from `item` on that sees these keys
    for (; item < group * steps; item++) {
      const int4 b = bounds[item % steps * STEP / 64];
      if (b.x < key0 + 64 && b.y > key0) break;
    }
    return item;
  };
  const auto fetch = [&](int item, int stage) {
    const int head = kv_head * group + item / steps, row0 = item % steps * STEP;
    const uint32_t q_tile = stages + stage * STAGE, o_tile = q_tile + TILE, s_tile = o_tile + TILE;
    load_tile<T, DP, STEP>(q_tile, qkv + row0 * stride + static_cast<int64_t>(head) * D, N - row0, stride, D);
    load_tile<T, DP, STEP>(o_tile, d_out + row0 * out_stride + static_cast<int64_t>(head) * D, N - row0, out_stride, D);
    if (threadIdx.x < STEP / 2) copy_async_16(s_tile + threadIdx.x * 16, stats + static_cast<int64_t>(head) * padded_rows + row0 + threadIdx.x * 2, true);
    else if (threadIdx.x < STEP) copy_async_16(s_tile + threadIdx.x * 16, rows + row0 + (threadIdx.x - STEP / 2) * 2, true);
    copy_async_commit();
  };
  int item = find(0), stage = 0;
  if (STAGES > 1 && item < group * steps) fetch(item, 0);
  while (item < group * steps) {
    const int next = find(item + 1);
    if (STAGES > 1) {
      if (next < group * steps) {
        fetch(next, stage ^ 1);
        copy_async_wait<1>();
      } else {
        copy_async_wait<0>();
      }
    } else {
      fetch(item, 0);
      copy_async_wait<0>();
    }
    __syncthreads();
    const uint32_t q_tile = stages + stage * STAGE, o_tile = q_tile + TILE;
    const float2 *stat = reinterpret_cast<const float2 *>(shared + (o_tile + TILE - tile_k));
    const int2 *range = reinterpret_cast<const int2 *>(stat + STEP);
    float s[NT][4], dp[NT][4];
#pragma unroll
    for (int i = 0; i < NT; i++)
#pragma unroll
      for (int c = 0; c < 4; c++) s[i][c] = dp[i][c] = 0;
#pragma unroll
    for (int kk = 0; kk < DP / 16; kk++) {
      uint32_t a[4], b[4];
      load_a<DP>(a, tile_k, warp * 16, kk);
#pragma unroll
      for (int i = 0; i < NT / 2; i++) {
        load_b<DP>(b, q_tile, i * 16, kk);
        mma_16x8x16<T>(s[2 * i], a, b[0], b[1]);
        mma_16x8x16<T>(s[2 * i + 1], a, b[2], b[3]);
      }
      load_a<DP>(a, tile_v, warp * 16, kk);
#pragma unroll
      for (int i = 0; i < NT / 2; i++) {
        load_b<DP>(b, o_tile, i * 16, kk);
        mma_16x8x16<T>(dp[2 * i], a, b[0], b[1]);
        mma_16x8x16<T>(dp[2 * i + 1], a, b[2], b[3]);
      }
    }
    const int own = key0 + warp * 16 + g;
#pragma unroll
    for (int i = 0; i < NT; i++)
#pragma unroll
      for (int c = 0; c < 4; c++) {
        const int q = i * 8 + 2 * t + (c & 1), key = own + (c >> 1) * 8;
        const bool valid = key >= range[q].x && key < range[q].y;
        score_gradient(s[i][c], dp[i][c], stat[q].x, stat[q].y, valid, scale, softcap, s[i][c], dp[i][c]);
      }
#pragma unroll
    for (int kk = 0; kk < STEP / 16; kk++) {
      uint32_t p[4], ds[4], b[4];
      to_operand<T>(p, s[2 * kk], s[2 * kk + 1]);
      to_operand<T>(ds, dp[2 * kk], dp[2 * kk + 1]);
#pragma unroll
      for (int i = 0; i < W / 16; i++) {
        load_b_transposed<DP>(b, o_tile, kk * 16, column / 16 + i);
        mma_16x8x16<T>(dv[2 * i], p, b[0], b[1]);
        mma_16x8x16<T>(dv[2 * i + 1], p, b[2], b[3]);
        load_b_transposed<DP>(b, q_tile, kk * 16, column / 16 + i);
        mma_16x8x16<T>(dk[2 * i], ds, b[0], b[1]);
        mma_16x8x16<T>(dk[2 * i + 1], ds, b[2], b[3]);
      }
    }
    __syncthreads();
    item = next;
    if (STAGES > 1) stage ^= 1;
  }
  copy_async_wait<0>();
  __syncthreads();
  const int64_t target = (key0 + warp * 16) * stride + static_cast<int64_t>(H + kv_head) * D + column;
  const int limit = N - key0 - warp * 16;
  store_rows<T, DP, W>(shared, tile_k, warp * 16, dk, 1, 1, d_qkv + target, limit, stride, D - column);
  store_rows<T, DP, W>(shared, tile_v, warp * 16, dv, 1, 1, d_qkv + target + static_cast<int64_t>(K) * D, limit, stride, D - column);
}

// dQ of 64 query rows of one head.
template <class T, int DP>
__device__ void attention_backward_queries(const T *qkv, const int2 *rows, const int4 *bounds, const float2 *stats, const T *d_out, T *d_qkv, int N, int padded_rows,
                                           int H, int K, int D, float scale, float softcap) {
  constexpr int STEP = BackwardShape<DP>::STEP, STAGES = BackwardShape<DP>::STAGES, NT = STEP / 8;
  constexpr uint32_t TILE = STEP * DP * 2;
  DYNAMIC_SHARED(shared);
  const uint32_t tile_q = shared_address(shared), tile_o = tile_q + 64 * DP * 2, stages = tile_o + 64 * DP * 2;
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, g = lane / 4, t = lane % 4;
  const int head = blockIdx.x, kv_head = head / (H / K), tile = gridDim.y - 1 - blockIdx.y, row0 = tile * 64;
  const int64_t stride = static_cast<int64_t>(H + 2 * K) * D, out_stride = static_cast<int64_t>(H) * D;
  load_tile<T, DP, 64>(tile_q, qkv + row0 * stride + static_cast<int64_t>(head) * D, N - row0, stride, D);
  load_tile<T, DP, 64>(tile_o, d_out + row0 * out_stride + static_cast<int64_t>(head) * D, N - row0, out_stride, D);
  copy_async_commit();
  float dq[DP / 8][4];
#pragma unroll
  for (int i = 0; i < DP / 8; i++) dq[i][0] = dq[i][1] = dq[i][2] = dq[i][3] = 0;
  const int own0 = row0 + warp * 16 + g, own1 = own0 + 8;
  const int2 range0 = rows[own0], range1 = rows[own1];
  const float2 stat0 = stats[static_cast<int64_t>(head) * padded_rows + own0], stat1 = stats[static_cast<int64_t>(head) * padded_rows + own1];
  const int4 b4 = bounds[tile];
  const int first = b4.x < b4.y ? b4.x / STEP : 0, last = b4.x < b4.y ? (b4.y + STEP - 1) / STEP : 0;
  const auto fetch = [&](int j, int stage) {
    const int64_t at = static_cast<int64_t>(j) * STEP * stride + static_cast<int64_t>(H + kv_head) * D;
    load_tile<T, DP, STEP>(stages + stage * 2 * TILE, qkv + at, N - j * STEP, stride, D);
    load_tile<T, DP, STEP>(stages + stage * 2 * TILE + TILE, qkv + at + static_cast<int64_t>(K) * D, N - j * STEP, stride, D);
    copy_async_commit();
  };
  if (STAGES > 1 && first < last) fetch(first, 0);
  for (int j = first; j < last; j++) {
    const int stage = STAGES > 1 ? (j - first) & 1 : 0;
    if (STAGES > 1) {
      if (j + 1 < last) {
        fetch(j + 1, stage ^ 1);
        copy_async_wait<1>();
      } else {
        copy_async_wait<0>();
      }
    } else {
      fetch(j, 0);
      copy_async_wait<0>();
    }
    __syncthreads();
    const uint32_t k_tile = stages + stage * 2 * TILE, v_tile = k_tile + TILE;
    float s[NT][4], dp[NT][4];
#pragma unroll
    for (int i = 0; i < NT; i++)
#pragma unroll
      for (int c = 0; c < 4; c++) s[i][c] = dp[i][c] = 0;
#pragma unroll
    for (int kk = 0; kk < DP / 16; kk++) {
      uint32_t a[4], b[4];
      load_a<DP>(a, tile_q, warp * 16, kk);
#pragma unroll
      for (int i = 0; i < NT / 2; i++) {
        load_b<DP>(b, k_tile, i * 16, kk);
        mma_16x8x16<T>(s[2 * i], a, b[0], b[1]);
        mma_16x8x16<T>(s[2 * i + 1], a, b[2], b[3]);
      }
      load_a<DP>(a, tile_o, warp * 16, kk);
#pragma unroll
      for (int i = 0; i < NT / 2; i++) {
        load_b<DP>(b, v_tile, i * 16, kk);
        mma_16x8x16<T>(dp[2 * i], a, b[0], b[1]);
        mma_16x8x16<T>(dp[2 * i + 1], a, b[2], b[3]);
      }
    }
#pragma unroll
    for (int i = 0; i < NT; i++)
#pragma unroll
      for (int c = 0; c < 4; c++) {
        const int key = j * STEP + i * 8 + 2 * t + (c & 1);
        const int2 r = c < 2 ? range0 : range1;
        const float2 st = c < 2 ? stat0 : stat1;
        float p;
        score_gradient(s[i][c], dp[i][c], st.x, st.y, key >= r.x && key < r.y, scale, softcap, p, dp[i][c]);
      }
#pragma unroll
    for (int kk = 0; kk < STEP / 16; kk++) {
      uint32_t ds[4], b[4];
      to_operand<T>(ds, dp[2 * kk], dp[2 * kk + 1]);
#pragma unroll
      for (int i = 0; i < DP / 16; i++) {
        load_b_transposed<DP>(b, k_tile, kk * 16, i);
        mma_16x8x16<T>(dq[2 * i], ds, b[0], b[1]);
        mma_16x8x16<T>(dq[2 * i + 1], ds, b[2], b[3]);
      }
    }
    __syncthreads();
  }
  copy_async_wait<0>();
  __syncthreads();
  store_rows<T, DP, DP>(shared, tile_q, warp * 16, dq, 1, 1, d_qkv + (row0 + warp * 16) * stride + static_cast<int64_t>(head) * D, N - row0 - warp * 16, stride, D);
}

// launch: grid (K, ceil(N / 64), DP 256: 2, else 1), block 128, dynamic shared 256 · DP + stages · (128 · DP + 512) with stages = 2 (DP 256 and sm_75: 1):
// DP 64: 33792, DP 128: 66560, DP 256: 98816 (not on sm_75). stats: attention_backward_stats. Writes the key and value columns of d_qkv.
#define ATTENTION_BACKWARD_KEYS(DP, suffix, T)                                                                                         \
  extern "C" __global__ void __launch_bounds__(128) attention_backward_keys_mma_d##DP##_##suffix(                                      \
      const T *qkv, const int2 *rows, const int4 *bounds, const float2 *stats, const T *d_out, T *d_qkv, int N, int padded_rows, int H, int K, int D, float scale, \
      float softcap) {                                                                                                                \
    attention_backward_keys<T, DP>(qkv, rows, bounds, stats, d_out, d_qkv, N, padded_rows, H, K, D, scale, softcap);                  \
  }
// launch: grid (H, ceil(N / 64)), block 128, dynamic shared 256 · DP + stages · 128 · DP: DP 64: 32768, DP 128: 65536, DP 256: 98304 (not on sm_75).
// Writes the query columns of d_qkv.
#define ATTENTION_BACKWARD_QUERIES(DP, suffix, T)                                                                                      \
  extern "C" __global__ void __launch_bounds__(128) attention_backward_queries_mma_d##DP##_##suffix(                                   \
      const T *qkv, const int2 *rows, const int4 *bounds, const float2 *stats, const T *d_out, T *d_qkv, int N, int padded_rows, int H, int K, int D, float scale, \
      float softcap) {                                                                                                                \
    attention_backward_queries<T, DP>(qkv, rows, bounds, stats, d_out, d_qkv, N, padded_rows, H, K, D, scale, softcap);               \
  }
FORWARD_ALL(ATTENTION_BACKWARD_KEYS)
FORWARD_ALL(ATTENTION_BACKWARD_QUERIES)

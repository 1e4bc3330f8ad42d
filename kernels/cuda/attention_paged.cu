// Attention over the paged cache (asking): cache_write, and attention of new rows over the pages, split over the sequence.
// Plan: a block of 128 owns (row, key head, split of `split_keys` keys). In tiles of 128 keys a thread first owns a key (dot products with
// the G query heads of that key head, q broadcast from shared memory), then a column of the head (sum over the tile's keys). Each split
// leaves its maximum, sum and unnormalized output; attention_paged_combine adds the splits in order. attention_paged_lanes does the same for
// 16-bit heads of whole pieces of 8, without barriers (attention_lanes.cuh). Grid sizes depend on the limits
// only, so one captured graph serves every length: splits past a row's position leave at once.
// attention_step.cu does all of it and the rotation in one launch, for rows of different sequences.
// Bytes: k and v pages once per row and key head. Limit: L2 and memory bandwidth at long contexts, launch latency at short ones.
#include "attention_lanes.cuh"

// One thread copies 16 bytes (8 elements of 16 bits) or, for odd D, elements. launch: grid N, block 128.
#define CACHE_WRITE(suffix, T)                                                                                                         \
  extern "C" __global__ void __launch_bounds__(128) cache_write_block_per_row_##suffix(                                                \
      const T *qkv, const int32_t *sequences, const int32_t *positions, const int32_t *block_table, T *k_pages, T *v_pages, int H, int K, int D, \
      int page_size, int blocks_per_sequence) {                                                                                       \
    follow_previous_kernel();                                                                                                         \
    const int64_t n = blockIdx.x;                                                                                                     \
    const int sequence = sequences[n], position = positions[n];                                                                       \
    if (sequence < 0) return;                                                                                                         \
    const int64_t page = block_table[static_cast<int64_t>(sequence) * blocks_per_sequence + position / page_size];                    \
    const int64_t slot = (page * page_size + position % page_size) * K * D;                                                           \
    const T *k = qkv + (n * (H + 2 * K) + H) * D, *v = k + static_cast<int64_t>(K) * D;                                               \
    const int width = K * D;                                                                                                          \
    constexpr int STEP = 16 / sizeof(T);                                                                                              \
    if (D % STEP == 0 && is_aligned16(qkv) && is_aligned16(k_pages) && is_aligned16(v_pages)) {                                       \
      for (int i = threadIdx.x * STEP; i < width; i += 128 * STEP) {                                                                  \
        *reinterpret_cast<uint4 *>(k_pages + slot + i) = *reinterpret_cast<const uint4 *>(k + i);                                     \
        *reinterpret_cast<uint4 *>(v_pages + slot + i) = *reinterpret_cast<const uint4 *>(v + i);                                     \
      }                                                                                                                               \
    } else {                                                                                                                          \
      for (int i = threadIdx.x; i < width; i += 128) k_pages[slot + i] = k[i], v_pages[slot + i] = v[i];                              \
    }                                                                                                                                 \
  }
REMORA_FOR_ACTIVATIONS(CACHE_WRITE)

constexpr int MAX_GROUP = 8;   // query heads a block serves at once; larger groups loop over blockIdx.y / K
constexpr int MAX_HEAD = 256;

template <class T>
__device__ void attention_paged_split(const T *qkv, const int32_t *sequences, const int32_t *positions, const int32_t *block_table, const T *k_pages,
                                      const T *v_pages, float *partial, float2 *partial_sums, int H, int K, int D, int page_size, int blocks_per_sequence,
                                      int split_keys, float scale, int window, float softcap) {
  __shared__ __align__(16) float q[MAX_GROUP][MAX_HEAD];
  __shared__ __align__(16) float p[128][MAX_GROUP];
  __shared__ float scratch[4];
  const int thread = threadIdx.x, group = H / K, rounds = (group + MAX_GROUP - 1) / MAX_GROUP;
  const int64_t n = blockIdx.x;
  const int kv = blockIdx.y / rounds, head0 = kv * group + blockIdx.y % rounds * MAX_GROUP;
  const int heads = min(MAX_GROUP, (kv + 1) * group - head0), split = blockIdx.z, splits = gridDim.z;
  const int sequence = sequences[n];
  if (sequence < 0) return;
  const int end = positions[n] + 1, first = window > 0 ? max(0, end - window) : 0;
  const int begin_key = max(first, split * split_keys), end_key = min(end, (split + 1) * split_keys);
  if (begin_key >= end_key) return;
  for (int i = thread; i < MAX_GROUP * MAX_HEAD; i += 128) {  // zeros beyond D too: the last piece of 8 multiplies them
    const int h = i / MAX_HEAD, d = i % MAX_HEAD;
    q[h][d] = h < heads && d < D ? to_float(qkv[(n * (H + 2 * K) + head0 + h) * D + d]) * scale : 0.0f;
  }
  __syncthreads();
  float top[MAX_GROUP], sum[MAX_GROUP], out[MAX_GROUP][2];
#pragma unroll
  for (int h = 0; h < MAX_GROUP; h++) top[h] = -REMORA_INFINITY, sum[h] = 0, out[h][0] = out[h][1] = 0;
  const int32_t *table = block_table + static_cast<int64_t>(sequence) * blocks_per_sequence;
  const bool vector = D % 8 == 0 && is_aligned16(k_pages);
  for (int base = begin_key; base < end_key; base += 128) {
    const int key = base + thread, keys = min(128, end_key - base);
    float score[MAX_GROUP];
#pragma unroll
    for (int h = 0; h < MAX_GROUP; h++) score[h] = 0;
    if (key < end_key) {
      const T *k = k_pages + ((static_cast<int64_t>(table[key / page_size]) * page_size + key % page_size) * K + kv) * D;
      for (int c = 0; c < D; c += 8) {
        float v[8];
        if (vector) load8<true>(k + c, 8, v);
        else load8<false>(k + c, D - c, v);
#pragma unroll
        for (int h = 0; h < MAX_GROUP; h++) {
          if (h < heads) {
            const float4 a = *reinterpret_cast<const float4 *>(&q[h][c]), b = *reinterpret_cast<const float4 *>(&q[h][c + 4]);
            score[h] += a.x * v[0] + a.y * v[1] + a.z * v[2] + a.w * v[3] + b.x * v[4] + b.y * v[5] + b.z * v[6] + b.w * v[7];
          }
        }
      }
    }
    __syncthreads();
#pragma unroll
    for (int h = 0; h < MAX_GROUP; h++) {
      if (h < heads) {
        float s = softcap > 0 ? softcap * tanhf(score[h] / softcap) : score[h];
        if (key >= end_key) s = -REMORA_INFINITY;
        const float best = fmaxf(top[h], block_max<128>(s, scratch));
        const float w = expf(s - best), old = expf(top[h] - best);
        p[thread][h] = w;
        sum[h] = sum[h] * old + block_sum<128>(w, scratch);
        out[h][0] *= old, out[h][1] *= old;
        top[h] = best;
      } else {
        p[thread][h] = 0;
      }
    }
    __syncthreads();
#pragma unroll 8
    for (int j = 0; j < keys; j++) {  // unrolled: the loads of several keys are under way at once
      const int64_t at = base + j;
      const T *v = v_pages + ((static_cast<int64_t>(table[at / page_size]) * page_size + at % page_size) * K + kv) * D;
      const float4 a = *reinterpret_cast<const float4 *>(&p[j][0]), b = *reinterpret_cast<const float4 *>(&p[j][4]);
      const float w[8] = {a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w};
#pragma unroll
      for (int half = 0; half < 2; half++) {
        const int d = thread + 128 * half;
        if (d < D) {
          const float e = to_float(v[d]);
#pragma unroll
          for (int h = 0; h < MAX_GROUP; h++) out[h][half] += w[h] * e;
        }
      }
    }
  }
#pragma unroll
  for (int h = 0; h < MAX_GROUP; h++) {
    if (h < heads) {
      const int64_t at = (n * H + head0 + h) * splits + split;
#pragma unroll
      for (int half = 0; half < 2; half++)
        if (thread + 128 * half < D) partial[at * D + thread + 128 * half] = out[h][half];
      if (thread == 0) partial_sums[at] = make_float2(top[h], sum[h]);
    }
  }
}

// launch: grid (N, K · ceil(H / K / 8), splits), block 128. splits · split_keys must cover the longest position. D <= 256.
// partial f32 [N, H, splits, D], partial_sums f32 [N, H, splits, 2] are scratch between the two launches.
#define ATTENTION_PAGED_SPLIT(suffix, T)                                                                                               \
  extern "C" __global__ void __launch_bounds__(128) attention_paged_split_##suffix(                                                    \
      const T *qkv, const int32_t *sequences, const int32_t *positions, const int32_t *block_table, const T *k_pages, const T *v_pages, float *partial, \
      float2 *partial_sums, int H, int K, int D, int page_size, int blocks_per_sequence, int split_keys, float scale, int window, float softcap) { \
    follow_previous_kernel();                                                                                                         \
    attention_paged_split<T>(qkv, sequences, positions, block_table, k_pages, v_pages, partial, partial_sums, H, K, D, page_size, blocks_per_sequence, \
                             split_keys, scale, window, softcap);                                                                     \
  }
REMORA_FOR_ACTIVATIONS(ATTENTION_PAGED_SPLIT)

template <class T, int DP>
__device__ void attention_paged_lanes(const T *qkv, const int32_t *sequences, const int32_t *positions, const int32_t *block_table, const T *k_pages,
                                      const T *v_pages, float *partial, float2 *partial_sums, int H, int K, int D, int page_size, int blocks_per_sequence,
                                      int split_keys, float scale, int window, float softcap) {
  using Lanes = AttentionLanes<T, DP, 4>;
  __shared__ typename Lanes::Shared shared;
  const int thread = threadIdx.x, piece = thread % Lanes::WIDTH, group = H / K, rounds = (group + Lanes::HEADS - 1) / Lanes::HEADS;
  const int64_t n = blockIdx.x;
  const int kv = blockIdx.y / rounds, head0 = kv * group + blockIdx.y % rounds * Lanes::HEADS;
  const int heads = min(Lanes::HEADS, (kv + 1) * group - head0), split = blockIdx.z, splits = gridDim.z;
  const int sequence = sequences[n];
  if (sequence < 0) return;
  const int end = positions[n] + 1, first = window > 0 ? max(0, end - window) : 0;
  const int begin_key = max(first, split * split_keys), end_key = min(end, (split + 1) * split_keys);
  if (begin_key >= end_key) return;
  const Pages<T> pages{block_table + static_cast<int64_t>(sequence) * blocks_per_sequence, k_pages, v_pages, page_size, K, D, kv};
  Lanes lanes;
#pragma unroll
  for (int h = 0; h < Lanes::HEADS; h++) {
    if (h < heads && piece * 8 < D) load8<true>(qkv + (n * (H + 2 * K) + head0 + h) * D + piece * 8, 8, lanes.q[h]);
#pragma unroll
    for (int i = 0; i < 8; i++) lanes.q[h][i] *= scale;
  }
  for (int base = begin_key; base < end_key; base += Lanes::TILE) {
    lanes.load(pages, base, end_key);
    lanes.take(base, end_key, softcap);
  }
  lanes.leave(shared);
  for (int i = thread; i < heads * D; i += 128) {
    const int h = i / D, d = i % D;
    float top, sum;
    const int64_t at = (n * H + head0 + h) * splits + split;
    partial[at * D + d] = Lanes::value(shared, h, d, top, sum);
    if (d == 0) partial_sums[at] = make_float2(top, sum);
  }
}
// launch: grid (N, K · ceil(H / K / 4), splits), block 128. As attention_paged_split, for D <= DP, a multiple of 8; qkv and pages 16-byte aligned.
#define ATTENTION_PAGED_LANES(DP, suffix, T)                                                                                           \
  extern "C" __global__ void __launch_bounds__(128) attention_paged_lanes_d##DP##_##suffix(                                            \
      const T *qkv, const int32_t *sequences, const int32_t *positions, const int32_t *block_table, const T *k_pages, const T *v_pages, float *partial, \
      float2 *partial_sums, int H, int K, int D, int page_size, int blocks_per_sequence, int split_keys, float scale, int window, float softcap) { \
    follow_previous_kernel();                                                                                                         \
    attention_paged_lanes<T, DP>(qkv, sequences, positions, block_table, k_pages, v_pages, partial, partial_sums, H, K, D, page_size, blocks_per_sequence, \
                                 split_keys, scale, window, softcap);                                                                 \
  }
ATTENTION_PAGED_LANES(64, bf16, bf16_t)
ATTENTION_PAGED_LANES(128, bf16, bf16_t)
ATTENTION_PAGED_LANES(256, bf16, bf16_t)
ATTENTION_PAGED_LANES(64, f16, f16_t)
ATTENTION_PAGED_LANES(128, f16, f16_t)
ATTENTION_PAGED_LANES(256, f16, f16_t)

// out[n, h] = sum of splits, weighted. A thread owns a column. Rows with sequence < 0 give zeros. launch: grid (N, H), block 128.
#define ATTENTION_PAGED_COMBINE(suffix, T)                                                                                             \
  extern "C" __global__ void __launch_bounds__(128) attention_paged_combine_##suffix(                                                  \
      const int32_t *sequences, const int32_t *positions, const float *partial, const float2 *partial_sums, T *out, int D, int splits, int split_keys, \
      int window) {                                                                                                                   \
    follow_previous_kernel();                                                                                                         \
    const int64_t n = blockIdx.x, row = n * gridDim.y + blockIdx.y;                                                                   \
    const bool padding = sequences[n] < 0;                                                                                            \
    const int end = positions[n] + 1, first = window > 0 ? max(0, end - window) : 0;                                                  \
    const int from = first / split_keys, to = min(splits, (end + split_keys - 1) / split_keys);                                       \
    float top = -REMORA_INFINITY, sum = 0;                                                                                            \
    for (int s = from; s < to && !padding; s++) top = fmaxf(top, partial_sums[row * splits + s].x);                                   \
    for (int s = from; s < to && !padding; s++) sum += partial_sums[row * splits + s].y * expf(partial_sums[row * splits + s].x - top); \
    for (int d = threadIdx.x; d < D; d += 128) {                                                                                      \
      float total = 0;                                                                                                                \
      for (int s = from; s < to && !padding; s++)                                                                                     \
        total += partial[(row * splits + s) * D + d] * expf(partial_sums[row * splits + s].x - top);                                  \
      out[row * D + d] = from_float<T>(padding || sum == 0 ? 0.0f : total / sum);                                                     \
    }                                                                                                                                 \
  }
REMORA_FOR_ACTIVATIONS(ATTENTION_PAGED_COMBINE)

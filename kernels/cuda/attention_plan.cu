// What the attention kernels need to know about a packed batch, made once per batch (the same for every layer and head):
//   rows   i32 [T·128, 2]  first and one past the last key that a row sees (0, 0: none; also past N), T = ceil(N / 128)
//   bounds i32 [2T, 4]     per 64 rows: least first, greatest end (over rows that see anything), greatest first, least end (over all rows;
//                          2^31 - 1 and 0 when a row sees nothing): a key tile inside the last two needs no mask
//   query_order, key_order i32 [T]  tiles of 128 query (key) rows, most work first, so that the last blocks to run are short
//   query_ranges, key_ranges i32 [T, 2]  by tile of 128: tiles of 128 keys that its rows see, tiles of 64 query rows that see its keys
// And the statistics of the backward pass: stats f32 [H, T·128, 2] = { lse · log2 e, sum_d out · d_out }, zeros past N.
// Bytes: a few per row, but for the statistics, which read out and d_out once. Limit: launch latency; memory.
#include "common.cuh"

// launch: grid 2T, block 64.
extern "C" __global__ void __launch_bounds__(64) attention_plan_rows(const int32_t *segment_start, const int32_t *segment_end, int2 *rows, int4 *bounds, int N,
                                                                     int causal, int window) {
  __shared__ int4 halves[2];
  const int n = blockIdx.x * 64 + threadIdx.x;
  int lo = 0, hi = 0;
  if (n < N) {
    lo = max(segment_start[n], 0);
    hi = min(segment_end[n], N);
    if (causal) hi = min(hi, n + 1);
    if (window > 0) {
      lo = max(lo, n - window + 1);
      if (!causal) hi = min(hi, n + window);
    }
  }
  const bool empty = lo >= hi;
  if (empty) lo = hi = 0;
  rows[n] = make_int2(lo, hi);
  int min_lo = empty ? 0x7fffffff : lo, max_hi = hi, max_lo = empty ? 0x7fffffff : lo, min_hi = hi;
#pragma unroll
  for (int d = 16; d; d >>= 1) {
    min_lo = min(min_lo, __shfl_xor_sync(0xffffffffu, min_lo, d));
    max_hi = max(max_hi, __shfl_xor_sync(0xffffffffu, max_hi, d));
    max_lo = max(max_lo, __shfl_xor_sync(0xffffffffu, max_lo, d));
    min_hi = min(min_hi, __shfl_xor_sync(0xffffffffu, min_hi, d));
  }
  if (threadIdx.x % 32 == 0) halves[threadIdx.x / 32] = make_int4(min_lo, max_hi, max_lo, min_hi);
  __syncthreads();
  if (threadIdx.x == 0) {
    const int4 a = halves[0], b = halves[1];
    bounds[blockIdx.x] = make_int4(min(a.x, b.x), max(a.y, b.y), max(a.z, b.z), min(a.w, b.w));
  }
}

// launch: grid 1, block 1024. work i32 [2T] is scratch.
extern "C" __global__ void __launch_bounds__(1024) attention_plan_order(const int4 *bounds, int32_t *work, int32_t *query_order, int32_t *key_order, int2 *query_ranges,
                                                                        int2 *key_ranges, int tiles) {
  for (int i = threadIdx.x; i < tiles; i += 1024) {
    const int4 a = bounds[2 * i], b = bounds[2 * i + 1];
    const int lo = min(a.x, b.x), hi = max(a.y, b.y);
    const int2 query = lo < hi ? make_int2(lo / 128, (hi + 127) / 128) : make_int2(0, 0);
    int2 key = make_int2(0, 0);
    int count = 0;
    for (int j = 0; j < 2 * tiles; j++) {
      const int4 r = bounds[j];
      if (r.x < (i + 1) * 128 && r.y > i * 128) {
        if (count++ == 0) key.x = j;
        key.y = j + 1;
      }
    }
    query_ranges[i] = query;
    key_ranges[i] = key;
    work[i] = query.y - query.x;
    work[tiles + i] = key.y - key.x;
  }
  __syncthreads();
  for (int i = threadIdx.x; i < 2 * tiles; i += 1024) {
    const int32_t *w = i < tiles ? work : work + tiles;
    const int self = i < tiles ? i : i - tiles;
    int rank = 0;
    for (int j = 0; j < tiles; j++) rank += w[j] > w[self] || (w[j] == w[self] && j > self);
    (i < tiles ? query_order : key_order)[rank] = self;
  }
}

// One warp a row and head. launch: grid ceil(T · 128 · H / 8), block 256.
#define ATTENTION_STATS(suffix, T)                                                                                                     \
  extern "C" __global__ void __launch_bounds__(256) attention_backward_stats_##suffix(const T *out, const T *d_out, const float *lse, float2 *stats, int N, \
                                                                                      int padded_rows, int H, int D) {                 \
    const int64_t item = blockIdx.x * 8ll + threadIdx.x / 32;                                                                         \
    if (item >= static_cast<int64_t>(padded_rows) * H) return;                                                                        \
    const int64_t n = item / H, h = item - n * H;                                                                                     \
    const int lane = threadIdx.x % 32;                                                                                                \
    float dot = 0, l = 0;                                                                                                             \
    if (n < N) {                                                                                                                      \
      const T *a = out + (n * H + h) * D, *b = d_out + (n * H + h) * D;                                                               \
      if (D % 8 == 0 && is_aligned16(out) && is_aligned16(d_out)) {                                                                   \
        for (int c = lane * 8; c < D; c += 256) {                                                                                     \
          float u[8], v[8];                                                                                                           \
          load8<true>(a + c, 8, u);                                                                                                   \
          load8<true>(b + c, 8, v);                                                                                                   \
          _Pragma("unroll") for (int i = 0; i < 8; i++) dot += u[i] * v[i];                                                           \
        }                                                                                                                             \
      } else {                                                                                                                        \
        for (int c = lane; c < D; c += 32) dot += to_float(a[c]) * to_float(b[c]);                                                    \
      }                                                                                                                               \
      l = lse[n * H + h];                                                                                                             \
    }                                                                                                                                 \
    dot = warp_sum(dot);                                                                                                              \
    if (lane == 0) stats[h * padded_rows + n] = make_float2(l * 1.4426950408889634f, dot);                                            \
  }
REMORA_FOR_ACTIVATIONS(ATTENTION_STATS)

// Attention over packed rows, the plain way, for what attention.cu does not take: f32, and any head size up to 256.
// Plan: one warp owns a row of one head (forward, dQ) or a key of one key head (dK, dV); a lane owns every 32nd column. Keys one after
// the other: two dot products by shuffles each. Bytes: k and v once per row and head, from L2. Limit: latency of the shuffles; right,
// not fast. rows and stats as attention_plan.cu makes them; softmax in base 2.
#include "common.cuh"

constexpr int LANE_COLUMNS = 8;  // head size <= 256
constexpr float LOG2E = 1.4426950408889634f, LN2 = 0.6931471805599453f;

template <class T> __device__ __forceinline__ void load_row(const T *p, int D, int lane, float v[LANE_COLUMNS]) {
#pragma unroll
  for (int i = 0; i < LANE_COLUMNS; i++) v[i] = lane + 32 * i < D ? to_float(p[lane + 32 * i]) : 0.0f;
}
__device__ __forceinline__ float row_dot(const float a[LANE_COLUMNS], const float b[LANE_COLUMNS]) {
  float s = 0;
#pragma unroll
  for (int i = 0; i < LANE_COLUMNS; i++) s += a[i] * b[i];
  return warp_sum(s);
}
// Score times log2 e of a raw product, and the slope of the score.
__device__ __forceinline__ float score_of(float raw, float scale, float softcap, float &slope) {
  float s = raw * scale;
  slope = scale;
  if (softcap > 0) {
    const float t = tanhf(s / softcap);
    s = softcap * t;
    slope *= 1.0f - t * t;
  }
  return s * LOG2E;
}

// launch: grid ceil(N · H / 8), block 256. lse f32 [N, H] or 0.
#define ATTENTION_FORWARD_ROWS(suffix, T)                                                                                              \
  extern "C" __global__ void __launch_bounds__(256) attention_forward_rows_##suffix(const T *qkv, const int2 *rows, T *out, float *lse, int N, int H, int K, \
                                                                                    int D, float scale, float softcap) {              \
    const int64_t item = blockIdx.x * 8ll + threadIdx.x / 32;                                                                         \
    if (item >= static_cast<int64_t>(N) * H) return;                                                                                  \
    const int64_t n = item / H;                                                                                                       \
    const int h = static_cast<int>(item - n * H), kv = h / (H / K), lane = threadIdx.x % 32;                                          \
    const int64_t stride = static_cast<int64_t>(H + 2 * K) * D;                                                                       \
    float q[LANE_COLUMNS], k[LANE_COLUMNS], o[LANE_COLUMNS] = {}, top = -REMORA_INFINITY, sum = 0, slope;                             \
    load_row(qkv + n * stride + static_cast<int64_t>(h) * D, D, lane, q);                                                             \
    const int2 range = rows[n];                                                                                                       \
    for (int64_t j = range.x; j < range.y; j++) {                                                                                     \
      const T *key = qkv + j * stride + static_cast<int64_t>(H + kv) * D;                                                             \
      load_row(key, D, lane, k);                                                                                                      \
      const float s = score_of(row_dot(q, k), scale, softcap, slope), best = fmaxf(top, s);                                           \
      const float old = exp2f(top - best), w = exp2f(s - best);                                                                       \
      top = best;                                                                                                                     \
      sum = sum * old + w;                                                                                                            \
      load_row(key + static_cast<int64_t>(K) * D, D, lane, k);                                                                        \
      _Pragma("unroll") for (int i = 0; i < LANE_COLUMNS; i++) o[i] = o[i] * old + w * k[i];                                          \
    }                                                                                                                                 \
    const float inverse = sum > 0 ? 1.0f / sum : 0.0f;                                                                                \
    _Pragma("unroll") for (int i = 0; i < LANE_COLUMNS; i++) if (lane + 32 * i < D) out[item * D + lane + 32 * i] = from_float<T>(o[i] * inverse); \
    if (lse && lane == 0) lse[item] = sum > 0 ? top * LN2 + logf(sum) : -REMORA_INFINITY;                                             \
  }
REMORA_FOR_ACTIVATIONS(ATTENTION_FORWARD_ROWS)

// launch: grid ceil(N · H / 8), block 256. Writes the query columns of d_qkv.
#define ATTENTION_BACKWARD_QUERIES_ROWS(suffix, T)                                                                                     \
  extern "C" __global__ void __launch_bounds__(256) attention_backward_queries_rows_##suffix(                                          \
      const T *qkv, const int2 *rows, const float2 *stats, const T *d_out, T *d_qkv, int N, int padded_rows, int H, int K, int D, float scale, float softcap) { \
    const int64_t item = blockIdx.x * 8ll + threadIdx.x / 32;                                                                         \
    if (item >= static_cast<int64_t>(N) * H) return;                                                                                  \
    const int64_t n = item / H;                                                                                                       \
    const int h = static_cast<int>(item - n * H), kv = h / (H / K), lane = threadIdx.x % 32;                                          \
    const int64_t stride = static_cast<int64_t>(H + 2 * K) * D;                                                                       \
    float q[LANE_COLUMNS], k[LANE_COLUMNS], v[LANE_COLUMNS], g[LANE_COLUMNS], dq[LANE_COLUMNS] = {}, slope;                           \
    load_row(qkv + n * stride + static_cast<int64_t>(h) * D, D, lane, q);                                                             \
    load_row(d_out + item * D, D, lane, g);                                                                                           \
    const int2 range = rows[n];                                                                                                       \
    const float2 stat = stats[static_cast<int64_t>(h) * padded_rows + n];                                                             \
    for (int64_t j = range.x; j < range.y; j++) {                                                                                     \
      const T *key = qkv + j * stride + static_cast<int64_t>(H + kv) * D;                                                             \
      load_row(key, D, lane, k);                                                                                                      \
      load_row(key + static_cast<int64_t>(K) * D, D, lane, v);                                                                        \
      const float p = exp2f(score_of(row_dot(q, k), scale, softcap, slope) - stat.x), ds = p * (row_dot(g, v) - stat.y) * slope;      \
      _Pragma("unroll") for (int i = 0; i < LANE_COLUMNS; i++) dq[i] += ds * k[i];                                                    \
    }                                                                                                                                 \
    T *target = d_qkv + n * stride + static_cast<int64_t>(h) * D;                                                                     \
    _Pragma("unroll") for (int i = 0; i < LANE_COLUMNS; i++) if (lane + 32 * i < D) target[lane + 32 * i] = from_float<T>(dq[i]);     \
  }
REMORA_FOR_ACTIVATIONS(ATTENTION_BACKWARD_QUERIES_ROWS)

// launch: grid ceil(N · K / 8), block 256. Writes the key and value columns of d_qkv; walks every row that sees the key.
#define ATTENTION_BACKWARD_KEYS_ROWS(suffix, T)                                                                                        \
  extern "C" __global__ void __launch_bounds__(256) attention_backward_keys_rows_##suffix(                                             \
      const T *qkv, const int2 *rows, const float2 *stats, const T *d_out, T *d_qkv, int N, int padded_rows, int H, int K, int D, float scale, float softcap) { \
    const int64_t item = blockIdx.x * 8ll + threadIdx.x / 32;                                                                         \
    if (item >= static_cast<int64_t>(N) * K) return;                                                                                  \
    const int64_t j = item / K;                                                                                                       \
    const int kv = static_cast<int>(item - j * K), group = H / K, lane = threadIdx.x % 32;                                            \
    const int64_t stride = static_cast<int64_t>(H + 2 * K) * D, at = j * stride + static_cast<int64_t>(H + kv) * D;                   \
    float q[LANE_COLUMNS], k[LANE_COLUMNS], v[LANE_COLUMNS], g[LANE_COLUMNS], dk[LANE_COLUMNS] = {}, dv[LANE_COLUMNS] = {}, slope;    \
    load_row(qkv + at, D, lane, k);                                                                                                   \
    load_row(qkv + at + static_cast<int64_t>(K) * D, D, lane, v);                                                                     \
    for (int64_t n = 0; n < N; n++) {                                                                                                 \
      const int2 range = rows[n];                                                                                                     \
      if (j < range.x || j >= range.y) continue;                                                                                      \
      for (int h = kv * group; h < (kv + 1) * group; h++) {                                                                           \
        load_row(qkv + n * stride + static_cast<int64_t>(h) * D, D, lane, q);                                                         \
        load_row(d_out + (n * H + h) * D, D, lane, g);                                                                                \
        const float2 stat = stats[static_cast<int64_t>(h) * padded_rows + n];                                                         \
        const float p = exp2f(score_of(row_dot(q, k), scale, softcap, slope) - stat.x), ds = p * (row_dot(g, v) - stat.y) * slope;    \
        _Pragma("unroll") for (int i = 0; i < LANE_COLUMNS; i++) dk[i] += ds * q[i], dv[i] += p * g[i];                               \
      }                                                                                                                               \
    }                                                                                                                                 \
    _Pragma("unroll") for (int i = 0; i < LANE_COLUMNS; i++) if (lane + 32 * i < D) {                                                 \
      d_qkv[at + lane + 32 * i] = from_float<T>(dk[i]);                                                                               \
      d_qkv[at + static_cast<int64_t>(K) * D + lane + 32 * i] = from_float<T>(dv[i]);                                                 \
    }                                                                                                                                 \
  }
REMORA_FOR_ACTIVATIONS(ATTENTION_BACKWARD_KEYS_ROWS)

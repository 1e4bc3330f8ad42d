// Heads: rotary position on the query and key heads of packed qkv rows, optionally after an RMS norm of each head (Qwen3, Gemma 3).
// Plan without norms: one block owns a row of N, a thread 8 rotated pairs (two 16-byte pieces, half a rotation apart); in place allowed.
// The inverse rotation (backward) is the same kernel with sign -1. Plan with norms: one warp owns one head of one row through shared
// memory. Bytes: the q and k part read and written once, the table row from L1. Limit: memory.
#include "e4m3.cuh"

// `stored(c, v)` sees the 8 values of each rotated piece that goes to column c.
template <class T, bool VECTOR, class Stored>
__device__ void rope_rotate_heads(const T *x, const float *table_row, T *out, int heads, int D, int half, float sign, const Stored &stored) {
  const int pieces = (half + 7) / 8;
  for (int item = threadIdx.x; item < heads * pieces; item += blockDim.x) {
    const int head = item / pieces, i = (item - head * pieces) * 8;
    const T *p = x + static_cast<int64_t>(head) * D + i;
    T *q = out + static_cast<int64_t>(head) * D + i;
    float a[8], b[8], t[16];
    load8<VECTOR>(p, half - i, a);
    load8<VECTOR>(p + half, half - i, b);
    load8<VECTOR>(table_row + 2 * i, 2 * (half - i), t);
    load8<VECTOR>(table_row + 2 * i + 8, 2 * (half - i) - 8, t + 8);
#pragma unroll
    for (int k = 0; k < 8; k++) {
      const float c = t[2 * k], s = sign * t[2 * k + 1], u = a[k], v = b[k];
      a[k] = u * c - v * s;
      b[k] = v * c + u * s;
    }
    store8<VECTOR>(q, half - i, a);
    store8<VECTOR>(q + half, half - i, b);
    stored(head * D + i, a), stored(head * D + half + i, b);
  }
}
template <class T, bool VECTOR>
__device__ void rope_rotate(const T *x, const float *table_row, T *out, int heads, int total, int D, int half, float sign) {
  rope_rotate_heads<T, VECTOR>(x, table_row, out, heads, D, half, sign, [](int, const float *) {});
  if (out == x) return;
  for (int item = threadIdx.x; item < heads * (D - 2 * half); item += blockDim.x) {  // the part of a head that is not rotated
    const int head = item / (D - 2 * half), i = 2 * half + item % (D - 2 * half);
    out[static_cast<int64_t>(head) * D + i] = x[static_cast<int64_t>(head) * D + i];
  }
  for (int i = heads * D + threadIdx.x; i < total * D; i += blockDim.x) out[i] = x[i];  // value heads
}

// launch: grid N, block 256. sign 1: forward, -1: backward. out may be x. heads = H + K rotated heads of total = H + 2K.
#define ROPE_ROTATE(suffix, T)                                                                                                         \
  extern "C" __global__ void __launch_bounds__(256) rope_rotate_block_per_row_##suffix(const T *x, const float *table, const int32_t *positions, \
                                                                                       T *out, int heads, int total, int D, int rotary, float sign) { \
    follow_previous_kernel();                                                                                                         \
    const int64_t n = blockIdx.x;                                                                                                     \
    const int half = rotary / 2;                                                                                                      \
    const float *row = table + static_cast<int64_t>(positions[n]) * rotary;                                                           \
    const int64_t at = n * total * D;                                                                                                 \
    if (half % 8 == 0 && D % 8 == 0 && is_aligned16(x) && is_aligned16(out) && is_aligned16(table))                                   \
      rope_rotate<T, true>(x + at, row, out + at, heads, total, D, half, sign);                                                       \
    else                                                                                                                              \
      rope_rotate<T, false>(x + at, row, out + at, heads, total, D, half, sign);                                                      \
  }
REMORA_FOR_ACTIVATIONS(ROPE_ROTATE)

// The same for a linear in E4M3 that reads the row next: out · 2^(columns - 127) is rounded under the row's scale, the row read again from L2.
// Bytes an element, in place: 2 read and 2 written of q and k, 2 read of v, 1 written; a kernel that rounds later reads 2 more from memory.
// launch: grid N, block 256. out may be x. rotary a multiple of 16, D of 8; arrays 16-byte aligned. columns u8 [total · D], codes u8 [N, total · D],
// scales f32 [N].
extern "C" __global__ void __launch_bounds__(256) rope_rotate_rounded_bf16(const bf16_t *x, const float *table, const int32_t *positions, bf16_t *out,
                                                                           const uint8_t *columns, uint8_t *codes, float *scales, int heads, int total, int D,
                                                                           int rotary, float sign) {
  __shared__ uint32_t scratch[8];
  const int64_t n = blockIdx.x, C = static_cast<int64_t>(total) * D;
  x += n * C, out += n * C;
  uint32_t largest = 0;
  const auto keep = [&](int c, const float *v) { keep_largest_stored<bf16_t>(largest, v, columns, c, C); };
  rope_rotate_heads<bf16_t, true>(x, table + static_cast<int64_t>(positions[n]) * rotary, out, heads, D, rotary / 2, sign, keep);
  const auto copy = [&](int c) {
    float v[8];
    load8<true>(x + c, 8, v);
    if (out != x) store8<true>(out + c, 8, v);
    keep(c, v);
  };
  const int rest = (D - rotary) / 8;  // pieces of a head that are not rotated
  for (int item = threadIdx.x; item < heads * rest; item += 256) copy(item / rest * D + rotary + item % rest * 8);
  for (int c = heads * D + threadIdx.x * 8; c < total * D; c += 2048) copy(c);
  e4m3_row_again<256>(out, columns, codes + n * C, scales + n, C, largest, scratch);
}

// One warp a head; D <= 256. launch: grid ceil(N · (H + 2K) / 8), block 256. Value heads are copied. out must be another array than qkv.
#define ROPE_NORM_FORWARD(suffix, T)                                                                                                   \
  extern "C" __global__ void __launch_bounds__(256) rope_norm_forward_warp_per_head_##suffix(                                          \
      const T *qkv, const float *q_norm, const float *k_norm, const float *table, const int32_t *positions, T *out, int64_t N, int H, int K, int D, \
      int rotary, float eps) {                                                                                                        \
    follow_previous_kernel();                                                                                                         \
    __shared__ float heads[8][256];                                                                                                   \
    const int lane = threadIdx.x % 32, half = rotary / 2;                                                                             \
    float *v = heads[threadIdx.x / 32];                                                                                               \
    const int64_t item = blockIdx.x * 8ll + threadIdx.x / 32;                                                                         \
    if (item >= N * (H + 2 * K)) return;                                                                                              \
    const int64_t n = item / (H + 2 * K);                                                                                             \
    const int head = static_cast<int>(item - n * (H + 2 * K));                                                                        \
    const T *x = qkv + item * D;                                                                                                      \
    T *y = out + item * D;                                                                                                            \
    if (head >= H + K) {                                                                                                              \
      for (int i = lane; i < D; i += 32) y[i] = x[i];                                                                                 \
      return;                                                                                                                         \
    }                                                                                                                                 \
    const float *w = head < H ? q_norm : k_norm;                                                                                      \
    float squares = 0;                                                                                                                \
    for (int i = lane; i < D; i += 32) v[i] = to_float(x[i]), squares += v[i] * v[i];                                                 \
    const float r = 1.0f / sqrtf(warp_sum(squares) / static_cast<float>(D) + eps);                                                    \
    for (int i = lane; i < D; i += 32) v[i] *= r * w[i];                                                                              \
    __syncwarp();                                                                                                                     \
    const float *row = table + static_cast<int64_t>(positions[n]) * rotary;                                                           \
    for (int i = lane; i < half; i += 32) {                                                                                           \
      const float c = row[2 * i], s = row[2 * i + 1];                                                                                 \
      y[i] = from_float<T>(v[i] * c - v[i + half] * s);                                                                               \
      y[i + half] = from_float<T>(v[i + half] * c + v[i] * s);                                                                        \
    }                                                                                                                                 \
    for (int i = rotary + lane; i < D; i += 32) y[i] = from_float<T>(v[i]);                                                           \
  }
REMORA_FOR_ACTIVATIONS(ROPE_NORM_FORWARD)

// One warp takes heads warp, warp + warps, ... and keeps its share of the norms' gradients in registers.
// launch: grid P <= 1024, block 256. q_partials, k_partials f32 [8·P, D] (written, every element; may be 0 together): add_partials_f32 adds them.
// d_qkv may be d_out.
#define ROPE_NORM_BACKWARD(suffix, T)                                                                                                  \
  extern "C" __global__ void __launch_bounds__(256) rope_norm_backward_warp_per_head_##suffix(                                         \
      const T *qkv, const float *q_norm, const float *k_norm, const float *table, const int32_t *positions, const T *d_out, T *d_qkv,  \
      float *q_partials, float *k_partials, int64_t N, int H, int K, int D, int rotary, float eps) {                                   \
    __shared__ float heads[8][256];                                                                                                   \
    const int lane = threadIdx.x % 32, half = rotary / 2;                                                                             \
    float *g = heads[threadIdx.x / 32];                                                                                               \
    const int64_t warp = blockIdx.x * 8ll + threadIdx.x / 32, warps = gridDim.x * 8ll;                                                \
    float dq[8] = {0, 0, 0, 0, 0, 0, 0, 0}, dk[8] = {0, 0, 0, 0, 0, 0, 0, 0};                                                         \
    for (int64_t item = warp; item < N * (H + 2 * K); item += warps) {                                                                \
      const int64_t n = item / (H + 2 * K);                                                                                           \
      const int head = static_cast<int>(item - n * (H + 2 * K));                                                                      \
      const T *x = qkv + item * D, *dy = d_out + item * D;                                                                            \
      T *dx = d_qkv + item * D;                                                                                                       \
      if (head >= H + K) {                                                                                                            \
        if (d_qkv != d_out)                                                                                                           \
          for (int i = lane; i < D; i += 32) dx[i] = dy[i];                                                                           \
        continue;                                                                                                                     \
      }                                                                                                                               \
      const float *w = head < H ? q_norm : k_norm;                                                                                    \
      const float *row = table + static_cast<int64_t>(positions[n]) * rotary;                                                         \
      for (int i = lane; i < half; i += 32) {                                                                                         \
        const float c = row[2 * i], s = row[2 * i + 1], a = to_float(dy[i]), b = to_float(dy[i + half]);                              \
        g[i] = a * c + b * s;                                                                                                         \
        g[i + half] = b * c - a * s;                                                                                                  \
      }                                                                                                                               \
      for (int i = rotary + lane; i < D; i += 32) g[i] = to_float(dy[i]);                                                             \
      __syncwarp();                                                                                                                   \
      float squares = 0, dot = 0;                                                                                                     \
      for (int i = lane; i < D; i += 32) {                                                                                            \
        const float v = to_float(x[i]);                                                                                               \
        squares += v * v;                                                                                                             \
        dot += v * g[i] * w[i];                                                                                                       \
      }                                                                                                                               \
      const float r = 1.0f / sqrtf(warp_sum(squares) / static_cast<float>(D) + eps);                                                  \
      const float factor = warp_sum(dot) / static_cast<float>(D) * r * r;                                                             \
      _Pragma("unroll") for (int k = 0; k < 8; k++) {                                                                                 \
        const int i = lane + 32 * k;                                                                                                  \
        if (i < D) {                                                                                                                  \
          const float v = to_float(x[i]);                                                                                             \
          if (head < H) dq[k] += g[i] * v * r;                                                                                        \
          else dk[k] += g[i] * v * r;                                                                                                 \
          dx[i] = from_float<T>(r * (g[i] * w[i] - v * factor));                                                                      \
        }                                                                                                                             \
      }                                                                                                                               \
      __syncwarp();                                                                                                                   \
    }                                                                                                                                 \
    if (!q_partials) return;                                                                                                          \
    _Pragma("unroll") for (int k = 0; k < 8; k++) {                                                                                   \
      const int i = lane + 32 * k;                                                                                                    \
      if (i < D) q_partials[warp * D + i] = dq[k], k_partials[warp * D + i] = dk[k];                                                  \
    }                                                                                                                                 \
  }
REMORA_FOR_ACTIVATIONS(ROPE_NORM_BACKWARD)

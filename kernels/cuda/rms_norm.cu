// Root-mean-square norm with the residual stream: forward, backward, apply (remora.h gives the formulas).
// Plan: one warp (narrow rows, C <= 2,048) or one block of 256 (wider) owns a row. A thread owns pieces of 8 columns, THREADS*8 apart,
// and keeps up to KEEP of them in registers between the two passes; columns beyond that are read again (from L2).
// Bytes: forward 2 or 4 rows of C (x, residual, sum, y), backward 3 or 4 (s, d_y, d_residual, d_sum), rounded C bytes more. Limit: memory.
#include "e4m3.cuh"

// ROUNDED: for a linear in E4M3 that reads y, returns the largest magnitude of what the thread stored.
template <class T, bool VECTOR, int THREADS, int KEEP, bool ROUNDED = false>
__device__ uint32_t rms_norm_forward(const T *x, const T *residual, const float *weight, T *sum, T *y, float *rstd, int64_t row, int thread,
                                 int64_t C, float eps, float *scratch) {
  x += row * C;
  y += row * C;
  if (residual) residual += row * C, sum += row * C;
  float kept[KEEP][8], squares = 0;
  const auto read = [&](int64_t c, float v[8]) {
    load8<VECTOR>(x + c, C - c, v);
    if (!residual) return;
    float r[8];
    load8<VECTOR>(residual + c, C - c, r);
#pragma unroll
    for (int i = 0; i < 8; i++) v[i] = to_float(from_float<T>(v[i] + r[i]));  // y is made from the sum as stored
    store8<VECTOR>(sum + c, C - c, v);
  };
#pragma unroll
  for (int k = 0; k < KEEP; k++) {
    const int64_t c = (k * THREADS + thread) * 8;
    if (c < C) {
      read(c, kept[k]);
#pragma unroll
      for (int i = 0; i < 8; i++) squares += kept[k][i] * kept[k][i];
    }
  }
  for (int64_t c = (KEEP * THREADS + thread) * 8; c < C; c += THREADS * 8) {
    float v[8];
    read(c, v);
#pragma unroll
    for (int i = 0; i < 8; i++) squares += v[i] * v[i];
  }
  squares = block_sum<THREADS>(squares, scratch);
  const float r = 1.0f / sqrtf(squares / static_cast<float>(C) + eps);
  if (rstd && thread == 0) rstd[row] = r;
  uint32_t largest = 0;
  const auto write = [&](int64_t c, float v[8]) {
    float w[8];
    load8<VECTOR>(weight + c, C - c, w);
#pragma unroll
    for (int i = 0; i < 8; i++) v[i] = v[i] * r * w[i];
    store8<VECTOR>(y + c, C - c, v);
    if (ROUNDED) keep_largest_stored<T>(largest, v, nullptr, c, C);
  };
#pragma unroll
  for (int k = 0; k < KEEP; k++) {
    const int64_t c = (k * THREADS + thread) * 8;
    if (c < C) write(c, kept[k]);
  }
  for (int64_t c = (KEEP * THREADS + thread) * 8; c < C; c += THREADS * 8) {
    float v[8];
    load8<VECTOR>((residual ? sum : x) + c, C - c, v);
    write(c, v);
  }
  return largest;
}

// 8 elements as they lie in memory.
template <class T> struct alignas(16) Piece {
  uint4 words;
  __device__ __forceinline__ void unpack(float v[8]) const { unpack8<T>(words, v); }
};
template <> struct alignas(16) Piece<float> {
  float4 low, high;
  __device__ __forceinline__ void unpack(float v[8]) const { v[0] = low.x, v[1] = low.y, v[2] = low.z, v[3] = low.w, v[4] = high.x, v[5] = high.y, v[6] = high.z, v[7] = high.w; }
};
template <bool VECTOR, class T> __device__ __forceinline__ Piece<T> load_piece(const T *p, int64_t n) {
  if (VECTOR) return *reinterpret_cast<const Piece<T> *>(p);
  Piece<T> piece;
  float v[8];
  load8<false>(p, n, v);
  store8_vector(reinterpret_cast<T *>(&piece), v);
  return piece;
}

// All a row's pieces are asked for at once, and kept as they lie in memory: as floats they would cost twice the registers, and half the rows under way.
// ROUNDED: as above, of d_sum · 2^(columns - 127).
template <class T, bool VECTOR, int THREADS, int KEEP, bool ROUNDED = false>
__device__ uint32_t rms_norm_backward(const T *s, const float *weight, const float *rstd, const T *d_y, const T *d_residual, T *d_sum, int64_t row,
                                      int thread, int64_t C, float *scratch, const uint8_t *columns = nullptr) {
  s += row * C;
  d_y += row * C;
  d_sum += row * C;
  if (d_residual) d_residual += row * C;
  Piece<T> kept_s[KEEP], kept_y[KEEP], kept_residual[KEEP];
  float dot = 0;
  // s and g = d_y · weight of 8 columns
  const auto unpack = [&](int64_t c, const Piece<T> &s_piece, const Piece<T> &y_piece, float sv[8], float g[8]) {
    float w[8];
    load8<VECTOR>(weight + c, C - c, w);
    s_piece.unpack(sv);
    y_piece.unpack(g);
#pragma unroll
    for (int i = 0; i < 8; i++) g[i] *= w[i];
  };
  const auto add = [&](const float sv[8], const float g[8]) {
#pragma unroll
    for (int i = 0; i < 8; i++) dot += sv[i] * g[i];
  };
#pragma unroll
  for (int k = 0; k < KEEP; k++) {
    const int64_t c = (k * THREADS + thread) * 8;
    if (c >= C) continue;
    kept_s[k] = load_piece<VECTOR>(s + c, C - c);
    kept_y[k] = load_piece<VECTOR>(d_y + c, C - c);
    if (d_residual) kept_residual[k] = load_piece<VECTOR>(d_residual + c, C - c);
  }
#pragma unroll
  for (int k = 0; k < KEEP; k++) {
    const int64_t c = (k * THREADS + thread) * 8;
    float sv[8], g[8];
    if (c < C) unpack(c, kept_s[k], kept_y[k], sv, g), add(sv, g);
  }
  for (int64_t c = (KEEP * THREADS + thread) * 8; c < C; c += THREADS * 8) {
    float sv[8], g[8];
    unpack(c, load_piece<VECTOR>(s + c, C - c), load_piece<VECTOR>(d_y + c, C - c), sv, g), add(sv, g);
  }
  dot = block_sum<THREADS>(dot, scratch);
  const float r = rstd[row], factor = dot / static_cast<float>(C) * r * r;
  uint32_t largest = 0;
  const auto write = [&](int64_t c, const Piece<T> &s_piece, const Piece<T> &y_piece, const Piece<T> &residual) {
    float sv[8], g[8], out[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    unpack(c, s_piece, y_piece, sv, g);
    if (d_residual) residual.unpack(out);
#pragma unroll
    for (int i = 0; i < 8; i++) out[i] += r * (g[i] - sv[i] * factor);
    store8<VECTOR>(d_sum + c, C - c, out);
    if (ROUNDED) keep_largest_stored<T>(largest, out, columns, c, C);
  };
#pragma unroll
  for (int k = 0; k < KEEP; k++) {
    const int64_t c = (k * THREADS + thread) * 8;
    if (c < C) write(c, kept_s[k], kept_y[k], kept_residual[k]);
  }
  for (int64_t c = (KEEP * THREADS + thread) * 8; c < C; c += THREADS * 8) {
    Piece<T> residual{};
    if (d_residual) residual = load_piece<VECTOR>(d_residual + c, C - c);
    write(c, load_piece<VECTOR>(s + c, C - c), load_piece<VECTOR>(d_y + c, C - c), residual);
  }
  return largest;
}

#define ALL_ALIGNED (C % 8 == 0 && is_aligned16(x) && is_aligned16(y) && is_aligned16(weight) && is_aligned16(residual) && is_aligned16(sum))
#define RMS_NORM_FORWARD(suffix, T)                                                                                                    \
  /* launch: grid ceil(N / 8), block 256; for C <= 2048. residual, sum and rstd may be 0. */                                           \
  extern "C" __global__ void __launch_bounds__(256) rms_norm_forward_warp_per_row_##suffix(                                            \
      const T *x, const T *residual, const float *weight, T *sum, T *y, float *rstd, int64_t N, int64_t C, float eps) {                \
    follow_previous_kernel();                                                                                                         \
    const int64_t row = blockIdx.x * 8ll + threadIdx.x / 32;                                                                           \
    if (row >= N) return;                                                                                                              \
    if (ALL_ALIGNED) rms_norm_forward<T, true, 32, 8>(x, residual, weight, sum, y, rstd, row, threadIdx.x % 32, C, eps, nullptr);      \
    else rms_norm_forward<T, false, 32, 1>(x, residual, weight, sum, y, rstd, row, threadIdx.x % 32, C, eps, nullptr);                 \
  }                                                                                                                                    \
  /* launch: grid N, block 256; any C, best above 2048. residual, sum and rstd may be 0. */                                            \
  extern "C" __global__ void __launch_bounds__(256) rms_norm_forward_block_per_row_##suffix(                                           \
      const T *x, const T *residual, const float *weight, T *sum, T *y, float *rstd, int64_t N, int64_t C, float eps) {                \
    follow_previous_kernel();                                                                                                         \
    __shared__ float scratch[8];                                                                                                       \
    const int64_t row = blockIdx.x;                                                                                                    \
    if (ALL_ALIGNED) rms_norm_forward<T, true, 256, 4>(x, residual, weight, sum, y, rstd, row, threadIdx.x, C, eps, scratch);          \
    else rms_norm_forward<T, false, 256, 1>(x, residual, weight, sum, y, rstd, row, threadIdx.x, C, eps, scratch);                     \
  }
REMORA_FOR_ACTIVATIONS(RMS_NORM_FORWARD)

#define ALL_ALIGNED_BACKWARD \
  (C % 8 == 0 && is_aligned16(s) && is_aligned16(d_y) && is_aligned16(weight) && is_aligned16(d_residual) && is_aligned16(d_sum))
#define RMS_NORM_BACKWARD(suffix, T)                                                                                                   \
  /* launch: grid ceil(N / 8), block 256; for C <= 2048. d_residual may be 0 or d_sum. */                                              \
  extern "C" __global__ void __launch_bounds__(256) rms_norm_backward_warp_per_row_##suffix(                                           \
      const T *s, const float *weight, const float *rstd, const T *d_y, const T *d_residual, T *d_sum, int64_t N, int64_t C) {         \
    const int64_t row = blockIdx.x * 8ll + threadIdx.x / 32;                                                                           \
    if (row >= N) return;                                                                                                              \
    if (ALL_ALIGNED_BACKWARD) rms_norm_backward<T, true, 32, sizeof(T) == 2 ? 4 : 2>(s, weight, rstd, d_y, d_residual, d_sum, row, threadIdx.x % 32, C, nullptr); \
    else rms_norm_backward<T, false, 32, 1>(s, weight, rstd, d_y, d_residual, d_sum, row, threadIdx.x % 32, C, nullptr);               \
  }                                                                                                                                    \
  /* launch: grid N, block 256; any C, best above 2048. d_residual may be 0 or d_sum. */                                               \
  extern "C" __global__ void __launch_bounds__(256) rms_norm_backward_block_per_row_##suffix(                                          \
      const T *s, const float *weight, const float *rstd, const T *d_y, const T *d_residual, T *d_sum, int64_t N, int64_t C) {         \
    __shared__ float scratch[8];                                                                                                       \
    if (ALL_ALIGNED_BACKWARD) rms_norm_backward<T, true, 256, sizeof(T) == 2 ? 3 : 2>(s, weight, rstd, d_y, d_residual, d_sum, blockIdx.x, threadIdx.x, C, scratch); \
    else rms_norm_backward<T, false, 256, 1>(s, weight, rstd, d_y, d_residual, d_sum, blockIdx.x, threadIdx.x, C, scratch);            \
  }
REMORA_FOR_ACTIVATIONS(RMS_NORM_BACKWARD)

// Both again for a linear in E4M3 that reads what they write: codes u8 [N, C] and scales f32 [N] beside it. C a multiple of 8, arrays 16-byte aligned.
// launch: grid N, block 256. residual, sum and rstd may be 0.
extern "C" __global__ void __launch_bounds__(256) rms_norm_forward_rounded_bf16(const bf16_t *x, const bf16_t *residual, const float *weight, bf16_t *sum,
                                                                               bf16_t *y, float *rstd, uint8_t *codes, float *scales, int64_t N, int64_t C,
                                                                               float eps) {
  __shared__ float scratch[8];
  __shared__ uint32_t maxima[8];
  const int64_t row = blockIdx.x;
  const uint32_t largest = rms_norm_forward<bf16_t, true, 256, 4, true>(x, residual, weight, sum, y, rstd, row, threadIdx.x, C, eps, scratch);
  e4m3_row_again<256>(y + row * C, nullptr, codes + row * C, scales + row, C, largest, maxima);
}
// launch: grid N, block 256. d_residual may be 0 or d_sum. columns u8 [C]: d_sum · 2^(columns - 127) is what is rounded.
extern "C" __global__ void __launch_bounds__(256) rms_norm_backward_rounded_bf16(const bf16_t *s, const float *weight, const float *rstd, const bf16_t *d_y,
                                                                                const bf16_t *d_residual, bf16_t *d_sum, const uint8_t *columns,
                                                                                uint8_t *codes, float *scales, int64_t N, int64_t C) {
  __shared__ float scratch[8];
  __shared__ uint32_t maxima[8];
  const int64_t row = blockIdx.x;
  const uint32_t largest = rms_norm_backward<bf16_t, true, 256, 3, true>(s, weight, rstd, d_y, d_residual, d_sum, row, threadIdx.x, C, scratch, columns);
  e4m3_row_again<256>(d_sum + row * C, columns, codes + row * C, scales + row, C, largest, maxima);
}

// A thread owns 8 columns of one chunk of rows. partials f32 [chunks, C] = sum over the chunk's rows of d_y · s · rstd;
// add_partials_f32 adds them to the gradient.  launch: grid (ceil(C / 2048), chunks), block 256.
#define RMS_NORM_WEIGHT_GRADIENT(suffix, T)                                                                                            \
  extern "C" __global__ void __launch_bounds__(256) rms_norm_weight_gradient_partials_##suffix(                                        \
      const T *s, const float *rstd, const T *d_y, float *partials, int64_t N, int64_t C, int64_t rows_per_chunk) {                    \
    const int64_t c = grid_start() * 8;                                                                                               \
    if (c >= C) return;                                                                                                               \
    const int64_t begin = blockIdx.y * rows_per_chunk, end = begin + rows_per_chunk < N ? begin + rows_per_chunk : N;                 \
    const bool vector = C % 8 == 0 && is_aligned16(s) && is_aligned16(d_y);                                                           \
    float total[8] = {0, 0, 0, 0, 0, 0, 0, 0};                                                                                        \
    for (int64_t n = begin; n < end; n++) {                                                                                           \
      float a[8], b[8];                                                                                                               \
      if (vector) load8<true>(s + n * C + c, 8, a), load8<true>(d_y + n * C + c, 8, b);                                               \
      else load8<false>(s + n * C + c, C - c, a), load8<false>(d_y + n * C + c, C - c, b);                                            \
      const float r = rstd[n];                                                                                                        \
      _Pragma("unroll") for (int i = 0; i < 8; i++) total[i] += a[i] * b[i] * r;                                                      \
    }                                                                                                                                 \
    store8<false>(partials + blockIdx.y * C + c, C - c, total);                                                                       \
  }
REMORA_FOR_ACTIVATIONS(RMS_NORM_WEIGHT_GRADIENT)

// y = s · rstd · weight.  launch: grid (ceil(C / 2048), min(N, 65535)), block 256.
#define RMS_NORM_APPLY(suffix, T)                                                                                                      \
  extern "C" __global__ void __launch_bounds__(256) rms_norm_apply_##suffix(const T *s, const float *weight, const float *rstd, T *y, int64_t N, \
                                                                            int64_t C) {                                               \
    const int64_t c = grid_start() * 8;                                                                                               \
    if (c >= C) return;                                                                                                               \
    const bool vector = C % 8 == 0 && is_aligned16(s) && is_aligned16(y);                                                             \
    float w[8], v[8];                                                                                                                 \
    load8<false>(weight + c, C - c, w);                                                                                               \
    for (int64_t n = blockIdx.y; n < N; n += gridDim.y) {                                                                             \
      if (vector) load8<true>(s + n * C + c, 8, v);                                                                                   \
      else load8<false>(s + n * C + c, C - c, v);                                                                                     \
      const float r = rstd[n];                                                                                                        \
      _Pragma("unroll") for (int i = 0; i < 8; i++) v[i] = v[i] * r * w[i];                                                           \
      if (vector) store8<true>(y + n * C + c, 8, v);                                                                                  \
      else store8<false>(y + n * C + c, C - c, v);                                                                                    \
    }                                                                                                                                 \
  }
REMORA_FOR_ACTIVATIONS(RMS_NORM_APPLY)

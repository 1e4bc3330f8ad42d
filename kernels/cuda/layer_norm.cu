// Layer norm with bias (encoders, inference): y = (x - mean) · rstd · weight + bias, residual added to x first.
// Plan: one warp owns a row, a lane owns pieces of 8 columns; the row is read twice (the second time from L1 or L2), the variance is
// that of the centred values. Bytes: 2 or 3 rows of C. Limit: memory.
#include "common.cuh"

template <class T, bool VECTOR>
__device__ void layer_norm_forward(const T *x, const T *residual, const float *weight, const float *bias, T *y, int64_t C, float eps, int lane) {
  const auto read = [&](int64_t c, float v[8]) {
    load8<VECTOR>(x + c, C - c, v);
    if (!residual) return;
    float r[8];
    load8<VECTOR>(residual + c, C - c, r);
#pragma unroll
    for (int i = 0; i < 8; i++) v[i] += r[i];
  };
  float total = 0;
  for (int64_t c = lane * 8; c < C; c += 256) {
    float v[8];
    read(c, v);
#pragma unroll
    for (int i = 0; i < 8; i++) total += v[i];
  }
  const float mean = warp_sum(total) / static_cast<float>(C);
  float squares = 0;
  for (int64_t c = lane * 8; c < C; c += 256) {
    float v[8];
    read(c, v);
#pragma unroll
    for (int i = 0; i < 8; i++)
      if (c + i < C) squares += (v[i] - mean) * (v[i] - mean);
  }
  const float r = 1.0f / sqrtf(warp_sum(squares) / static_cast<float>(C) + eps);
  for (int64_t c = lane * 8; c < C; c += 256) {
    float v[8], w[8], b[8];
    read(c, v);
    load8<VECTOR>(weight + c, C - c, w);
    load8<VECTOR>(bias + c, C - c, b);
#pragma unroll
    for (int i = 0; i < 8; i++) v[i] = (v[i] - mean) * r * w[i] + b[i];
    store8<VECTOR>(y + c, C - c, v);
  }
}
// launch: grid ceil(N / 8), block 256. residual may be 0; y may be x.
#define LAYER_NORM(suffix, T)                                                                                                          \
  extern "C" __global__ void __launch_bounds__(256) layer_norm_forward_warp_per_row_##suffix(                                          \
      const T *x, const T *residual, const float *weight, const float *bias, T *y, int64_t N, int64_t C, float eps) {                  \
    const int64_t n = blockIdx.x * 8ll + threadIdx.x / 32;                                                                            \
    if (n >= N) return;                                                                                                               \
    const T *r = residual ? residual + n * C : nullptr;                                                                               \
    const bool vector = C % 8 == 0 && is_aligned16(x) && is_aligned16(residual) && is_aligned16(weight) && is_aligned16(bias) && is_aligned16(y); \
    if (vector) layer_norm_forward<T, true>(x + n * C, r, weight, bias, y + n * C, C, eps, threadIdx.x % 32);                         \
    else layer_norm_forward<T, false>(x + n * C, r, weight, bias, y + n * C, C, eps, threadIdx.x % 32);                               \
  }
REMORA_FOR_ACTIVATIONS(LAYER_NORM)

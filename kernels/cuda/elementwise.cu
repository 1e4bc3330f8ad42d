// Elementwise: conversion, scaled add, fill, sums, random numbers, row gathers, matrix casts with strides, column sums.
// Plan: a thread owns pieces of 8 elements, grid-stride; 16-byte accesses when aligned. Bytes moved: each input read once, each output
// written once. Limit: memory.
#include "common.cuh"

template <bool VECTOR, class S, class T> __device__ void convert(const S *source, T *target, int64_t count) {
  for (int64_t i = grid_start() * 8; i < count; i += grid_step() * 8) {
    float v[8];
    if (VECTOR && i + 8 <= count) {
      load8<true>(source + i, 8, v);
      store8<true>(target + i, 8, v);
    } else {
      load8<false>(source + i, count - i, v);
      store8<false>(target + i, count - i, v);
    }
  }
}
// launch: grid min(ceil(count / 2048), 4096), block 256. target[i] = source[i].
#define CONVERT(from, S, to, T)                                                                                                        \
  extern "C" __global__ void __launch_bounds__(256) convert_##from##_to_##to(const S *source, T *target, int64_t count) {              \
    follow_previous_kernel();                                                                                                         \
    if (is_aligned16(source) && is_aligned16(target)) convert<true>(source, target, count);                                           \
    else convert<false>(source, target, count);                                                                                       \
  }
CONVERT(f32, float, bf16, bf16_t)
CONVERT(f32, float, f16, f16_t)
CONVERT(bf16, bf16_t, f32, float)
CONVERT(bf16, bf16_t, f16, f16_t)
CONVERT(f16, f16_t, f32, float)
CONVERT(f16, f16_t, bf16, bf16_t)

template <bool VECTOR, class T> __device__ void add(const T *x, T *y, int64_t count, float scale) {
  for (int64_t i = grid_start() * 8; i < count; i += grid_step() * 8) {
    float a[8], b[8];
    const bool whole = VECTOR && i + 8 <= count;
    if (whole) {
      load8<true>(x + i, 8, a);
      load8<true>(y + i, 8, b);
    } else {
      load8<false>(x + i, count - i, a);
      load8<false>(y + i, count - i, b);
    }
#pragma unroll
    for (int k = 0; k < 8; k++) b[k] += scale * a[k];
    if (whole) store8<true>(y + i, 8, b);
    else store8<false>(y + i, count - i, b);
  }
}
// launch: grid min(ceil(count / 2048), 4096), block 256. y[i] += scale * x[i].
#define ADD(suffix, T)                                                                                                                 \
  extern "C" __global__ void __launch_bounds__(256) add_##suffix(const T *x, T *y, int64_t count, float scale) {                       \
    follow_previous_kernel();                                                                                                         \
    if (is_aligned16(x) && is_aligned16(y)) add<true>(x, y, count, scale);                                                            \
    else add<false>(x, y, count, scale);                                                                                              \
  }
REMORA_FOR_ACTIVATIONS(ADD)

// launch: grid min(ceil(count / 256), 4096), block 256. x[i] = value.
extern "C" __global__ void __launch_bounds__(256) fill_f32(float *x, int64_t count, float value) {
  for (int64_t i = grid_start(); i < count; i += grid_step()) x[i] = value;
}
// launch: grid min(ceil(count / 256), 4096), block 256. x[i] = value (any 32-bit pattern).
extern "C" __global__ void __launch_bounds__(256) fill_u32(uint32_t *x, int64_t count, uint32_t value) {
  for (int64_t i = grid_start(); i < count; i += grid_step()) x[i] = value;
}

// launch: grid P <= 1024 (ceil(count / 4096) at most), block 256. partials f64 [P]: each block's share of the sum.
extern "C" __global__ void __launch_bounds__(256) sum_partials_f32(const float *x, double *partials, int64_t count) {
  __shared__ double scratch[8];
  double total = 0;
  for (int64_t i = grid_start(); i < count; i += grid_step()) total += x[i];
  total = block_sum<256>(total, scratch);
  if (threadIdx.x == 0) partials[blockIdx.x] = total;
}
// launch: grid 1, block 256. out[0] = sum of partials f64 [parts].
extern "C" __global__ void __launch_bounds__(256) sum_final_f32(const double *partials, float *out, int parts) {
  __shared__ double scratch[8];
  double total = 0;
  for (int i = threadIdx.x; i < parts; i += 256) total += partials[i];
  total = block_sum<256>(total, scratch);
  if (threadIdx.x == 0) out[0] = static_cast<float>(total);
}

// launch: grid min(ceil(count / 256), 4096), block 256. x[i] = uniform(-bound, bound), or normal(0, bound) when normal != 0.
extern "C" __global__ void __launch_bounds__(256) random_f32(float *x, int64_t count, uint64_t seed, float bound, int normal) {
  for (int64_t i = grid_start(); i < count; i += grid_step()) {
    const uint64_t index = static_cast<uint64_t>(i);
    x[i] = normal ? __fmul_rn(random_normal(seed, index), bound) : __fmul_rn(__fadd_rn(2.0f * random_uniform(seed, index), -1.0f), bound);
  }
}

// One warp copies one row. launch: grid ceil(count / 8), block 256. out[i] = x[rows[i]] (rows of `row_bytes` bytes), zeros where rows[i] < 0.
extern "C" __global__ void __launch_bounds__(256) gather_rows_warp_per_row(const uint8_t *x, const int32_t *rows, uint8_t *out, int64_t count,
                                                                           int64_t row_bytes) {
  follow_previous_kernel();
  const int lane = threadIdx.x % 32;
  const int64_t i = blockIdx.x * 8ll + threadIdx.x / 32;
  if (i >= count) return;
  const int row = rows[i];
  const uint8_t *source = x + row * row_bytes;
  uint8_t *target = out + i * row_bytes;
  if (row_bytes % 16 == 0 && is_aligned16(x) && is_aligned16(out)) {
    for (int64_t b = lane * 16; b < row_bytes; b += 512)
      *reinterpret_cast<uint4 *>(target + b) = row < 0 ? make_uint4(0, 0, 0, 0) : *reinterpret_cast<const uint4 *>(source + b);
  } else {
    for (int64_t b = lane; b < row_bytes; b += 32) target[b] = row < 0 ? 0 : source[b];
  }
}
// One warp copies one row. launch: grid ceil(count / 8), block 256. x[rows[i]] = source[i]; rows[i] < 0 are skipped; rows must differ.
extern "C" __global__ void __launch_bounds__(256) scatter_rows_warp_per_row(const uint8_t *source, const int32_t *rows, uint8_t *x, int64_t count,
                                                                            int64_t row_bytes) {
  const int lane = threadIdx.x % 32;
  const int64_t i = blockIdx.x * 8ll + threadIdx.x / 32;
  if (i >= count || rows[i] < 0) return;
  const uint8_t *from = source + i * row_bytes;
  uint8_t *target = x + rows[i] * row_bytes;
  if (row_bytes % 16 == 0 && is_aligned16(x) && is_aligned16(source)) {
    for (int64_t b = lane * 16; b < row_bytes; b += 512) *reinterpret_cast<uint4 *>(target + b) = *reinterpret_cast<const uint4 *>(from + b);
  } else {
    for (int64_t b = lane; b < row_bytes; b += 32) target[b] = from[b];
  }
}

// Rectangles between arrays with row strides (in elements), scaled: target[r, c] = scale · source[r, c] (+ target when accumulate != 0).
// launch: grid (ceil(cols / 256), min(rows, 65535)), block 256.
#define COPY_MATRIX(from, S, to, T)                                                                                                    \
  extern "C" __global__ void __launch_bounds__(256) copy_matrix_##from##_to_##to(const S *source, T *target, int64_t rows, int64_t cols,  \
                                                                                 int64_t source_stride, int64_t target_stride,           \
                                                                                 float scale, int accumulate) {                         \
    const int64_t c = grid_start();                                                                                                   \
    if (c >= cols) return;                                                                                                            \
    for (int64_t r = blockIdx.y; r < rows; r += gridDim.y) {                                                                          \
      const float v = scale * to_float(source[r * source_stride + c]);                                                                \
      T *t = target + r * target_stride + c;                                                                                          \
      *t = from_float<T>(accumulate ? v + to_float(*t) : v);                                                                          \
    }                                                                                                                                 \
  }
COPY_MATRIX(f32, float, f32, float)
COPY_MATRIX(f32, float, bf16, bf16_t)
COPY_MATRIX(f32, float, f16, f16_t)
COPY_MATRIX(bf16, bf16_t, bf16, bf16_t)
COPY_MATRIX(bf16, bf16_t, f32, float)
COPY_MATRIX(f16, f16_t, f16, f16_t)
COPY_MATRIX(f16, f16_t, f32, float)

// Bias: y[n, c] += bias[c].  launch: grid (ceil(cols / 2048), min(rows, 65535)), block 256.
#define ADD_BIAS(suffix, T)                                                                                                            \
  extern "C" __global__ void __launch_bounds__(256) add_bias_##suffix(const float *bias, T *y, int64_t rows, int64_t cols, int64_t stride) { \
    const int64_t c = grid_start() * 8;                                                                                               \
    if (c >= cols) return;                                                                                                            \
    float b[8], v[8];                                                                                                                 \
    load8<false>(bias + c, cols - c, b);                                                                                              \
    const bool vector = is_aligned16(y) && stride % 8 == 0 && c + 8 <= cols;                                                          \
    for (int64_t r = blockIdx.y; r < rows; r += gridDim.y) {                                                                          \
      T *p = y + r * stride + c;                                                                                                      \
      if (vector) load8<true>(p, 8, v);                                                                                               \
      else load8<false>(p, cols - c, v);                                                                                              \
      _Pragma("unroll") for (int k = 0; k < 8; k++) v[k] += b[k];                                                                     \
      if (vector) store8<true>(p, 8, v);                                                                                              \
      else store8<false>(p, cols - c, v);                                                                                             \
    }                                                                                                                                 \
  }
REMORA_FOR_ACTIVATIONS(ADD_BIAS)

// Column sums in two fixed-order passes. A thread owns a column of one chunk of rows, then of all chunks.
// partials f32 [chunks, cols]: partials[k, c] = sum of x[r, c] over rows r of chunk k (rows_per_chunk rows each).
// launch: grid (ceil(cols / 256), chunks), block 256.
#define COLUMN_SUM(suffix, T)                                                                                                          \
  extern "C" __global__ void __launch_bounds__(256) column_sum_partials_##suffix(const T *x, float *partials, int64_t rows, int64_t cols, \
                                                                                 int64_t stride, int64_t rows_per_chunk) {              \
    const int64_t c = grid_start();                                                                                                   \
    if (c >= cols) return;                                                                                                            \
    const int64_t begin = blockIdx.y * rows_per_chunk, end = begin + rows_per_chunk < rows ? begin + rows_per_chunk : rows;           \
    float total = 0;                                                                                                                  \
    for (int64_t r = begin; r < end; r++) total += to_float(x[r * stride + c]);                                                       \
    partials[blockIdx.y * cols + c] = total;                                                                                          \
  }
REMORA_FOR_ACTIVATIONS(COLUMN_SUM)
// launch: grid ceil(cols / 256), block 256. target[c] += scale · sum over chunks of partials[k, c], in order.
extern "C" __global__ void __launch_bounds__(256) add_partials_f32(const float *partials, float *target, int64_t chunks, int64_t cols, float scale) {
  const int64_t c = grid_start();
  if (c >= cols) return;
  float total = 0;
  for (int64_t k = 0; k < chunks; k++) total += partials[k * cols + c];
  target[c] += scale * total;
}

// E4M3 numbers and rows of them under one power-of-two scale: what fp8.cu, and the kernels that round what they write for a linear that reads it next,
// have in common.
#pragma once
#include "common.cuh"

#define E4M3_NAN 0x7fu

// |x| <= 448, as under a row's scale, or NaN.
__device__ __forceinline__ uint32_t e4m3_code(float x) {
  const uint32_t u = __float_as_uint(x), a = u & 0x7fffffffu, sign = (u >> 24) & 0x80u;
  if (a > 0x7f800000u) return E4M3_NAN;
  // Below 2^-6 the unit stays 2^-9: the addition rounds there, and leaves the units in the last bits.
  if (a < 0x3c800000u) return sign | (__float_as_uint(__fadd_rn(__uint_as_float(a), 16384.0f)) - 0x46800000u);
  return sign | (((a + 0x7ffffu + ((a >> 20) & 1u)) >> 20) - (120u << 3));
}
// Two codes, `low` first in memory.
__device__ __forceinline__ uint32_t e4m3_pair(float low, float high) {
#if !defined(REMORA_EMULATE) && __CUDA_ARCH__ >= 890
  uint16_t y;
  asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(y) : "f"(high), "f"(low));
  return y;
#else
  return e4m3_code(high) << 8 | e4m3_code(low);
#endif
}
__device__ __forceinline__ float e4m3_value(uint32_t code) {
  const uint32_t a = code & 0x7fu;
  // Moving exponent and fraction up and multiplying by 2^120 rebiases the exponent and normalizes subnormals at the same time.
  const float size = a == E4M3_NAN ? __uint_as_float(0x7fc00000u) : __fmul_rn(__uint_as_float(a << 20), 0x1p120f);
  return __uint_as_float(__float_as_uint(size) | (code & 0x80u) << 24);
}
// The smallest power of two, at least 2^-126, that brings a magnitude with these bits within 448 = 1.75 · 2^8; NaN when it is not finite.
__device__ __forceinline__ float e4m3_scale(uint32_t largest) {
  if (largest >= 0x7f800000u) return __uint_as_float(0x7fc00000u);
  const int exponent = static_cast<int>((largest + 0x1fffffu) >> 23) - 8;
  return __uint_as_float(static_cast<uint32_t>(max(exponent, 1)) << 23);
}

// Largest of the block's values, in every thread. scratch: THREADS / 32 values.
template <int THREADS> __device__ __forceinline__ uint32_t block_max_bits(uint32_t x, uint32_t *scratch) {
#pragma unroll
  for (int d = 16; d; d >>= 1) x = max(x, __shfl_xor_sync(0xffffffffu, x, d));
  if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = x;
  __syncthreads();
#pragma unroll
  for (int w = 0; w < THREADS / 32; w++) x = max(x, scratch[w]);
  return x;
}

// v[i] · 2^(columns[c + i] - 127), the exponents read 8 at a time.
template <bool VECTOR> __device__ __forceinline__ void scale_columns(const uint8_t *columns, int64_t c, int64_t C, float v[8]) {
  if (!columns) return;
  uint2 words = make_uint2(0, 0);
  if (VECTOR) {
    words = *reinterpret_cast<const uint2 *>(columns + c);
  } else {
    for (int i = 0; i < 8 && c + i < C; i++) (i < 4 ? words.x : words.y) |= static_cast<uint32_t>(columns[c + i]) << (8 * (i % 4));
  }
#pragma unroll
  for (int i = 0; i < 8; i++) v[i] *= __uint_as_float(((i < 4 ? words.x : words.y) >> (8 * (i % 4)) & 255) << 23);
}

// Keeps the largest magnitude, as an integer: NaN is the largest.
__device__ __forceinline__ void keep_largest(uint32_t &largest, const float v[8]) {
#pragma unroll
  for (int i = 0; i < 8; i++) largest = max(largest, __float_as_uint(v[i]) & 0x7fffffffu);
}
__device__ __forceinline__ uint2 e4m3_codes(float v[8], float inverse) {
#pragma unroll
  for (int i = 0; i < 8; i++) v[i] *= inverse;
  return make_uint2(e4m3_pair(v[0], v[1]) | e4m3_pair(v[2], v[3]) << 16, e4m3_pair(v[4], v[5]) | e4m3_pair(v[6], v[7]) << 16);
}

// A kernel whose block writes a whole row y [C], and its codes beside it, keeps the largest of what it stores (with the columns' scales) and calls this
// after it: y is read again, from L2. All threads call it; y 16-byte, codes and columns 8-byte aligned, C a multiple of 8.
template <class T> __device__ __forceinline__ void keep_largest_stored(uint32_t &largest, const float v[8], const uint8_t *columns, int64_t c, int64_t C) {
  float stored[8];
#pragma unroll
  for (int i = 0; i < 8; i++) stored[i] = to_float(from_float<T>(v[i]));
  scale_columns<true>(columns, c, C, stored);
  keep_largest(largest, stored);
}
template <int THREADS, class T>
__device__ __forceinline__ void e4m3_row_again(const T *y, const uint8_t *columns, uint8_t *codes, float *scale, int64_t C, uint32_t largest, uint32_t *scratch) {
  const float s = e4m3_scale(block_max_bits<THREADS>(largest, scratch)), inverse = 1.0f / s;
  if (threadIdx.x == 0) *scale = s;
  for (int64_t c = threadIdx.x * 8; c < C; c += THREADS * 8) {
    float v[8];
    load8<true>(y + c, 8, v);
    scale_columns<true>(columns, c, C, v);
    *reinterpret_cast<uint2 *>(codes + c) = e4m3_codes(v, inverse);
  }
}

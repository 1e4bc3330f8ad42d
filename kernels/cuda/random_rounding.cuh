// f32 to 16 bits, up or down at random: up with the probability of what is left over, so that what is too small for the type arrives on average.
#pragma once
#include "common.cuh"

// 32 well mixed bits of 32 bits.
__device__ __forceinline__ constexpr uint32_t mixed_bits(uint32_t x) {
  x ^= x >> 16;
  x *= 0x7feb352du;
  x ^= x >> 15;
  x *= 0x846ca68bu;
  return x ^ x >> 16;
}
// Bits of x plus random ones where its 16-bit form has none (BELOW of them): the form of the sum is away from zero with the probability of what x holds
// there. FINITE: x is known to be neither infinite nor NaN, which must stay as they are.
template <int BELOW, bool FINITE> __device__ __forceinline__ uint32_t lifted(float x, uint32_t random) {
  const uint32_t bits = __float_as_uint(x);
  return !FINITE && (bits & 0x7f800000u) == 0x7f800000u ? bits : bits + (random >> (32 - BELOW));
}
// Two elements in one register, `low` first in memory; each takes the upper half of its random word.
template <class T, bool FINITE> __device__ __forceinline__ uint32_t pack2_at_random(float low, float high, uint32_t random_low, uint32_t random_high) {
  if constexpr (__is_same(T, bf16_t)) {
    return __byte_perm(lifted<16, FINITE>(low, random_low), lifted<16, FINITE>(high, random_high), 0x7632);
  } else {
    const uint32_t l = lifted<13, FINITE>(low, random_low) & ~0x1fffu, h = lifted<13, FINITE>(high, random_high) & ~0x1fffu;
    return pack2<T>(__uint_as_float(l), __uint_as_float(h));
  }
}

// E4M3 (1 sign, 4 exponent with bias 7, 3 fraction bits; arXiv:2209.05433), one number at a time, and rows rounded to it. The CPU has no 8-bit
// products: it emulates a card's, by rounding their operands to values that bf16 and f32 hold exactly.
#pragma once
#include "isa.h"

namespace remora::REMORA_ISA {

constexpr float E4M3_LARGEST = 448.0f;

// x to the nearest E4M3 value, ties to even; |x| <= 448, as under a row's scale. NaN stays NaN.
REMORA_INLINE float e4m3_rounded(float x) {
  const uint32_t u = float_to_bits(x), a = u & 0x7FFFFFFFu;
  const uint32_t normal = (a + 0x7FFFFu + ((a >> 20) & 1u)) & ~0xFFFFFu;
  // Below 2^-6 the unit stays 2^-9: the addition rounds there.
  const uint32_t small = float_to_bits((bits_to_float(a) + 16384.0f) - 16384.0f);
  const uint32_t rounded = a < 0x3C800000u ? small : normal;
  return a > 0x7F800000u ? x : bits_to_float((u & 0x80000000u) | rounded);
}
// Code of a value that e4m3_rounded gave.
REMORA_INLINE uint8_t e4m3_code(float x) {
  const uint32_t u = float_to_bits(x), a = u & 0x7FFFFFFFu;
  if (a > 0x7F800000u) return 0x7F;
  const uint32_t code = a < 0x3C800000u ? static_cast<uint32_t>(bits_to_float(a) * 512.0f) : (a >> 20) - (120u << 3);
  return static_cast<uint8_t>((u >> 24 & 0x80u) | code);
}
REMORA_INLINE float e4m3_value(uint8_t code) {
  const uint32_t a = code & 0x7Fu, sign = static_cast<uint32_t>(code & 0x80u) << 24;
  // Moving exponent and fraction up and multiplying by 2^120 rebiases the exponent and normalizes subnormals at the same time.
  return a == 0x7Fu ? __builtin_nanf("") : bits_to_float(sign | float_to_bits(bits_to_float(a << 20) * 0x1p120f));
}
// The smallest power of two, at least 2^-126, that brings a magnitude with these bits within 448 = 1.75 · 2^8; NaN when it is not finite.
REMORA_INLINE float e4m3_scale(uint32_t largest) {
  if (largest >= 0x7F800000u) return __builtin_nanf("");
  const uint32_t exponent = (largest + 0x1FFFFFu) >> 23;  // of the next power of two from 1.75 up
  return bits_to_float((exponent > 9u ? exponent - 8u : 1u) << 23);
}

// Scale of a row of `count` values, each multiplied by columns[c] first where columns are given.
template <class T>
static float e4m3_row_scale(const T *x, const float *columns, int64_t count) {
  uint32_t largest = 0;
  for (int64_t c = 0; c < count; c++) {
    const uint32_t a = float_to_bits(columns != nullptr ? to_float(x[c]) * columns[c] : to_float(x[c])) & 0x7FFFFFFFu;
    largest = a > largest ? a : largest;
  }
  return e4m3_scale(largest);
}

// out[n, c] = round(x[n, c] · columns[c]) / columns[c], each row under a scale of its own; columns may be null. F32 or BF16, in which both steps
// are exact but for the rounding, because scales are powers of two.
static inline void round_rows_e4m3(remora_context *ctx, const void *x, const float *columns, void *out, int64_t N, int64_t C, int32_t dtype) {
  const auto round = [&](auto tag) {
    using T = decltype(tag);
    parallel_for(ctx, N, grain_for(C), [&](int64_t begin, int64_t end, int) {
      for (int64_t n = begin; n < end; n++) {
        const T *from = static_cast<const T *>(x) + n * C;
        T *to = static_cast<T *>(out) + n * C;
        const float scale = e4m3_row_scale(from, columns, C), inverse = 1.0f / scale;
        for (int64_t c = 0; c < C; c++) {
          const float factor = columns != nullptr ? columns[c] : 1.0f;
          from_float(e4m3_rounded(to_float(from[c]) * factor * inverse) * scale / factor, to[c]);
        }
      }
    });
  };
  if (dtype == REMORA_F32) round(float{});
  else round(bf16_t{});
}

}  // namespace remora::REMORA_ISA

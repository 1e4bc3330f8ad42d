// What the reference kernels share: reading and writing one element of any dtype as f64, and scratch memory in f64.
//
// kernels/reference is the oracle: every op as its formula, one element after the other, in f64, rounded once to the dtype of the result.
// Read these files to learn what an op does; read kernels/cpu to learn how to do it fast. The contract of each op stands in remora.h.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

#include "../cpu/context.h"

namespace remora::reference {

// ---- one number ----

inline float bits_to_float(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

// bf16 is the upper half of an f32.
inline double from_bf16(uint16_t bits) { return bits_to_float(static_cast<uint32_t>(bits) << 16); }

inline uint16_t to_bf16(double value) {
  const float single = static_cast<float>(value);
  uint32_t bits;
  std::memcpy(&bits, &single, 4);
  if (single != single) return static_cast<uint16_t>((bits >> 16) | 0x0040);  // keep it a NaN
  return static_cast<uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);   // to nearest, ties to even
}

// f16: sign, 5 bits of exponent (bias 15), 10 bits of fraction.
inline double from_f16(uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const int fraction = bits & 1023;
  double size;
  if (exponent == 0) size = std::ldexp(fraction, -24);
  else if (exponent == 31) size = fraction == 0 ? INFINITY : NAN;
  else size = std::ldexp(1024 + fraction, exponent - 25);
  return (bits & 0x8000) ? -size : size;
}

inline uint16_t to_f16(double value) {
  const uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  if (std::isnan(value)) return sign | 0x7E00;
  const double size = std::fabs(value);
  if (size >= 65520.0) return sign | 0x7C00;  // half a unit beyond the largest: infinity
  int exponent = size == 0 ? -14 : std::ilogb(size);
  if (exponent < -14) exponent = -14;  // subnormal: the unit stays 2^-24
  const double units = std::nearbyint(std::ldexp(size, 10 - exponent));  // ties to even
  // For normal numbers units is 1024 … 2048; 2048 carries into the exponent, as it should.
  if (units < 1024) return static_cast<uint16_t>(sign | static_cast<int>(units));
  return static_cast<uint16_t>(sign | (((exponent + 15) << 10) + (static_cast<int>(units) - 1024)));
}

// ---- arrays of a dtype ----

inline int64_t dtype_bytes(int32_t dtype) { return dtype == REMORA_F32 ? 4 : 2; }

inline double get(const void *array, int64_t index, int32_t dtype) {
  if (dtype == REMORA_F32) return static_cast<const float *>(array)[index];
  const uint16_t bits = static_cast<const uint16_t *>(array)[index];
  return dtype == REMORA_BF16 ? from_bf16(bits) : from_f16(bits);
}

inline void put(void *array, int64_t index, int32_t dtype, double value) {
  if (dtype == REMORA_F32) static_cast<float *>(array)[index] = static_cast<float>(value);
  else static_cast<uint16_t *>(array)[index] = dtype == REMORA_BF16 ? to_bf16(value) : to_f16(value);
}

// ---- scratch ----

// `count` doubles in slot 0 … 7 of the context, or nullptr; check with REMORA_NEED.
inline double *doubles(remora_context *ctx, int slot, int64_t count) {
  return static_cast<double *>(scratch(ctx, slot, (count + 1) * static_cast<int64_t>(sizeof(double))));
}

// The same, filled from an array.
inline double *doubles_of(remora_context *ctx, int slot, const void *array, int64_t count, int32_t dtype) {
  double *out = doubles(ctx, slot, count);
  if (out != nullptr) {
    for (int64_t i = 0; i < count; i++) out[i] = get(array, i, dtype);
  }
  return out;
}

#define REMORA_NEED(pointer) \
  if ((pointer) == nullptr) return remora::fail(ctx, REMORA_STATUS_MEMORY, "%s: no memory for scratch", __func__)

// ---- weights (weights.cpp) ----

// Elements of row `row`, decoded from whatever format the weight has.
void decode_row(const remora_weight &weight, int64_t row, double *out);
// One row of an activation as an E4M3 product sees it: rounded to E4M3 under a power-of-two scale of its own.
void round_row_e4m3(double *x, int64_t count);
// All rows, [rows, cols].
inline void decode_all(const remora_weight &weight, double *out) {
  for (int64_t row = 0; row < weight.rows; row++) decode_row(weight, row, out + row * weight.cols);
}

// ---- dropout ----

// 0 when element `index` is dropped, 1/(1-p) when it is kept; 1 when dropout is off.
inline double dropout_factor(float dropout, const uint64_t *seed, int64_t index) {
  if (dropout <= 0) return 1;
  return random_uniform(seed[0], static_cast<uint64_t>(index)) >= dropout ? 1.0 / (1.0 - static_cast<double>(dropout)) : 0.0;
}

}  // namespace remora::reference

// The vector abstraction: one V of W floats, its loads and stores in f32, bf16 and f16, and the few functions that kernels need.
// Each op family is written once against this file and compiled once per ISA with -DREMORA_ISA=<scalar|avx2|avx512|avx512_bf16|neon> and that
// ISA's -m flags, inside `namespace remora::REMORA_ISA`. Everything here is `static inline`: two ISAs must never share a function body, or the
// linker may keep the one that the machine cannot run. For the same reason kernels use no out-of-line templates of the standard library.
//
// V is a compiler vector type, so + - * / and unary - work on it. NaN: max/min give the second operand when either is NaN.
#pragma once
#include <cstdint>
#include <cstring>
#include "context.h"

#ifndef REMORA_ISA
#define REMORA_ISA scalar
#endif

#define REMORA_JOIN_(a, b) a##b
#define REMORA_JOIN(a, b) REMORA_JOIN_(a, b)
#define REMORA_LEVEL_scalar 1
#define REMORA_LEVEL_neon 2
#define REMORA_LEVEL_avx2 3
#define REMORA_LEVEL_avx512 4
#define REMORA_LEVEL_avx512_bf16 5
// What this file is being compiled for, as a number the preprocessor can compare: REMORA_IS_AVX512 also holds for avx512_bf16.
#define REMORA_LEVEL REMORA_JOIN(REMORA_LEVEL_, REMORA_ISA)
#define REMORA_IS_NEON (REMORA_LEVEL == 2)
#define REMORA_IS_AVX2 (REMORA_LEVEL == 3)
#define REMORA_IS_AVX512 (REMORA_LEVEL >= 4)
#define REMORA_IS_AVX512_BF16 (REMORA_LEVEL == 5)

#if REMORA_LEVEL >= 3
#if defined(__GNUC__) && !defined(__clang__)
// GCC 12's own AVX-512 header leaves "undefined" operands uninitialized and then warns about them (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#elif REMORA_IS_NEON
#include <arm_neon.h>
#endif

#define REMORA_INLINE static inline __attribute__((always_inline, unused))

namespace remora::REMORA_ISA {

// One-member structs, so that overloads and templates tell them from each other and from integers.
struct bf16_t {
  uint16_t bits;
};
struct f16_t {
  uint16_t bits;
};

// ---- one number at a time ----
REMORA_INLINE float bits_to_float(uint32_t u) {
  float f;
  memcpy(&f, &u, 4);
  return f;
}
REMORA_INLINE uint32_t float_to_bits(float f) {
  uint32_t u;
  memcpy(&u, &f, 4);
  return u;
}
REMORA_INLINE float to_float(float x) { return x; }
REMORA_INLINE float to_float(bf16_t x) { return bits_to_float(static_cast<uint32_t>(x.bits) << 16); }
REMORA_INLINE float to_float(f16_t x) {
  const uint32_t sign = static_cast<uint32_t>(x.bits & 0x8000u) << 16, rest = x.bits & 0x7FFFu;
  if (rest >= 0x7C00u) return bits_to_float(sign | 0x7F800000u | (rest & 0x3FFu ? 0x400000u | ((rest & 0x3FFu) << 13) : 0u));
  // Moving exponent and mantissa up and multiplying by 2^112 rebiases the exponent and normalizes subnormals at the same time.
  return bits_to_float(sign | float_to_bits(bits_to_float(rest << 13) * 0x1p112f));
}
// Rounding to nearest even; a NaN stays a (quiet) NaN.
REMORA_INLINE void from_float(float x, float &out) { out = x; }
REMORA_INLINE void from_float(float x, bf16_t &out) {
  const uint32_t u = float_to_bits(x);
  out.bits = static_cast<uint16_t>((u & 0x7FFFFFFFu) > 0x7F800000u ? (u >> 16) | 0x40u : (u + 0x7FFFu + ((u >> 16) & 1u)) >> 16);
}
REMORA_INLINE void from_float(float x, f16_t &out) {
  const uint32_t u = float_to_bits(x), sign = (u >> 16) & 0x8000u, a = u & 0x7FFFFFFFu;
  if (a > 0x7F800000u) {
    out.bits = static_cast<uint16_t>(sign | 0x7E00u | ((a >> 13) & 0x3FFu));
  } else if (a >= 0x477FF000u) {  // 65520 and more round to infinity
    out.bits = static_cast<uint16_t>(sign | 0x7C00u);
  } else if (a < 0x38800000u) {  // subnormal f16: the addition rounds at 2^-24, the unit of the last place
    out.bits = static_cast<uint16_t>(sign | (float_to_bits(bits_to_float(a) + 0.5f) - 0x3F000000u));
  } else {
    out.bits = static_cast<uint16_t>(sign | ((a - 0x38000000u + 0xFFFu + ((a >> 13) & 1u)) >> 13));
  }
}
// x itself, but opaque to the compiler: a product wrapped in it is rounded before it is added to anything. For results that must equal, to the
// bit, those of a library that does not fuse.
REMORA_INLINE float unfused(float x) {
#if defined(__x86_64__)
  __asm__("" : "+x"(x));
#elif defined(__aarch64__)
  __asm__("" : "+w"(x));
#else
  volatile float kept = x;
  x = kept;
#endif
  return x;
}
template <class T>
REMORA_INLINE T rounded(float x) {
  T out;
  from_float(x, out);
  return out;
}

// ======================================================================================================================= AVX-512
#if REMORA_IS_AVX512
constexpr int W = 16;
typedef __m512 V;
typedef __mmask16 M;  // one bit a lane

REMORA_INLINE V splat(float x) { return _mm512_set1_ps(x); }
REMORA_INLINE M first(int64_t n) { return static_cast<M>((1u << n) - 1u); }  // 0 <= n <= W

REMORA_INLINE V widen(__m256i u, bf16_t) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(u), 16)); }
REMORA_INLINE V widen(__m256i u, f16_t) { return _mm512_cvtph_ps(u); }
// Every bit right, subnormals included.
REMORA_INLINE __m256i narrow_exact(V x) {
  const __m512i u = _mm512_castps_si512(x);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(1));
  __m512i r = _mm512_srli_epi32(_mm512_add_epi32(u, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF))), 16);
  r = _mm512_mask_or_epi32(r, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), _mm512_srli_epi32(u, 16), _mm512_set1_epi32(0x40));
  return _mm512_cvtepi32_epi16(r);
}
REMORA_INLINE __m256i narrow(V x, bf16_t) {
#if REMORA_IS_AVX512_BF16
  return (__m256i)_mm512_cvtneps_pbh(x);  // flushes subnormals to zero
#else
  return narrow_exact(x);
#endif
}
REMORA_INLINE __m256i narrow(V x, f16_t) { return _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT); }

REMORA_INLINE V load(const float *p) { return _mm512_loadu_ps(p); }
REMORA_INLINE V load(const bf16_t *p) { return widen(_mm256_loadu_si256((const __m256i *)p), bf16_t{}); }
REMORA_INLINE V load(const f16_t *p) { return widen(_mm256_loadu_si256((const __m256i *)p), f16_t{}); }
REMORA_INLINE V load(const float *p, int64_t n) { return _mm512_maskz_loadu_ps(first(n), p); }
REMORA_INLINE V load(const bf16_t *p, int64_t n) { return widen(_mm256_maskz_loadu_epi16(first(n), p), bf16_t{}); }
REMORA_INLINE V load(const f16_t *p, int64_t n) { return widen(_mm256_maskz_loadu_epi16(first(n), p), f16_t{}); }
REMORA_INLINE void store(float *p, V x) { _mm512_storeu_ps(p, x); }
REMORA_INLINE void store(bf16_t *p, V x) { _mm256_storeu_si256((__m256i *)p, narrow(x, bf16_t{})); }
REMORA_INLINE void store(f16_t *p, V x) { _mm256_storeu_si256((__m256i *)p, narrow(x, f16_t{})); }
REMORA_INLINE void store(float *p, V x, int64_t n) { _mm512_mask_storeu_ps(p, first(n), x); }
REMORA_INLINE void store(bf16_t *p, V x, int64_t n) { _mm256_mask_storeu_epi16(p, first(n), narrow(x, bf16_t{})); }
REMORA_INLINE void store(f16_t *p, V x, int64_t n) { _mm256_mask_storeu_epi16(p, first(n), narrow(x, f16_t{})); }
REMORA_INLINE void store_exact(bf16_t *p, V x) { _mm256_storeu_si256((__m256i *)p, narrow_exact(x)); }

REMORA_INLINE V fma(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }    //  a·b + c
REMORA_INLINE V fnma(V a, V b, V c) { return _mm512_fnmadd_ps(a, b, c); }  // −a·b + c
REMORA_INLINE V max(V a, V b) { return _mm512_max_ps(a, b); }
REMORA_INLINE V min(V a, V b) { return _mm512_min_ps(a, b); }
REMORA_INLINE V reciprocal(V a) {  // 1/a within 2 units of the last place, for |a| from 2^-126 to 2^126; a third of a division's time
  const V r = _mm512_rcp14_ps(a);
  return r * fnma(a, r, splat(2.0f));
}
REMORA_INLINE V abs(V a) { return _mm512_abs_ps(a); }
REMORA_INLINE V sqrt(V a) { return _mm512_sqrt_ps(a); }
REMORA_INLINE V copysign(V a, V sign) {
  return _mm512_castsi512_ps(_mm512_ternarylogic_epi32(_mm512_set1_epi32(0x7FFFFFFF), _mm512_castps_si512(a), _mm512_castps_si512(sign), 0xCA));
}
REMORA_INLINE V round(V a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
// a · 2^n for whole n.
REMORA_INLINE V scale2(V a, V n) { return _mm512_scalef_ps(a, n); }
REMORA_INLINE M lt(V a, V b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
REMORA_INLINE M le(V a, V b) { return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ); }
REMORA_INLINE V select(M m, V a, V b) { return _mm512_mask_blend_ps(m, b, a); }  // m ? a : b
REMORA_INLINE bool any(M m) { return m != 0; }
REMORA_INLINE float hsum(V a) { return _mm512_reduce_add_ps(a); }
REMORA_INLINE float hmax(V a) { return _mm512_reduce_max_ps(a); }
// Lane i holds i.
REMORA_INLINE V iota() { return _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15); }
// Whole numbers stored as bytes.
REMORA_INLINE V load_int(const int8_t *p) { return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p))); }
REMORA_INLINE V load_int(const uint8_t *p) { return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p))); }

// ========================================================================================================================== AVX2
#elif REMORA_IS_AVX2
constexpr int W = 8;
typedef __m256 V;
typedef __m256 M;  // all bits of a lane

REMORA_INLINE V splat(float x) { return _mm256_set1_ps(x); }
REMORA_INLINE M first(int64_t n) {
  return _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)));
}
REMORA_INLINE V widen(__m128i u, bf16_t) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(u), 16)); }
REMORA_INLINE V widen(__m128i u, f16_t) { return _mm256_cvtph_ps(u); }
REMORA_INLINE __m128i narrow(V x, bf16_t) {
  const __m256i u = _mm256_castps_si256(x), high = _mm256_srli_epi32(u, 16);
  const __m256i odd = _mm256_and_si256(high, _mm256_set1_epi32(1));
  __m256i r = _mm256_srli_epi32(_mm256_add_epi32(u, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7FFF))), 16);
  const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
  r = _mm256_blendv_epi8(r, _mm256_or_si256(high, _mm256_set1_epi32(0x40)), nan);
  return _mm_packus_epi32(_mm256_castsi256_si128(r), _mm256_extracti128_si256(r, 1));
}
REMORA_INLINE __m128i narrow(V x, f16_t) { return _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT); }

REMORA_INLINE V load(const float *p) { return _mm256_loadu_ps(p); }
REMORA_INLINE V load(const bf16_t *p) { return widen(_mm_loadu_si128((const __m128i *)p), bf16_t{}); }
REMORA_INLINE V load(const f16_t *p) { return widen(_mm_loadu_si128((const __m128i *)p), f16_t{}); }
REMORA_INLINE V load(const float *p, int64_t n) { return _mm256_maskload_ps(p, _mm256_castps_si256(first(n))); }
template <class T>
REMORA_INLINE V load(const T *p, int64_t n) {
  alignas(16) T lanes[8] = {};
  memcpy(lanes, p, static_cast<size_t>(n) * sizeof(T));
  return load(lanes);
}
REMORA_INLINE void store(float *p, V x) { _mm256_storeu_ps(p, x); }
REMORA_INLINE void store(bf16_t *p, V x) { _mm_storeu_si128((__m128i *)p, narrow(x, bf16_t{})); }
REMORA_INLINE void store(f16_t *p, V x) { _mm_storeu_si128((__m128i *)p, narrow(x, f16_t{})); }
REMORA_INLINE void store(float *p, V x, int64_t n) { _mm256_maskstore_ps(p, _mm256_castps_si256(first(n)), x); }
template <class T>
REMORA_INLINE void store(T *p, V x, int64_t n) {
  alignas(16) T lanes[8];
  store(lanes, x);
  memcpy(p, lanes, static_cast<size_t>(n) * sizeof(T));
}
REMORA_INLINE void store_exact(bf16_t *p, V x) { store(p, x); }

REMORA_INLINE V fma(V a, V b, V c) { return _mm256_fmadd_ps(a, b, c); }
REMORA_INLINE V fnma(V a, V b, V c) { return _mm256_fnmadd_ps(a, b, c); }
REMORA_INLINE V max(V a, V b) { return _mm256_max_ps(a, b); }
REMORA_INLINE V min(V a, V b) { return _mm256_min_ps(a, b); }
REMORA_INLINE V reciprocal(V a) {
  const V r = _mm256_rcp_ps(a);
  return r * fnma(a, r, splat(2.0f));
}
REMORA_INLINE V abs(V a) { return _mm256_andnot_ps(splat(-0.0f), a); }
REMORA_INLINE V sqrt(V a) { return _mm256_sqrt_ps(a); }
REMORA_INLINE V copysign(V a, V sign) { return _mm256_or_ps(abs(a), _mm256_and_ps(splat(-0.0f), sign)); }
REMORA_INLINE V round(V a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
REMORA_INLINE V scale2(V a, V n) {  // in two halves, so that 2^n itself never overflows
  const __m256i whole = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(whole, 1), bias = _mm256_set1_epi32(127);
  const V low = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, bias), 23));
  const V high = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_sub_epi32(whole, half), bias), 23));
  return a * low * high;
}
REMORA_INLINE M lt(V a, V b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
REMORA_INLINE M le(V a, V b) { return _mm256_cmp_ps(a, b, _CMP_LE_OQ); }
REMORA_INLINE V select(M m, V a, V b) { return _mm256_blendv_ps(b, a, m); }
REMORA_INLINE bool any(M m) { return _mm256_movemask_ps(m) != 0; }
REMORA_INLINE float hsum(V a) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
REMORA_INLINE float hmax(V a) {
  __m128 s = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  s = _mm_max_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}
REMORA_INLINE V iota() { return _mm256_setr_ps(0, 1, 2, 3, 4, 5, 6, 7); }
REMORA_INLINE V load_int(const int8_t *p) { return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p))); }
REMORA_INLINE V load_int(const uint8_t *p) { return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p))); }

// ========================================================================================================================== NEON
#elif REMORA_IS_NEON
constexpr int W = 4;
typedef float32x4_t V;
typedef uint32x4_t M;

REMORA_INLINE V splat(float x) { return vdupq_n_f32(x); }
REMORA_INLINE M first(int64_t n) {
  const uint32x4_t lanes = {0, 1, 2, 3};
  return vcltq_u32(lanes, vdupq_n_u32(static_cast<uint32_t>(n)));
}
REMORA_INLINE V load(const float *p) { return vld1q_f32(p); }
REMORA_INLINE V load(const bf16_t *p) { return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16((const uint16_t *)p), 16)); }
REMORA_INLINE V load(const f16_t *p) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16((const uint16_t *)p))); }
template <class T>
REMORA_INLINE V load(const T *p, int64_t n) {
  T lanes[4] = {};
  memcpy(lanes, p, static_cast<size_t>(n) * sizeof(T));
  return load(lanes);
}
REMORA_INLINE void store(float *p, V x) { vst1q_f32(p, x); }
REMORA_INLINE void store(bf16_t *p, V x) {
  const uint32x4_t u = vreinterpretq_u32_f32(x), high = vshrq_n_u32(u, 16);
  const uint32x4_t r = vshrq_n_u32(vaddq_u32(u, vaddq_u32(vandq_u32(high, vdupq_n_u32(1)), vdupq_n_u32(0x7FFF))), 16);
  vst1_u16((uint16_t *)p, vmovn_u32(vbslq_u32(vceqq_f32(x, x), r, vorrq_u32(high, vdupq_n_u32(0x40)))));
}
REMORA_INLINE void store(f16_t *p, V x) { vst1_u16((uint16_t *)p, vreinterpret_u16_f16(vcvt_f16_f32(x))); }
template <class T>
REMORA_INLINE void store(T *p, V x, int64_t n) {
  T lanes[4];
  store(lanes, x);
  memcpy(p, lanes, static_cast<size_t>(n) * sizeof(T));
}
REMORA_INLINE void store_exact(bf16_t *p, V x) { store(p, x); }

REMORA_INLINE V fma(V a, V b, V c) { return vfmaq_f32(c, a, b); }
REMORA_INLINE V fnma(V a, V b, V c) { return vfmsq_f32(c, a, b); }
// FMAXNM and FMAX treat NaN in their own ways; this is the order that the x86 instructions have.
REMORA_INLINE V max(V a, V b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
REMORA_INLINE V min(V a, V b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
REMORA_INLINE V reciprocal(V a) { return vdivq_f32(splat(1.0f), a); }
REMORA_INLINE V abs(V a) { return vabsq_f32(a); }
REMORA_INLINE V sqrt(V a) { return vsqrtq_f32(a); }
REMORA_INLINE V copysign(V a, V sign) { return vbslq_f32(vdupq_n_u32(0x80000000u), sign, a); }
REMORA_INLINE V round(V a) { return vrndnq_f32(a); }
REMORA_INLINE V scale2(V a, V n) {
  const int32x4_t whole = vcvtq_s32_f32(n), half = vshrq_n_s32(whole, 1), bias = vdupq_n_s32(127);
  const V low = vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(half, bias), 23));
  const V high = vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vsubq_s32(whole, half), bias), 23));
  return vmulq_f32(vmulq_f32(a, low), high);
}
REMORA_INLINE M lt(V a, V b) { return vcltq_f32(a, b); }
REMORA_INLINE M le(V a, V b) { return vcleq_f32(a, b); }
REMORA_INLINE V select(M m, V a, V b) { return vbslq_f32(m, a, b); }
REMORA_INLINE bool any(M m) { return vmaxvq_u32(m) != 0; }
REMORA_INLINE float hsum(V a) { return vaddvq_f32(a); }
REMORA_INLINE float hmax(V a) { return vmaxvq_f32(a); }
REMORA_INLINE V iota() {
  const float lanes[4] = {0, 1, 2, 3};
  return vld1q_f32(lanes);
}
REMORA_INLINE V load_int(const int8_t *p) {
  int32_t word;
  memcpy(&word, p, 4);
  return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vcreate_s8(static_cast<uint32_t>(word))))));
}
REMORA_INLINE V load_int(const uint8_t *p) {
  uint32_t word;
  memcpy(&word, p, 4);
  return vcvtq_f32_u32(vmovl_u16(vget_low_u16(vmovl_u8(vcreate_u8(word)))));
}

// ======================================================================================================================== scalar
#else
// Four lanes of the compiler's own vectors: plain code on any machine, and SSE2 where the architecture's baseline has it.
constexpr int W = 4;
typedef float V __attribute__((vector_size(16)));
typedef int32_t M __attribute__((vector_size(16)));

REMORA_INLINE V splat(float x) { return V{x, x, x, x}; }
REMORA_INLINE M first(int64_t n) { return M{0, 1, 2, 3} < static_cast<int32_t>(n); }
REMORA_INLINE V load(const float *p) {
  V x;
  memcpy(&x, p, 16);
  return x;
}
template <class T>
REMORA_INLINE V load(const T *p) {
  return V{to_float(p[0]), to_float(p[1]), to_float(p[2]), to_float(p[3])};
}
template <class T>
REMORA_INLINE V load(const T *p, int64_t n) {
  T lanes[4] = {};
  memcpy(lanes, p, static_cast<size_t>(n) * sizeof(T));
  return load(lanes);
}
REMORA_INLINE void store(float *p, V x) { memcpy(p, &x, 16); }
template <class T>
REMORA_INLINE void store(T *p, V x) {
  for (int i = 0; i < 4; i++) from_float(x[i], p[i]);
}
template <class T>
REMORA_INLINE void store(T *p, V x, int64_t n) {
  for (int i = 0; i < n; i++) from_float(x[i], p[i]);
}
REMORA_INLINE void store_exact(bf16_t *p, V x) { store(p, x); }

REMORA_INLINE V fma(V a, V b, V c) { return a * b + c; }
REMORA_INLINE V fnma(V a, V b, V c) { return c - a * b; }
REMORA_INLINE V select(M m, V a, V b) { return (V)((m & (M)a) | (~m & (M)b)); }
REMORA_INLINE M lt(V a, V b) { return a < b; }
REMORA_INLINE M le(V a, V b) { return a <= b; }
REMORA_INLINE V max(V a, V b) { return select(a > b, a, b); }
REMORA_INLINE V min(V a, V b) { return select(a < b, a, b); }
REMORA_INLINE V reciprocal(V a) { return splat(1.0f) / a; }
REMORA_INLINE V abs(V a) { return (V)((M)a & 0x7FFFFFFF); }
REMORA_INLINE V sqrt(V a) { return V{__builtin_sqrtf(a[0]), __builtin_sqrtf(a[1]), __builtin_sqrtf(a[2]), __builtin_sqrtf(a[3])}; }
REMORA_INLINE V copysign(V a, V sign) { return (V)(((M)a & 0x7FFFFFFF) | ((M)sign & (M)splat(-0.0f))); }
// For |a| < 2^22 (all that exp asks): adding and taking away 1.5 · 2^23 leaves the nearest whole number, ties to even.
REMORA_INLINE V round(V a) {
  volatile float magic = 12582912.0f;
  return (a + splat(magic)) - splat(magic);
}
REMORA_INLINE V scale2(V a, V n) {
  const M whole = {static_cast<int32_t>(n[0]), static_cast<int32_t>(n[1]), static_cast<int32_t>(n[2]), static_cast<int32_t>(n[3])};
  const M half = whole >> 1;
  return a * (V)((half + 127) << 23) * (V)((whole - half + 127) << 23);
}
REMORA_INLINE bool any(M m) { return (m[0] | m[1] | m[2] | m[3]) != 0; }
REMORA_INLINE float hsum(V a) { return (a[0] + a[2]) + (a[1] + a[3]); }
REMORA_INLINE float hmax(V a) {
  const float x = a[0] > a[1] ? a[0] : a[1], y = a[2] > a[3] ? a[2] : a[3];
  return x > y ? x : y;
}
REMORA_INLINE V iota() { return V{0, 1, 2, 3}; }
REMORA_INLINE V load_int(const int8_t *p) { return V{(float)p[0], (float)p[1], (float)p[2], (float)p[3]}; }
REMORA_INLINE V load_int(const uint8_t *p) { return V{(float)p[0], (float)p[1], (float)p[2], (float)p[3]}; }
#endif

// ============================================================================================================== for every ISA
REMORA_INLINE V zero() { return splat(0.0f); }

// As store(), subnormals kept, which the fast bf16 store of AVX512_BF16 does not.
REMORA_INLINE void store_exact(float *p, V x) { store(p, x); }
REMORA_INLINE void store_exact(f16_t *p, V x) { store(p, x); }

// e^x within 2 units of the last place, 0 below −104, infinity above 88.73, NaN for NaN. e^x = 2^n · e^r with n = round(x·log2 e), |r| <= ln2/2;
// the polynomial is the Taylor series of e^r to degree 7 (its remainder, 5e-9, is below f32's rounding).
REMORA_INLINE V exp(V x) {
  x = min(splat(89.0f), max(splat(-104.0f), x));
  const V n = round(x * splat(1.44269504088896341f));
  V r = fnma(n, splat(0.693359375f), x);  // ln 2 in two parts, the first exact in 10 bits
  r = fnma(n, splat(-2.12194440e-4f), r);
  V p = splat(1.0f / 5040.0f);
  p = fma(p, r, splat(1.0f / 720.0f));
  p = fma(p, r, splat(1.0f / 120.0f));
  p = fma(p, r, splat(1.0f / 24.0f));
  p = fma(p, r, splat(1.0f / 6.0f));
  p = fma(p, r, splat(0.5f));
  p = fma(p, r, splat(1.0f));
  p = fma(p, r, splat(1.0f));
  return scale2(p, n);
}
REMORA_INLINE V sigmoid(V x) { return splat(1.0f) / (splat(1.0f) + exp(-x)); }
// 2^x for x below 127; 0 below −150. PRECISE: 1.2e-7 relative, else 3e-6, for results that are rounded to 16 bits. Coefficients: least relative
// error on [−1/2, 1/2], found by reweighted least squares.
template <bool PRECISE>
REMORA_INLINE V exp2(V x) {
#if !REMORA_IS_AVX512
  x = max(splat(-150.0f), x);  // vscalefps takes any exponent; 2^n made by shifting does not
#endif
  const V n = round(x), r = x - n;
  V p;
  if (PRECISE) {
    p = splat(1.534580606e-4f);
    p = fma(p, r, splat(1.3399930904e-3f));
    p = fma(p, r, splat(9.6184890717e-3f));
    p = fma(p, r, splat(5.5503286421e-2f));
    p = fma(p, r, splat(2.4022646248e-1f));
    p = fma(p, r, splat(6.9314718246e-1f));
    p = fma(p, r, splat(1.0f));
  } else {
    p = splat(9.5700966194e-3f);
    p = fma(p, r, splat(5.5917859077e-2f));
    p = fma(p, r, splat(2.4024744332e-1f));
    p = fma(p, r, splat(6.9312179089e-1f));
    p = fma(p, r, splat(9.9999928474e-1f));
  }
  return scale2(p, n);
}

// The same as sigmoid() to 4e-7 (PRECISE) or 4e-6 relative, without a division; 0 below −86.
template <bool PRECISE>
REMORA_INLINE V sigmoid_fast(V x) {
  return reciprocal(splat(1.0f) + exp2<PRECISE>(min(splat(124.0f), x * splat(-1.44269504088896341f))));
}
// Below 0.625 the odd polynomial of Cephes' tanhf (1 − 2/(e^2x + 1) would lose its leading digits there), relative error 2e-7.
REMORA_INLINE V tanh(V x) {
  const V a = abs(x), z = x * x;
  V p = splat(-5.70498872745e-3f);
  p = fma(p, z, splat(2.06390887954e-2f));
  p = fma(p, z, splat(-5.37397155531e-2f));
  p = fma(p, z, splat(1.33314422036e-1f));
  p = fma(p, z, splat(-3.33332819422e-1f));
  const V small = fma(x * z, p, x);
  const V large = copysign(splat(1.0f) - splat(2.0f) / (exp(a + a) + splat(1.0f)), x);
  return select(lt(a, splat(0.625f)), small, large);
}

// x as it would come back after a store: rounded to the activation type that the tag names.
REMORA_INLINE V round_as(V x, float) { return x; }
#if REMORA_IS_AVX512 || REMORA_IS_AVX2
template <class T>
REMORA_INLINE V round_as(V x, T tag) {
  return widen(narrow(x, tag), tag);
}
#else
template <class T>
REMORA_INLINE V round_as(V x, T) {
  T lanes[W];
  store(lanes, x);
  return load(lanes);
}
#endif

// Items per piece of a parallel loop so that a piece is worth waking a thread for; `work` is the elements touched by one item.
REMORA_INLINE int64_t grain_for(int64_t work) { return work >= 16384 ? 1 : 16384 / (work > 0 ? work : 1); }

template <class T>
REMORA_INLINE V load_some(const T *p, int64_t n) {  // n >= 1; a whole load when n >= W
  return n >= W ? load(p) : load(p, n);
}
template <class T>
REMORA_INLINE void store_some(T *p, V x, int64_t n) {
  if (n >= W)
    store(p, x);
  else
    store(p, x, n);
}

// Calls f(tag) with a value of the activation type that `dtype` names and returns what f returns; STATUS_DTYPE for any other number.
//   return dispatch_dtype(ctx, dtype, [&](auto tag) { using T = decltype(tag); … return REMORA_OK; });
template <class F>
static inline int32_t dispatch_dtype(remora_context *ctx, int32_t dtype, F &&f) {
  if (dtype == REMORA_F32) return f(float{});
  if (dtype == REMORA_BF16) return f(bf16_t{});
  if (dtype == REMORA_F16) return f(f16_t{});
  return fail(ctx, REMORA_STATUS_DTYPE, "dtype is %d; expected 0 (f32), 1 (bf16) or 2 (f16)", static_cast<int>(dtype));
}

}  // namespace remora::REMORA_ISA

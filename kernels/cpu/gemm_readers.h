// Readers: how the packing (and the thin products) load a row of each format as vectors of 32-bit lanes. load_all(row, col) gives VALUES
// values from col on; load_first(row, col, n) the first n of them and zeros beyond.
#pragma once
#include <type_traits>

#include "gemm.h"

namespace remora::REMORA_ISA {

// Dense rows for the f32 kernel.
template <class T>
struct WideReader {
  static constexpr int VALUES = W;
  const T *x;
  int64_t ld;
  V load_all(int64_t row, int64_t col) const { return load(x + row * ld + col); }
  V load_first(int64_t row, int64_t col, int64_t n) const { return n >= VALUES ? load_all(row, col) : load(x + row * ld + col, n); }
  void prefetch(int64_t row, int64_t col) const { __builtin_prefetch(x + row * ld + col); }
};

#if REMORA_IS_AVX512_BF16
// Rows for the bf16 kernel: bf16 as it is, wider ones rounded.
template <class T>
struct PairReader {
  static constexpr int VALUES = 32;
  const T *x;
  int64_t ld;
  static V join(V low, V high) { return (V)_mm512_cvtne2ps_pbh(high, low); }
  V load_all(int64_t row, int64_t col) const {
    const T *p = x + row * ld + col;
    if constexpr (std::is_same<T, bf16_t>::value) return _mm512_loadu_ps(p);
    else return join(load(p), load(p + W));
  }
  V load_first(int64_t row, int64_t col, int64_t n) const {
    if (n >= VALUES) return load_all(row, col);
    const T *p = x + row * ld + col;
    if constexpr (std::is_same<T, bf16_t>::value) {
      return _mm512_castsi512_ps(_mm512_maskz_loadu_epi16(static_cast<__mmask32>((uint64_t{1} << n) - 1), p));
    } else {
      return join(load_some(p, n), n > W ? load_some(p + W, n - W) : zero());
    }
  }
  void prefetch(int64_t row, int64_t col) const { __builtin_prefetch(x + row * ld + col); }
};

// NF4 for the bf16 kernel: the 16 values times the block's scale, rounded to bf16, are the table of one vpermw that decodes 32 codes.
struct Nf4PairReader {
  static constexpr int VALUES = 32;
  const uint8_t *codes;
  const remora_weight *weight;
  int64_t ld;
  V load_all(int64_t row, int64_t col) const {
    const int64_t index = row * ld + col;
    const __m512 table = _mm512_mul_ps(_mm512_loadu_ps(NF4_VALUES), _mm512_set1_ps(scale_of(index >> 6)));
    const __m512i words = _mm512_broadcast_i64x4((__m256i)_mm512_cvtneps_pbh(table));
    const __m512i bytes = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i *>(codes + (index >> 1))));
    // The even value of a byte is its high nibble. Index bits from 4 up choose between equal halves of the table.
    return (V)_mm512_permutexvar_epi16(_mm512_or_si512(_mm512_srli_epi32(bytes, 4), _mm512_slli_epi32(bytes, 16)), words);
  }
  V load_first(int64_t row, int64_t col, int64_t) const { return load_all(row, col); }  // In is a multiple of 64
  void prefetch(int64_t row, int64_t col) const { __builtin_prefetch(codes + ((row * ld + col) >> 1)); }
  float scale_of(int64_t block) const {
    if (weight->nested_scales == nullptr) return static_cast<const float *>(weight->scales)[block];
    return weight->nested_code[static_cast<const uint8_t *>(weight->scales)[block]] * weight->nested_scales[block >> 8] + weight->nested_offset;
  }
};

// Two rows of 32 bf16 values to 32 pairs: the values of one column side by side.
struct Interleave {
  __m512i index_low, index_high;
  Interleave() {
    alignas(64) static const uint16_t LOW[32] = {0, 32, 1, 33, 2,  34, 3,  35, 4,  36, 5,  37, 6,  38, 7,  39,
                                                 8, 40, 9, 41, 10, 42, 11, 43, 12, 44, 13, 45, 14, 46, 15, 47};
    index_low = _mm512_load_si512(LOW);
    index_high = _mm512_add_epi16(index_low, _mm512_set1_epi16(16));
  }
  V low(V a, V b) const { return (V)_mm512_permutex2var_epi16((__m512i)a, index_low, (__m512i)b); }
  V high(V a, V b) const { return (V)_mm512_permutex2var_epi16((__m512i)a, index_high, (__m512i)b); }
};
#endif

// Calls f(reader) with the weight's own reader. Only where has_reader().
template <class F>
static inline void with_reader(Kind kind, const remora_weight &w, const F &f) {
#if REMORA_IS_AVX512_BF16
  if (kind == Kind::BF16) {
    if (w.format == REMORA_NF4) return f(Nf4PairReader{static_cast<const uint8_t *>(w.data), &w, w.cols});
    if (w.format == REMORA_BF16) return f(PairReader<bf16_t>{static_cast<const bf16_t *>(w.data), w.cols});
    return f(PairReader<float>{static_cast<const float *>(w.data), w.cols});
  }
#endif
  (void)kind;
  if (w.format == REMORA_BF16) return f(WideReader<bf16_t>{static_cast<const bf16_t *>(w.data), w.cols});
  if (w.format == REMORA_F16) return f(WideReader<f16_t>{static_cast<const f16_t *>(w.data), w.cols});
  return f(WideReader<float>{static_cast<const float *>(w.data), w.cols});
}

}  // namespace remora::REMORA_ISA

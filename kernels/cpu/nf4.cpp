// NF4 (QLoRA, arXiv:2305.14314) encoding, bit for bit as bitsandbytes 0.50 makes it, and the double quantization of its scales.
#include "nf4.h"

#include "cascade.h"

namespace remora::REMORA_ISA {

constexpr int64_t BLOCK = 64;
// The smallest divisor bitsandbytes uses; a shorter last block also stores it as its scale.
constexpr float TINY = 1e-38f;

Nf4Coder::Nf4Coder() {
  for (int i = 0; i < 15; i++) midpoints[i] = unfused(NF4_VALUES[i] + NF4_VALUES[i + 1]) / 2.0f;
#if REMORA_IS_AVX512
  for (int cell = 0; cell < 32; cell++) {
    threshold[cell] = __builtin_inff();
    below[cell] = 0;
    for (const float midpoint : midpoints) {
      if (cell_of(midpoint) < cell) below[cell]++;
      if (cell_of(midpoint) == cell) threshold[cell] = midpoint;
    }
  }
#endif
}

// Codes of 64 values already scaled to [−1, 1]: how many of the 15 midpoints lie below each value (a value on a midpoint takes the lower code).
static void encode_scaled(const float *scaled, const float *midpoints, uint8_t *packed, int64_t count) {
  alignas(64) float codes[BLOCK];
  alignas(64) uint8_t pairs[BLOCK / 2];
  for (int64_t i = 0; i < BLOCK; i += W) {
    const V x = load(scaled + i);
    V code = zero();
    for (int j = 0; j < 15; j++) code = code + select(le(x, splat(midpoints[j])), zero(), splat(1.0f));  // NaN gets 15, as torch.bucketize gives
    store(codes + i, code);
  }
  for (int i = 0; i < BLOCK / 2; i++) pairs[i] = static_cast<uint8_t>(static_cast<int32_t>(codes[2 * i] * 16.0f + codes[2 * i + 1]));
  memcpy(packed, pairs, static_cast<size_t>((count + 1) / 2));
}

// The largest magnitude of a block, NaN when any of it is.
static float largest_magnitude(const float *values) {
  V largest = zero(), nans = zero();
  for (int64_t i = 0; i < BLOCK; i += W) {
    const V a = abs(load(values + i));
    largest = max(a, largest);
    nans = max(nans, select(le(a, a), zero(), splat(1.0f)));
  }
  return hmax(nans) > 0.0f ? __builtin_nanf("") : hmax(largest);
}

// Any block; values is its 64 elements, zeros after the first `count`, and is overwritten.
static void encode_block(const Nf4Coder &coder, float *values, uint8_t *packed, float *absmax, int64_t count) {
  const float largest = largest_magnitude(values);
  const float divisor = largest < TINY ? TINY : largest;
  // A whole block is multiplied by the reciprocal and a shorter one divided: they differ in the last place, and so do the codes at a midpoint.
  const bool whole = count == BLOCK;
  const float inverse = 1.0f / divisor;
  for (int64_t i = 0; i < BLOCK; i += W) {
    const V v = load(values + i);
    store(values + i, min(splat(1.0f), max(splat(-1.0f), whole ? v * splat(inverse) : v / splat(divisor))));
  }
  *absmax = whole ? largest : divisor;
  encode_scaled(values, coder.midpoints, packed, count);
}

#if REMORA_IS_AVX512
// A whole block of ordinary numbers, in registers from end to end; false, and nothing written, for one with NaN, infinity or nothing above 1e-30.
REMORA_INLINE bool encode_ordinary(const Nf4Coder &coder, const V (&values)[4], uint8_t *packed, float *absmax) {
  // Of floats without their sign, the order of the bits is the order of the numbers, with NaN at the top.
  __m512i top = _mm512_castps_si512(abs(values[0]));
  for (int i = 1; i < 4; i++) top = _mm512_max_epi32(top, _mm512_castps_si512(abs(values[i])));
  const float largest = bits_to_float(static_cast<uint32_t>(_mm512_reduce_max_epi32(top)));
  if (!(largest >= 1e-30f && largest <= 3.4e38f)) return false;
  const V inverse = splat(1.0f / largest), threshold_low = load(coder.threshold), threshold_high = load(coder.threshold + 16);
  const __m512i below_low = _mm512_load_si512(coder.below), below_high = _mm512_load_si512(coder.below + 16);
  for (int i = 0; i < 4; i++) {
    const V scaled = values[i] * inverse;
    const __m512i cell = _mm512_cvttps_epi32(fma(scaled, splat(15.5f), splat(15.5f)));
    const M above = _mm512_cmp_ps_mask(scaled, _mm512_permutex2var_ps(threshold_low, cell, threshold_high), _CMP_GT_OQ);
    const __m512i below = _mm512_permutex2var_epi32(below_low, cell, below_high);
    const __m512i code = _mm512_mask_add_epi32(below, above, below, _mm512_set1_epi32(1));
    // Two codes in 64 bits become one byte at their low end.
    const __m512i pairs = _mm512_or_si512(_mm512_slli_epi64(code, 4), _mm512_srli_epi64(code, 32));
    _mm_storel_epi64((__m128i *)(packed + 8 * i), _mm512_cvtepi64_epi8(pairs));
  }
  *absmax = largest;
  return true;
}
#endif

// Blocks whose values are given by vector(i), W of them from i on, or one by one by exact(i), for blocks that are not ordinary.
template <class Vector, class Exact>
REMORA_INLINE void encode_whole_blocks(const Nf4Coder &coder, int64_t blocks, uint8_t *codes, float *absmax, Vector &&vector, Exact &&exact) {
  for (int64_t b = 0; b < blocks; b++) {
    const int64_t at = b * BLOCK;
    alignas(64) float block[BLOCK];
#if REMORA_IS_AVX512
    const V values[4] = {vector(at), vector(at + 16), vector(at + 32), vector(at + 48)};
    if (encode_ordinary(coder, values, codes + at / 2, absmax + b)) continue;
    for (int64_t i = 0; i < BLOCK; i++) block[i] = exact(at + i);
#else
    (void)exact;
    for (int64_t i = 0; i < BLOCK; i += W) store(block + i, vector(at + i));
#endif
    encode_block(coder, block, codes + at / 2, absmax + b, BLOCK);
  }
}

template <class T>
void nf4_encode_rounded(const Nf4Coder &coder, const float *x, int64_t blocks, uint8_t *codes, float *absmax) {
  // AVX512_BF16's rounding flushes subnormals; a block where that could be seen is not ordinary.
  encode_whole_blocks(coder, blocks, codes, absmax, [&](int64_t i) { return round_as(load(x + i), T{}); },
                      [&](int64_t i) { return to_float(rounded<T>(x[i])); });
}
template void nf4_encode_rounded<float>(const Nf4Coder &, const float *, int64_t, uint8_t *, float *);
template void nf4_encode_rounded<bf16_t>(const Nf4Coder &, const float *, int64_t, uint8_t *, float *);
template void nf4_encode_rounded<f16_t>(const Nf4Coder &, const float *, int64_t, uint8_t *, float *);

static int32_t nf4_encode(remora_context *ctx, const void *x, uint8_t *codes, float *absmax, int64_t count, int32_t dtype) {
  const Nf4Coder coder;
  return dispatch_dtype(ctx, dtype, [&](auto tag) {
    using T = decltype(tag);
    const T *const in = static_cast<const T *>(x);
    const int64_t whole = count / BLOCK, rest = count % BLOCK;
    parallel_for(ctx, whole, 64, [&](int64_t begin, int64_t end, int) {
      const T *const from = in + begin * BLOCK;
      encode_whole_blocks(coder, end - begin, codes + begin * BLOCK / 2, absmax + begin, [&](int64_t i) { return load(from + i); },
                          [&](int64_t i) { return to_float(from[i]); });
    });
    if (rest > 0) {
      alignas(64) float last[BLOCK] = {};
      for (int64_t i = 0; i < rest; i++) last[i] = to_float(in[whole * BLOCK + i]);
      encode_block(coder, last, codes + whole * BLOCK / 2, absmax + whole, rest);
    }
    return REMORA_OK;
  });
}

// Finds the entry of a sorted map nearest to x, the lower one when both are as near: the number of the 255 midpoints that lie below x. Most of
// [−1, 1] is cut into cells so narrow that one comparison decides; where more midpoints meet, near zero, they are searched.
struct MapCoder {
  static constexpr int CELLS = 1024;
  static int cell_of(float x) { return static_cast<int>(unfused(x * (CELLS / 2 - 0.5f)) + CELLS / 2); }
  float midpoints[256];
  uint8_t below[CELLS + 1];  // midpoints in the cells before

  explicit MapCoder(const float *map) {
    int cells[256] = {};
    for (int i = 0; i < 255; i++) {
      midpoints[i] = unfused(map[i] + map[i + 1]) / 2.0f;
      cells[i] = midpoints[i] <= -1.0f ? 0 : midpoints[i] >= 1.0f ? CELLS - 1 : cell_of(midpoints[i]);
    }
    midpoints[255] = __builtin_inff();
    for (int cell = 0, i = 0; cell <= CELLS; cell++) {
      while (i < 255 && cells[i] < cell) i++;
      below[cell] = static_cast<uint8_t>(i);
    }
  }

  uint8_t code(float x) const {
    int low = 0, high = 255;
    if (x >= -1.0f && x <= 1.0f) {
      const int cell = cell_of(x);
      low = below[cell], high = below[cell + 1];
      if (high - low <= 1) return static_cast<uint8_t>(low + ((x > midpoints[low]) & (low < high)));
    }
    while (low < high) {
      const int middle = (low + high) / 2;
      if (x > midpoints[middle])
        low = middle + 1;
      else
        high = middle;
    }
    return static_cast<uint8_t>(low);
  }
};

static float largest_distance(const float *values, int64_t count, float mean) {
  V largest = zero();
  int64_t i = 0;
  for (; i + W <= count; i += W) largest = max(abs(load(values + i) - splat(mean)), largest);
  float result = hmax(largest);
  for (; i < count; i++) {
    const float a = __builtin_fabsf(values[i] - mean);
    result = a > result ? a : result;
  }
  return result;
}

// As bitsandbytes' CUDA and PyTorch kernels do it. Its CPU library (0.50) instead looks each value up in a table of 65,536 steps, which gives about
// one scale in 400 a neighbouring code; there is nothing to gain by copying that.
static int32_t nf4_nest(remora_context *ctx, const float *absmax, const float *nested_code, uint8_t *scale_codes, float *nested, float *offset,
                        int64_t blocks) {
  constexpr int64_t GROUP = 256;
  const MapCoder coder(nested_code);
  // In PyTorch's order: its f32 sum strays from the exact one by a unit or two of the last place, and every scale is centred on it.
  const float mean = blocks == 0 ? 0.0f : cascade_sum(ctx, absmax, blocks) / static_cast<float>(blocks);
  offset[0] = mean;
  parallel_for(ctx, (blocks + GROUP - 1) / GROUP, 4, [&](int64_t begin, int64_t end, int) {
    for (int64_t g = begin; g < end; g++) {
      const int64_t from = g * GROUP, to = from + GROUP < blocks ? from + GROUP : blocks;
      const float largest = largest_distance(absmax + from, to - from, mean);
      const float divisor = largest < TINY ? TINY : largest, inverse = 1.0f / divisor;
      const bool whole = to - from == GROUP;
      nested[g] = whole ? largest : divisor;
      for (int64_t i = from; i < to; i++) {
        const float centred = absmax[i] - mean;
        scale_codes[i] = coder.code(whole ? centred * inverse : centred / divisor);
      }
    }
  });
  return REMORA_OK;
}

void fill_nf4(Kernels &k) {
  k.nf4_encode = nf4_encode;
  k.nf4_nest = nf4_nest;
}

}  // namespace remora::REMORA_ISA

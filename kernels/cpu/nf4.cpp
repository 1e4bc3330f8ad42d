// NF4 (QLoRA, arXiv:2305.14314) encoding, bit for bit as bitsandbytes 0.50 makes it, and the double quantization of its scales.
#include "decode.h"
#include "reduce.h"

namespace remora::REMORA_ISA {

constexpr int64_t BLOCK = 64;
// The smallest divisor bitsandbytes uses; a shorter last block also stores it as its scale.
constexpr float TINY = 1e-38f;

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

template <class T>
static void encode_block(const T *x, const float *midpoints, uint8_t *packed, float *absmax, int64_t count) {
  alignas(64) float values[BLOCK] = {};
  for (int64_t i = 0; i < count; i += W) store_some(values + i, load_some(x + i, count - i), count - i);
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
  encode_scaled(values, midpoints, packed, count);
}

static int32_t nf4_encode(remora_context *ctx, const void *x, uint8_t *codes, float *absmax, int64_t count, int32_t dtype) {
  float midpoints[15];
  for (int i = 0; i < 15; i++) midpoints[i] = unfused(NF4_VALUES[i] + NF4_VALUES[i + 1]) / 2.0f;
  return dispatch_dtype(ctx, dtype, [&](auto tag) {
    using T = decltype(tag);
    parallel_for(ctx, (count + BLOCK - 1) / BLOCK, 64, [&](int64_t begin, int64_t end, int) {
      for (int64_t b = begin; b < end; b++) {
        const int64_t left = count - b * BLOCK;
        encode_block(static_cast<const T *>(x) + b * BLOCK, midpoints, codes + b * BLOCK / 2, absmax + b, left < BLOCK ? left : BLOCK);
      }
    });
    return REMORA_OK;
  });
}

// Code of the entry of the sorted map nearest to x, the lower one when both are as near: how many midpoints lie below x.
static uint8_t nearest_code(const float *midpoints, float x) {
  int low = 0, high = 255;
  while (low < high) {
    const int middle = (low + high) / 2;
    if (x > midpoints[middle])
      low = middle + 1;
    else
      high = middle;
  }
  return static_cast<uint8_t>(low);
}

// As bitsandbytes' CUDA and PyTorch kernels do it. Its CPU library (0.50) instead looks each value up in a table of 65,536 steps, which gives about
// one scale in 400 a neighbouring code; there is nothing to gain by copying that.
static int32_t nf4_nest(remora_context *ctx, const float *absmax, const float *nested_code, uint8_t *scale_codes, float *nested, float *offset,
                        int64_t blocks) {
  constexpr int64_t GROUP = 256;
  float midpoints[256];
  for (int i = 0; i < 255; i++) midpoints[i] = unfused(nested_code[i] + nested_code[i + 1]) / 2.0f;
  midpoints[255] = __builtin_inff();
  const float mean = blocks == 0 ? 0.0f : static_cast<float>(sum_f64(ctx, absmax, blocks, [](double a) { return a; }) / static_cast<double>(blocks));
  offset[0] = mean;
  parallel_for(ctx, (blocks + GROUP - 1) / GROUP, 4, [&](int64_t begin, int64_t end, int) {
    for (int64_t g = begin; g < end; g++) {
      const int64_t from = g * GROUP, to = from + GROUP < blocks ? from + GROUP : blocks;
      float largest = 0.0f;
      for (int64_t i = from; i < to; i++) {
        const float a = __builtin_fabsf(absmax[i] - mean);
        largest = a > largest ? a : largest;
      }
      const float divisor = largest < TINY ? TINY : largest, inverse = 1.0f / divisor;
      const bool whole = to - from == GROUP;
      nested[g] = whole ? largest : divisor;
      for (int64_t i = from; i < to; i++) {
        const float centred = absmax[i] - mean;
        scale_codes[i] = nearest_code(midpoints, whole ? centred * inverse : centred / divisor);
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

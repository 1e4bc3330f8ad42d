// f32, bf16 or f16 → the GGUF block formats, byte for byte what ggml's own quantizer makes without an importance matrix.
//
// The K formats search: a sub-block's scale (and minimum) is tried at some twenty step widths, each refined by weighted least squares, and the one
// with the smallest weighted squared error stays. That is all the time there is to spend, so the search runs on W sub-blocks at once, one a lane:
// no sums across lanes, and every lane adds in the order of the elements, as a plain loop would. Products are rounded before they are added
// (`times`), because ggml's portable build does not fuse, and the choice between two near candidates must fall as it does there.
// Formats: ggml-common.h. kernels/reference/gguf_encode.cpp is the same one element at a time.
#include "decode.h"

namespace remora::REMORA_ISA {

// A vector's `unfused`.
REMORA_INLINE V unfused_lanes(V x) {
#if REMORA_IS_AVX512
  __asm__("" : "+v"(x));
#elif defined(__x86_64__)
  __asm__("" : "+x"(x));
#elif defined(__aarch64__)
  __asm__("" : "+w"(x));
#endif
  return x;
}
REMORA_INLINE V times(V a, V b) { return unfused_lanes(a * b); }
REMORA_INLINE V clamp(V x, float low, float high) { return min(splat(high), max(splat(low), x)); }

// C's roundf: halves away from zero.
REMORA_INLINE V round_away(V x) {
  const V even = round(x);
  return select(le(splat(0.5f), abs(x - even)), x + copysign(splat(0.5f), x), even);
}

REMORA_INLINE void put_half(uint8_t *to, float value) {
  const f16_t half = rounded<f16_t>(value);
  memcpy(to, &half, 2);
}
REMORA_INLINE float half_at(const uint8_t *from) {
  f16_t half;
  memcpy(&half, from, 2);
  return to_float(half);
}

// ---------------------------------------------------------------------------------------------------------------- blocks of 32

// The value of largest magnitude with its sign, the first one among equals.
static float signed_peak(const float *x, int count) {
  float size = 0.0f, peak = 0.0f;
  for (int i = 0; i < count; i++) {
    const float a = __builtin_fabsf(x[i]);
    if (a > size) size = a, peak = x[i];
  }
  return peak;
}

static void encode_q8_0(const float *x, uint8_t *out) {
  const float size = __builtin_fabsf(signed_peak(x, 32)), d = size / 127.0f, inverse = d != 0.0f ? 1.0f / d : 0.0f;
  put_half(out, d);
  alignas(64) float codes[32];
  for (int i = 0; i < 32; i += W) store(codes + i, round_away(load(x + i) * splat(inverse)));
  for (int i = 0; i < 32; i++) out[2 + i] = static_cast<uint8_t>(static_cast<int8_t>(codes[i]));
}

// codes[i] = min(top, whole part of (x − offset) / d + half)
REMORA_INLINE void truncated_codes(const float *x, float offset, float inverse, float half, float top, uint8_t *codes) {
  alignas(64) float values[32];
  for (int i = 0; i < 32; i += W) store(values + i, min(splat(top), times(load(x + i) - splat(offset), splat(inverse)) + splat(half)));
  for (int i = 0; i < 32; i++) codes[i] = static_cast<uint8_t>(static_cast<int>(values[i]));
}

static void pack_nibbles(const uint8_t *codes, uint8_t *out) {
  for (int i = 0; i < 16; i++) out[i] = static_cast<uint8_t>((codes[i] & 15) | ((codes[i + 16] & 15) << 4));
}
static void pack_fifth_bits(const uint8_t *codes, uint8_t *out) {
  uint32_t bits = 0;
  for (int i = 0; i < 32; i++) bits |= static_cast<uint32_t>((codes[i] >> 4) & 1) << i;
  memcpy(out, &bits, 4);
}

// Around zero: the peak gets the code 0, so its sign decides the scale's.
static void encode_symmetric(const float *x, uint8_t *out, int levels) {
  const float d = signed_peak(x, 32) / static_cast<float>(-levels), inverse = d != 0.0f ? 1.0f / d : 0.0f;
  uint8_t codes[32];
  truncated_codes(x, 0.0f, inverse, static_cast<float>(levels) + 0.5f, static_cast<float>(2 * levels - 1), codes);
  put_half(out, d);
  if (levels == 16) pack_fifth_bits(codes, out + 2);
  pack_nibbles(codes, out + (levels == 16 ? 6 : 2));
}
static void encode_q4_0(const float *x, uint8_t *out) { encode_symmetric(x, out, 8); }
static void encode_q5_0(const float *x, uint8_t *out) { encode_symmetric(x, out, 16); }

// From the smallest value up.
static void encode_from_minimum(const float *x, uint8_t *out, int levels) {
  float low = x[0], high = x[0];
  for (int i = 1; i < 32; i++) {
    if (x[i] < low) low = x[i];
    if (x[i] > high) high = x[i];
  }
  const float d = (high - low) / static_cast<float>(levels - 1), inverse = d != 0.0f ? 1.0f / d : 0.0f;
  uint8_t codes[32];
  truncated_codes(x, low, inverse, 0.5f, static_cast<float>(levels - 1) + 0.5f, codes);
  put_half(out, d);
  put_half(out + 2, low);
  if (levels == 32) pack_fifth_bits(codes, out + 4);
  pack_nibbles(codes, out + (levels == 32 ? 8 : 4));
}
static void encode_q4_1(const float *x, uint8_t *out) { encode_from_minimum(x, out, 16); }
static void encode_q5_1(const float *x, uint8_t *out) { encode_from_minimum(x, out, 32); }

// ------------------------------------------------------------------------------------------------- the search of the K formats

// A unit of work: 16 sub-blocks, which are two blocks of Q4_K or Q5_K and one of Q6_K.
constexpr int SUBS = 16;

// turned[i] holds element i of W sub-blocks.
template <int N>
static void turn(const float *x, V *turned) {
  alignas(64) float lanes[N][W];
  for (int lane = 0; lane < W; lane++)
    for (int i = 0; i < N; i++) lanes[i][lane] = x[lane * N + i];
  for (int i = 0; i < N; i++) turned[i] = load(lanes[i]);
}
template <int N>
static void turn_back(const V *turned, float *x) {
  alignas(64) float lanes[N][W];
  for (int i = 0; i < N; i++) store(lanes[i], turned[i]);
  for (int lane = 0; lane < W; lane++)
    for (int i = 0; i < N; i++) x[lane * N + i] = lanes[i][lane];
}

// W sub-blocks of 32:  x ≈ scale · code − minimum,  code in 0 … top, minimum >= 0. Weight of an element: root mean square + its size.
static void search_with_minimum(const float *from, float top, float first_step, int tries, float *scales, float *minimums, float *codes) {
  V x[32], weight[32], code[32];
  turn<32>(from, x);
  V squares = splat(0.0f), low = x[0], high = x[0];
  for (int i = 0; i < 32; i++) squares = squares + times(x[i], x[i]);
  const V mean = sqrt(squares * splat(1.0f / 32.0f));
  for (int i = 0; i < 32; i++) weight[i] = mean + abs(x[i]);
  V sum_w = weight[0], sum_x = times(weight[0], x[0]);
  for (int i = 1; i < 32; i++) {
    low = min(x[i], low);
    high = max(x[i], high);
    sum_w = sum_w + weight[i];
    sum_x = sum_x + times(weight[i], x[i]);
  }
  low = min(low, splat(0.0f));
  const V flat_low = low;
  const M not_flat = lt(low, high);

  V best_inverse = splat(top) / (high - low), best_from = low;
  V scale = splat(1.0f) / best_inverse, error = splat(0.0f);
  for (int i = 0; i < 32; i++) {
    const V l = clamp(round(times(best_inverse, x[i] - low)), 0.0f, top);
    const V off = (times(scale, l) + low) - x[i];
    error = error + times(weight[i], times(off, off));
  }
  for (int step = 0; step <= tries; step++) {
    const V inverse = splat(unfused(0.1f * static_cast<float>(step)) + first_step + top) / (high - low);
    V sum_l = splat(0.0f), sum_l2 = splat(0.0f), sum_xl = splat(0.0f);
    for (int i = 0; i < 32; i++) {
      const V l = clamp(round(times(inverse, x[i] - low)), 0.0f, top);
      const V wl = times(weight[i], l);
      code[i] = l;
      sum_l = sum_l + wl;
      sum_l2 = sum_l2 + times(wl, l);
      sum_xl = sum_xl + times(wl, x[i]);
    }
    const V determinant = times(sum_w, sum_l2) - times(sum_l, sum_l);
    const M solvable = lt(splat(0.0f), determinant);
    V new_scale = (times(sum_w, sum_xl) - times(sum_x, sum_l)) / determinant;
    V new_low = (times(sum_l2, sum_x) - times(sum_l, sum_xl)) / determinant;
    const M above = lt(splat(0.0f), new_low);
    new_scale = select(above, sum_xl / sum_l2, new_scale);
    new_low = select(above, splat(0.0f), new_low);
    V new_error = splat(0.0f);
    for (int i = 0; i < 32; i++) {
      const V off = (times(new_scale, code[i]) + new_low) - x[i];
      new_error = new_error + times(weight[i], times(off, off));
    }
    // Lanes that cannot be solved compare as no better.
    const V comparable = select(solvable, new_error, error);
    const M better = lt(comparable, error);
    best_inverse = select(better, inverse, best_inverse);
    best_from = select(better, low, best_from);
    scale = select(better, new_scale, scale);
    error = select(better, comparable, error);
    low = select(better, new_low, low);  // the next try starts from here
  }
  store(scales, select(not_flat, scale, splat(0.0f)));
  store(minimums, splat(0.0f) - select(not_flat, low, flat_low));
  for (int i = 0; i < 32; i++)
    code[i] = select(not_flat, clamp(round(times(best_inverse, x[i] - best_from)), 0.0f, top), splat(0.0f));
  turn_back<32>(code, codes);
}

// W sub-blocks of 16:  x ≈ scale · (code − 32),  code in 0 … 63. Weight of an element: its square.
static void search_symmetric(const float *from, float *scales, float *codes) {
  V x[16];
  turn<16>(from, x);
  V size = splat(0.0f), peak = splat(0.0f);
  for (int i = 0; i < 16; i++) {
    const V a = abs(x[i]);
    const M larger = lt(size, a);
    size = select(larger, a, size);
    peak = select(larger, x[i], peak);
  }
  const M not_flat = le(splat(1e-15f), size);
  V best_inverse = splat(0.0f), scale = splat(0.0f), best = splat(0.0f);
  for (int attempt = 0; attempt < 19; attempt++) {
    // The plain one first, then −9 … 9 tenths of a step around it.
    const int step = attempt == 0 ? 0 : attempt <= 9 ? attempt - 10 : attempt - 9;
    const V inverse = splat(0.0f - (32.0f + unfused(0.1f * static_cast<float>(step)))) / peak;
    V sum_lx = splat(0.0f), sum_l2 = splat(0.0f);
    for (int i = 0; i < 16; i++) {
      const V l = clamp(round(times(inverse, x[i])), -32.0f, 31.0f);
      const V w = times(x[i], x[i]);
      sum_lx = sum_lx + times(times(w, x[i]), l);
      sum_l2 = sum_l2 + times(times(w, l), l);
    }
    const M some = lt(splat(0.0f), sum_l2);
    M better = some;
    if (attempt > 0) better = lt(times(best, sum_l2), select(some, times(sum_lx, sum_lx), splat(-1.0f)));
    const V new_scale = sum_lx / sum_l2;
    if (attempt == 0) best_inverse = inverse;
    best_inverse = select(better, inverse, best_inverse);
    scale = select(better, new_scale, scale);
    best = select(better, times(new_scale, sum_lx), best);
  }
  store(scales, select(not_flat, scale, splat(0.0f)));
  for (int i = 0; i < 16; i++)
    x[i] = select(not_flat, clamp(round(times(best_inverse, x[i])), -32.0f, 31.0f) + splat(32.0f), splat(0.0f));
  turn_back<16>(x, codes);
}

// ------------------------------------------------------------------------------------------------------------ blocks of 256

REMORA_INLINE int nearest(float x) { return static_cast<int>(__builtin_rintf(x)); }

// codes[i] = nearest whole number to (x + offset) / d, within low … high, plus `shift`
template <int N>
static void nearest_codes(const float *x, float offset, float d, float low, float high, float shift, float *codes) {
  for (int i = 0; i < N; i += W) store(codes + i, clamp(round((load(x + i) + splat(offset)) / splat(d)), low, high) + splat(shift));
}

// One block of Q4_K (top 15) or Q5_K (top 31) from its searched sub-blocks. `codes` is overwritten.
static void finish_with_minimum(const float *x, const float *scales, const float *minimums, float *codes, bool five, uint8_t *out) {
  float largest = 0.0f, largest_minimum = 0.0f;
  for (int j = 0; j < 8; j++) {
    if (scales[j] > largest) largest = scales[j];
    if (minimums[j] > largest_minimum) largest_minimum = minimums[j];
  }
  const float inverse = largest > 0.0f ? 63.0f / largest : 0.0f, inverse_minimum = largest_minimum > 0.0f ? 63.0f / largest_minimum : 0.0f;
  put_half(out, largest / 63.0f);
  put_half(out + 2, largest_minimum / 63.0f);
  const float d = half_at(out), d_minimum = half_at(out + 2);
  uint8_t *const packed = out + 4;
  memset(packed, 0, 12);
  for (int j = 0; j < 8; j++) {
    uint8_t scale = static_cast<uint8_t>(nearest(inverse * scales[j])), minimum = static_cast<uint8_t>(nearest(inverse_minimum * minimums[j]));
    if (scale > 63) scale = 63;
    if (minimum > 63) minimum = 63;
    if (j < 4) {
      packed[j] = scale;
      packed[j + 4] = minimum;
    } else {
      packed[j + 4] = static_cast<uint8_t>((scale & 15) | ((minimum & 15) << 4));
      packed[j - 4] = static_cast<uint8_t>(packed[j - 4] | ((scale >> 4) << 6));
      packed[j] = static_cast<uint8_t>(packed[j] | ((minimum >> 4) << 6));
    }
    const float step = d * static_cast<float>(scale), offset = d_minimum * static_cast<float>(minimum);
    if (step != 0.0f) nearest_codes<32>(x + 32 * j, offset, step, 0.0f, five ? 31.0f : 15.0f, 0.0f, codes + 32 * j);
  }
  uint8_t whole[256];
  for (int i = 0; i < 256; i++) whole[i] = static_cast<uint8_t>(static_cast<int>(codes[i]));
  uint8_t *const low = out + (five ? 48 : 16);
  for (int pair = 0; pair < 4; pair++)
    for (int i = 0; i < 32; i++) low[32 * pair + i] = static_cast<uint8_t>((whole[64 * pair + i] & 15) | ((whole[64 * pair + 32 + i] & 15) << 4));
  if (!five) return;
  uint8_t *const high = out + 16;
  for (int i = 0; i < 32; i++) {
    int bits = 0;
    for (int j = 0; j < 8; j++) bits |= ((whole[32 * j + i] >> 4) & 1) << j;
    high[i] = static_cast<uint8_t>(bits);
  }
}

static void finish_q6_k(const float *x, const float *scales, float *codes, uint8_t *out) {
  const float peak = signed_peak(scales, 16);
  if (__builtin_fabsf(peak) < 1e-15f) {
    memset(out, 0, 210);
    return;
  }
  const float inverse = -128.0f / peak;
  put_half(out + 208, 1.0f / inverse);
  const float d = half_at(out + 208);
  for (int j = 0; j < 16; j++) {
    int scale = nearest(inverse * scales[j]);
    if (scale > 127) scale = 127;
    const int8_t stored = static_cast<int8_t>(scale);
    out[192 + j] = static_cast<uint8_t>(stored);
    const float step = d * static_cast<float>(stored);
    if (step != 0.0f) nearest_codes<16>(x + 16 * j, 0.0f, step, -32.0f, 31.0f, 32.0f, codes + 16 * j);
  }
  uint8_t whole[256];
  for (int i = 0; i < 256; i++) whole[i] = static_cast<uint8_t>(static_cast<int>(codes[i]));
  for (int half = 0; half < 2; half++) {
    const uint8_t *const q = whole + 128 * half;
    for (int i = 0; i < 64; i++) out[64 * half + i] = static_cast<uint8_t>((q[i] & 15) | ((q[i + 64] & 15) << 4));
    for (int i = 0; i < 32; i++)
      out[128 + 32 * half + i] = static_cast<uint8_t>((q[i] >> 4) | ((q[i + 32] >> 4) << 2) | ((q[i + 64] >> 4) << 4) | ((q[i + 96] >> 4) << 6));
  }
}

// `blocks` (1 or 2) of Q4_K or Q5_K; x has room for 512 values, zeros behind the last.
static void encode_k_with_minimum(const float *x, uint8_t *out, int blocks, bool five) {
  alignas(64) float scales[SUBS], minimums[SUBS], codes[SUBS * 32];
  const int subs = blocks * 8;
  for (int s = 0; s < subs; s += W)
    search_with_minimum(x + 32 * s, five ? 31.0f : 15.0f, five ? -0.5f : -1.0f, five ? 15 : 20, scales + s, minimums + s, codes + 32 * s);
  for (int b = 0; b < blocks; b++)
    finish_with_minimum(x + 256 * b, scales + 8 * b, minimums + 8 * b, codes + 256 * b, five, out + b * (five ? 176 : 144));
}

static void encode_q6_k(const float *x, uint8_t *out) {
  alignas(64) float scales[SUBS], codes[256];
  for (int s = 0; s < SUBS; s += W) search_symmetric(x + 16 * s, scales + s, codes + 16 * s);
  finish_q6_k(x, scales, codes, out);
}

// Elements taken at once: two blocks of 256.
constexpr int64_t UNIT = 512;

static void encode_unit(const float *x, int64_t count, int32_t format, uint8_t *out) {
  const auto each = [&](int64_t elements, int64_t bytes, void (*encode)(const float *, uint8_t *)) {
    for (int64_t b = 0; b < count / elements; b++) encode(x + b * elements, out + b * bytes);
  };
  switch (format) {
    case REMORA_Q8_0: return each(32, 34, encode_q8_0);
    case REMORA_Q4_0: return each(32, 18, encode_q4_0);
    case REMORA_Q4_1: return each(32, 20, encode_q4_1);
    case REMORA_Q5_0: return each(32, 22, encode_q5_0);
    case REMORA_Q5_1: return each(32, 24, encode_q5_1);
    case REMORA_Q6_K: return each(256, 210, encode_q6_k);
    default: return encode_k_with_minimum(x, out, static_cast<int>(count / 256), format == REMORA_Q5_K);
  }
}

static int32_t gguf_encode(remora_context *ctx, const void *x, uint8_t *blocks, int64_t count, int32_t format, int32_t dtype) {
  const int64_t unit_bytes = format_row_bytes(format, UNIT);
  return dispatch_dtype(ctx, dtype, [&](auto tag) {
    using T = decltype(tag);
    parallel_for(ctx, (count + UNIT - 1) / UNIT, 32, [&](int64_t begin, int64_t end, int) {
      alignas(64) float values[UNIT];
      for (int64_t u = begin; u < end; u++) {
        const int64_t left = count - u * UNIT, here = left < UNIT ? left : UNIT;
        const T *const from = static_cast<const T *>(x) + u * UNIT;
        for (int64_t i = 0; i < here; i += W) store(values + i, load(from + i));  // every block is a multiple of W
        for (int64_t i = here; i < UNIT; i++) values[i] = 0.0f;
        encode_unit(values, here, format, blocks + u * unit_bytes);
      }
    });
    return REMORA_OK;
  });
}

void fill_gguf_encode(Kernels &k) { k.gguf_encode = gguf_encode; }

}  // namespace remora::REMORA_ISA

// f32, bf16 or f16 → the GGUF block formats, one element after the other.
//
// Unlike the other files here this one sums in f32, each step rounded: the contract is byte equality with ggml's quantizer, whose choice between
// two near candidates depends on those roundings. `step` keeps the compiler from fusing a product with a sum.
#include "reference.h"

namespace remora::reference {

static float step(float x) {
  volatile float kept = x;
  return kept;
}
static int nearest(float x) { return static_cast<int>(std::nearbyintf(x)); }  // ties to even
static int within(int low, int high, int x) { return x < low ? low : x > high ? high : x; }
static void put_half(uint8_t *to, float value) {
  const uint16_t bits = to_f16(value);
  std::memcpy(to, &bits, 2);
}
static float half_at(const uint8_t *from) {
  uint16_t bits;
  std::memcpy(&bits, from, 2);
  return static_cast<float>(from_f16(bits));
}
static float signed_peak(const float *x, int count) {
  float peak = 0.0f;
  for (int i = 0; i < count; i++)
    if (std::fabs(x[i]) > std::fabs(peak)) peak = x[i];
  return peak;
}

// ---- blocks of 32: d from the extremes, codes by rounding ----
static void pack_32(const int *codes, uint8_t *out, bool five) {
  if (five) {
    uint32_t bits = 0;
    for (int i = 0; i < 32; i++) bits |= static_cast<uint32_t>(codes[i] >> 4) << i;
    std::memcpy(out, &bits, 4);
    out += 4;
  }
  for (int i = 0; i < 16; i++) out[i] = static_cast<uint8_t>((codes[i] & 15) | ((codes[i + 16] & 15) << 4));
}

static void encode_q8_0(const float *x, uint8_t *out) {
  const float d = std::fabs(signed_peak(x, 32)) / 127.0f, inverse = d != 0.0f ? 1.0f / d : 0.0f;
  put_half(out, d);
  for (int i = 0; i < 32; i++) out[2 + i] = static_cast<uint8_t>(static_cast<int8_t>(std::round(step(x[i] * inverse))));
}

static void encode_symmetric(const float *x, uint8_t *out, int levels) {
  const float d = signed_peak(x, 32) / static_cast<float>(-levels), inverse = d != 0.0f ? 1.0f / d : 0.0f;
  int codes[32];
  for (int i = 0; i < 32; i++) codes[i] = within(0, 2 * levels - 1, static_cast<int>(step(x[i] * inverse) + (static_cast<float>(levels) + 0.5f)));
  put_half(out, d);
  pack_32(codes, out + 2, levels == 16);
}

static void encode_from_minimum(const float *x, uint8_t *out, int levels) {
  float low = x[0], high = x[0];
  for (int i = 1; i < 32; i++) low = x[i] < low ? x[i] : low, high = x[i] > high ? x[i] : high;
  const float d = (high - low) / static_cast<float>(levels - 1), inverse = d != 0.0f ? 1.0f / d : 0.0f;
  int codes[32];
  for (int i = 0; i < 32; i++) codes[i] = within(0, levels - 1, static_cast<int>(step((x[i] - low) * inverse) + 0.5f));
  put_half(out, d);
  put_half(out + 2, low);
  pack_32(codes, out + 4, levels == 32);
}

// ---- sub-blocks of 32 with a minimum: x ≈ scale · code − minimum ----
static void search_with_minimum(const float *x, int top, float first_step, int tries, int *codes, float *scale_out, float *minimum_out) {
  float squares = 0.0f;
  for (int i = 0; i < 32; i++) squares += step(x[i] * x[i]);
  const float mean = std::sqrt(squares / 32.0f);
  float weight[32], low = x[0], high = x[0], sum_w = 0.0f, sum_x = 0.0f;
  for (int i = 0; i < 32; i++) {
    weight[i] = mean + std::fabs(x[i]);
    low = x[i] < low ? x[i] : low;
    high = x[i] > high ? x[i] : high;
    sum_w += weight[i];
    sum_x += step(weight[i] * x[i]);
  }
  if (low > 0.0f) low = 0.0f;
  for (int i = 0; i < 32; i++) codes[i] = 0;
  if (low == high) {
    *scale_out = 0.0f;
    *minimum_out = -low;
    return;
  }
  const auto codes_for = [&](float inverse, int *to) {
    for (int i = 0; i < 32; i++) to[i] = within(0, top, nearest(step(inverse * (x[i] - low))));
  };
  const auto error_of = [&](float scale, float from, const int *l) {
    float error = 0.0f;
    for (int i = 0; i < 32; i++) {
      const float off = (step(scale * static_cast<float>(l[i])) + from) - x[i];
      error += step(weight[i] * step(off * off));
    }
    return error;
  };
  const float plain = static_cast<float>(top) / (high - low);
  float scale = 1.0f / plain;
  codes_for(plain, codes);
  float error = error_of(scale, low, codes);
  for (int s = 0; s <= tries; s++) {
    int l[32];
    codes_for((first_step + step(0.1f * static_cast<float>(s)) + static_cast<float>(top)) / (high - low), l);
    float sum_l = 0.0f, sum_l2 = 0.0f, sum_xl = 0.0f;
    for (int i = 0; i < 32; i++) {
      const float wl = step(weight[i] * static_cast<float>(l[i]));
      sum_l += wl;
      sum_l2 += step(wl * static_cast<float>(l[i]));
      sum_xl += step(wl * x[i]);
    }
    const float determinant = step(sum_w * sum_l2) - step(sum_l * sum_l);
    if (!(determinant > 0.0f)) continue;
    float new_scale = (step(sum_w * sum_xl) - step(sum_x * sum_l)) / determinant;
    float new_low = (step(sum_l2 * sum_x) - step(sum_l * sum_xl)) / determinant;
    if (new_low > 0.0f) {
      new_low = 0.0f;
      new_scale = sum_xl / sum_l2;
    }
    const float new_error = error_of(new_scale, new_low, l);
    if (!(new_error < error)) continue;
    for (int i = 0; i < 32; i++) codes[i] = l[i];
    error = new_error;
    scale = new_scale;
    low = new_low;
  }
  *scale_out = scale;
  *minimum_out = -low;
}

static void encode_k_with_minimum(const float *x, uint8_t *out, bool five) {
  const int top = five ? 31 : 15;
  float scales[8], minimums[8], largest = 0.0f, largest_minimum = 0.0f;
  int codes[256];
  for (int j = 0; j < 8; j++) {
    search_with_minimum(x + 32 * j, top, five ? -0.5f : -1.0f, five ? 15 : 20, codes + 32 * j, scales + j, minimums + j);
    largest = scales[j] > largest ? scales[j] : largest;
    largest_minimum = minimums[j] > largest_minimum ? minimums[j] : largest_minimum;
  }
  const float inverse = largest > 0.0f ? 63.0f / largest : 0.0f, inverse_minimum = largest_minimum > 0.0f ? 63.0f / largest_minimum : 0.0f;
  put_half(out, largest / 63.0f);
  put_half(out + 2, largest_minimum / 63.0f);
  uint8_t *const packed = out + 4;
  std::memset(packed, 0, 12);
  for (int j = 0; j < 8; j++) {
    const int scale = within(0, 63, static_cast<uint8_t>(nearest(step(inverse * scales[j]))));
    const int minimum = within(0, 63, static_cast<uint8_t>(nearest(step(inverse_minimum * minimums[j]))));
    if (j < 4) {
      packed[j] = static_cast<uint8_t>(scale);
      packed[j + 4] = static_cast<uint8_t>(minimum);
    } else {
      packed[j + 4] = static_cast<uint8_t>((scale & 15) | ((minimum & 15) << 4));
      packed[j - 4] = static_cast<uint8_t>(packed[j - 4] | ((scale >> 4) << 6));
      packed[j] = static_cast<uint8_t>(packed[j] | ((minimum >> 4) << 6));
    }
    const float d = half_at(out) * static_cast<float>(scale), offset = step(half_at(out + 2) * static_cast<float>(minimum));
    if (d == 0.0f) continue;
    for (int i = 0; i < 32; i++) codes[32 * j + i] = within(0, top, nearest((x[32 * j + i] + offset) / d));
  }
  if (five)
    for (int i = 0; i < 32; i++) {
      int bits = 0;
      for (int j = 0; j < 8; j++) bits |= (codes[32 * j + i] >> 4) << j;
      out[16 + i] = static_cast<uint8_t>(bits);
    }
  uint8_t *const low = out + (five ? 48 : 16);
  for (int i = 0; i < 128; i++) low[i] = static_cast<uint8_t>((codes[64 * (i / 32) + i % 32] & 15) | ((codes[64 * (i / 32) + 32 + i % 32] & 15) << 4));
}

// ---- sub-blocks of 16 around zero: x ≈ scale · (code − 32) ----
static float search_symmetric(const float *x, int *codes) {
  const float peak = signed_peak(x, 16);
  for (int i = 0; i < 16; i++) codes[i] = 0;
  if (std::fabs(peak) < 1e-15f) return 0.0f;
  float scale = 0.0f, best = 0.0f;
  const auto attempt = [&](int tenths, bool is_first) {
    const float inverse = -(32.0f + step(0.1f * static_cast<float>(tenths))) / peak;
    float sum_lx = 0.0f, sum_l2 = 0.0f;
    int l[16];
    for (int i = 0; i < 16; i++) {
      l[i] = within(-32, 31, nearest(step(inverse * x[i])));
      const float w = step(x[i] * x[i]);
      sum_lx += step(step(w * x[i]) * static_cast<float>(l[i]));
      sum_l2 += step(step(w * static_cast<float>(l[i])) * static_cast<float>(l[i]));
    }
    if (!is_first && !(sum_l2 > 0.0f && step(sum_lx * sum_lx) > step(best * sum_l2))) return;
    for (int i = 0; i < 16; i++) codes[i] = l[i] + 32;
    scale = sum_l2 > 0.0f ? sum_lx / sum_l2 : 0.0f;
    best = step(scale * sum_lx);
  };
  attempt(0, true);
  for (int tenths = -9; tenths <= 9; tenths++)
    if (tenths != 0) attempt(tenths, false);
  return scale;
}

static void encode_q6_k(const float *x, uint8_t *out) {
  float scales[16];
  int codes[256];
  for (int j = 0; j < 16; j++) scales[j] = search_symmetric(x + 16 * j, codes + 16 * j);
  const float peak = signed_peak(scales, 16);
  std::memset(out, 0, 210);
  if (std::fabs(peak) < 1e-15f) return;
  const float inverse = -128.0f / peak;
  put_half(out + 208, 1.0f / inverse);
  for (int j = 0; j < 16; j++) {
    const int scale = within(-128, 127, nearest(step(inverse * scales[j])));
    out[192 + j] = static_cast<uint8_t>(scale);
    const float d = half_at(out + 208) * static_cast<float>(scale);
    if (d == 0.0f) continue;
    for (int i = 0; i < 16; i++) codes[16 * j + i] = within(-32, 31, nearest(x[16 * j + i] / d)) + 32;
  }
  for (int half = 0; half < 2; half++) {
    const int *const q = codes + 128 * half;
    for (int i = 0; i < 64; i++) out[64 * half + i] = static_cast<uint8_t>((q[i] & 15) | ((q[i + 64] & 15) << 4));
    for (int i = 0; i < 32; i++)
      out[128 + 32 * half + i] = static_cast<uint8_t>((q[i] >> 4) | ((q[i + 32] >> 4) << 2) | ((q[i + 64] >> 4) << 4) | ((q[i + 96] >> 4) << 6));
  }
}

static int32_t gguf_encode(remora_context *, const void *x, uint8_t *blocks, int64_t count, int32_t format, int32_t dtype) {
  const int elements = format >= REMORA_Q4_K ? 256 : 32;
  for (int64_t at = 0; at < count; at += elements) {
    float values[256];
    for (int i = 0; i < elements; i++) values[i] = static_cast<float>(get(x, at + i, dtype));
    switch (format) {
      case REMORA_Q8_0: encode_q8_0(values, blocks), blocks += 34; break;
      case REMORA_Q4_0: encode_symmetric(values, blocks, 8), blocks += 18; break;
      case REMORA_Q4_1: encode_from_minimum(values, blocks, 16), blocks += 20; break;
      case REMORA_Q5_0: encode_symmetric(values, blocks, 16), blocks += 22; break;
      case REMORA_Q5_1: encode_from_minimum(values, blocks, 32), blocks += 24; break;
      case REMORA_Q4_K: encode_k_with_minimum(values, blocks, false), blocks += 144; break;
      case REMORA_Q5_K: encode_k_with_minimum(values, blocks, true), blocks += 176; break;
      default: encode_q6_k(values, blocks), blocks += 210; break;
    }
  }
  return REMORA_OK;
}

void fill_gguf_encode(Kernels &k) { k.gguf_encode = gguf_encode; }

}  // namespace remora::reference

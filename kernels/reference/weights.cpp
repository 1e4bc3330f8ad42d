// Weight formats, decoded block by block: dense, NF4 (bitsandbytes), E4M3 and the GGUF block formats (llama.cpp). And the encoders of NF4 and E4M3.
//
// Layouts of the GGUF blocks are those of ggml-common.h; every scale is f16. Integers are little-endian, bits count from the lowest.
#include "reference.h"

namespace remora::reference {

static double half_at(const uint8_t *bytes) { return from_f16(static_cast<uint16_t>(bytes[0] | (bytes[1] << 8))); }
static int low(uint8_t byte) { return byte & 15; }
static int high(uint8_t byte) { return byte >> 4; }

// ---- blocks of 32 ----

// Q8_0: f16 d, 32 × i8.  w = d · q
static void decode_q8_0(const uint8_t *block, double *out) {
  const double d = half_at(block);
  for (int i = 0; i < 32; i++) out[i] = d * static_cast<int8_t>(block[2 + i]);
}

// Q4_0: f16 d, 16 bytes; byte i holds elements i (low) and i + 16 (high).  w = d · (q − 8)
static void decode_q4_0(const uint8_t *block, double *out) {
  const double d = half_at(block);
  for (int i = 0; i < 16; i++) {
    out[i] = d * (low(block[2 + i]) - 8);
    out[i + 16] = d * (high(block[2 + i]) - 8);
  }
}

// Q4_1: f16 d, f16 m, 16 bytes.  w = d · q + m
static void decode_q4_1(const uint8_t *block, double *out) {
  const double d = half_at(block), m = half_at(block + 2);
  for (int i = 0; i < 16; i++) {
    out[i] = d * low(block[4 + i]) + m;
    out[i + 16] = d * high(block[4 + i]) + m;
  }
}

// The fifth bits of 32 elements: bit i of a little-endian u32.
static int fifth(const uint8_t *bits, int i) { return ((bits[i / 8] >> (i % 8)) & 1) << 4; }

// Q5_0: f16 d, u32 of fifth bits, 16 bytes.  w = d · (q − 16)
static void decode_q5_0(const uint8_t *block, double *out) {
  const double d = half_at(block);
  for (int i = 0; i < 16; i++) {
    out[i] = d * ((low(block[6 + i]) | fifth(block + 2, i)) - 16);
    out[i + 16] = d * ((high(block[6 + i]) | fifth(block + 2, i + 16)) - 16);
  }
}

// Q5_1: f16 d, f16 m, u32 of fifth bits, 16 bytes.  w = d · q + m
static void decode_q5_1(const uint8_t *block, double *out) {
  const double d = half_at(block), m = half_at(block + 2);
  for (int i = 0; i < 16; i++) {
    out[i] = d * (low(block[8 + i]) | fifth(block + 4, i)) + m;
    out[i + 16] = d * (high(block[8 + i]) | fifth(block + 4, i + 16)) + m;
  }
}

// ---- blocks of 256 ----

// The eight 6-bit scales and minimums of Q4_K and Q5_K in 12 bytes: the first four lie in the low 6 bits of bytes 0–3 (scales) and 4–7
// (minimums); of the last four, bytes 8–11 hold the low 4 bits and the top 2 bits of bytes 0–7 the rest.
static void scale_and_minimum(const uint8_t *packed, int j, int *scale, int *minimum) {
  if (j < 4) {
    *scale = packed[j] & 63;
    *minimum = packed[j + 4] & 63;
  } else {
    *scale = low(packed[j + 4]) | ((packed[j - 4] >> 6) << 4);
    *minimum = high(packed[j + 4]) | ((packed[j] >> 6) << 4);
  }
}

// Q4_K: f16 d, f16 dmin, 12 bytes of scales, 128 bytes. Sub-block j of 32: w = d · scale_j · q − dmin · minimum_j.
// Bytes 32·(j/2) … +31 hold sub-blocks j even (low) and j odd (high).
static void decode_q4_k(const uint8_t *block, double *out) {
  const double d = half_at(block), dmin = half_at(block + 2);
  const uint8_t *codes = block + 16;
  for (int j = 0; j < 8; j++) {
    int scale, minimum;
    scale_and_minimum(block + 4, j, &scale, &minimum);
    for (int i = 0; i < 32; i++) {
      const uint8_t byte = codes[j / 2 * 32 + i];
      out[j * 32 + i] = d * scale * (j % 2 == 0 ? low(byte) : high(byte)) - dmin * minimum;
    }
  }
}

// Q5_K: as Q4_K with 32 bytes of fifth bits before the codes; bit j of byte i belongs to element i of sub-block j.
static void decode_q5_k(const uint8_t *block, double *out) {
  const double d = half_at(block), dmin = half_at(block + 2);
  const uint8_t *fifths = block + 16, *codes = block + 48;
  for (int j = 0; j < 8; j++) {
    int scale, minimum;
    scale_and_minimum(block + 4, j, &scale, &minimum);
    for (int i = 0; i < 32; i++) {
      const uint8_t byte = codes[j / 2 * 32 + i];
      const int q = (j % 2 == 0 ? low(byte) : high(byte)) + (((fifths[i] >> j) & 1) << 4);
      out[j * 32 + i] = d * scale * q - dmin * minimum;
    }
  }
}

// Q6_K: 128 bytes of low nibbles, 64 bytes of upper bit pairs, 16 × i8 scales (one per 16), f16 d.  w = d · scale · (q − 32)
// Each half of 128 elements is four runs of 32: runs 0 and 1 take the low nibbles of bytes 0–31 and 32–63, runs 2 and 3 the high nibbles of
// the same bytes; the upper pair of run r is bits 2r, 2r+1 of the 32 bytes of pairs.
static void decode_q6_k(const uint8_t *block, double *out) {
  const double d = half_at(block + 208);
  for (int half = 0; half < 2; half++) {
    const uint8_t *codes = block + half * 64, *pairs = block + 128 + half * 32, *scales = block + 192 + half * 8;
    for (int run = 0; run < 4; run++) {
      for (int i = 0; i < 32; i++) {
        const uint8_t byte = codes[run % 2 * 32 + i];
        const int q = (run < 2 ? low(byte) : high(byte)) | (((pairs[i] >> (2 * run)) & 3) << 4);
        out[half * 128 + run * 32 + i] = d * static_cast<int8_t>(scales[run * 2 + i / 16]) * (q - 32);
      }
    }
  }
}

// ---- NF4 ----

// The 16 levels: quantiles of a normal distribution, normalized to ±1 (QLoRA, arXiv:2305.14314, appendix E), as bitsandbytes prints them.
static const float NF4_LEVELS[16] = {-1.0f,
                                     -0.6961928009986877f,
                                     -0.5250730514526367f,
                                     -0.39491748809814453f,
                                     -0.28444138169288635f,
                                     -0.18477343022823334f,
                                     -0.09105003625154495f,
                                     0.0f,
                                     0.07958029955625534f,
                                     0.16093020141124725f,
                                     0.24611230194568634f,
                                     0.33791524171829224f,
                                     0.44070982933044434f,
                                     0.5626170039176941f,
                                     0.7229568362236023f,
                                     1.0f};

// Scale of block b. The products here are f32 on purpose: decoding is bit-exact with bitsandbytes, which computes them so.
static float nf4_absmax(const remora_weight &weight, int64_t b) {
  if (weight.nested_scales == nullptr) return static_cast<const float *>(weight.scales)[b];
  const uint8_t code = static_cast<const uint8_t *>(weight.scales)[b];
  const volatile float product = weight.nested_code[code] * weight.nested_scales[b / 256];  // volatile: no fused multiply-add
  return product + weight.nested_offset;
}

static void decode_nf4_row(const remora_weight &weight, int64_t row, double *out) {
  const uint8_t *codes = static_cast<const uint8_t *>(weight.data);
  for (int64_t c = 0; c < weight.cols; c++) {
    const int64_t i = row * weight.cols + c;
    const int code = i % 2 == 0 ? high(codes[i / 2]) : low(codes[i / 2]);
    out[c] = NF4_LEVELS[code] * nf4_absmax(weight, i / 64);
  }
}

// ---- E4M3 ----

// 1 sign, 4 exponent (bias 7), 3 fraction bits; exponent 0 is subnormal, 1111.111 is NaN.
static double decode_e4m3(uint8_t code) {
  const int exponent = (code >> 3) & 15, fraction = code & 7;
  const double size = exponent == 15 && fraction == 7 ? NAN : exponent == 0 ? std::ldexp(fraction, -9) : std::ldexp(8 + fraction, exponent - 10);
  return (code & 0x80) ? -size : size;
}

static uint8_t encode_e4m3(double value) {
  const uint8_t sign = std::signbit(value) ? 0x80 : 0;
  if (std::isnan(value)) return 0x7F;
  const double size = std::fabs(value);
  if (size >= 448) return sign | 0x7E;
  int exponent = size == 0 ? -6 : std::ilogb(size);
  if (exponent < -6) exponent = -6;  // subnormal: the unit stays 2^-9
  const double units = std::nearbyint(std::ldexp(size, 3 - exponent));  // ties to even; 16 carries into the exponent
  const int code = (exponent + 6) * 8 + static_cast<int>(units);
  return static_cast<uint8_t>(sign | (code < 0x7E ? code : 0x7E));
}

// The smallest power of two, at least 2^-126, that brings `largest` within 448.
static float e4m3_scale(double largest) {
  if (!std::isfinite(largest)) return NAN;
  int exponent = -126;
  while (largest > std::ldexp(448.0, exponent)) exponent++;
  return static_cast<float>(std::ldexp(1.0, exponent));
}

// Largest magnitude, NaN when there is one.
static double largest_magnitude(const double *x, int64_t count) {
  double largest = 0;
  for (int64_t i = 0; i < count; i++) {
    if (!(std::fabs(x[i]) <= largest)) largest = std::fabs(x[i]);
    if (std::isnan(largest)) break;
  }
  return largest;
}

void round_row_e4m3(double *x, int64_t count) {
  const double scale = e4m3_scale(largest_magnitude(x, count));
  for (int64_t i = 0; i < count; i++) x[i] = decode_e4m3(encode_e4m3(x[i] / scale)) * scale;
}

static int32_t fp8_encode(remora_context *ctx, const void *x, uint8_t *codes, float *scales, int64_t rows, int64_t cols, int32_t dtype) {
  double *row = doubles(ctx, 0, cols);
  REMORA_NEED(row);
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t c = 0; c < cols; c++) row[c] = get(x, r * cols + c, dtype);
    scales[r] = e4m3_scale(largest_magnitude(row, cols));
    for (int64_t c = 0; c < cols; c++) codes[r * cols + c] = encode_e4m3(row[c] / scales[r]);
  }
  return REMORA_OK;
}

// ---- any format ----

struct BlockFormat {
  int32_t format;
  int64_t elements;
  int64_t bytes;
  void (*decode)(const uint8_t *block, double *out);
};

static const BlockFormat BLOCK_FORMATS[] = {
    {REMORA_Q8_0, 32, 34, decode_q8_0},   {REMORA_Q4_0, 32, 18, decode_q4_0},   {REMORA_Q4_1, 32, 20, decode_q4_1},
    {REMORA_Q5_0, 32, 22, decode_q5_0},   {REMORA_Q5_1, 32, 24, decode_q5_1},   {REMORA_Q4_K, 256, 144, decode_q4_k},
    {REMORA_Q5_K, 256, 176, decode_q5_k}, {REMORA_Q6_K, 256, 210, decode_q6_k},
};

void decode_row(const remora_weight &weight, int64_t row, double *out) {
  if (weight.format == REMORA_NF4) return decode_nf4_row(weight, row, out);
  if (weight.format == REMORA_E4M3) {
    const double scale = static_cast<const float *>(weight.scales)[row];
    for (int64_t c = 0; c < weight.cols; c++) out[c] = decode_e4m3(static_cast<const uint8_t *>(weight.data)[row * weight.cols + c]) * scale;
    return;
  }
  for (const BlockFormat &format : BLOCK_FORMATS) {
    if (format.format != weight.format) continue;
    const int64_t blocks = weight.cols / format.elements;
    const uint8_t *bytes = static_cast<const uint8_t *>(weight.data) + row * blocks * format.bytes;
    for (int64_t b = 0; b < blocks; b++) format.decode(bytes + b * format.bytes, out + b * format.elements);
    return;
  }
  for (int64_t c = 0; c < weight.cols; c++) out[c] = get(weight.data, row * weight.cols + c, weight.format);
}

static int32_t weight_decode(remora_context *ctx, const remora_weight *weight, void *out, int64_t row, int64_t row_count, int32_t dtype) {
  double *values = doubles(ctx, 0, weight->cols);
  REMORA_NEED(values);
  for (int64_t r = 0; r < row_count; r++) {
    decode_row(*weight, row + r, values);
    for (int64_t c = 0; c < weight->cols; c++) put(out, r * weight->cols + c, dtype, values[c]);
  }
  return REMORA_OK;
}

// How many of the midpoints between neighbouring levels lie below `value`: the index of the nearest level, the lower one in a tie.
static int nearest_level(const float *levels, int count, float value) {
  int index = 0;
  while (index + 1 < count && value > (levels[index] + levels[index + 1]) / 2) index++;
  return index;
}

// bitsandbytes' two ways to scale a block to ±1, in f32: a whole block is multiplied by the reciprocal of its largest size, a shorter last
// block is divided and keeps 1e-38 as the scale of nothing but zeros. They differ in the last bit only, and so may a code on a midpoint.
struct BlockScale {
  float largest;
  bool whole;

  float kept() const { return whole ? largest : divisor(); }
  float divisor() const { return std::fmax(largest, 1e-38f); }
  float apply(float value) const {
    const float scaled = whole ? value * (1.0f / divisor()) : value / divisor();
    return std::fmin(1.0f, std::fmax(-1.0f, scaled));
  }
};

// absmax[b] = max |x| over the block of 64;  code = nearest level of x / absmax
static int32_t nf4_encode(remora_context *, const void *x, uint8_t *codes, float *absmax, int64_t count, int32_t dtype) {
  for (int64_t start = 0; start < count; start += 64) {
    const int64_t end = start + 64 < count ? start + 64 : count;
    float largest = 0;
    for (int64_t i = start; i < end; i++) largest = std::fmax(largest, static_cast<float>(std::fabs(get(x, i, dtype))));
    const BlockScale scale = {largest, end - start == 64};
    absmax[start / 64] = scale.kept();
    for (int64_t i = start; i < end; i++) {
      const uint8_t code = static_cast<uint8_t>(nearest_level(NF4_LEVELS, 16, scale.apply(static_cast<float>(get(x, i, dtype)))));
      uint8_t &byte = codes[i / 2];
      byte = static_cast<uint8_t>(i % 2 == 0 ? code << 4 : (byte & 0xF0) | code);
    }
  }
  // An odd count leaves half a byte: bitsandbytes pads it with an encoded 0.
  if (count % 2 != 0) codes[count / 2] = static_cast<uint8_t>((codes[count / 2] & 0xF0) | 7);
  return REMORA_OK;
}

// out = W + scale · B A
static int32_t merge_rows(remora_context *ctx, const remora_weight *weight, const float *a, const float *b, void *out, int64_t row,
                          int64_t row_count, int64_t rank, int32_t dtype, float scale) {
  const int64_t cols = weight->cols;
  double *values = doubles(ctx, 0, cols);
  REMORA_NEED(values);
  for (int64_t n = 0; n < row_count; n++) {
    decode_row(*weight, row + n, values);
    for (int64_t c = 0; c < cols; c++) {
      double sum = 0;
      for (int64_t r = 0; r < rank; r++) sum += static_cast<double>(b[(row + n) * rank + r]) * a[r * cols + c];
      put(out, n * cols + c, dtype, rank == 0 ? values[c] : values[c] + scale * sum);
    }
  }
  return REMORA_OK;
}

static int32_t merge_rows_nf4(remora_context *ctx, const remora_weight *weight, const float *a, const float *b, uint8_t *codes, float *absmax,
                              int64_t row, int64_t row_count, int64_t rank, int32_t dtype, float scale) {
  double *merged = doubles(ctx, 1, weight->cols);  // room for a row of any dtype
  REMORA_NEED(merged);
  for (int64_t n = 0; n < row_count; n++) {
    const int64_t at = n * weight->cols;
    if (const int32_t status = merge_rows(ctx, weight, a, b, merged, row + n, 1, rank, dtype, scale)) return status;
    nf4_encode(ctx, merged, codes + at / 2, absmax + at / 64, weight->cols, dtype);
  }
  return REMORA_OK;
}

// offset = mean(absmax);  nested[g] = max |absmax − offset| over 256 blocks;  scale code = nearest entry of the map to the quotient
static int32_t nf4_nest(remora_context *, const float *absmax, const float *nested_code, uint8_t *scale_codes, float *nested, float *offset,
                        int64_t blocks) {
  double total = 0;
  for (int64_t b = 0; b < blocks; b++) total += absmax[b];
  offset[0] = static_cast<float>(blocks == 0 ? 0 : total / static_cast<double>(blocks));
  for (int64_t start = 0; start < blocks; start += 256) {
    const int64_t end = start + 256 < blocks ? start + 256 : blocks;
    float largest = 0;
    for (int64_t b = start; b < end; b++) largest = std::fmax(largest, std::fabs(absmax[b] - offset[0]));
    const BlockScale scale = {largest, end - start == 256};
    nested[start / 256] = scale.kept();
    for (int64_t b = start; b < end; b++) {
      scale_codes[b] = static_cast<uint8_t>(nearest_level(nested_code, 256, scale.apply(absmax[b] - offset[0])));
    }
  }
  return REMORA_OK;
}

void fill_weights(Kernels &k) {
  k.weight_decode = weight_decode;
  k.nf4_encode = nf4_encode;
  k.nf4_nest = nf4_nest;
  k.fp8_encode = fp8_encode;
  k.merge_rows = merge_rows;
  k.merge_rows_nf4 = merge_rows_nf4;
}

}  // namespace remora::reference

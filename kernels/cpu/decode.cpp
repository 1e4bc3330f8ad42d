// Decoding of every weight format. One block at a time: the codes are unpacked to bytes (plain loops that compilers vectorize), then widened,
// scaled and stored W at a time. Layouts of the GGUF blocks: ggml-common.h and dequantize_row_* of ggml-quants.c (llama.cpp).
#include "decode.h"
#include "fp8.h"

namespace remora::REMORA_ISA {

const float NF4_VALUES[16] = {
    -1.0f,
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
    1.0f,
};

int64_t format_block(int32_t format) {
  switch (format) {
    case REMORA_F32:
    case REMORA_BF16:
    case REMORA_F16: return 1;
    case REMORA_NF4: return 64;
    case REMORA_E4M3: return 16;
    case REMORA_Q8_0:
    case REMORA_Q4_0:
    case REMORA_Q4_1:
    case REMORA_Q5_0:
    case REMORA_Q5_1: return 32;
    case REMORA_Q4_K:
    case REMORA_Q5_K:
    case REMORA_Q6_K: return 256;
  }
  return 0;
}

static int64_t block_bytes(int32_t format) {
  switch (format) {
    case REMORA_F32: return 4;
    case REMORA_BF16:
    case REMORA_F16: return 2;
    case REMORA_NF4: return 32;
    case REMORA_E4M3: return 16;
    case REMORA_Q8_0: return 34;
    case REMORA_Q4_0: return 18;
    case REMORA_Q4_1: return 20;
    case REMORA_Q5_0: return 22;
    case REMORA_Q5_1: return 24;
    case REMORA_Q4_K: return 144;
    case REMORA_Q5_K: return 176;
    case REMORA_Q6_K: return 210;
  }
  return 0;
}

int64_t format_row_bytes(int32_t format, int64_t cols) {
  const int64_t block = format_block(format);
  return block == 0 ? 0 : cols / block * block_bytes(format);
}

REMORA_INLINE float half_at(const uint8_t *p) {
  f16_t h;
  memcpy(&h, p, 2);
  return to_float(h);
}

// out[i] = q[i] · d for COUNT codes
template <int COUNT, class B, class T>
REMORA_INLINE void scale_codes(const B *q, float d, T *out) {
  for (int i = 0; i < COUNT; i += W) store(out + i, load_int(q + i) * splat(d));
}
// out[i] = q[i] · d + m
template <int COUNT, class T>
REMORA_INLINE void scale_codes(const uint8_t *q, float d, float m, T *out) {
  for (int i = 0; i < COUNT; i += W) store(out + i, fma(load_int(q + i), splat(d), splat(m)));
}

// ---- dense ----
template <class S, class T>
static void convert_row(const S *x, T *out, int64_t count) {
  int64_t i = 0;
  for (; i + W <= count; i += W) store(out + i, load(x + i));
  if (i < count) store(out + i, load(x + i, count - i), count - i);
}
template <class T>
static void convert_row(const T *x, T *out, int64_t count) {
  memcpy(out, x, static_cast<size_t>(count) * sizeof(T));
}

// ---- NF4 ----
float nf4_absmax(const remora_weight &w, int64_t index) {
  if (w.nested_scales == nullptr) return static_cast<const float *>(w.scales)[index];
  const uint8_t code = static_cast<const uint8_t *>(w.scales)[index];
  // Two roundings, not one fused: bitsandbytes decodes the scales first and adds the offset after.
  return unfused(w.nested_code[code] * w.nested_scales[index >> 8]) + w.nested_offset;
}

// 64 codes (32 bytes, even element in the high nibble) times one scale.
template <class T>
REMORA_INLINE void decode_nf4_block(const uint8_t *codes, float absmax, T *out) {
#if REMORA_IS_AVX512
  const __m512 table = _mm512_loadu_ps(NF4_VALUES), scale = _mm512_set1_ps(absmax);
  const __m128i nibble = _mm_set1_epi8(15);
  for (int i = 0; i < 2; i++) {
    const __m128i b = _mm_loadu_si128((const __m128i *)(codes + 16 * i));
    const __m128i low = _mm_and_si128(b, nibble), high = _mm_and_si128(_mm_srli_epi16(b, 4), nibble);
    store(out + 32 * i, _mm512_permutexvar_ps(_mm512_cvtepu8_epi32(_mm_unpacklo_epi8(high, low)), table) * scale);
    store(out + 32 * i + 16, _mm512_permutexvar_ps(_mm512_cvtepu8_epi32(_mm_unpackhi_epi8(high, low)), table) * scale);
  }
#elif REMORA_IS_AVX2
  // Two tables of 8, chosen by bit 3 of the code moved into the sign.
  const __m256 first_half = _mm256_loadu_ps(NF4_VALUES), second_half = _mm256_loadu_ps(NF4_VALUES + 8), scale = _mm256_set1_ps(absmax);
  const __m128i nibble = _mm_set1_epi8(15);
  for (int i = 0; i < 2; i++) {
    const __m128i b = _mm_loadu_si128((const __m128i *)(codes + 16 * i));
    const __m128i low = _mm_and_si128(b, nibble), high = _mm_and_si128(_mm_srli_epi16(b, 4), nibble);
    const __m128i pairs[2] = {_mm_unpacklo_epi8(high, low), _mm_unpackhi_epi8(high, low)};
    for (int j = 0; j < 4; j++) {
      const __m256i index = _mm256_cvtepu8_epi32(j & 1 ? _mm_srli_si128(pairs[j >> 1], 8) : pairs[j >> 1]);
      const __m256 lower = _mm256_permutevar8x32_ps(first_half, index), upper = _mm256_permutevar8x32_ps(second_half, index);
      store(out + 32 * i + 8 * j, _mm256_blendv_ps(lower, upper, _mm256_castsi256_ps(_mm256_slli_epi32(index, 28))) * scale);
    }
  }
#else
  float scaled[16], values[64];
  for (int i = 0; i < 16; i++) scaled[i] = NF4_VALUES[i] * absmax;
  for (int i = 0; i < 32; i++) {
    values[2 * i] = scaled[codes[i] >> 4];
    values[2 * i + 1] = scaled[codes[i] & 15];
  }
  for (int i = 0; i < 64; i += W) store(out + i, load(values + i));
#endif
}

template <class T>
static void decode_nf4(const remora_weight &w, int64_t row, int64_t col, int64_t count, T *out) {
  const int64_t element = row * w.cols + col;
  const uint8_t *codes = static_cast<const uint8_t *>(w.data) + element / 2;
  for (int64_t i = 0; i < count; i += 64) decode_nf4_block(codes + i / 2, nf4_absmax(w, (element + i) / 64), out + i);
}

// ---- E4M3 ----
template <class T>
static void decode_e4m3(const remora_weight &w, int64_t row, int64_t col, int64_t count, T *out) {
  const uint8_t *codes = static_cast<const uint8_t *>(w.data) + row * w.cols + col;
  const float scale = static_cast<const float *>(w.scales)[row];
  for (int64_t i = 0; i < count; i++) from_float(e4m3_value(codes[i]) * scale, out[i]);
}

// ---- GGUF, blocks of 32 ----
template <class T>
REMORA_INLINE void decode_q8_0(const uint8_t *b, T *out) {
  scale_codes<32>(reinterpret_cast<const int8_t *>(b + 2), half_at(b), out);
}

// 16 bytes as one compiler vector: the unpacking below is a few instructions on every ISA. (Plain byte loops of 16 were left scalar, and their
// byte stores then stalled the vector loads: 7 times slower.)
typedef uint8_t Bytes __attribute__((vector_size(16)));
REMORA_INLINE Bytes load_bytes(const uint8_t *p) {
  Bytes b;
  memcpy(&b, p, 16);
  return b;
}
REMORA_INLINE void store_bytes(void *p, Bytes b) { memcpy(p, &b, 16); }

// Low nibbles are the first half of the block, high nibbles the second.
REMORA_INLINE void unpack_nibbles(const uint8_t *b, uint8_t *q, int bytes) {
  for (int i = 0; i < bytes; i += 16) {
    const Bytes v = load_bytes(b + i);
    store_bytes(q + i, v & 15);
    store_bytes(q + bytes + i, v >> 4);
  }
}
// The fifth bit of code i is bit i of the four bytes at `high`.
REMORA_INLINE void add_fifth_bits(const uint8_t *high, uint8_t *q) {
  const Bytes bit = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
  for (int half = 0; half < 2; half++) {
    const uint64_t repeated[2] = {high[2 * half] * 0x0101010101010101ull, high[2 * half + 1] * 0x0101010101010101ull};
    Bytes v;
    memcpy(&v, repeated, 16);
    store_bytes(q + 16 * half, load_bytes(q + 16 * half) | ((Bytes)((v & bit) != 0) & 16));
  }
}
// q − offset as signed bytes, in place.
REMORA_INLINE const int8_t *centre(uint8_t *q, uint8_t offset) {
  for (int i = 0; i < 32; i += 16) store_bytes(q + i, load_bytes(q + i) - offset);
  return reinterpret_cast<const int8_t *>(q);
}

template <class T>
REMORA_INLINE void decode_q4_0(const uint8_t *b, T *out) {
  uint8_t q[32];
  unpack_nibbles(b + 2, q, 16);
  scale_codes<32>(centre(q, 8), half_at(b), out);
}
template <class T>
REMORA_INLINE void decode_q4_1(const uint8_t *b, T *out) {
  uint8_t q[32];
  unpack_nibbles(b + 4, q, 16);
  scale_codes<32>(q, half_at(b), half_at(b + 2), out);
}
template <class T>
REMORA_INLINE void decode_q5_0(const uint8_t *b, T *out) {
  uint8_t q[32];
  unpack_nibbles(b + 6, q, 16);
  add_fifth_bits(b + 2, q);
  scale_codes<32>(centre(q, 16), half_at(b), out);
}
template <class T>
REMORA_INLINE void decode_q5_1(const uint8_t *b, T *out) {
  uint8_t q[32];
  unpack_nibbles(b + 8, q, 16);
  add_fifth_bits(b + 4, q);
  scale_codes<32>(q, half_at(b), half_at(b + 2), out);
}

// ---- GGUF, blocks of 256 ----
// Eight 6-bit scales and eight 6-bit minima in 12 bytes: the first four of each lie in the low bits of bytes 0–3 and 4–7, the others are
// split between nibbles of bytes 8–11 and the upper two bits of bytes 0–7.
REMORA_INLINE void unpack_k_scales(const uint8_t *s, uint8_t *scale, uint8_t *minimum) {
  for (int j = 0; j < 4; j++) {
    scale[j] = s[j] & 63;
    minimum[j] = s[j + 4] & 63;
    scale[j + 4] = static_cast<uint8_t>((s[j + 8] & 15) | ((s[j] >> 6) << 4));
    minimum[j + 4] = static_cast<uint8_t>((s[j + 8] >> 4) | ((s[j + 4] >> 6) << 4));
  }
}
template <class T>
REMORA_INLINE void decode_q4_k(const uint8_t *b, T *out) {
  const float d = half_at(b), d_min = half_at(b + 2);
  uint8_t scale[8], minimum[8], q[64];
  unpack_k_scales(b + 4, scale, minimum);
  for (int pair = 0; pair < 4; pair++) {
    unpack_nibbles(b + 16 + 32 * pair, q, 32);
    for (int half = 0; half < 2; half++) {
      const int j = 2 * pair + half;
      scale_codes<32>(q + 32 * half, d * scale[j], -(d_min * minimum[j]), out + 32 * j);
    }
  }
}
template <class T>
REMORA_INLINE void decode_q5_k(const uint8_t *b, T *out) {
  const float d = half_at(b), d_min = half_at(b + 2);
  const uint8_t *high = b + 16;
  uint8_t scale[8], minimum[8], q[64];
  unpack_k_scales(b + 4, scale, minimum);
  for (int pair = 0; pair < 4; pair++) {
    unpack_nibbles(b + 48 + 32 * pair, q, 32);
    for (int i = 0; i < 32; i++) q[i] |= static_cast<uint8_t>(((high[i] >> (2 * pair)) & 1) << 4);
    for (int i = 0; i < 32; i++) q[32 + i] |= static_cast<uint8_t>(((high[i] >> (2 * pair + 1)) & 1) << 4);
    for (int half = 0; half < 2; half++) {
      const int j = 2 * pair + half;
      scale_codes<32>(q + 32 * half, d * scale[j], -(d_min * minimum[j]), out + 32 * j);
    }
  }
}
template <class T>
REMORA_INLINE void decode_q6_k(const uint8_t *b, T *out) {
  const float d = half_at(b + 208);
  for (int half = 0; half < 2; half++) {
    const uint8_t *low = b + 64 * half, *high = b + 128 + 32 * half;
    const int8_t *scale = reinterpret_cast<const int8_t *>(b + 192 + 8 * half);
    int8_t q[128];
    for (int i = 0; i < 32; i++) q[i] = static_cast<int8_t>(((low[i] & 15) | ((high[i] & 3) << 4)) - 32);
    for (int i = 0; i < 32; i++) q[32 + i] = static_cast<int8_t>(((low[32 + i] & 15) | (((high[i] >> 2) & 3) << 4)) - 32);
    for (int i = 0; i < 32; i++) q[64 + i] = static_cast<int8_t>(((low[i] >> 4) | (((high[i] >> 4) & 3) << 4)) - 32);
    for (int i = 0; i < 32; i++) q[96 + i] = static_cast<int8_t>(((low[32 + i] >> 4) | ((high[i] >> 6) << 4)) - 32);
    for (int j = 0; j < 8; j++) scale_codes<16>(q + 16 * j, d * scale[j], out + 128 * half + 16 * j);
  }
}

// `f` is a lambda decoding one block, so that each format gets its own loop.
template <int BLOCK, class T, class F>
REMORA_INLINE void each_block(const remora_weight &w, int64_t row, int64_t col, int64_t count, T *out, F &&f) {
  const int64_t bytes = block_bytes(w.format);
  const uint8_t *b = static_cast<const uint8_t *>(w.data) + (row * w.cols + col) / BLOCK * bytes;
  for (int64_t i = 0; i < count; i += BLOCK, b += bytes) f(b, out + i);
}

template <class T>
static void decode_any(const remora_weight &w, int64_t row, int64_t col, int64_t count, T *out) {
  const int64_t element = row * w.cols + col;
  switch (w.format) {
    case REMORA_F32: return convert_row(static_cast<const float *>(w.data) + element, out, count);
    case REMORA_BF16: return convert_row(static_cast<const bf16_t *>(w.data) + element, out, count);
    case REMORA_F16: return convert_row(static_cast<const f16_t *>(w.data) + element, out, count);
    case REMORA_NF4: return decode_nf4(w, row, col, count, out);
    case REMORA_E4M3: return decode_e4m3(w, row, col, count, out);
    case REMORA_Q8_0: return each_block<32>(w, row, col, count, out, [](const uint8_t *b, T *o) { decode_q8_0(b, o); });
    case REMORA_Q4_0: return each_block<32>(w, row, col, count, out, [](const uint8_t *b, T *o) { decode_q4_0(b, o); });
    case REMORA_Q4_1: return each_block<32>(w, row, col, count, out, [](const uint8_t *b, T *o) { decode_q4_1(b, o); });
    case REMORA_Q5_0: return each_block<32>(w, row, col, count, out, [](const uint8_t *b, T *o) { decode_q5_0(b, o); });
    case REMORA_Q5_1: return each_block<32>(w, row, col, count, out, [](const uint8_t *b, T *o) { decode_q5_1(b, o); });
    case REMORA_Q4_K: return each_block<256>(w, row, col, count, out, [](const uint8_t *b, T *o) { decode_q4_k(b, o); });
    case REMORA_Q5_K: return each_block<256>(w, row, col, count, out, [](const uint8_t *b, T *o) { decode_q5_k(b, o); });
    case REMORA_Q6_K: return each_block<256>(w, row, col, count, out, [](const uint8_t *b, T *o) { decode_q6_k(b, o); });
  }
}

void decode_segment(const remora_weight &w, int64_t row, int64_t col, int64_t count, float *out) { decode_any(w, row, col, count, out); }
void decode_segment(const remora_weight &w, int64_t row, int64_t col, int64_t count, bf16_t *out) { decode_any(w, row, col, count, out); }
void decode_segment(const remora_weight &w, int64_t row, int64_t col, int64_t count, f16_t *out) { decode_any(w, row, col, count, out); }

static int32_t weight_decode(remora_context *ctx, const remora_weight *weight, void *out, int64_t row, int64_t row_count, int32_t dtype) {
  const int64_t block = format_block(weight->format);
  if (block == 0) return fail(ctx, REMORA_STATUS_DTYPE, "weight_decode: unknown weight format %d", static_cast<int>(weight->format));
  if (weight->cols % block != 0)
    return fail(ctx, REMORA_STATUS_SHAPE, "weight_decode: rows of %lld elements; format %d needs a multiple of %lld",
                static_cast<long long>(weight->cols), static_cast<int>(weight->format), static_cast<long long>(block));
  if (row < 0 || row_count < 0 || row + row_count > weight->rows)
    return fail(ctx, REMORA_STATUS_ARGUMENT, "weight_decode: rows %lld to %lld of a weight with %lld rows", static_cast<long long>(row),
                static_cast<long long>(row + row_count), static_cast<long long>(weight->rows));
  return dispatch_dtype(ctx, dtype, [&](auto tag) {
    using T = decltype(tag);
    T *target = static_cast<T *>(out);
    const int64_t cols = weight->cols, grain = cols >= 16384 ? 1 : 16384 / (cols > 0 ? cols : 1);
    parallel_for(ctx, row_count, grain, [&](int64_t begin, int64_t end, int) {
      for (int64_t r = begin; r < end; r++) decode_segment(*weight, row + r, 0, cols, target + r * cols);
    });
    return REMORA_OK;
  });
}

void fill_decode(Kernels &k) { k.weight_decode = weight_decode; }

}  // namespace remora::REMORA_ISA

// GGUF block formats (llama.cpp's layouts, all scales f16) to f32, bf16 or f16; whole rows or gathered rows (an embedding).
// Plan: a thread owns 8 consecutive elements of a row: it reads its block's scales and its codes byte by byte (blocks are not 16-byte
// aligned) and writes 16 bytes. Neighbouring threads share a block, so reads come from L1. Bytes: 0.56 … 1.06 read, 2 written an element.
// Limit: memory; the byte loads keep it near half of that, which is enough for weights decoded once a layer.
#include "common.cuh"

__device__ __forceinline__ float half_at(const uint8_t *p) { return to_float(f16_t{static_cast<uint16_t>(p[0] | p[1] << 8)}); }

// Each decoder writes elements [e, e + 8) of one block, e a multiple of 8.
struct Q8_0 {
  static constexpr int ELEMENTS = 32, BYTES = 34;
  static __device__ __forceinline__ void decode(const uint8_t *b, int e, float v[8]) {
    const float d = half_at(b);
#pragma unroll
    for (int i = 0; i < 8; i++) v[i] = d * static_cast<float>(static_cast<int8_t>(b[2 + e + i]));
  }
};
// 16 bytes of nibbles: element i < 16 is the low nibble of byte i, i >= 16 the high nibble of byte i - 16
__device__ __forceinline__ int nibble_of_32(const uint8_t *codes, int i) { return i < 16 ? codes[i] & 15 : codes[i - 16] >> 4; }
__device__ __forceinline__ int fifth_of_32(const uint8_t *bits, int i) { return (bits[i >> 3] >> (i & 7) & 1) << 4; }
struct Q4_0 {
  static constexpr int ELEMENTS = 32, BYTES = 18;
  static __device__ __forceinline__ void decode(const uint8_t *b, int e, float v[8]) {
    const float d = half_at(b);
#pragma unroll
    for (int i = 0; i < 8; i++) v[i] = d * static_cast<float>(nibble_of_32(b + 2, e + i) - 8);
  }
};
struct Q4_1 {
  static constexpr int ELEMENTS = 32, BYTES = 20;
  static __device__ __forceinline__ void decode(const uint8_t *b, int e, float v[8]) {
    const float d = half_at(b), m = half_at(b + 2);
#pragma unroll
    for (int i = 0; i < 8; i++) v[i] = d * static_cast<float>(nibble_of_32(b + 4, e + i)) + m;
  }
};
struct Q5_0 {
  static constexpr int ELEMENTS = 32, BYTES = 22;
  static __device__ __forceinline__ void decode(const uint8_t *b, int e, float v[8]) {
    const float d = half_at(b);
#pragma unroll
    for (int i = 0; i < 8; i++) v[i] = d * static_cast<float>((nibble_of_32(b + 6, e + i) | fifth_of_32(b + 2, e + i)) - 16);
  }
};
struct Q5_1 {
  static constexpr int ELEMENTS = 32, BYTES = 24;
  static __device__ __forceinline__ void decode(const uint8_t *b, int e, float v[8]) {
    const float d = half_at(b), m = half_at(b + 2);
#pragma unroll
    for (int i = 0; i < 8; i++) v[i] = d * static_cast<float>(nibble_of_32(b + 8, e + i) | fifth_of_32(b + 4, e + i)) + m;
  }
};
// The 6-bit scale and minimum of sub-block j of Q4_K and Q5_K, packed in 12 bytes.
__device__ __forceinline__ void scale_and_minimum(const uint8_t *p, int j, float &scale, float &minimum) {
  if (j < 4) {
    scale = static_cast<float>(p[j] & 63);
    minimum = static_cast<float>(p[j + 4] & 63);
  } else {
    scale = static_cast<float>((p[j + 4] & 15) | (p[j - 4] >> 6) << 4);
    minimum = static_cast<float>((p[j + 4] >> 4) | (p[j] >> 6) << 4);
  }
}
struct Q4_K {
  static constexpr int ELEMENTS = 256, BYTES = 144;
  static __device__ __forceinline__ void decode(const uint8_t *b, int e, float v[8]) {
    const int j = e / 32, at = e % 32;
    float scale, minimum;
    scale_and_minimum(b + 4, j, scale, minimum);
    const float d = half_at(b) * scale, m = half_at(b + 2) * minimum;
#pragma unroll
    for (int i = 0; i < 8; i++) {
      const int byte = b[16 + j / 2 * 32 + at + i];
      v[i] = d * static_cast<float>(j % 2 ? byte >> 4 : byte & 15) - m;
    }
  }
};
struct Q5_K {
  static constexpr int ELEMENTS = 256, BYTES = 176;
  static __device__ __forceinline__ void decode(const uint8_t *b, int e, float v[8]) {
    const int j = e / 32, at = e % 32;
    float scale, minimum;
    scale_and_minimum(b + 4, j, scale, minimum);
    const float d = half_at(b) * scale, m = half_at(b + 2) * minimum;
#pragma unroll
    for (int i = 0; i < 8; i++) {
      const int byte = b[48 + j / 2 * 32 + at + i], fifth = (b[16 + at + i] >> j & 1) << 4;
      v[i] = d * static_cast<float>((j % 2 ? byte >> 4 : byte & 15) | fifth) - m;
    }
  }
};
struct Q6_K {
  static constexpr int ELEMENTS = 256, BYTES = 210;
  static __device__ __forceinline__ void decode(const uint8_t *b, int e, float v[8]) {
    const int half = e / 128, run = e % 128 / 32, at = e % 32;
    const float d = half_at(b + 208) * static_cast<float>(static_cast<int8_t>(b[192 + half * 8 + run * 2 + at / 16]));
#pragma unroll
    for (int i = 0; i < 8; i++) {
      const int byte = b[half * 64 + run % 2 * 32 + at + i], pair = b[128 + half * 32 + at + i] >> (2 * run) & 3;
      v[i] = d * static_cast<float>(((run < 2 ? byte & 15 : byte >> 4) | pair << 4) - 32);
    }
  }
};

template <class F, class T>
__device__ void decode_rows(const uint8_t *data, const int32_t *ids, T *out, int64_t row, int64_t row_count, int64_t cols, int64_t out_stride, float scale) {
  const int64_t pieces = cols / 8, row_bytes = cols / F::ELEMENTS * F::BYTES;
  const bool vector = is_aligned16(out) && out_stride % 8 == 0;
  for (int64_t i = grid_start(); i < row_count * pieces; i += grid_step()) {
    const int64_t r = i / pieces, c = (i - r * pieces) * 8, source = ids ? ids[r] : row + r;
    float v[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    if (source >= 0) F::decode(data + source * row_bytes + c / F::ELEMENTS * F::BYTES, static_cast<int>(c % F::ELEMENTS), v);
#pragma unroll
    for (int k = 0; k < 8; k++) v[k] *= scale;
    if (vector) store8<true>(out + r * out_stride + c, 8, v);
    else store8<false>(out + r * out_stride + c, 8, v);
  }
}

// launch: grid min(ceil(row_count · cols / 2048), 16384), block 256. out[r] = scale · W[ids ? ids[r] : row + r], rows out_stride apart; ids may be 0,
// an id < 0 gives zeros.
#define GGUF_DECODE(format, F, suffix, T)                                                                                              \
  extern "C" __global__ void __launch_bounds__(256) gguf_decode_##format##_##suffix(const uint8_t *data, const int32_t *ids, T *out, int64_t row, \
                                                                                    int64_t row_count, int64_t cols, int64_t out_stride, float scale) { \
    decode_rows<F, T>(data, ids, out, row, row_count, cols, out_stride, scale);                                                       \
  }
#define GGUF_DECODE_ALL(suffix, T)                                                                                                     \
  GGUF_DECODE(q8_0, Q8_0, suffix, T) GGUF_DECODE(q4_0, Q4_0, suffix, T) GGUF_DECODE(q4_1, Q4_1, suffix, T) GGUF_DECODE(q5_0, Q5_0, suffix, T) \
  GGUF_DECODE(q5_1, Q5_1, suffix, T) GGUF_DECODE(q4_k, Q4_K, suffix, T) GGUF_DECODE(q5_k, Q5_K, suffix, T) GGUF_DECODE(q6_k, Q6_K, suffix, T)
REMORA_FOR_ACTIVATIONS(GGUF_DECODE_ALL)

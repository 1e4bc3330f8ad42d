// E4M3 (arXiv:2209.05433): rows of activations and of weights to codes under one power-of-two scale each, codes back to floats, codes transposed.
// Plan, encode: a block owns a row, a thread pieces of 8 columns, a block's width apart. bf16 pieces, up to 8 a thread, stay in registers between
// finding the largest magnitude and writing codes; f32 and what lies beyond are read again, from L2. A block has 512 threads, or 128 where such a row
// fits (8,192 columns): registers allow two rows of 512 threads a multiprocessor or seven of 128, at 5,120 columns 20 or 72 kB under way while a row
// waits for its largest. Scales of columns come as exponents, one byte each: as f32 they would move more bytes through L2 than the row itself.
// Bytes: 2 (bf16) or 4 (f32) read, 1 written an element. Limit: memory. At Nemo's shape and 8,192 tokens x and d_y of a layer's linears are
// 28,672 + 45,056 columns: 1.8 GB, 72 GB for 40 layers, 19 ms at 3.9 TB/s.
// Cards before sm_89 round in integer arithmetic; they only need it where weights are decoded, for they have no 8-bit products.
#include "e4m3.cuh"

template <int THREADS, class T, bool VECTOR>
__device__ void fp8_encode_row(const T *x, const uint8_t *columns, uint8_t *codes, float *scale, int64_t C, uint32_t *scratch) {
  constexpr int KEEP = VECTOR && sizeof(T) == 2 ? 8 : 0;
  uint4 kept[KEEP ? KEEP : 1];
  uint32_t largest = 0;
  const auto compare = [&](int64_t c, float v[8]) {
    scale_columns<VECTOR>(columns, c, C, v);
    keep_largest(largest, v);
  };
#pragma unroll
  for (int k = 0; k < KEEP; k++) {
    const int64_t c = (k * THREADS + threadIdx.x) * 8ll;
    if (c < C) kept[k] = *reinterpret_cast<const uint4 *>(x + c);
  }
#pragma unroll
  for (int k = 0; k < KEEP; k++) {
    const int64_t c = (k * THREADS + threadIdx.x) * 8ll;
    float v[8];
    if (c < C) unpack8<T>(kept[k], v), compare(c, v);
  }
  for (int64_t c = (KEEP * THREADS + threadIdx.x) * 8ll; c < C; c += THREADS * 8) {
    float v[8];
    load8<VECTOR>(x + c, C - c, v);
    compare(c, v);
  }
  const float s = e4m3_scale(block_max_bits<THREADS>(largest, scratch)), inverse = 1.0f / s;
  if (threadIdx.x == 0) *scale = s;
  const auto write = [&](int64_t c, float v[8]) {
    scale_columns<VECTOR>(columns, c, C, v);
    const uint2 words = e4m3_codes(v, inverse);
    if (VECTOR) {
      *reinterpret_cast<uint2 *>(codes + c) = words;
    } else {
      for (int i = 0; i < 8 && c + i < C; i++) codes[c + i] = static_cast<uint8_t>((i < 4 ? words.x : words.y) >> (8 * (i % 4)));
    }
  };
#pragma unroll
  for (int k = 0; k < KEEP; k++) {
    const int64_t c = (k * THREADS + threadIdx.x) * 8ll;
    float v[8];
    if (c < C) unpack8<T>(kept[k], v), write(c, v);
  }
  for (int64_t c = (KEEP * THREADS + threadIdx.x) * 8ll; c < C; c += THREADS * 8) {
    float v[8];
    load8<VECTOR>(x + c, C - c, v);
    write(c, v);
  }
}

// launch: grid N. x [N, C] → codes u8 [N, C], scales f32 [N]. columns u8 [C], or 0: x[n, c] · 2^(columns[c] - 127) is what is rounded.
#define FP8_ENCODE(name, THREADS, T)                                                                                                   \
  extern "C" __global__ void __launch_bounds__(THREADS) fp8_encode_##name(const T *x, const uint8_t *columns, uint8_t *codes, float *scales, int64_t C) { \
    __shared__ uint32_t scratch[THREADS / 32];                                                                                         \
    const int64_t row = blockIdx.x;                                                                                                    \
    x += row * C, codes += row * C;                                                                                                    \
    if (C % 8 == 0 && is_aligned16(x) && ((reinterpret_cast<uintptr_t>(codes) | reinterpret_cast<uintptr_t>(columns)) & 7) == 0)         \
      fp8_encode_row<THREADS, T, true>(x, columns, codes, scales + row, C, scratch);                                                   \
    else                                                                                                                               \
      fp8_encode_row<THREADS, T, false>(x, columns, codes, scales + row, C, scratch);                                                  \
  }
FP8_ENCODE(block_per_row_f32, 512, float)
FP8_ENCODE(block_per_row_bf16, 512, bf16_t)
FP8_ENCODE(four_warps_per_row_bf16, 128, bf16_t)

// The exponents of power-of-two scales, as bytes: columns of the kernel above. launch: grid ceil(count / 256), block 256.
extern "C" __global__ void __launch_bounds__(256) fp8_scale_exponents(const float *scales, uint8_t *exponents, int64_t count) {
  const int64_t i = grid_start();
  if (i < count) exponents[i] = static_cast<uint8_t>(__float_as_uint(scales[i]) >> 23);  // NaN: 255, which multiplies as infinity
}

// launch: grid min(ceil(rows · cols / 2048), 16384), block 256. Rows [row, row + rows) of codes [*, cols] to out [rows, cols]; cols a multiple of
// 16, out 16-byte aligned.
#define FP8_DECODE(suffix, T)                                                                                                          \
  extern "C" __global__ void __launch_bounds__(256) fp8_decode_##suffix(const uint8_t *codes, const float *scales, T *out, int64_t row, int64_t rows, \
                                                                        int64_t cols) {                                                \
    const int64_t pieces = rows * cols / 8;                                                                                            \
    for (int64_t i = grid_start(); i < pieces; i += grid_step()) {                                                                     \
      const int64_t element = i * 8, r = row + element / cols;                                                                         \
      const uint2 words = *reinterpret_cast<const uint2 *>(codes + row * cols + element);                                               \
      const float scale = scales[r];                                                                                                   \
      float v[8];                                                                                                                      \
      _Pragma("unroll") for (int k = 0; k < 8; k++) v[k] = e4m3_value((k < 4 ? words.x : words.y) >> (8 * (k % 4)) & 255) * scale;      \
      store8_vector(out + element, v);                                                                                                 \
    }                                                                                                                                  \
  }
REMORA_FOR_ACTIVATIONS(FP8_DECODE)

// A block owns a tile of 64 x 64 codes: rows come in and columns go out as 4-byte words. Once a weight, when a run starts.
// launch: grid (ceil(cols / 64), ceil(rows / 64)), block 256. target[c · stride + r] = codes[r · cols + c]; rows, cols and stride multiples of 4,
// both 4-byte aligned.
extern "C" __global__ void __launch_bounds__(256) fp8_transpose_64x64(const uint8_t *codes, uint8_t *target, int rows, int cols, int64_t stride) {
  __shared__ uint8_t tile[64][68];  // 17 words a row: columns of a tile lie in different banks
  const int row0 = blockIdx.y * 64, column0 = blockIdx.x * 64, word = threadIdx.x % 16 * 4;
  for (int r = threadIdx.x / 16; r < 64; r += 16) {
    if (row0 + r < rows && column0 + word < cols)
      *reinterpret_cast<uint32_t *>(&tile[r][word]) = *reinterpret_cast<const uint32_t *>(codes + static_cast<int64_t>(row0 + r) * cols + column0 + word);
  }
  __syncthreads();
  for (int c = threadIdx.x / 16; c < 64; c += 16) {
    if (column0 + c >= cols || row0 + word >= rows) continue;
    uint32_t packed = 0;
#pragma unroll
    for (int i = 0; i < 4; i++) packed |= static_cast<uint32_t>(tile[word + i][c]) << (8 * i);
    *reinterpret_cast<uint32_t *>(target + static_cast<int64_t>(column0 + c) * stride + row0 + word) = packed;
  }
}

// NF4 (bitsandbytes' layout): decode to f32, bf16 or f16, encode, and the double quantization of the scales.
// Decode plan: a warp owns 2,048 consecutive elements in 8 steps; at each step a lane takes 4 bytes of codes (8 elements) and writes 16
// bytes, so that loads and stores of the warp are contiguous; the 8 loads are issued before the first use. The 16 levels lie in shared
// memory in 16 different banks: no lookup conflicts. Bytes: 0.5 + 1/16 (or 1/64 + 1/4096) read, 2 written an element. Limit: memory,
// at about 4.5 of the 17 instructions an element that fit under it on an H200.
#include "nf4.cuh"

// 8 elements from 4 bytes; the even element is the high nibble of its byte.
__device__ __forceinline__ void nf4_unpack8(uint32_t codes, const float *levels, float absmax, float v[8]) {
#pragma unroll
  for (int b = 0; b < 4; b++) {
    v[2 * b] = levels[(codes >> (8 * b + 4)) & 15] * absmax;
    v[2 * b + 1] = levels[(codes >> (8 * b)) & 15] * absmax;
  }
}

// FLAT: the elements [first, first + total) of the flattened weight to out[0 … total). Otherwise row_count rows from `row` on, columns
// [column, column + column_count), out[r, c] at r · out_stride + c; total = row_count · column_count.
template <class T, bool NESTED, bool FLAT>
__device__ void nf4_decode(const uint8_t *codes, const void *scales, const float *nested_scales, const float *nested_code, float nested_offset, T *out,
                           int64_t row, int64_t column, int64_t cols, int64_t column_count, int64_t out_stride, int64_t total) {
  __shared__ float levels[16];
  __shared__ float code[256];
  if (threadIdx.x < 16) levels[threadIdx.x] = NF4_LEVELS[threadIdx.x];
  if (NESTED) code[threadIdx.x] = nested_code[threadIdx.x];
  __syncthreads();
  const int lane = threadIdx.x % 32;
  const int64_t start = (blockIdx.x * 8ll + threadIdx.x / 32) * 2048 + lane * 8;
  const uint32_t pieces = static_cast<uint32_t>(column_count / 8);
  uint32_t w[8];
  float absmax[8];
  int64_t target[8];
#pragma unroll
  for (int k = 0; k < 8; k++) {
    const int64_t i = start + k * 256;
    if (i < total) {
      int64_t element;
      if (FLAT) {
        element = row * cols + i;
        target[k] = i;
      } else {
        const uint32_t piece = static_cast<uint32_t>(i / 8), r = piece / pieces, c = (piece - r * pieces) * 8;
        element = (row + r) * cols + column + c;
        target[k] = r * out_stride + c;
      }
      w[k] = *reinterpret_cast<const uint32_t *>(codes + element / 2);
      absmax[k] = nf4_absmax<NESTED>(scales, nested_scales, code, nested_offset, element >> 6);
    }
  }
#pragma unroll
  for (int k = 0; k < 8; k++) {
    if (start + k * 256 < total) {
      float v[8];
      nf4_unpack8(w[k], levels, absmax[k], v);
      store8_vector(out + target[k], v);
    }
  }
}

// cols is a multiple of 64; codes 4-byte and out 16-byte aligned.
// launch (flat): grid ceil(count / 16384), block 256. Elements from row · cols on; count a multiple of 8.
// launch (columns): grid ceil(row_count · column_count / 16384), block 256. column, column_count, out_stride multiples of 8.
#define NF4_DECODE(suffix, T)                                                                                                          \
  extern "C" __global__ void __launch_bounds__(256) nf4_decode_flat_##suffix(const uint8_t *codes, const float *scales, T *out, int64_t row, int64_t cols, \
                                                                             int64_t count) {                                          \
    nf4_decode<T, false, true>(codes, scales, nullptr, nullptr, 0, out, row, 0, cols, 0, 0, count);                                   \
  }                                                                                                                                   \
  extern "C" __global__ void __launch_bounds__(256) nf4_decode_nested_flat_##suffix(const uint8_t *codes, const uint8_t *scales, const float *nested_scales, \
                                                                                    const float *nested_code, float nested_offset, T *out, \
                                                                                    int64_t row, int64_t cols, int64_t count) {        \
    nf4_decode<T, true, true>(codes, scales, nested_scales, nested_code, nested_offset, out, row, 0, cols, 0, 0, count);              \
  }                                                                                                                                   \
  extern "C" __global__ void __launch_bounds__(256) nf4_decode_columns_##suffix(const uint8_t *codes, const float *scales, T *out, int64_t row, \
                                                                                int64_t row_count, int64_t column, int64_t column_count, int64_t cols, \
                                                                                int64_t out_stride) {                                  \
    nf4_decode<T, false, false>(codes, scales, nullptr, nullptr, 0, out, row, column, cols, column_count, out_stride, row_count * column_count); \
  }                                                                                                                                   \
  extern "C" __global__ void __launch_bounds__(256) nf4_decode_nested_columns_##suffix(                                               \
      const uint8_t *codes, const uint8_t *scales, const float *nested_scales, const float *nested_code, float nested_offset, T *out, int64_t row, \
      int64_t row_count, int64_t column, int64_t column_count, int64_t cols, int64_t out_stride) {                                     \
    nf4_decode<T, true, false>(codes, scales, nested_scales, nested_code, nested_offset, out, row, column, cols, column_count, out_stride, \
                               row_count * column_count);                                                                             \
  }
REMORA_FOR_ACTIVATIONS(NF4_DECODE)

// One warp decodes one gathered row: out[n] = scale · W[ids[n]] (an NF4 embedding); ids < 0 give zeros.
// launch: grid ceil(N / 8), block 256. nested_scales 0: scales is f32.
#define NF4_GATHER(suffix, T)                                                                                                          \
  extern "C" __global__ void __launch_bounds__(256) nf4_gather_rows_warp_per_row_##suffix(                                             \
      const uint8_t *codes, const void *scales, const float *nested_scales, const float *nested_code, float nested_offset, const int32_t *ids, T *out, \
      int64_t N, int64_t cols, float scale) {                                                                                         \
    __shared__ float levels[16];                                                                                                      \
    if (threadIdx.x < 16) levels[threadIdx.x] = NF4_LEVELS[threadIdx.x];                                                              \
    __syncthreads();                                                                                                                  \
    const int64_t n = blockIdx.x * 8ll + threadIdx.x / 32;                                                                            \
    if (n >= N) return;                                                                                                               \
    const int64_t id = ids[n];                                                                                                        \
    for (int64_t c = threadIdx.x % 32 * 8; c < cols; c += 256) {                                                                      \
      float v[8] = {0, 0, 0, 0, 0, 0, 0, 0};                                                                                          \
      if (id >= 0) {                                                                                                                  \
        const int64_t e = id * cols + c;                                                                                              \
        const float absmax = nested_scales ? nf4_absmax<true>(scales, nested_scales, nested_code, nested_offset, e >> 6)              \
                                           : nf4_absmax<false>(scales, nullptr, nullptr, 0, e >> 6);                                  \
        nf4_unpack8(*reinterpret_cast<const uint32_t *>(codes + e / 2), levels, absmax, v);                                           \
        _Pragma("unroll") for (int i = 0; i < 8; i++) v[i] *= scale;                                                                  \
      }                                                                                                                               \
      store8_vector(out + n * cols + c, v);                                                                                           \
    }                                                                                                                                 \
  }
REMORA_FOR_ACTIVATIONS(NF4_GATHER)

// How bitsandbytes scales a block by its largest magnitude: a whole block multiplies by the reciprocal, a partial one divides and keeps
// 1e-38 as the scale of nothing but zeros.
__device__ __forceinline__ float block_scaled(float x, float top, bool whole) {
  const float divisor = fmaxf(top, 1e-38f);
  const float y = whole ? __fmul_rn(x, __fdiv_rn(1.0f, divisor)) : __fdiv_rn(x, divisor);
  return fminf(1.0f, fmaxf(-1.0f, y));
}
__device__ __forceinline__ float block_kept(float top, bool whole) { return whole ? top : fmaxf(top, 1e-38f); }

// Nearest level of a value in [-1, 1]; a midpoint goes to the lower level, as in bitsandbytes.
__device__ __forceinline__ uint32_t nf4_nearest(float x, const float *midpoints) {
  uint32_t code = 0;
#pragma unroll
  for (int step = 8; step; step >>= 1)
    if (x > midpoints[code + step - 1]) code += step;
  return code;
}

// Encode plan: 8 lanes own a block of 64, a lane 8 elements; the largest magnitude by shuffles.
// launch: grid ceil(count / 2048), block 256. codes u8 [ceil(count / 2)], absmax f32 [ceil(count / 64)]; codes 4-byte aligned when count % 8 == 0.
#define NF4_ENCODE(suffix, T)                                                                                                          \
  extern "C" __global__ void __launch_bounds__(256) nf4_encode_##suffix(const T *x, uint8_t *codes, float *absmax, int64_t count) {    \
    __shared__ float midpoints[16];                                                                                                   \
    if (threadIdx.x < 15) midpoints[threadIdx.x] = (NF4_LEVELS[threadIdx.x] + NF4_LEVELS[threadIdx.x + 1]) / 2;                       \
    __syncthreads();                                                                                                                  \
    const int64_t i = grid_start() * 8;                                                                                               \
    float v[8], top = 0;                                                                                                              \
    if (is_aligned16(x) && i + 8 <= count) load8<true>(x + i, 8, v);                                                                  \
    else load8<false>(x + i, count - i, v);                                                                                           \
    _Pragma("unroll") for (int k = 0; k < 8; k++) top = fmaxf(top, fabsf(v[k]));                                                      \
    _Pragma("unroll") for (int d = 4; d; d >>= 1) top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, d));                             \
    if (i >= count) return;                                                                                                           \
    const bool whole = i / 64 * 64 + 64 <= count;                                                                                     \
    if (threadIdx.x % 8 == 0) absmax[i / 64] = block_kept(top, whole);                                                                \
    uint32_t word = 0;                                                                                                                \
    _Pragma("unroll") for (int k = 0; k < 8; k++) {                                                                                   \
      const uint32_t code = nf4_nearest(block_scaled(v[k], top, whole), midpoints);                                                \
      word |= code << (8 * (k / 2) + (k % 2 == 0 ? 4 : 0));                                                                           \
    }                                                                                                                                 \
    if (i + 8 <= count && count % 8 == 0) {                                                                                           \
      *reinterpret_cast<uint32_t *>(codes + i / 2) = word;                                                                            \
    } else {                                                                                                                          \
      for (int k = 0; k < 8 && i + k < count; k += 2) codes[(i + k) / 2] = static_cast<uint8_t>(word >> (4 * k));                     \
    }                                                                                                                                 \
  }
REMORA_FOR_ACTIVATIONS(NF4_ENCODE)

// Double quantization. First the mean: sum_partials_f32 over absmax, then nf4_nest_offset; then one block per 256 scales.
// launch: grid 1, block 256. offset[0] = sum of partials f64 [parts] / blocks.
extern "C" __global__ void __launch_bounds__(256) nf4_nest_offset(const double *partials, float *offset, int parts, int64_t blocks) {
  __shared__ double scratch[8];
  double total = 0;
  for (int i = threadIdx.x; i < parts; i += 256) total += partials[i];
  total = block_sum<256>(total, scratch);
  if (threadIdx.x == 0) offset[0] = blocks ? static_cast<float>(total / static_cast<double>(blocks)) : 0.0f;
}
// launch: grid ceil(blocks / 256), block 256. scale_codes u8 [blocks], nested f32 [ceil(blocks / 256)]; nested_code f32 [256], ascending.
extern "C" __global__ void __launch_bounds__(256) nf4_nest_block_per_256(const float *absmax, const float *nested_code, const float *offset,
                                                                         uint8_t *scale_codes, float *nested, int64_t blocks) {
  __shared__ float map[256], scratch[8];
  map[threadIdx.x] = nested_code[threadIdx.x];
  const int64_t b = blockIdx.x * 256ll + threadIdx.x;
  const float x = b < blocks ? __fadd_rn(absmax[b], -offset[0]) : 0;
  const float top = block_max<256>(fabsf(x), scratch);
  const bool whole = blockIdx.x * 256ll + 256 <= blocks;
  if (threadIdx.x == 0) nested[blockIdx.x] = block_kept(top, whole);
  if (b >= blocks) return;
  const float scaled = block_scaled(x, top, whole);
  int code = 0;
#pragma unroll
  for (int step = 128; step; step >>= 1) {
    const int i = code + step;
    if (i <= 255 && scaled > __fmul_rn(__fadd_rn(map[i - 1], map[i]), 0.5f)) code = i;
  }
  scale_codes[b] = static_cast<uint8_t>(code);
}

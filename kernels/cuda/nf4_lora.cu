// An NF4 weight decoded with LoRA's share in it:  out [rows, cols] = round(W + (scale·B) A), so that the large products need no adapter of their own.
// The sum is f32 and rounded once, up or down at random by a hash of the position: a share below half a unit of W arrives on average, and equal
// inputs give equal bits, forward and backward. Pieces of 8 whose shares are all zero are rounded to nearest: without adapters it is W.
// Plan: a warp owns 32 rows and 64 columns, which is one scale a row; a block 128 x 128. R runs in steps of 16 on mma.m16n8k16. Which column of A
// is column n of a product's 8 is free: n of product i takes column 8 (n / 2) + 2 i + n % 2 of 32, so that after four products a lane holds 8
// neighbours in a row, as its 4 bytes of codes do, and a quad reads 16 and writes 64 contiguous bytes. All codes are loaded before their first use.
// Bytes: those of nf4_decode_flat; A and B come from the caches. Limit: memory, at about 12.5 of the 21 instructions an element (rank 16, sm_90a) that fit
// under it on an H200. Why: docs/decisions/lora-in-the-decoded-weight.md.
#include "nf4.cuh"
#include "ptx.cuh"
#include "random_rounding.cuh"

// Element j of a lane takes the upper bits of its hash times an odd number of its own.
__device__ __forceinline__ constexpr uint32_t odd_number(uint32_t j) { return mixed_bits(j + 1) | 1; }

// 8 elements of a row: decoded, their share added. PIECE: which of the lane's 8 pieces.
template <int PIECE, class T> __device__ __forceinline__ uint4 merged8(uint32_t codes, const float *levels, float absmax, const float share[8], uint32_t hash) {
  const uint32_t high = codes >> 2 & 0x3c3c3c3cu, low = codes << 2 & 0x3c3c3c3cu;  // a byte is a level's place in bytes; the even element is the high nibble
  float v[8];
  uint32_t any = __float_as_uint(absmax) & 0x40000000u;  // the bit is set from 2 on, in infinities and in NaNs: those are rounded to nearest, and stay what they are
#pragma unroll
  for (int i = 0; i < 8; i++) {
    any |= __float_as_uint(share[i]);
    const uint32_t place = __byte_perm(i % 2 ? low : high, 0, 0x4440 + i / 2);
    v[i] = fmaf(*reinterpret_cast<const float *>(reinterpret_cast<const uint8_t *>(levels) + place), absmax, share[i]);
  }
  if ((any & 0x7fffffffu) - 1 >= 0x3fffffffu) return pack8<T>(v);
  constexpr uint32_t j = PIECE * 8;
  return make_uint4(pack2_at_random<T, true>(v[0], v[1], hash * odd_number(j), hash * odd_number(j + 1)),
                    pack2_at_random<T, true>(v[2], v[3], hash * odd_number(j + 2), hash * odd_number(j + 3)),
                    pack2_at_random<T, true>(v[4], v[5], hash * odd_number(j + 4), hash * odd_number(j + 5)),
                    pack2_at_random<T, true>(v[6], v[7], hash * odd_number(j + 6), hash * odd_number(j + 7)));
}

template <int VALUE> struct Number { static constexpr int value = VALUE; };

// 32 bits suffice for every offset here, and cost half of 64.
template <class P> __device__ __forceinline__ const P &read_at(const void *base, uint32_t offset) {
  return *reinterpret_cast<const P *>(static_cast<const uint8_t *>(base) + offset);
}

template <class T, bool NESTED>
__device__ void nf4_decode_lora(const uint8_t *codes, const void *scales, const float *nested_scales, const float *nested_code, float nested_offset, const T *a,
                                const T *b, T *out, uint32_t rows, uint32_t cols, uint32_t R, uint32_t b_stride) {
  __shared__ float levels[16];
  __shared__ float code[256];
  if (threadIdx.x < 16) levels[threadIdx.x] = NF4_LEVELS[threadIdx.x];
  if (NESTED) code[threadIdx.x] = nested_code[threadIdx.x];
  __syncthreads();
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, g = lane / 4, t = lane % 4;
  const uint32_t column = blockIdx.x * 128 + warp % 2 * 64, first = blockIdx.y * 128 + warp / 2 * 32;
  if (column >= cols || first >= rows) return;
  const uint32_t last = rows - 1, blocks = cols / 64, line = 2 * cols, b_line = 2 * b_stride;
  uint32_t row[4], word[4][2];  // rows first + g + 8 i; past the end the last one, read but not written
  float absmax[4];
#pragma unroll
  for (int i = 0; i < 4; i++) {
    row[i] = min(first + g + 8 * i, last);
    const uint32_t block = row[i] * blocks + column / 64;
    word[i][0] = read_at<uint32_t>(codes, block * 32 + t * 4);
    word[i][1] = read_at<uint32_t>(codes, block * 32 + t * 4 + 16);
    absmax[i] = nf4_absmax<NESTED>(scales, nested_scales, code, nested_offset, block);
  }
  const uint32_t hash = mixed_bits(((first + g) * blocks + column / 64) * 4 + t), pick = g % 2 ? 0x7632 : 0x5410;
  const auto columns32 = [&](auto half_type) {
    constexpr int half = decltype(half_type)::value;
    float share[2][4][4];  // 16 rows, product
#pragma unroll
    for (int i = 0; i < 32; i++) share[i / 16][i / 4 % 4][i % 4] = 0;
    const auto add_ranks = [&](uint32_t k) {
      const uint32_t r = k + 2 * t;
      uint32_t left[2][4];
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const uint32_t from = row[i] * b_line + 2 * r;
        left[i / 2][i % 2] = r < R ? read_at<uint32_t>(b, from) : 0u;
        left[i / 2][i % 2 + 2] = r + 8 < R ? read_at<uint32_t>(b, from + 16) : 0u;
      }
      uint4 piece[4];  // ranks r, r + 1, r + 8, r + 9; the last one again past R, where B is 0
#pragma unroll
      for (int i = 0; i < 4; i++) piece[i] = read_at<uint4>(a, min(r + i / 2 * 8 + i % 2, R - 1) * line + (column + half * 32 + g / 2 * 8) * 2);
      const auto product = [&](int i, uint32_t w0, uint32_t w1, uint32_t w2, uint32_t w3) {
        const uint32_t low = __byte_perm(w0, w1, pick), high = __byte_perm(w2, w3, pick);
        mma_16x8x16<T>(share[0][i], left[0], low, high);
        mma_16x8x16<T>(share[1][i], left[1], low, high);
      };
      product(0, piece[0].x, piece[1].x, piece[2].x, piece[3].x);
      product(1, piece[0].y, piece[1].y, piece[2].y, piece[3].y);
      product(2, piece[0].z, piece[1].z, piece[2].z, piece[3].z);
      product(3, piece[0].w, piece[1].w, piece[2].w, piece[3].w);
    };
    add_ranks(0);  // apart from the loop: its sums need no zeros
#pragma unroll 1
    for (uint32_t k = 16; k < R; k += 16) add_ranks(k);
    const auto store = [&](auto i_type) {
      constexpr int i = decltype(i_type)::value, c = i % 2 * 2;
      const float(*s)[4] = share[i / 2];
      const float mine[8] = {s[0][c], s[0][c + 1], s[1][c], s[1][c + 1], s[2][c], s[2][c + 1], s[3][c], s[3][c + 1]};
      const uint4 merged = merged8<half * 4 + i, T>(word[i][half], levels, absmax[i], mine, hash);
      if (first + g + 8 * i < rows) *reinterpret_cast<uint4 *>(reinterpret_cast<uint8_t *>(out) + (row[i] * line + (column + half * 32 + t * 8) * 2)) = merged;
    };
    store(Number<0>()), store(Number<1>()), store(Number<2>()), store(Number<3>());
  };
  columns32(Number<0>()), columns32(Number<1>());
}

// a [R, cols], scale·B in b [rows, R] with rows b_stride apart. cols a multiple of 64, R and b_stride of 2; codes and b 4-byte, a and out 16-byte aligned.
// launch: grid (ceil(cols / 128), ceil(rows / 128)), block 256.
#define NF4_DECODE_LORA(suffix, T)                                                                                                     \
  extern "C" __global__ void __launch_bounds__(256) nf4_decode_lora_##suffix(const uint8_t *codes, const float *scales, const T *a, const T *b, T *out, \
                                                                             int rows, int cols, int R, int b_stride) {                \
    nf4_decode_lora<T, false>(codes, scales, nullptr, nullptr, 0, a, b, out, rows, cols, R, b_stride);                                \
  }                                                                                                                                   \
  extern "C" __global__ void __launch_bounds__(256) nf4_decode_nested_lora_##suffix(const uint8_t *codes, const uint8_t *scales, const float *nested_scales, \
                                                                                    const float *nested_code, float nested_offset, const T *a, const T *b, \
                                                                                    T *out, int rows, int cols, int R, int b_stride) { \
    nf4_decode_lora<T, true>(codes, scales, nested_scales, nested_code, nested_offset, a, b, out, rows, cols, R, b_stride);           \
  }
#if defined(REMORA_EMULATE) || !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
NF4_DECODE_LORA(bf16, bf16_t)
#endif
NF4_DECODE_LORA(f16, f16_t)

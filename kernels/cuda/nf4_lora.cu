// An NF4 weight decoded with LoRA's share in it:  out [rows, cols] = round(W + (scale·B) A), so that the large products need no adapter of their own.
// The sum is f32 and rounded once, up or down at random by a hash of the position: a share below half a unit of W arrives on average, and equal
// inputs give equal bits, forward and backward. Rounding at random cannot go wrong unless a sum is infinite or NaN; that, and whether B is all zero, is decided
// for a whole block while A and B are staged, and such a block is rounded to nearest: without adapters it is W.
// Plan: a block 128 x 128; codes, A and B come into shared memory along their rows, codes by asynchronous copies that start first. A warp owns 32 rows and 64 columns,
// 32 at a time, and reads its fragments by ldmatrix. Which column of A is column n of a product's 8 is free: n of product i takes column 8 (n / 2) + 2 i + n % 2
// of 32, so that after four products (mma.m16n8k16) a lane holds 8 neighbours in a row, as its 4 bytes of codes do, and a quad writes 64 contiguous bytes. So A lies as
// ldmatrix reads products: [32 columns][product][rank] rows of 8 elements; B [128 rows][CHUNK ranks], padded to an odd number of 16 bytes. More ranks than
// CHUNK are staged again for each 32 columns.
// Bytes: those of nf4_decode_flat; A and B come from the caches. Limit: memory by count, and the first-level cache (243 cycles for a warp's 2,048 elements at rank 16, 64
// more for each 16 ranks). 14336 x 5120 on an H100: 69 µs at rank 16, 101 at rank 64 (87 and 209 without staging); memory alone would take 63.
// Why: docs/decisions/lora-in-the-decoded-weight.md.
#include "nf4.cuh"
#include "ptx.cuh"
#include "random_rounding.cuh"

// Element j of a lane takes the upper bits of its hash times an odd number of its own.
__device__ __forceinline__ constexpr uint32_t odd_number(uint32_t j) { return mixed_bits(j + 1) | 1; }

// 8 elements of a row: decoded, their share added. PIECE: which of the lane's 8 pieces.
template <int PIECE, bool NEAREST, class T>
__device__ __forceinline__ uint4 merged8(uint32_t codes, const float *levels, float absmax, const float share[8], uint32_t hash) {
  const uint32_t high = codes >> 2 & 0x3c3c3c3cu, low = codes << 2 & 0x3c3c3c3cu;  // a byte is a level's place in bytes; the even element is the high nibble
  float v[8];
#pragma unroll
  for (int i = 0; i < 8; i++) {
    const uint32_t place = __byte_perm(i % 2 ? low : high, 0, 0x4440 + i / 2);
    v[i] = fmaf(*reinterpret_cast<const float *>(reinterpret_cast<const uint8_t *>(levels) + place), absmax, share[i]);
  }
  if (NEAREST) return pack8<T>(v);
  constexpr uint32_t j = PIECE * 8;
  return make_uint4(pack2_at_random<T, true>(v[0], v[1], hash * odd_number(j), hash * odd_number(j + 1)),
                    pack2_at_random<T, true>(v[2], v[3], hash * odd_number(j + 2), hash * odd_number(j + 3)),
                    pack2_at_random<T, true>(v[4], v[5], hash * odd_number(j + 4), hash * odd_number(j + 5)),
                    pack2_at_random<T, true>(v[6], v[7], hash * odd_number(j + 6), hash * odd_number(j + 7)));
}

// Whether one of two 16-bit elements is 2^32 or more (bf16), infinite or NaN: sums of products of smaller ones are finite in f32.
template <class T> __device__ __forceinline__ uint32_t too_large(uint32_t two) {
  return ((two & 0x7fff7fffu) + (__is_same(T, bf16_t) ? 0x30803080u : 0x04000400u)) & 0x80008000u;
}

template <int VALUE> struct Number { static constexpr int value = VALUE; };

template <class P> __device__ __forceinline__ P &place_at(void *base, uint32_t offset) { return *reinterpret_cast<P *>(static_cast<uint8_t *>(base) + offset); }
template <class P> __device__ __forceinline__ const P &place_at(const void *base, uint32_t offset) {
  return *reinterpret_cast<const P *>(static_cast<const uint8_t *>(base) + offset);
}

template <class T, bool NESTED>
__device__ __forceinline__ void nf4_decode_lora(const uint8_t *codes, const void *scales, const float *nested_scales, const float *nested_code, float nested_offset,
                                                       const T *a, const T *b, T *out, uint32_t rows, uint32_t cols, uint32_t R, uint32_t b_stride) {
  constexpr uint32_t CHUNK = 64;  // ranks in shared memory at a time
  constexpr uint32_t A_GROUP = 4 * CHUNK * 16 + 32;  // 32 columns; 32 bytes more, so that a warp's stores of two ranks meet all banks
  constexpr uint32_t B_ROW = CHUNK * 2 + 16, CODE_ROW = 80;
  DYNAMIC_SHARED(a_tile);
  uint8_t *const b_tile = a_tile + 4 * A_GROUP, *const code_tile = b_tile + 128 * B_ROW;
  __shared__ float absmax_tile[2][128];
  __shared__ float levels[16];
  __shared__ float code[256];
  const uint32_t thread = threadIdx.x, lane = thread % 32, warp = thread / 32, g = lane / 4, t = lane % 4;
  const uint32_t column0 = blockIdx.x * 128, row0 = blockIdx.y * 128, last = rows - 1, blocks = cols / 64;
#pragma unroll
  for (uint32_t j = 0; j < 2; j++) {
    const uint32_t r = thread / 4 + 64 * j, piece = thread % 4;
    const bool inside = column0 + piece * 32 < cols;
    copy_async_16(shared_address(code_tile) + r * CODE_ROW + piece * 16, codes + (inside ? min(row0 + r, last) * (cols / 2) + column0 / 2 + piece * 16 : 0), inside);
  }
  copy_async_commit();
  // Scale of row thread / 2, block thread % 2; beyond the last column the last block's, which nobody reads.
  const uint32_t block = min(row0 + thread / 2, last) * blocks + min(column0 / 64 + thread % 2, blocks - 1);
  const uint32_t scale_code = NESTED ? place_at<uint8_t>(scales, block) : 0;
  const float scale = NESTED ? nested_scales[block >> 8] : static_cast<const float *>(scales)[block];
  if (thread < 16) levels[thread] = NF4_LEVELS[thread];
  if (NESTED) code[thread] = nested_code[thread];
  uint32_t nonzero = 0, large = 0;

  // Ranks k … k + CHUNK of A and B, zero past R in B (A's last rank again).
  const auto stage = [&](uint32_t k) {
    const uint32_t end = min(CHUNK, R - k);
    const uint32_t rank = thread / 16, piece = thread % 16, column = column0 + piece * 8;
    const uint32_t a_place = piece / 4 * A_GROUP + piece % 4 * 4;
    constexpr uint32_t AHEAD = 2;  // steps of 16 ranks whose loads are under way together
#pragma unroll
    for (uint32_t begin = 0; begin < CHUNK; begin += 16 * AHEAD) {
      uint4 v[AHEAD];
      uint32_t words[AHEAD][4];
#pragma unroll
      for (uint32_t n = 0; n < AHEAD; n++) {
        const uint32_t k16 = begin + 16 * n, from = k + k16 + lane % 8 * 2;
        v[n] = make_uint4(0, 0, 0, 0);
#pragma unroll
        for (uint32_t j = 0; j < 4; j++) words[n][j] = 0;
        if (k16 >= end) continue;
        if (column < cols) v[n] = place_at<uint4>(a, (min(k + k16 + rank, R - 1) * cols + column) * 2);
#pragma unroll
        for (uint32_t j = 0; j < 4; j++) {
          const uint32_t word = place_at<uint32_t>(b, (min(row0 + warp * 4 + lane / 8 + 32 * j, last) * b_stride + min(from, R - 2)) * 2);
          words[n][j] = from < R ? word : 0u;
        }
      }
#pragma unroll
      for (uint32_t n = 0; n < AHEAD; n++) {
        const uint32_t k16 = begin + 16 * n, place = a_place + (k16 + rank) * 16;
        if (k16 >= end) break;
        place_at<uint32_t>(a_tile, place) = v[n].x;
        place_at<uint32_t>(a_tile, place + CHUNK * 16) = v[n].y;
        place_at<uint32_t>(a_tile, place + CHUNK * 32) = v[n].z;
        place_at<uint32_t>(a_tile, place + CHUNK * 48) = v[n].w;
        large |= too_large<T>(v[n].x) | too_large<T>(v[n].y) | too_large<T>(v[n].z) | too_large<T>(v[n].w);
#pragma unroll
        for (uint32_t j = 0; j < 4; j++) {
          place_at<uint32_t>(b_tile, (warp * 4 + lane / 8 + 32 * j) * B_ROW + (k16 + lane % 8 * 2) * 2) = words[n][j];
          nonzero |= words[n][j] & 0x7fff7fffu, large |= too_large<T>(words[n][j]);
        }
      }
    }
  };
  stage(0);
  bool any_nonzero = __syncthreads_or(nonzero != 0);
  const float absmax = NESTED ? __fadd_rn(__fmul_rn(code[scale_code], scale), nested_offset) : scale;
  absmax_tile[thread % 2][thread / 2] = absmax;
  large |= (__float_as_uint(absmax) & 0x7fffffffu) >= 0x5f800000u;  // 2^64
  copy_async_wait<0>();
  bool any_large = __syncthreads_or(large != 0);

  const auto stage_again = [&](uint32_t k) {
    __syncthreads();
    stage(k);
    any_nonzero |= __syncthreads_or(nonzero != 0);
    any_large |= __syncthreads_or(large != 0);
  };

  const uint32_t half64 = warp % 2, own = warp / 2 * 32, column = column0 + half64 * 64, first = row0 + own + g;
  const uint32_t hash = mixed_bits((first * blocks + column / 64) * 4 + t), line = 2 * cols;
  const uint32_t code_place = (own + g) * CODE_ROW + half64 * 32 + t * 4, limit = column < cols ? rows : 0;
  uint8_t *const target = reinterpret_cast<uint8_t *>(out) + (first * line + (column + t * 8) * 2);
  const uint32_t matrix = lane / 8, row_of_matrix = lane % 8;
  const uint32_t a_address = shared_address(a_tile) + half64 * 2 * A_GROUP + (matrix / 2 * CHUNK + matrix % 2 * 8 + row_of_matrix) * 16;
  const uint32_t b_address = shared_address(b_tile) + (own + matrix % 2 * 8 + row_of_matrix) * B_ROW + matrix / 2 * 16;
  const auto columns32 = [&](auto half_type) {
    constexpr int half = decltype(half_type)::value;
    float share[2][4][4];  // 16 rows, product
#pragma unroll
    for (int i = 0; i < 32; i++) share[i / 16][i / 4 % 4][i % 4] = 0;
    const auto add_ranks = [&](uint32_t k16) {
      uint32_t left[2][4], right[2][4];
      load_matrix_x4<false>(left[0], b_address + k16 * 2);
      load_matrix_x4<false>(left[1], b_address + 16 * B_ROW + k16 * 2);
      load_matrix_x4<true>(right[0], a_address + half * A_GROUP + k16 * 16);
      load_matrix_x4<true>(right[1], a_address + half * A_GROUP + 2 * CHUNK * 16 + k16 * 16);
#pragma unroll
      for (int i = 0; i < 4; i++)
#pragma unroll
        for (int m = 0; m < 2; m++) mma_16x8x16<T>(share[m][i], left[m], right[i / 2][i % 2 * 2], right[i / 2][i % 2 * 2 + 1]);
    };
    if (half > 0 && R > CHUNK) stage_again(0);
    add_ranks(0);  // apart from the loop: its sums need no zeros
#pragma unroll 1
    for (uint32_t k = 16; k < R; k += 16) {
      if (k % CHUNK == 0) stage_again(k);
      add_ranks(k % CHUNK);
    }
    const auto store = [&](auto i_type, auto nearest_type) {
      constexpr int i = decltype(i_type)::value, c = i % 2 * 2;
      const float(*v)[4] = share[i / 2];
      const float mine[8] = {v[0][c], v[0][c + 1], v[1][c], v[1][c + 1], v[2][c], v[2][c + 1], v[3][c], v[3][c + 1]};
      const uint32_t word = place_at<uint32_t>(code_tile, code_place + (8 * i * CODE_ROW + half * 16));
      const uint4 merged = merged8<half * 4 + i, decltype(nearest_type)::value, T>(word, levels, absmax_tile[half64][own + g + 8 * i], mine, hash);
      if (first + 8 * i < limit) place_at<uint4>(target, i * 8 * line + half * 64) = merged;
    };
    const auto store_all = [&](auto nearest_type) {
      store(Number<0>(), nearest_type), store(Number<1>(), nearest_type), store(Number<2>(), nearest_type), store(Number<3>(), nearest_type);
    };
    if (any_large || !any_nonzero) store_all(Number<1>());
    else store_all(Number<0>());
  };
  columns32(Number<0>()), columns32(Number<1>());
}

// a [R, cols], scale·B in b [rows, R] with rows b_stride apart. cols a multiple of 64, R and b_stride of 2; b 4-byte, codes, a and out 16-byte aligned.
// launch: grid (ceil(cols / 128), ceil(rows / 128)), block 256, dynamic shared 45184.
#define NF4_DECODE_LORA(suffix, T)                                                                                                     \
  extern "C" __global__ void __launch_bounds__(256, 3) nf4_decode_lora_##suffix(const uint8_t *codes, const float *scales, const T *a, const T *b, T *out, \
                                                                                int rows, int cols, int R, int b_stride) {             \
    nf4_decode_lora<T, false>(codes, scales, nullptr, nullptr, 0, a, b, out, rows, cols, R, b_stride);                                \
  }                                                                                                                                   \
  extern "C" __global__ void __launch_bounds__(256, 3) nf4_decode_nested_lora_##suffix(const uint8_t *codes, const uint8_t *scales, const float *nested_scales, \
                                                                                       const float *nested_code, float nested_offset, const T *a, const T *b, \
                                                                                       T *out, int rows, int cols, int R, int b_stride) { \
    nf4_decode_lora<T, true>(codes, scales, nested_scales, nested_code, nested_offset, a, b, out, rows, cols, R, b_stride);           \
  }
#if defined(REMORA_EMULATE) || !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
NF4_DECODE_LORA(bf16, bf16_t)
#endif
NF4_DECODE_LORA(f16, f16_t)

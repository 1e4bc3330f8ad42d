// LoRA around cuBLASLt's products: packing of many small matrices in one launch, and the thin products of the backward pass,
//   dA [R, In] += dbᵀ x      dB [Out, R] += scale · d_yᵀ xa      (both: a thin array of R columns transposed, times a wide one, over N rows)
// Plan, thin product: a block of 4 warps owns 128 columns of the wide array and a split of its rows, 32 rows a step in 3 stages; the thin array
// is the 16-row operand of mma.m16n8k16. Splits are added up in order by a second kernel, which also knows where rows and columns go.
// Bytes: the wide array once. Limit: memory (84 MB at 8,192 x 5,120: 20 µs).
#include "ptx.cuh"

#if defined(REMORA_EMULATE) || !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
#define IF_BF16(x) x
#else
#define IF_BF16(x)
#endif

// One matrix to copy, 48 bytes in device memory: target[r · target_stride + c] = scale · source[r · source_stride + c], or source[c · source_stride + r].
struct PackEntry {
  const float *source;    // 0
  void *target;           // 8
  int32_t rows, cols;     // 16  of the target
  int32_t source_stride;  // 24
  int32_t target_stride;  // 28
  int32_t transpose;      // 32
  float scale;            // 36
  int32_t reserved[2];    // 40
};
// launch: grid (blocks for each entry, e.g. 16; entries), block 256. f32 masters to compute copies of all adapters of a model at once.
#define PACK_MATRICES(suffix, T)                                                                                                       \
  extern "C" __global__ void __launch_bounds__(256) pack_matrices_##suffix(const PackEntry *entries) {                                 \
    const PackEntry e = entries[blockIdx.y];                                                                                          \
    T *target = static_cast<T *>(e.target);                                                                                           \
    const int64_t count = static_cast<int64_t>(e.rows) * e.cols;                                                                      \
    for (int64_t i = grid_start(); i < count; i += grid_step()) {                                                                     \
      const int64_t r = i / e.cols, c = i - r * e.cols;                                                                               \
      target[r * e.target_stride + c] = from_float<T>(e.scale * e.source[e.transpose ? c * e.source_stride + r : r * e.source_stride + c]); \
    }                                                                                                                                 \
  }
REMORA_FOR_ACTIVATIONS(PACK_MATRICES)

template <int DP> __device__ __forceinline__ uint32_t tile_at(int row, int piece) { return row * DP * 2 + ((piece ^ (row & 7)) << 4); }

// ROWS x DP elements of an array into a swizzled tile, zeros outside; `fast`: rows are 16-byte aligned and `columns` a multiple of 8.
template <class T, int DP, int ROWS>
__device__ __forceinline__ void load_tile(uint8_t *shared, uint32_t tile, const T *source, int rows, int columns, int64_t stride, bool fast) {
#pragma unroll
  for (int i = 0; i < (ROWS * DP / 8 + 127) / 128; i++) {
    const int item = i * 128 + threadIdx.x, row = item / (DP / 8), piece = item % (DP / 8);
    if (row >= ROWS) break;
    if (fast) {
      const bool valid = row < rows && piece * 8 < columns;
      copy_async_16(tile + tile_at<DP>(row, piece), valid ? source + row * stride + piece * 8 : source, valid);
    } else {
      T *target = reinterpret_cast<T *>(shared + (tile - shared_address(shared)) + tile_at<DP>(row, piece));
#pragma unroll
      for (int k = 0; k < 8; k++) target[k] = row < rows && piece * 8 + k < columns ? source[row * stride + piece * 8 + k] : T{0};
    }
  }
}

template <class T>
__device__ void thin_product(const T *thin, const T *wide, float *partials, int N, int R, int C, int64_t thin_stride, int64_t wide_stride, int rows_per_split) {
  constexpr int STEP = 32, STAGES = 3;
  constexpr uint32_t WIDE = STEP * 128 * 2, THIN = STEP * 64 * 2, STAGE = WIDE + THIN;
  DYNAMIC_SHARED(shared);
  const uint32_t base = shared_address(shared);
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, g = lane / 4, t = lane % 4, m = lane / 8;
  const int column0 = blockIdx.x * 128, rank0 = blockIdx.z * 64, ranks = min(64, R - rank0), columns = min(128, C - column0);
  const int begin = blockIdx.y * rows_per_split, end = min(N, begin + rows_per_split);
  const bool fast_wide = is_aligned16(wide) && wide_stride % 8 == 0 && C % 8 == 0, fast_thin = is_aligned16(thin) && thin_stride % 8 == 0 && R % 8 == 0;
  const auto fetch = [&](int step) {
    const int row = begin + step * STEP;
    const uint32_t stage = base + step % STAGES * STAGE;
    load_tile<T, 128, STEP>(shared, stage, wide + row * wide_stride + column0, end - row, columns, wide_stride, fast_wide);
    load_tile<T, 64, STEP>(shared, stage + WIDE, thin + row * thin_stride + rank0, end - row, ranks, thin_stride, fast_thin);
  };
  float acc[4][4][4];
#pragma unroll
  for (int i = 0; i < 4; i++)
#pragma unroll
    for (int j = 0; j < 4; j++) acc[i][j][0] = acc[i][j][1] = acc[i][j][2] = acc[i][j][3] = 0;
  const int steps = (end - begin + STEP - 1) / STEP, used = (ranks + 15) / 16;
  for (int s = 0; s < STAGES - 1; s++) {
    if (s < steps) fetch(s);
    copy_async_commit();
  }
  for (int s = 0; s < steps; s++) {
    copy_async_wait<STAGES - 2>();
    __syncthreads();
    if (s + STAGES - 1 < steps) fetch(s + STAGES - 1);
    copy_async_commit();
    const uint32_t wide_tile = base + s % STAGES * STAGE, thin_tile = wide_tile + WIDE;
#pragma unroll
    for (int kk = 0; kk < STEP / 16; kk++) {
      uint32_t b[2][4];
#pragma unroll
      for (int j = 0; j < 2; j++) load_matrix_x4<true>(b[j], wide_tile + tile_at<128>(kk * 16 + (m & 1) * 8 + lane % 8, warp * 4 + j * 2 + (m >> 1)));
#pragma unroll
      for (int i = 0; i < 4; i++) {
        if (i < used) {
          uint32_t a[4];
          load_matrix_x4<true>(a, thin_tile + tile_at<64>(kk * 16 + (m >> 1) * 8 + lane % 8, i * 2 + (m & 1)));
#pragma unroll
          for (int j = 0; j < 4; j++) mma_16x8x16<T>(acc[i][j], a, b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]);
        }
      }
    }
    __syncthreads();
  }
  copy_async_wait<0>();
  float *out = partials + (static_cast<int64_t>(blockIdx.y) * R + rank0) * C + column0;
#pragma unroll
  for (int i = 0; i < 4; i++)
#pragma unroll
    for (int j = 0; j < 4; j++)
#pragma unroll
      for (int c = 0; c < 4; c++) {
        const int r = i * 16 + g + (c >> 1) * 8, column = warp * 32 + j * 8 + 2 * t + (c & 1);
        if (r < ranks && column < columns) out[static_cast<int64_t>(r) * C + column] = acc[i][j][c];
      }
}
// launch: grid (ceil(C / 128), splits, ceil(R / 64)), block 128, dynamic shared 36864. splits = ceil(N / rows_per_split); a good rows_per_split gives
// about 4 blocks a multiprocessor. thin [N, R] and wide [N, C] with row strides in elements. partials f32 [splits, R, C], every element written.
#define THIN_PRODUCT(suffix, T)                                                                                                        \
  extern "C" __global__ void __launch_bounds__(128) lora_thin_product_##suffix(const T *thin, const T *wide, float *partials, int N, int R, int C, \
                                                                               int64_t thin_stride, int64_t wide_stride, int rows_per_split) { \
    thin_product<T>(thin, wide, partials, N, R, C, thin_stride, wide_stride, rows_per_split);                                         \
  }
IF_BF16(THIN_PRODUCT(bf16, bf16_t))
THIN_PRODUCT(f16, f16_t)

// Rows [rank_begin, rank_begin + ranks) of the summed partials to a gradient: target[r, c] (transposed: target[c, r]) += scale · sum over splits.
// launch: grid (ceil(C / 256), ranks), block 256.
extern "C" __global__ void __launch_bounds__(256) lora_thin_product_add(const float *partials, float *target, int splits, int R, int C, int rank_begin, int ranks,
                                                                       int transposed, float scale) {
  const int c = blockIdx.x * 256 + threadIdx.x, r = blockIdx.y;
  if (c >= C) return;
  float total = 0;
  for (int s = 0; s < splits; s++) total += partials[(static_cast<int64_t>(s) * R + rank_begin + r) * C + c];
  target[transposed ? static_cast<int64_t>(c) * ranks + r : static_cast<int64_t>(r) * C + c] += scale * total;
}

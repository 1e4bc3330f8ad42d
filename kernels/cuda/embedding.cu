// Embedding: rows of a dense table (device memory, or pinned host memory mapped into the device) and the gradient of a trained table.
// Plan: forward, one warp a row in 16-byte pieces. Backward, one block a token: the first token of each id gathers all later ones of that
// id in row order, so sums are the same on every run; the others leave. Bytes: forward 2 rows of C. Limit: memory (PCIe from host).
#include "common.cuh"

template <bool VECTOR, class S, class T> __device__ void embedding_row(const S *source, T *y, int64_t C, float scale, bool empty, int lane) {
  for (int64_t c = lane * 8; c < C; c += 256) {
    float v[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    if (!empty) load8<VECTOR>(source + c, C - c, v);
#pragma unroll
    for (int i = 0; i < 8; i++) v[i] *= scale;
    store8<VECTOR>(y + c, C - c, v);
  }
}
// launch: grid ceil(N / 8), block 256. y[n] = scale · table[ids[n]]; ids < 0 and ids >= rows give zeros (the host has checked them).
#define EMBEDDING_FORWARD(from, S, to, T)                                                                                              \
  extern "C" __global__ void __launch_bounds__(256) embedding_forward_warp_per_row_##from##_to_##to(const S *table, const int32_t *ids, T *y, \
                                                                                                    int64_t N, int64_t C, int64_t rows, float scale) { \
    follow_previous_kernel();                                                                                                         \
    const int64_t n = blockIdx.x * 8ll + threadIdx.x / 32;                                                                            \
    if (n >= N) return;                                                                                                               \
    const int64_t id = ids[n];                                                                                                        \
    const bool empty = id < 0 || id >= rows;                                                                                          \
    if (C % 8 == 0 && is_aligned16(table) && is_aligned16(y)) embedding_row<true>(table + id * C, y + n * C, C, scale, empty, threadIdx.x % 32); \
    else embedding_row<false>(table + id * C, y + n * C, C, scale, empty, threadIdx.x % 32);                                          \
  }
EMBEDDING_FORWARD(f32, float, f32, float)
EMBEDDING_FORWARD(f32, float, bf16, bf16_t)
EMBEDDING_FORWARD(f32, float, f16, f16_t)
EMBEDDING_FORWARD(bf16, bf16_t, f32, float)
EMBEDDING_FORWARD(bf16, bf16_t, bf16, bf16_t)
EMBEDDING_FORWARD(bf16, bf16_t, f16, f16_t)
EMBEDDING_FORWARD(f16, f16_t, f32, float)
EMBEDDING_FORWARD(f16, f16_t, bf16, bf16_t)
EMBEDDING_FORWARD(f16, f16_t, f16, f16_t)

// launch: grid N, block 256. d_table[ids[n]] += scale · d_y[n], tokens of one id in row order.
#define EMBEDDING_BACKWARD(suffix, T)                                                                                                  \
  extern "C" __global__ void __launch_bounds__(256) embedding_backward_block_per_token_##suffix(const int32_t *ids, const T *d_y, float *d_table, \
                                                                                                int64_t N, int64_t C, int64_t rows, float scale) { \
    __shared__ uint32_t found[8];                                                                                                     \
    const int64_t n = blockIdx.x;                                                                                                     \
    const int id = ids[n], lane = threadIdx.x % 32, warp = threadIdx.x / 32;                                                          \
    if (id < 0 || id >= rows) return;                                                                                                 \
    int earlier = 0;                                                                                                                  \
    for (int64_t m = threadIdx.x; m < n; m += 256) earlier |= ids[m] == id;                                                           \
    if (__syncthreads_or(earlier)) return;                                                                                            \
    float *target = d_table + id * C;                                                                                                 \
    for (int64_t base = n; base < N; base += 256) {                                                                                   \
      const int64_t m = base + threadIdx.x;                                                                                           \
      const uint32_t hits = __ballot_sync(0xffffffffu, m < N && ids[m] == id);                                                        \
      __syncthreads();                                                                                                                \
      if (lane == 0) found[warp] = hits;                                                                                              \
      __syncthreads();                                                                                                                \
      for (int w = 0; w < 8; w++)                                                                                                     \
        for (uint32_t left = found[w]; left; left &= left - 1) {                                                                      \
          const T *g = d_y + (base + w * 32 + __ffs(left) - 1) * C;                                                                   \
          for (int64_t c = threadIdx.x; c < C; c += 256) target[c] += scale * to_float(g[c]);                                         \
        }                                                                                                                             \
    }                                                                                                                                 \
  }
REMORA_FOR_ACTIVATIONS(EMBEDDING_BACKWARD)

// What Hopper's attention kernels share: tiles of rows and their products by wgmma, operands from accumulators, the ring of stages.
#pragma once
#include "hopper.cuh"

constexpr float LOG2E = 1.4426950408889634f, LN2 = 0.6931471805599453f;
constexpr int COMPUTE_WARPS = 8;

// Tile of ROWS rows: panels of 64 columns, ROWS * 128 bytes each.
template <int ROWS, int D> constexpr uint32_t TILE_BYTES = ROWS * D * 2;

// Loads D columns from `column` on of ROWS rows from `row` on, panel by panel.
template <int ROWS, int D> __device__ __forceinline__ void load_panels(uint32_t tile, const TensorMap *map, int column, int row, uint32_t barrier) {
#pragma unroll
  for (int p = 0; p < D / 64; p++) copy_tensor(tile + p * ROWS * 128, map, column + p * 64, row, barrier);
}

// acc (64 x N) = A Bᵀ over D columns: A the 64 rows from a_row on of a tile of A_ROWS rows, B all N rows of a tile.
template <class T, int N, int D, int A_ROWS> __device__ __forceinline__ void multiply_rows(float (&acc)[N / 2], uint32_t a_tile, int a_row, uint32_t b_tile) {
#pragma unroll
  for (int k = 0; k < D / 16; k++) {
    const uint64_t a = descriptor_k(a_tile + k / 4 * (A_ROWS * 128) + a_row * 128 + k % 4 * 32), b = descriptor_k(b_tile + k / 4 * (N * 128) + k % 4 * 32);
    if (k == 0) Wgmma<T, N, false>::shared_first(acc, a, b);
    else Wgmma<T, N, false>::shared(acc, a, b, 1);
  }
}
// acc (64 x D) += P B: P 64 x ROWS in registers (ROWS / 16 operands), B a tile of ROWS rows and D columns.
template <class T, int ROWS, int D> __device__ __forceinline__ void accumulate_rows(float (&acc)[D / 2], uint32_t (&p)[ROWS / 16][4], uint32_t b_tile) {
#pragma unroll
  for (int k = 0; k < ROWS / 16; k++) Wgmma<T, D, true>::registers(acc, p[k], descriptor_mn(b_tile + k * 2048, ROWS * 128), 1);
}

template <class T, int COUNT> __device__ __forceinline__ void pack_operands(uint32_t (&p)[COUNT / 8][4], const float (&s)[COUNT]) {
#pragma unroll
  for (int k = 0; k < COUNT / 8; k++)
#pragma unroll
    for (int i = 0; i < 4; i++) p[k][i] = pack2<T>(s[k * 8 + 2 * i], s[k * 8 + 2 * i + 1]);
}

// Writes a warpgroup's 64 x D accumulator; this thread's rows are row0 and row0 + 8, rows from `limit` on are left out.
template <class T, int D> __device__ __forceinline__ void store_accumulator(const float (&acc)[D / 2], float factor0, float factor1, T *out, int row0, int limit, int64_t stride) {
  const int t = threadIdx.x % 4;
#pragma unroll
  for (int half = 0; half < 2; half++) {
    const int row = row0 + half * 8;
    const float factor = half ? factor1 : factor0;
#pragma unroll
    for (int group = 0; group < D / 32; group++) {
      uint32_t v[4];
#pragma unroll
      for (int i = 0; i < 4; i++) v[i] = pack2<T>(acc[(group * 4 + i) * 4 + half * 2] * factor, acc[(group * 4 + i) * 4 + half * 2 + 1] * factor);
      quad_transpose(v, t);
      if (row < limit) *reinterpret_cast<uint4 *>(out + row * stride + group * 32 + t * 8) = make_uint4(v[0], v[1], v[2], v[3]);
    }
  }
}

// Position in a ring of stages: index and the parity of its current round.
struct Ring {
  int stage = 0, parity = 0;
  template <int STAGES> __device__ __forceinline__ void next() {
    if (++stage == STAGES) stage = 0, parity ^= 1;
  }
};
// All lanes of the warp are done with a stage: one arrival.
__device__ __forceinline__ void release(uint32_t barrier) {
  __syncwarp();
  if (threadIdx.x % 32 == 0) barrier_arrive(barrier);
}

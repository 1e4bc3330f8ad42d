// LoRA's share of a linear, added to what cuBLASLt has written:  y [N, Out] += xa [N, R] Bᵀ, rounded up or down at random.
// Why not cuBLASLt: with a C of 16 bits it rounds its own sum to 16 bits before it adds C, and a share below half a unit of y is lost, always: training in
// bf16 then lags for some steps (docs/log.md). Rounding y + share to nearest would lose it just as well, for y has no bits below its unit. Rounded up with
// the probability of what is left over, the share arrives on average, and y stays as it is where the share is zero. The random bits are a hash of
// the sums, so equal inputs give equal bits.
// Plan: a block owns 64 columns and 256 rows, each of its 4 warps 16 rows at a time. B of those columns is brought to shared memory once (above rank 64
// in steps of 64, for each 64 rows again). y's pieces of 16 bytes come by asynchronous copies, one tile ahead of the one that is added to: with eight
// blocks a multiprocessor 64 kB are always under way. A tile is read and written in shared memory as the fragments of mma.m16n8k16 lie, and leaves in
// pieces of 16 bytes again. Bytes: y read and written. Limit: memory; next come the 28 instructions that round a pair, half of them the hash.
#include "ptx.cuh"
#include "random_rounding.cuh"

__device__ __forceinline__ uint32_t random_of(float low, float high) { return mixed_bits(__float_as_uint(low) ^ mixed_bits(__float_as_uint(high))); }

constexpr int COLUMNS = 64, ROWS = 256;
constexpr int RANKS = 64, B_STRIDE = (RANKS + 8) * 2;  // bytes: rows of 9 pieces, so that 8 of them lie in different banks
constexpr int TILE = 16 * COLUMNS * 2, TILES_AT = COLUMNS * B_STRIDE;
static_assert(TILES_AT + 4 * 2 * TILE == 25600);
// Where piece c of row r of a tile lies: rows of 8 pieces, each turned by its number, so that neither fragments nor rows meet in a bank.
__device__ __forceinline__ int piece_at(int row, int piece) { return row * 128 + ((piece ^ (row & 7)) * 16); }

template <class T> __device__ void lora_add(const T *xa, const T *b, T *y, int64_t N, int Out, int R) {
  DYNAMIC_SHARED(shared);
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, g = lane / 4, t = lane % 4, piece = lane % 8, column0 = blockIdx.x * COLUMNS;
  const int64_t row0 = blockIdx.y * static_cast<int64_t>(ROWS) + warp * 16;  // of the first of a warp's tiles, which are 64 rows apart
  const int rows_of_block = static_cast<int>(min(N - blockIdx.y * static_cast<int64_t>(ROWS), static_cast<int64_t>(ROWS))), rows = rows_of_block - warp * 16;
  const int tiles = TILES_AT + warp * 2 * TILE;
  // As y moves, a lane has piece lane % 8 of rows lane / 8, + 4, + 8, + 12; as fragments, words t of all pieces of rows g and g + 8.
  const int moved_at = piece_at(lane / 8, piece), fragment_at = piece_at(g, 0) + t * 4;
  const int rows_of_y = column0 + piece * 8 < Out ? rows - lane / 8 : 0, rows_of_xa = rows - g;
  const int64_t step = 4ll * Out;
  y += (row0 + lane / 8) * Out + column0 + piece * 8;
  xa += (row0 + g) * R + 2 * t;
  const T *source = y;
  int begun = 0;  // rows for which copies were asked
  const auto fetch = [&](int target) {
    if (begun < rows_of_block) {
#pragma unroll
      for (int k = 0; k < 4; k++)
        copy_async_16(shared_address(shared + target + (moved_at ^ (k & 1) * 64) + k * 512), source + k * step, begun + k * 4 < rows_of_y);
      source += 16 * step;
      begun += 64;
    }
    copy_async_commit();
  };
  const auto bring_b = [&](int k0) {
    if (k0 + lane * 2 >= (R + 15) / 16 * 16) return;
#pragma unroll 4
    for (int c = warp; c < COLUMNS; c += 4) {
      const bool valid = column0 + c < Out && k0 + lane * 2 < R;
      *reinterpret_cast<uint32_t *>(shared + c * B_STRIDE + lane * 4) = valid ? *reinterpret_cast<const uint32_t *>(b + static_cast<int64_t>(column0 + c) * R + k0 + lane * 2) : 0u;
    }
  };
  fetch(tiles);
  bring_b(0);
  __syncthreads();
#pragma unroll 1
  for (int row = 0; row < rows_of_block; row += 64) {
    const int tile = tiles + row / 64 % 2 * TILE;
    fetch(tile == tiles ? tiles + TILE : tiles);
    float share[8][4];
#pragma unroll
    for (int j = 0; j < 8; j++) share[j][0] = share[j][1] = share[j][2] = share[j][3] = 0;
    for (int k0 = 0; k0 < R; k0 += RANKS) {
      if (R > RANKS && (row > 0 || k0 > 0)) {
        __syncthreads();
        bring_b(k0);
        __syncthreads();
      }
#pragma unroll 1
      for (int k = k0; k < min(R, k0 + RANKS); k += 16) {
        const auto pair = [&](int below, int r) { return row + below < rows_of_xa && r + 2 * t < R ? *reinterpret_cast<const uint32_t *>(xa + below * R + r) : 0u; };
        const uint32_t a[4] = {pair(0, k), pair(8, k), pair(0, k + 8), pair(8, k + 8)};
#pragma unroll
        for (int j = 0; j < 8; j += 2) {
          uint32_t f[4];
          load_matrix_x4<false>(f, shared_address(shared + (j * 8 + lane / 16 * 8 + lane % 8) * B_STRIDE + (k - k0) * 2 + lane / 8 % 2 * 16));
          mma_16x8x16<T>(share[j], a, f[0], f[1]);
          mma_16x8x16<T>(share[j + 1], a, f[2], f[3]);
        }
      }
    }
    xa += 64 * R;
    copy_async_wait<1>();
    __syncwarp();
    const auto word = [&](int j, int half) -> uint32_t & { return *reinterpret_cast<uint32_t *>(shared + ((tile + fragment_at) ^ j * 16) + half * 1024); };
    const auto each_pair = [](auto body) {
#pragma unroll
      for (int j = 0; j < 8; j++) body(j, 0), body(j, 1);
    };
    bool numbers = true;  // a lane with NaN among its sums rounds them to nearest: raising the bits of NaN could make a number of it
    each_pair([&](int j, int half) {
      const float2 old = unpack2<T>(word(j, half));
      float &low = share[j][2 * half], &high = share[j][2 * half + 1];
      low += old.x, high += old.y;
      numbers = numbers && low == low && high == high;
    });
    // Infinity stays itself when it is raised; only NaN would not.
    if (numbers)
      each_pair([&](int j, int half) {
        const float low = share[j][2 * half], high = share[j][2 * half + 1];
        const uint32_t random = random_of(low, high);
        word(j, half) = pack2_at_random<T, true>(low, high, random << 16, random);
      });
    else each_pair([&](int j, int half) { word(j, half) = pack2<T>(share[j][2 * half], share[j][2 * half + 1]); });
    __syncwarp();
#pragma unroll
    for (int k = 0; k < 4; k++)
      if (row + k * 4 < rows_of_y) *reinterpret_cast<uint4 *>(y + k * step) = *reinterpret_cast<const uint4 *>(shared + tile + (moved_at ^ (k & 1) * 64) + k * 512);
    y += 16 * step;
    __syncwarp();  // before the next tile but one comes to where this one is
  }
}
// launch: grid (ceil(Out / 64), ceil(N / 256)), block 128, 25600 bytes of shared memory. Out a multiple of 8, R of 2; y 16-byte aligned, xa and b 4-byte aligned.
#define LORA_ADD(suffix, T)                                                                                                            \
  extern "C" __global__ void __launch_bounds__(128) lora_add_##suffix(const T *xa, const T *b, T *y, int64_t N, int Out, int R) {     \
    lora_add<T>(xa, b, y, N, Out, R);                                                                                                 \
  }
#if defined(REMORA_EMULATE) || !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
LORA_ADD(bf16, bf16_t)
#endif
LORA_ADD(f16, f16_t)

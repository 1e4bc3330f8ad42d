// LoRA's share of a linear, added to what cuBLASLt has written:  y [N, Out] += xa [N, R] Bᵀ, rounded up or down at random.
// Why not cuBLASLt: with a C of 16 bits it rounds its own sum to 16 bits before it adds C, and a share below half a unit of y is lost, always: training in
// bf16 then lags for some steps (docs/log.md). Rounding y + share to nearest would lose it just as well, for y has no bits below its unit. Rounded up with
// the probability of what is left over, the share arrives on average, and y stays as it is where the share is zero. The random bits are a hash of
// the sums, so equal inputs give equal bits.
// Plan: a warp owns 16 rows and 128 columns; R runs in steps of 16 on mma.m16n8k16, whose operands come from the first-level cache; y goes in 16-byte
// pieces. Bytes: y read and written. Limit: memory.
#include "ptx.cuh"
#include "random_rounding.cuh"

__device__ __forceinline__ uint32_t random_of(float low, float high) { return mixed_bits(__float_as_uint(low) ^ mixed_bits(__float_as_uint(high))); }

template <class T> __device__ void lora_add(const T *xa, const T *b, T *y, int64_t N, int Out, int R) {
  const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4, column0 = blockIdx.x * 128;
  const int64_t row0 = blockIdx.y * static_cast<int64_t>(64) + threadIdx.x / 32 * 16 + g;
  uint32_t piece[2][4][4];  // rows row0 and row0 + 8, 32 columns each: this lane's 8 of them
#pragma unroll
  for (int half = 0; half < 2; half++)
#pragma unroll
    for (int group = 0; group < 4; group++) {
      const int64_t row = row0 + 8 * half;
      const int column = column0 + group * 32 + t * 8;
      uint4 u = make_uint4(0, 0, 0, 0);
      if (row < N && column < Out) u = *reinterpret_cast<const uint4 *>(y + row * Out + column);
      piece[half][group][0] = u.x, piece[half][group][1] = u.y, piece[half][group][2] = u.z, piece[half][group][3] = u.w;
    }
  float share[16][4];
#pragma unroll
  for (int j = 0; j < 16; j++) share[j][0] = share[j][1] = share[j][2] = share[j][3] = 0;
  for (int k = 0; k < R; k += 16) {
    const auto pair = [&](const T *from, int64_t row, int64_t rows, int r) { return row < rows && r < R ? *reinterpret_cast<const uint32_t *>(from + row * R + r) : 0u; };
    const int r0 = k + 2 * t, r1 = r0 + 8;
    const uint32_t a[4] = {pair(xa, row0, N, r0), pair(xa, row0 + 8, N, r0), pair(xa, row0, N, r1), pair(xa, row0 + 8, N, r1)};
#pragma unroll
    for (int j = 0; j < 16; j++) {
      const int o = column0 + 8 * j + g;
      mma_16x8x16<T>(share[j], a, pair(b, o, Out, r0), pair(b, o, Out, r1));
    }
  }
#pragma unroll
  for (int half = 0; half < 2; half++)
#pragma unroll
    for (int group = 0; group < 4; group++) {
      uint32_t(&v)[4] = piece[half][group];
      quad_transpose(v, t);  // as the product's columns lie
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const float2 old = unpack2<T>(v[i]);
        const float *s = share[group * 4 + i] + half * 2;
        const float low = old.x + s[0], high = old.y + s[1];
        const uint32_t random = random_of(low, high);
        v[i] = pack2_at_random<T, false>(low, high, random << 16, random);
      }
      quad_transpose(v, t);
      const int64_t row = row0 + 8 * half;
      const int column = column0 + group * 32 + t * 8;
      if (row < N && column < Out) *reinterpret_cast<uint4 *>(y + row * Out + column) = make_uint4(v[0], v[1], v[2], v[3]);
    }
}
// launch: grid (ceil(Out / 128), ceil(N / 64)), block 128. Out a multiple of 8, R of 2; y 16-byte aligned, xa and b 4-byte aligned.
#define LORA_ADD(suffix, T)                                                                                                            \
  extern "C" __global__ void __launch_bounds__(128) lora_add_##suffix(const T *xa, const T *b, T *y, int64_t N, int Out, int R) {     \
    lora_add<T>(xa, b, y, N, Out, R);                                                                                                 \
  }
#if defined(REMORA_EMULATE) || !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
LORA_ADD(bf16, bf16_t)
#endif
LORA_ADD(f16, f16_t)

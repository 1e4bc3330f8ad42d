// Linear layers of few rows (asking): y = x Wᵀ + bias + scale · (x Aᵀ) Bᵀ for N = 1 … 16 rows, a whole group of parts in one launch.
// W is NF4 (plain or nested scales), bf16 or f16. Weights are read once and never decoded to memory.
// Plan: a block of 8 warps owns tiles of 16 outputs; its warps split In in steps of 128 and are added up in a fixed order through shared
// memory. The products ride on mma.m16n8k16 with W as the 16-row operand and the rows of x as the 8 columns: the order of k inside a step
// is free, so a lane takes consecutive codes of its row as they lie. NF4: a byte (two codes) becomes a pair of levels by one lookup in a
// table of 256 pairs that every bank holds its own copy of (32 KB), and a block's scale multiplies the sum of its 64 products.
// Bytes: W once (NF4: 0.53 an element). Limit: memory; about 2.2 of the 3.6 instructions an element that fit under it on an H200.
#include "ptx.cuh"

__constant__ float NF4_LEVELS[16] = {-1.0f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f, -0.18477343022823334f,
                                     -0.09105003625154495f, 0.0f, 0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f, 0.33791524171829224f,
                                     0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1.0f};

// One part of a group in device memory, 80 bytes; the host writes it once.
struct LinearPart {
  const void *data;            // 0   codes u8 [out, In / 2], or elements [out, In]
  const void *scales;          // 8   NF4: f32, or u8 when nested_scales is given
  const float *nested_scales;  // 16
  const float *nested_code;    // 24
  const float *lora_a;         // 32  f32 [rank, In]
  const float *lora_b;         // 40  f32 [out, rank]
  int32_t out;                 // 48  rows of W
  int32_t out_begin;           // 52  first column of y
  int32_t rank;                // 56  0: no adapter
  int32_t xa_begin;            // 60  first column of xa
  float scale;                 // 64  alpha / rank
  float nested_offset;         // 68
  int32_t reserved[2];         // 72
};

// xa f32 [N, sum of ranks] = scale · x Aᵀ of all parts. A block owns one rank of one part for all rows of x.
// launch: grid sum of ranks, block 128. N <= 16.
template <class T> __device__ void lora_down(const LinearPart *parts, int part_count, const T *x, float *xa, int N, int In, int ranks) {
  __shared__ float partial[4][16];
  int r = blockIdx.x, p = 0;
  while (p < part_count && r >= parts[p].rank) r -= parts[p++].rank;
  if (p == part_count) return;
  const float *a = parts[p].lora_a + static_cast<int64_t>(r) * In;
  float sums[16];
#pragma unroll
  for (int n = 0; n < 16; n++) sums[n] = 0;
  const bool vector = In % 8 == 0 && is_aligned16(a) && is_aligned16(x);
  for (int c = threadIdx.x * 8; c < In; c += 1024) {
    float w[8], v[8];
    if (vector) load8<true>(a + c, 8, w);
    else load8<false>(a + c, In - c, w);
#pragma unroll
    for (int n = 0; n < 16; n++) {
      if (n < N) {
        const T *row = x + static_cast<int64_t>(n) * In + c;
        if (vector) load8<true>(row, 8, v);
        else load8<false>(row, In - c, v);
#pragma unroll
        for (int i = 0; i < 8; i++) sums[n] += w[i] * v[i];
      }
    }
  }
#pragma unroll
  for (int n = 0; n < 16; n++) {
    const float s = n < N ? warp_sum(sums[n]) : 0.0f;
    if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32][n] = s;
  }
  __syncthreads();
  const int n = threadIdx.x;
  if (n < N) xa[n * ranks + parts[p].xa_begin + r] = parts[p].scale * (((partial[0][n] + partial[1][n]) + partial[2][n]) + partial[3][n]);
}
#define LORA_DOWN(suffix, T)                                                                                                           \
  extern "C" __global__ void __launch_bounds__(128) lora_down_block_per_rank_##suffix(const LinearPart *parts, int part_count, const T *x, float *xa, \
                                                                                      int N, int In, int ranks) {                      \
    lora_down<T>(parts, part_count, x, xa, N, In, ranks);                                                                             \
  }
REMORA_FOR_ACTIVATIONS(LORA_DOWN)

// Adds the 8 warps' sums of one tile, the bias and the adapter, and writes y. sums: f32 [8][NT * 8 rows of x][16 outputs].
template <class T, int NT>
__device__ __forceinline__ void finish_tile(const LinearPart &part, float (*sums)[NT * 8][16], const float *bias, const float *xa, T *y, int tile_row, int N,
                                            int y_stride, int ranks) {
  __syncthreads();
  if (threadIdx.x < NT * 128) {
    const int n = threadIdx.x / 16, o = tile_row + threadIdx.x % 16;
    if (n < N && o < part.out) {
      float total = 0;
#pragma unroll
      for (int w = 0; w < 8; w++) total += sums[w][n][threadIdx.x % 16];
      if (bias) total += bias[part.out_begin + o];
      const float *b = part.lora_b + static_cast<int64_t>(o) * part.rank, *a = xa + n * ranks + part.xa_begin;
      for (int r = 0; r < part.rank; r++) total += a[r] * b[r];
      y[static_cast<int64_t>(n) * y_stride + part.out_begin + o] = from_float<T>(total);
    }
  }
  __syncthreads();
}

// The part and first row of a tile; false past the last.
__device__ __forceinline__ bool find_tile(const LinearPart *parts, int part_count, int tile, int &part, int &row) {
  for (part = 0; part < part_count; part++) {
    const int tiles = (parts[part].out + 15) / 16;
    if (tile < tiles) {
      row = tile * 16;
      return true;
    }
    tile -= tiles;
  }
  return false;
}

template <class T, bool NESTED, int NT>
__device__ void linear_decode_nf4(const LinearPart *parts, int part_count, const float *bias, const T *x, const float *xa, T *y, int N, int In, int y_stride,
                                  int ranks) {
  DYNAMIC_SHARED(shared);  // 256 pairs x 32 banks
  __shared__ float sums[8][NT * 8][16];
  __shared__ float code[256];
  uint32_t *table = reinterpret_cast<uint32_t *>(shared);
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, g = lane / 4, t = lane % 4;
  for (int i = threadIdx.x; i < 256 * 32; i += 256) {
    const int byte = i >> 5;
    table[i] = pack2<T>(NF4_LEVELS[byte >> 4], NF4_LEVELS[byte & 15]);
  }
  __syncthreads();
  int p, tile_row;
  for (int tile = blockIdx.x; find_tile(parts, part_count, tile, p, tile_row); tile += gridDim.x) {
    const LinearPart part = parts[p];
    if (NESTED) {
      code[threadIdx.x] = part.nested_code[threadIdx.x];
      __syncthreads();
    }
    const int row0 = min(tile_row + g, part.out - 1), row1 = min(tile_row + g + 8, part.out - 1);
    const uint8_t *codes = static_cast<const uint8_t *>(part.data);
    const int64_t at0 = static_cast<int64_t>(row0) * In, at1 = static_cast<int64_t>(row1) * In;
    float acc[NT][4];
#pragma unroll
    for (int i = 0; i < NT; i++) acc[i][0] = acc[i][1] = acc[i][2] = acc[i][3] = 0;
    uint2 next[2][2];
    float next_scale[2][2];
    const auto fetch = [&](int k) {
#pragma unroll
      for (int b = 0; b < 2; b++) {
        const int at = k + 64 * b;
        if (at < In) {
          next[b][0] = *reinterpret_cast<const uint2 *>(codes + (at0 + at + 16 * t) / 2);
          next[b][1] = *reinterpret_cast<const uint2 *>(codes + (at1 + at + 16 * t) / 2);
          const int64_t s0 = (at0 + at) >> 6, s1 = (at1 + at) >> 6;
          if (NESTED) {
            const uint8_t *s = static_cast<const uint8_t *>(part.scales);
            next_scale[b][0] = __fadd_rn(__fmul_rn(code[s[s0]], part.nested_scales[s0 >> 8]), part.nested_offset);
            next_scale[b][1] = __fadd_rn(__fmul_rn(code[s[s1]], part.nested_scales[s1 >> 8]), part.nested_offset);
          } else {
            const float *s = static_cast<const float *>(part.scales);
            next_scale[b][0] = s[s0];
            next_scale[b][1] = s[s1];
          }
        }
      }
    };
    fetch(warp * 128);
    for (int k = warp * 128; k < In; k += 1024) {
      uint2 now[2][2];
      float scale[2][2];
#pragma unroll
      for (int b = 0; b < 2; b++)
#pragma unroll
        for (int h = 0; h < 2; h++) now[b][h] = next[b][h], scale[b][h] = next_scale[b][h];
      fetch(k + 1024);
#pragma unroll
      for (int b = 0; b < 2; b++) {
        if (k + 64 * b >= In) break;
        uint32_t xr[NT][8];
#pragma unroll
        for (int i = 0; i < NT; i++) {
          const int n = i * 8 + g;
          uint4 u = make_uint4(0, 0, 0, 0), v = u;
          if (n < N) {
            const uint4 *source = reinterpret_cast<const uint4 *>(x + static_cast<int64_t>(n) * In + k + 64 * b + 16 * t);
            u = source[0];
            v = source[1];
          }
          xr[i][0] = u.x, xr[i][1] = u.y, xr[i][2] = u.z, xr[i][3] = u.w, xr[i][4] = v.x, xr[i][5] = v.y, xr[i][6] = v.z, xr[i][7] = v.w;
        }
        float block[NT][4];
#pragma unroll
        for (int i = 0; i < NT; i++) block[i][0] = block[i][1] = block[i][2] = block[i][3] = 0;
#pragma unroll
        for (int j = 0; j < 4; j++) {  // 4 codes of each row a step: bytes 2j and 2j + 1
          const uint32_t w0 = j < 2 ? now[b][0].x : now[b][0].y, w1 = j < 2 ? now[b][1].x : now[b][1].y;
          const int s = (j & 1) * 16;
          uint32_t a[4];
          a[0] = table[(w0 >> s & 255) << 5 | lane];
          a[1] = table[(w1 >> s & 255) << 5 | lane];
          a[2] = table[(w0 >> (s + 8) & 255) << 5 | lane];
          a[3] = table[(w1 >> (s + 8) & 255) << 5 | lane];
#pragma unroll
          for (int i = 0; i < NT; i++) mma_16x8x16<T>(block[i], a, xr[i][2 * j], xr[i][2 * j + 1]);
        }
#pragma unroll
        for (int i = 0; i < NT; i++) {
          acc[i][0] += scale[b][0] * block[i][0];
          acc[i][1] += scale[b][0] * block[i][1];
          acc[i][2] += scale[b][1] * block[i][2];
          acc[i][3] += scale[b][1] * block[i][3];
        }
      }
    }
#pragma unroll
    for (int i = 0; i < NT; i++)
#pragma unroll
      for (int c = 0; c < 4; c++) sums[warp][i * 8 + 2 * t + (c & 1)][g + (c >> 1) * 8] = acc[i][c];
    finish_tile<T, NT>(part, sums, bias, xa, y, tile_row, N, y_stride, ranks);
  }
}

// launch: grid min(sum over parts of ceil(out / 16), 4 per multiprocessor), block 256, dynamic shared 32768. parts: LinearPart [part_count] in device
// memory. x [N, In], In a multiple of 64, 16-byte aligned; xa from lora_down (0 when no part has an adapter; ranks its row length);
// y rows y_stride apart. rows8: N <= 8, rows16: N <= 16. Reads scales as u8 codes when nested.
#define LINEAR_DECODE_NF4(name, NESTED, rows, NT, suffix, T)                                                                           \
  extern "C" __global__ void __launch_bounds__(256) linear_decode_##name##_##rows##_##suffix(                                          \
      const LinearPart *parts, int part_count, const float *bias, const T *x, const float *xa, T *y, int N, int In, int y_stride, int ranks) { \
    linear_decode_nf4<T, NESTED, NT>(parts, part_count, bias, x, xa, y, N, In, y_stride, ranks);                                      \
  }
#if defined(REMORA_EMULATE) || !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
#define IF_BF16(x) x
#else
#define IF_BF16(x)
#endif
IF_BF16(LINEAR_DECODE_NF4(nf4, false, rows8, 1, bf16, bf16_t))
IF_BF16(LINEAR_DECODE_NF4(nf4, false, rows16, 2, bf16, bf16_t))
IF_BF16(LINEAR_DECODE_NF4(nf4_nested, true, rows8, 1, bf16, bf16_t))
IF_BF16(LINEAR_DECODE_NF4(nf4_nested, true, rows16, 2, bf16, bf16_t))
LINEAR_DECODE_NF4(nf4, false, rows8, 1, f16, f16_t)
LINEAR_DECODE_NF4(nf4, false, rows16, 2, f16, f16_t)
LINEAR_DECODE_NF4(nf4_nested, true, rows8, 1, f16, f16_t)
LINEAR_DECODE_NF4(nf4_nested, true, rows16, 2, f16, f16_t)

template <class T, int NT>
__device__ void linear_decode_dense(const LinearPart *parts, int part_count, const float *bias, const T *x, const float *xa, T *y, int N, int In, int y_stride,
                                    int ranks) {
  __shared__ float sums[8][NT * 8][16];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, g = lane / 4, t = lane % 4;
  int p, tile_row;
  for (int tile = blockIdx.x; find_tile(parts, part_count, tile, p, tile_row); tile += gridDim.x) {
    const LinearPart part = parts[p];
    const T *w = static_cast<const T *>(part.data);
    const T *row0 = w + static_cast<int64_t>(min(tile_row + g, part.out - 1)) * In + 8 * t, *row1 = w + static_cast<int64_t>(min(tile_row + g + 8, part.out - 1)) * In + 8 * t;
    float acc[NT][4];
#pragma unroll
    for (int i = 0; i < NT; i++) acc[i][0] = acc[i][1] = acc[i][2] = acc[i][3] = 0;
    for (int k = warp * 128; k < In; k += 1024) {
      uint4 a0[4], a1[4];
#pragma unroll
      for (int b = 0; b < 4; b++) {
        a0[b] = a1[b] = make_uint4(0, 0, 0, 0);
        if (k + 32 * b + 8 * t < In) {
          a0[b] = *reinterpret_cast<const uint4 *>(row0 + k + 32 * b);
          a1[b] = *reinterpret_cast<const uint4 *>(row1 + k + 32 * b);
        }
      }
#pragma unroll
      for (int b = 0; b < 4; b++) {
#pragma unroll
        for (int i = 0; i < NT; i++) {
          const int n = i * 8 + g;
          uint4 u = make_uint4(0, 0, 0, 0);
          if (n < N && k + 32 * b + 8 * t < In) u = *reinterpret_cast<const uint4 *>(x + static_cast<int64_t>(n) * In + k + 32 * b + 8 * t);
          const uint32_t first[4] = {a0[b].x, a1[b].x, a0[b].y, a1[b].y}, second[4] = {a0[b].z, a1[b].z, a0[b].w, a1[b].w};
          mma_16x8x16<T>(acc[i], first, u.x, u.y);
          mma_16x8x16<T>(acc[i], second, u.z, u.w);
        }
      }
    }
#pragma unroll
    for (int i = 0; i < NT; i++)
#pragma unroll
      for (int c = 0; c < 4; c++) sums[warp][i * 8 + 2 * t + (c & 1)][g + (c >> 1) * 8] = acc[i][c];
    finish_tile<T, NT>(part, sums, bias, xa, y, tile_row, N, y_stride, ranks);
  }
}
// launch: grid min(sum over parts of ceil(out / 16), 4 per multiprocessor), block 256. W of the dtype of x; In a multiple of 8; 16-byte aligned.
#define LINEAR_DECODE_DENSE(rows, NT, suffix, T)                                                                                       \
  extern "C" __global__ void __launch_bounds__(256) linear_decode_dense_##rows##_##suffix(                                             \
      const LinearPart *parts, int part_count, const float *bias, const T *x, const float *xa, T *y, int N, int In, int y_stride, int ranks) { \
    linear_decode_dense<T, NT>(parts, part_count, bias, x, xa, y, N, In, y_stride, ranks);                                            \
  }
IF_BF16(LINEAR_DECODE_DENSE(rows8, 1, bf16, bf16_t))
IF_BF16(LINEAR_DECODE_DENSE(rows16, 2, bf16, bf16_t))
LINEAR_DECODE_DENSE(rows8, 1, f16, f16_t)
LINEAR_DECODE_DENSE(rows16, 2, f16, f16_t)


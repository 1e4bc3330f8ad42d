// Linear layers of few rows (asking): y = x Wᵀ + bias + scale · (x Aᵀ) Bᵀ for N = 1 … 16 rows, a whole group of parts in one launch.
// W is NF4 (plain or nested scales), bf16 or f16. Weights are read once and never decoded to memory. Two plans:
// - stream (N <= 8): a tile is 8 outputs. A block owns a run of tiles; all its warps share them as one list of chunks (8 outputs x 128 codes or 64
//   elements), cut into equal runs, so that no width leaves warps idle. A warp keeps DEPTH chunks under way in registers and works through its
//   run without barriers; it ends in at most two tiles, whose sums meet in shared memory and are added in order.
// - tiles (N <= 16, any In of 64): a block of 8 warps owns a tile of 16 outputs and splits In.
// The products ride on mma.m16n8k16, with x as the 16-row operand (stream) or W as it (tiles): the order of k inside a step is free, so a lane
// takes consecutive codes of its row as they lie. NF4: a byte (two codes) becomes a pair of levels by one lookup in a table of 256 pairs that
// every bank holds its own copy of (32 KB), and a block's scale multiplies the sum of its 64 products.
// Bytes: W once (NF4: 0.52 an element). Limit: memory; stream needs about 3 of the 5 instructions an element that fit under it on an H100.
#include "linear_part.cuh"

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
    follow_previous_kernel();                                                                                                         \
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

// ---- stream: N <= 8, at most STREAM_PARTS parts ----
constexpr int STREAM_PARTS = 4, STREAM_WARPS = 24, STREAM_DEPTH = 1;
// The part and first row of a tile of 8 outputs.
__device__ __forceinline__ const LinearPart *find_rows(const LinearPart *parts, int tile, int &row) {
  const LinearPart *part = parts;
  for (int tiles = (part->out + 7) / 8; tile >= tiles; tiles = (part->out + 7) / 8) tile -= tiles, part++;
  row = tile * 8;
  return part;
}

// How a lane reads W of one format: `seek` to a tile, `fetch` chunks of it ahead; `settle` on the tile whose chunks are then multiplied.
// Lane (g, t) reads row g and, as columns 2t and 2t + 1 of the product, scales the sums of rows 2t and 2t + 1. x: 0 for lanes without a row of x.
template <class T, bool NESTED> struct Nf4Rows {
  static constexpr int CHUNK = 128;
  struct Stage {
    uint2 codes[2];
    uint32_t pair[2];  // nested: the codes of two scales in 16 bits
    float2 plain[2];
  };
  const uint8_t *codes, *scales;  // of the tile ahead: row g's codes; the scales of row 2t
  int next_row;                   // from them to those of row 2t + 1
  const float *code, *nested;     // of the tile that is multiplied; code in shared memory
  float offset, outer[2];         // outer: the nested scale of each row at outer_at
  int block[2], outer_at[2];

  __device__ __forceinline__ void seek(const LinearPart *part, int row, int In, int g, int t) {
    const int last = part->out - 1, blocks = In / 64, first = min(row + 2 * t, last), second = min(row + 2 * t + 1, last);
    codes = static_cast<const uint8_t *>(part->data) + static_cast<int64_t>(min(row + g, last)) * (In / 2) + 8 * t;
    scales = static_cast<const uint8_t *>(part->scales) + static_cast<int64_t>(first) * blocks * (NESTED ? 1 : 4);
    next_row = (second - first) * blocks * (NESTED ? 1 : 4);
  }
  __device__ __forceinline__ void fetch(Stage &stage, int chunk) const {
    stage.codes[0] = load_once(reinterpret_cast<const uint2 *>(codes + chunk * 64));
    stage.codes[1] = load_once(reinterpret_cast<const uint2 *>(codes + chunk * 64 + 32));
#pragma unroll
    for (int i = 0; i < 2; i++) {
      const uint8_t *at = scales + (i ? next_row : 0);
      if (NESTED) stage.pair[i] = reinterpret_cast<const uint16_t *>(at)[chunk];
      else stage.plain[i] = reinterpret_cast<const float2 *>(at)[chunk];
    }
  }
  __device__ __forceinline__ void settle(const LinearPart *part, int row, int In, int t, const float *shared_code) {
    if (!NESTED) return;
    code = shared_code;
    nested = part->nested_scales, offset = part->nested_offset;
    block[0] = min(row + 2 * t, part->out - 1) * (In / 64);
    block[1] = min(row + 2 * t + 1, part->out - 1) * (In / 64);
    outer_at[0] = outer_at[1] = -1;
  }
  __device__ __forceinline__ void multiply(const Stage &stage, const T *x, int chunk, int t, const uint8_t *table, float acc[2]) {
    float scale[2][2];  // row, block
#pragma unroll
    for (int i = 0; i < 2; i++) {
      if (NESTED) {
        const int at = (block[i] + 2 * chunk) >> 8;
        if (at != outer_at[i]) outer_at[i] = at, outer[i] = nested[at];
        scale[i][0] = __fadd_rn(__fmul_rn(code[stage.pair[i] & 255], outer[i]), offset);
        scale[i][1] = __fadd_rn(__fmul_rn(code[stage.pair[i] >> 8], outer[i]), offset);
      } else {
        scale[i][0] = stage.plain[i].x;
        scale[i][1] = stage.plain[i].y;
      }
    }
#pragma unroll
    for (int b = 0; b < 2; b++) {
      uint4 u = make_uint4(0, 0, 0, 0), v = u;
      if (x) {
        const uint4 *source = reinterpret_cast<const uint4 *>(x + chunk * 128 + 64 * b + 16 * t);
        u = source[0];
        v = source[1];
      }
      const uint32_t rows[8] = {u.x, u.y, u.z, u.w, v.x, v.y, v.z, v.w};
      float sums[4] = {0, 0, 0, 0};
#pragma unroll
      for (int j = 0; j < 4; j++) {  // bytes 2j and 2j + 1
        const uint32_t word = j < 2 ? stage.codes[b].x : stage.codes[b].y;
        const uint32_t first = j & 1 ? word >> 9 : word << 7, second = j & 1 ? word >> 17 : word >> 1;
        const uint32_t b0 = *reinterpret_cast<const uint32_t *>(table + (first & 0x7f80)), b1 = *reinterpret_cast<const uint32_t *>(table + (second & 0x7f80));
        const uint32_t a[4] = {rows[2 * j], 0, rows[2 * j + 1], 0};
        mma_16x8x16<T>(sums, a, b0, b1);
      }
      acc[0] += scale[0][b] * sums[0];
      acc[1] += scale[1][b] * sums[1];
    }
  }
};

template <class T> struct DenseRows {
  static constexpr int CHUNK = 64;
  struct Stage {
    uint4 w[2];
  };
  const T *w;
  __device__ __forceinline__ void seek(const LinearPart *part, int row, int In, int g, int t) {
    w = static_cast<const T *>(part->data) + static_cast<int64_t>(min(row + g, part->out - 1)) * In + 8 * t;
  }
  __device__ __forceinline__ void fetch(Stage &stage, int chunk) const {
    stage.w[0] = load_once(reinterpret_cast<const uint4 *>(w + chunk * 64));
    stage.w[1] = load_once(reinterpret_cast<const uint4 *>(w + chunk * 64 + 32));
  }
  __device__ __forceinline__ void settle(const LinearPart *, int, int, int, const float *) {}
  __device__ __forceinline__ void multiply(const Stage &stage, const T *x, int chunk, int t, const uint8_t *, float acc[2]) const {
    float sums[4] = {acc[0], acc[1], 0, 0};
#pragma unroll
    for (int b = 0; b < 2; b++) {
      uint4 u = make_uint4(0, 0, 0, 0);
      if (x) u = *reinterpret_cast<const uint4 *>(x + chunk * 64 + 32 * b + 8 * t);
      const uint32_t first[4] = {u.x, 0, u.y, 0}, second[4] = {u.z, 0, u.w, 0};
      mma_16x8x16<T>(sums, first, stage.w[b].x, stage.w[b].y);
      mma_16x8x16<T>(sums, second, stage.w[b].z, stage.w[b].w);
    }
    acc[0] = sums[0], acc[1] = sums[1];
  }
};

// Y: what is written. TERMS rows of x, N / TERMS apart, are one row of y, the last of them (the smallest) added first.
template <class T, class Rows, bool TABLE, int WARPS, int DEPTH, int TERMS = 1, class Y = T>
__device__ __forceinline__ void linear_stream(const LinearPart *parts, int part_count, const float *bias, const T *x, const float *xa, Y *y, int N, int In,
                                              int y_stride, int ranks) {
  DYNAMIC_SHARED(shared);  // NF4: 256 pairs x 32 banks
  __shared__ float code[TABLE ? STREAM_PARTS : 1][256];  // of nested scales: from global memory each look-up of a warp would cost four turns
  __shared__ float2 sums[WARPS][2][8][4];  // warp, first or second tile of its run, row of x, outputs 2t and 2t + 1
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, g = lane / 4, t = lane % 4;
  int tiles = 0;
  for (int p = 0; p < part_count; p++) tiles += (parts[p].out + 7) / 8;
  const int chunks = In / Rows::CHUNK;
  const T *row = g < N ? x + static_cast<int64_t>(g) * In : nullptr;
  const int last_tile = static_cast<int>(static_cast<int64_t>(tiles) * (blockIdx.x + 1) / gridDim.x);
  bool table_made = !TABLE;
  for (int first_tile = static_cast<int>(static_cast<int64_t>(tiles) * blockIdx.x / gridDim.x); first_tile < last_tile; first_tile += WARPS) {
    const int here = min(WARPS, last_tile - first_tile), total = here * chunks;
    const int begin = total * warp / WARPS, end = total * (warp + 1) / WARPS;
    const int begin_tile = begin / chunks;
    Rows rows;
    typename Rows::Stage stage[DEPTH];
    int ahead = begin, ahead_chunk = begin - begin_tile * chunks, ahead_tile = begin_tile;
    const auto seek = [&] {
      int at;
      const LinearPart *part = find_rows(parts, first_tile + ahead_tile, at);
      rows.seek(part, at, In, g, t);
    };
    int tile = begin_tile;
    const auto settle = [&] {
      int at;
      const LinearPart *part = find_rows(parts, first_tile + tile, at);
      rows.settle(part, at, In, t, code[TABLE ? part - parts : 0]);
    };
    const auto fetch = [&](typename Rows::Stage &into) {
      if (ahead >= end) return;
      rows.fetch(into, ahead_chunk);
      ahead++;
      if (++ahead_chunk == chunks) {
        ahead_chunk = 0, ahead_tile++;
        if (ahead < end) seek();
      }
    };
    if (begin < end) seek();
#pragma unroll
    for (int d = 0; d < DEPTH; d++) fetch(stage[d]);
    if (!table_made) {  // while the first loads are under way
      uint4 *table = reinterpret_cast<uint4 *>(shared);
      for (int i = threadIdx.x; i < 2048; i += WARPS * 32) {
        const uint32_t pair = pack2<T>(NF4_LEVELS[i >> 7], NF4_LEVELS[i >> 3 & 15]);
        table[i] = make_uint4(pair, pair, pair, pair);
      }
      if (parts->nested_code)
        for (int i = threadIdx.x; i < part_count * 256; i += WARPS * 32) code[i >> 8][i & 255] = parts[i >> 8].nested_code[i & 255];
      table_made = true;
      __syncthreads();
    }
    int chunk = begin - begin_tile * chunks;
    float acc[2] = {0, 0};
    if (begin < end) settle();
    for (int j = begin; j < end; j += DEPTH) {
#pragma unroll
      for (int d = 0; d < DEPTH; d++) {
        if (j + d < end) {
          rows.multiply(stage[d], row, chunk, t, shared + 4 * lane, acc);
          fetch(stage[d]);
          if (++chunk == chunks || j + d + 1 == end) {
            sums[warp][tile - begin_tile][g][t] = make_float2(acc[0], acc[1]);
            acc[0] = acc[1] = 0, chunk = 0, tile++;
            if (j + d + 1 < end) settle();
          }
        }
      }
    }
    __syncthreads();
    const int rows_out = N / TERMS;
    for (int i = threadIdx.x; i < here * rows_out * 8; i += WARPS * 32) {
      const int o = i % 8, n = i / 8 % rows_out, k = i / (8 * rows_out);
      int at;
      const LinearPart *part = find_rows(parts, first_tile + k, at);
      at += o;
      if (at >= part->out) continue;
      // The warp that has chunk j is ((j + 1) WARPS - 1) / total.
      const int from = ((k * chunks + 1) * WARPS - 1) / total, to = ((k + 1) * chunks * WARPS - 1) / total;
      float sum = 0;
      for (int term = TERMS - 1; term >= 0; term--) {
        for (int w = from; w <= to; w++) {
          const int run = total * w / WARPS;
          if (run == total * (w + 1) / WARPS) continue;  // more warps than chunks
          const float2 two = sums[w][k - run / chunks][term * rows_out + n][o / 2];
          sum += o & 1 ? two.y : two.x;
        }
      }
      if (bias) sum += bias[part->out_begin + at];
      const int rank = part->rank;
      const float *b = part->lora_b + static_cast<int64_t>(at) * rank, *a = xa + n * ranks + part->xa_begin;
#pragma unroll 4
      for (int r = 0; r < rank; r++) sum += a[r] * b[r];
      y[static_cast<int64_t>(n) * y_stride + part->out_begin + at] = from_float<Y>(sum);
    }
    __syncthreads();
  }
}

// x as the sum of three bf16 rows, which hold all 24 bits of an f32: terms [3, count]. launch: grid min(ceil(count / 256), 4096), block 256.
extern "C" __global__ void __launch_bounds__(256) split_rows_f32_to_bf16(const float *x, bf16_t *terms, int64_t count) {
  follow_previous_kernel();
  for (int64_t i = grid_start(); i < count; i += grid_step()) {
    float rest = x[i];
#pragma unroll
    for (int term = 0; term < 3; term++) {
      const bf16_t piece = from_float<bf16_t>(rest);
      terms[term * count + i] = piece;
      rest -= to_float(piece);
    }
  }
}

// launch: grid min(sum over parts of ceil(out / 16), 4 per multiprocessor), block 256, dynamic shared 32768. parts: LinearPart [part_count] in device
// memory. x [N, In], In a multiple of 64, 16-byte aligned; xa from lora_down (0 when no part has an adapter; ranks its row length);
// y rows y_stride apart. rows8: N <= 8, rows16: N <= 16. Reads scales as u8 codes when nested.
#define LINEAR_DECODE_NF4(name, NESTED, rows, NT, suffix, T)                                                                           \
  extern "C" __global__ void __launch_bounds__(256) linear_decode_##name##_##rows##_##suffix(                                          \
      const LinearPart *parts, int part_count, const float *bias, const T *x, const float *xa, T *y, int N, int In, int y_stride, int ranks) { \
    follow_previous_kernel();                                                                                                         \
    linear_decode_nf4<T, NESTED, NT>(parts, part_count, bias, x, xa, y, N, In, y_stride, ranks);                                      \
  }
IF_BF16(LINEAR_DECODE_NF4(nf4, false, rows16, 2, bf16, bf16_t))
IF_BF16(LINEAR_DECODE_NF4(nf4_nested, true, rows16, 2, bf16, bf16_t))
LINEAR_DECODE_NF4(nf4, false, rows16, 2, f16, f16_t)
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
    follow_previous_kernel();                                                                                                         \
    linear_decode_dense<T, NT>(parts, part_count, bias, x, xa, y, N, In, y_stride, ranks);                                            \
  }
IF_BF16(LINEAR_DECODE_DENSE(rows16, 2, bf16, bf16_t))
LINEAR_DECODE_DENSE(rows16, 2, f16, f16_t)

// launch: grid min(sum over parts of ceil(out / 8), multiprocessors), block 768, dynamic shared 32768 for NF4 (48 KB with the static part).
// Parameters as above; N <= 8, at most 4 parts, In a multiple of 128 (NF4) or 64.
#define LINEAR_STREAM(name, Rows, TABLE, suffix, T)                                                                                    \
  extern "C" __global__ void __launch_bounds__(STREAM_WARPS * 32) linear_stream_##name##_##suffix(const LinearPart *parts, int part_count, const float *bias,     \
                                                                                      const T *x, const float *xa, T *y, int N, int In, int y_stride, \
                                                                                      int ranks) {                                     \
    follow_previous_kernel();                                                                                                         \
    linear_stream<T, Rows, TABLE, STREAM_WARPS, STREAM_DEPTH>(parts, part_count, bias, x, xa, y, N, In, y_stride, ranks);                                   \
  }
#define COMMA ,
IF_BF16(LINEAR_STREAM(nf4, Nf4Rows<bf16_t COMMA false>, true, bf16, bf16_t))
IF_BF16(LINEAR_STREAM(nf4_nested, Nf4Rows<bf16_t COMMA true>, true, bf16, bf16_t))
IF_BF16(LINEAR_STREAM(dense, DenseRows<bf16_t>, false, bf16, bf16_t))
LINEAR_STREAM(nf4, Nf4Rows<f16_t COMMA false>, true, f16, f16_t)
LINEAR_STREAM(nf4_nested, Nf4Rows<f16_t COMMA true>, true, f16, f16_t)
LINEAR_STREAM(dense, DenseRows<f16_t>, false, f16, f16_t)

// The same for f32 rows against one bf16 matrix [out, In] (the head when a token is drawn): x bf16 [N, In] are the three terms of N / 3 rows, y
// f32 [N / 3, out]. In a multiple of 64, N <= 6. launch: grid min(ceil(out / 8), multiprocessors), block 768.
extern "C" __global__ void __launch_bounds__(STREAM_WARPS * 32) linear_stream_dense_terms_bf16(const bf16_t *w, const bf16_t *x, float *y, int out, int N, int In) {
  follow_previous_kernel();
#if defined(REMORA_EMULATE) || !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
  LinearPart part{};
  part.data = w;
  part.out = out;
  linear_stream<bf16_t, DenseRows<bf16_t>, false, STREAM_WARPS, STREAM_DEPTH, 3, float>(&part, 1, nullptr, x, nullptr, y, N, In, out, 0);
#endif
}

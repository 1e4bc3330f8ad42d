// Linear layers of one to four rows from NF4, where only the bytes of W should count: y = act(norm(x)) Wᵀ …, a whole group of parts in one launch.
// Plan: a block owns an equal share of the rows of every part, two rows a pair, and takes it apart into groups: GROUP pairs of W x COLUMNS (512 a unit)
// columns. Groups in the order column first are cut into one run a warp, so a warp stays on the same columns for many rows: it keeps x for them in
// registers and reads 256 bytes of a row and unit, row after row. While one group is multiplied the next is under way; it is asked for when the one to be
// multiplied has arrived, not before, because the compiler counts all these loads with one counter, and waiting for some is waiting for all.
// Scales are made f32 in shared memory before; nothing else is looked up.
// A byte (two codes) becomes a pair of levels by one PRMT, which makes an address of it, and one load from a table of 256 pairs that every bank
// holds its own copy of (256 bytes apart, 64 KB). Products ride on mma.m16n8k16: the rows of its left operand are the 8 blocks (64 columns) of a unit in
// either row of W, the columns of its right one the same blocks of x, so the two diagonals are the sum of each block, in f32, which its scale
// multiplies. Lane (g, t) holds 16 codes of block g. The rest of that product is wasted; the tensor cores have the time.
// A warp's instructions for 1,024 codes: 16 PRMT, 16 LDS, 4 HMMA, 2 LDG, about 45 around. Bytes: W once, 0.52 an element. Limit: memory.
// The norm before and the residual or gate after ride along (each block norms x for itself: 2 In bytes from L2), which saves launches.
#include "gate.cuh"
#include "linear_part.cuh"

constexpr int VECTOR_PARTS = 4, VECTOR_TABLE = 65536;

// What the next kernel of this kind reads first. It comes into L2 while the last warps of this one end and the next one starts: about 3 µs in which the
// memory would rest.
struct FirstCodes {
  const uint8_t *data[VECTOR_PARTS];
  int first[VECTOR_PARTS], rows[VECTOR_PARTS];  // of the block's share
  // By one thread a part.
  __device__ __forceinline__ void find(const LinearPart *parts, int p, int shares) {
    const uint32_t out = parts[p].out, begin = out * blockIdx.x / static_cast<uint32_t>(shares), end = out * (blockIdx.x + 1) / static_cast<uint32_t>(shares);
    data[p] = static_cast<const uint8_t *>(parts[p].data), first[p] = static_cast<int>(begin), rows[p] = static_cast<int>(end - begin);
  }
  // By every warp: both of its groups of GROUP pairs, line by line.
  template <int WARPS, int GROUP, int COLUMNS> __device__ __forceinline__ void prefetch(int count, int In, int warp, int lane) const {
    constexpr int LINES = COLUMNS / 256;  // of 128 bytes, in a row of a group
    int pairs = 0;
    for (int p = 0; p < count; p++) pairs += (rows[p] + 1) / 2;
    const int across = (pairs + GROUP - 1) / GROUP, groups = across * ((In + COLUMNS - 1) / COLUMNS), begin = groups * warp / WARPS, end = groups * (warp + 1) / WARPS;
    for (int i = lane; i < 4 * GROUP * LINES; i += 32) {
      const int line = i % LINES, half = i / LINES % 2, group = begin + i / (2 * LINES * GROUP), chunk = group / max(across, 1);
      if (group >= end) break;
      int pair = min((group - chunk * across) * GROUP + i / (2 * LINES) % GROUP, pairs - 1), p = 0;
      for (; pair >= (rows[p] + 1) / 2; p++) pair -= (rows[p] + 1) / 2;
      const int at = chunk * (COLUMNS / 2) + line * 128;
      if (at < In / 2) prefetch_l2(data[p] + static_cast<int64_t>(first[p] + min(2 * pair + half, rows[p] - 1)) * (In / 2) + at);
    }
  }
};

template <class T, int ROWS, int WARPS, int UNITS, int GROUP>
__device__ __forceinline__ void linear_vector(const LinearPart *parts, int part_count, const float *bias, const T *x, const float *norm, float eps, const float *xa,
                                              const T *residual, T *y, int N, int In, int y_stride, int ranks, int gate, int shares,
                                              const LinearPart *next, int next_count, int next_In, int next_shares) {
  constexpr int THREADS = WARPS * 32, COLUMNS = 512 * UNITS, HALVES = 2;  // rows of W in an item
  DYNAMIC_SHARED(shared);  // table, x [ROWS, chunks · COLUMNS], scales f32 [pairs, 2, In / 64], sums f32 [chunks, pairs, 8, 2, ROWS], starts u64 [pairs]
  __shared__ LinearPart part[VECTOR_PARTS];
  __shared__ float code[VECTOR_PARTS][256], scratch[WARPS];
  __shared__ int first[VECTOR_PARTS], last[VECTOR_PARTS];  // rows of each part; within a share they are counted in pairs, a part's last row may be alone
  __shared__ FirstCodes coming;
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, g = lane / 4, t = lane % 4;
  const int blocks = In / 64, chunks = (In + COLUMNS - 1) / COLUMNS;
  T *const row_x = reinterpret_cast<T *>(shared + VECTOR_TABLE);
  const int x_stride = chunks * COLUMNS;  // zeros beyond In
  float *const scales = reinterpret_cast<float *>(row_x + ROWS * x_stride);

  for (int i = threadIdx.x; i < part_count * static_cast<int>(sizeof(LinearPart) / 4); i += THREADS)
    reinterpret_cast<uint32_t *>(part)[i] = reinterpret_cast<const uint32_t *>(parts)[i];
  if (next && threadIdx.x >= THREADS - next_count) coming.find(next, threadIdx.x - (THREADS - next_count), next_shares);
  __syncthreads();
  bool begun = false;
  for (int share = blockIdx.x; share < shares; share += gridDim.x) {
    if (threadIdx.x < part_count) {
      const uint32_t out = part[threadIdx.x].out;
      first[threadIdx.x] = static_cast<int>(out * static_cast<uint32_t>(share) / static_cast<uint32_t>(shares));
      last[threadIdx.x] = static_cast<int>(out * static_cast<uint32_t>(share + 1) / static_cast<uint32_t>(shares));
    }
    __syncthreads();
    int pairs = 0;
    for (int p = 0; p < part_count; p++) pairs += (last[p] - first[p] + 1) / 2;
    // The part of a pair, which becomes a row of that part's share.
    const auto part_of = [&](int &pair) {
      int p = 0;
      for (int own = (last[0] - first[0] + 1) / 2; pair >= own; own = (last[p] - first[p] + 1) / 2) pair -= own, p++;
      pair *= 2;
      return p;
    };
    float *const sums = scales + pairs * HALVES * blocks;

    // ---- scales come into L2 first: asked for after the codes they would wait in line behind all of those ----
    if (!begun)
      for (int p = 0; p < part_count; p++) {
        const int bytes = part[p].nested_scales ? 1 : 4, count = (last[p] - first[p]) * blocks, from = first[p] * blocks, line = threadIdx.x * 128;
        if (line < count * bytes) prefetch_l2(static_cast<const uint8_t *>(part[p].scales) + static_cast<int64_t>(from) * bytes + line);
        if (bytes == 1 && line < 1024) prefetch_l2(part[p].nested_code + threadIdx.x * 32);
        if (bytes == 1 && line < count) prefetch_l2(part[p].nested_scales + (min(from + static_cast<int>(threadIdx.x) * 8192, from + count - 1) >> 8));
      }

    // ---- where the pairs lie: the address of the first row, odd when it is alone ----
    uint64_t *const starts = reinterpret_cast<uint64_t *>(sums + chunks * pairs * 8 * HALVES * ROWS);
    for (int i = threadIdx.x; i < pairs; i += THREADS) {
      int row = i;
      const int p = part_of(row);
      const uint8_t *data = static_cast<const uint8_t *>(part[p].data) + static_cast<int64_t>(first[p] + row) * (In / 2);
      starts[i] = reinterpret_cast<uint64_t>(data) | (row + 1 == last[p] - first[p] ? 1 : 0);
    }
    __syncthreads();

    // ---- the first loads, which need nothing of x ----
    const int row_of_groups = (pairs + GROUP - 1) / GROUP, groups = row_of_groups * chunks, begin = groups * warp / WARPS, end = groups * (warp + 1) / WARPS;
    uint2 early[GROUP][HALVES][UNITS] = {}, late[GROUP][HALVES][UNITS] = {};
    int ahead = begin, chunk_ahead = pairs ? begin / row_of_groups : 0, pair_ahead = (begin - chunk_ahead * row_of_groups) * GROUP;  // the next group to load
    // 0 once these codes are there: N is not negative, but the compiler does not know.
    const auto arrived = [&](uint32_t codes) { return static_cast<int>(codes & static_cast<uint32_t>(N >> 31)); };
    const auto fetch = [&](uint2 into[GROUP][HALVES][UNITS], int nothing) {
      ahead += nothing;
      if (ahead < end) {
        const int column = chunk_ahead * COLUMNS + lane * 16;
        int offset[UNITS];
#pragma unroll
        for (int u = 0; u < UNITS; u++) offset[u] = column + u * 512 < In ? (column + u * 512) / 2 : 0;
#pragma unroll
        for (int d = 0; d < GROUP; d++) {
          const uint64_t start = starts[min(pair_ahead + d, pairs - 1)];
          const uint8_t *row = reinterpret_cast<const uint8_t *>(start & ~1ull);
          const int second = start & 1 ? 0 : In / 2;
#pragma unroll
          for (int u = 0; u < UNITS; u++) {
            into[d][0][u] = load_once(reinterpret_cast<const uint2 *>(row + offset[u]));
            into[d][1][u] = load_once(reinterpret_cast<const uint2 *>(row + second + offset[u]));
          }
        }
      }
      ahead++;
      pair_ahead += GROUP;
      const bool turns = pair_ahead >= pairs;
      pair_ahead = turns ? 0 : pair_ahead, chunk_ahead += turns;
    };
    fetch(early, 0);
    fetch(late, 0);

    // ---- meanwhile: the table, scales, x ----
    if (!begun) {
      uint4 *table = reinterpret_cast<uint4 *>(shared);
      for (int i = threadIdx.x; i < 2048; i += THREADS) {
        const uint32_t pair = pack2<T>(NF4_LEVELS[i >> 7], NF4_LEVELS[i >> 3 & 15]);
        table[i / 8 * 16 + i % 8] = make_uint4(pair, pair, pair, pair);
      }
      if (part[0].nested_scales)
        for (int i = threadIdx.x; i < part_count * 256; i += THREADS) code[i >> 8][i & 255] = part[i >> 8].nested_code[i & 255];
      __syncthreads();
    }
    for (int p = 0, at = 0; p < part_count; at += (last[p] - first[p] + 1) / 2, p++) {
      const int from = first[p] * blocks, count = (last[p] - first[p]) * blocks;
      float *to = scales + at * HALVES * blocks;
      if (part[p].nested_scales) {
        const uint8_t *source = static_cast<const uint8_t *>(part[p].scales);
        const float *nested = part[p].nested_scales, add = part[p].nested_offset;
        const auto scale_of = [&](uint32_t c, float outer) { return __fadd_rn(__fmul_rn(code[p][c], outer), add); };
        if (blocks % 4 == 0) {
#pragma unroll 4
          for (int i = threadIdx.x * 4; i < count; i += THREADS * 4) {
            const uint32_t four = *reinterpret_cast<const uint32_t *>(source + from + i);
            const float outer = nested[(from + i) >> 8];
            *reinterpret_cast<float4 *>(to + i) = make_float4(scale_of(four & 255, outer), scale_of(four >> 8 & 255, outer), scale_of(four >> 16 & 255, outer), scale_of(four >> 24, outer));
          }
        } else {
          for (int i = threadIdx.x; i < count; i += THREADS) to[i] = scale_of(source[from + i], nested[(from + i) >> 8]);
        }
      } else {
        const float *source = static_cast<const float *>(part[p].scales) + from;
#pragma unroll 4
        for (int i = threadIdx.x; i < count; i += THREADS) to[i] = source[i];
      }
    }
    if (!begun) {
      if (norm && threadIdx.x * 32 < In) prefetch_l2(norm + threadIdx.x * 32);
      wait_for_previous_kernel();
      let_next_kernel_start();
      for (int n = 0; n < ROWS; n++) {
        const T *from = x + static_cast<int64_t>(n) * In;
        float scale = 1;
        if (norm && n < N) {
          float squares = 0, v[8];
          for (int c = threadIdx.x * 8; c < In; c += THREADS * 8) {
            load8<true>(from + c, 8, v);
#pragma unroll
            for (int i = 0; i < 8; i++) squares += v[i] * v[i];
          }
          scale = 1.0f / sqrtf(block_sum<THREADS>(squares, scratch) / static_cast<float>(In) + eps);
        }
        for (int c = threadIdx.x * 8; c < x_stride; c += THREADS * 8) {
          float v[8] = {}, w[8];
          if (n < N && c < In) {
            load8<true>(from + c, 8, v);
            if (norm) {
              load8<true>(norm + c, 8, w);
#pragma unroll
              for (int i = 0; i < 8; i++) v[i] = v[i] * scale * w[i];
            }
          }
          store8<true>(row_x + n * x_stride + c, 8, v);
        }
      }
      begun = true;
    }
    __syncthreads();

    // ---- the products ----
    int chunk = pairs ? begin / row_of_groups : 0, pair = (begin - chunk * row_of_groups) * GROUP;
    uint32_t xr[ROWS][UNITS][8];
    int scale_at[UNITS];
    const auto settle = [&] {
#pragma unroll
      for (int u = 0; u < UNITS; u++) {
        const int column = min(chunk, chunks - 1) * COLUMNS + u * 512 + lane * 16;
        scale_at[u] = min(column / 64, blocks - 1);
#pragma unroll
        for (int n = 0; n < ROWS; n++) {
          const uint4 *source = reinterpret_cast<const uint4 *>(row_x + n * x_stride + column);
          const uint4 a = source[0], b = source[1];
          xr[n][u][0] = a.x, xr[n][u][1] = a.y, xr[n][u][2] = a.z, xr[n][u][3] = a.w, xr[n][u][4] = b.x, xr[n][u][5] = b.y, xr[n][u][6] = b.z, xr[n][u][7] = b.w;
        }
      }
    };
    const uint32_t lane_byte = lane * 4;
    const bool odd = g & 1, owner = t == g >> 1;  // of the diagonals' elements of block g
    const auto multiply = [&](const uint2 codes[HALVES][UNITS], int at, float acc[HALVES][ROWS]) {
#pragma unroll
      for (int u = 0; u < UNITS; u++) {
        float product[ROWS][4];
#pragma unroll
        for (int n = 0; n < ROWS; n++) product[n][0] = product[n][1] = product[n][2] = product[n][3] = 0;
#pragma unroll
        for (int h = 0; h < 4; h++) {  // bytes 2h and 2h + 1
          uint32_t a[4];
#pragma unroll
          for (int i = 0; i < 4; i++) {
            const uint32_t word = h < 2 ? codes[i % 2][u].x : codes[i % 2][u].y;
            a[i] = *reinterpret_cast<const uint32_t *>(shared + __byte_perm(word, lane_byte, 0x7604 | (h % 2 * 2 + i / 2) << 4));
          }
#pragma unroll
          for (int n = 0; n < ROWS; n++) mma_16x8x16<T>(product[n], a, xr[n][u][2 * h], xr[n][u][2 * h + 1]);
        }
        const float *scale = scales + at * HALVES * blocks + scale_at[u];
        const float scale0 = scale[0], scale1 = scale[blocks];
#pragma unroll
        for (int n = 0; n < ROWS; n++) {
          acc[0][n] += scale0 * (odd ? product[n][1] : product[n][0]);
          acc[1][n] += scale1 * (odd ? product[n][3] : product[n][2]);
        }
      }
    };
    // The last group of a chunk may hold its last pair more than once.
    const auto take = [&](const uint2 codes[GROUP][HALVES][UNITS]) {
#pragma unroll
      for (int d = 0; d < GROUP; d++) {
        float acc[HALVES][ROWS] = {};
        multiply(codes[d], min(pair + d, pairs - 1), acc);
        float2 *to = reinterpret_cast<float2 *>(sums) + ((chunk * pairs + pair + d) * 8 + g) * ROWS;
#pragma unroll
        for (int n = 0; n < ROWS; n++) {
          keep_here(acc[0][n], acc[1][n]);
          if (owner && pair + d < pairs) to[n] = make_float2(acc[0][n], acc[1][n]);
        }
      }
    };
    const auto advance = [&] {
      pair += GROUP;
      if (pair >= pairs) {
        pair = 0, chunk++;
        settle();
      }
    };
    if (begin < end) settle();
    uint32_t seen = 0;  // both groups are there when the loop begins, so that it need not ask
#pragma unroll
    for (int d = 0; d < GROUP; d++)
#pragma unroll
      for (int u = 0; u < UNITS; u++) seen |= early[d][0][u].x | early[d][1][u].x | late[d][0][u].x | late[d][1][u].x;
    pair += arrived(seen);
    for (int j = begin; j < end; j += 2) {
      take(early);
      advance();
      fetch(early, arrived(late[GROUP - 1][1][UNITS - 1].y));
      if (j + 1 == end) break;
      take(late);
      advance();
      fetch(late, arrived(early[GROUP - 1][1][UNITS - 1].y));
    }
    if (next && share + gridDim.x >= shares) coming.prefetch<WARPS, GROUP, COLUMNS>(next_count, next_In, warp, lane);
    __syncthreads();

    // ---- 8 threads a row of W (with a gate two rows) and row of x ----
    const int q = lane % 8, gated = (last[0] - first[0] + 1) / 2, outputs = (gate >= 0 ? gated : pairs) * HALVES;
    for (int i = warp * 4; i < outputs * N; i += WARPS * 4) {
      const int mine = min(i + lane / 8, outputs * N - 1), n = mine / outputs, r = mine - n * outputs;
      int row = r / 2;
      const int p = part_of(row);
      row += r % 2;
      const bool real = row < last[p] - first[p];
      row = min(first[p] + row, last[p] - 1);
      // Of part `of`'s row in pair `at`.
      const auto row_sum = [&](int at, int of) {
        float sum = 0;
        for (int c = 0; c < chunks; c++) sum += sums[(((c * pairs + at) * 8 + q) * ROWS + n) * 2 + r % 2];
        const float *b = part[of].lora_b + static_cast<int64_t>(row) * part[of].rank, *a = xa + n * ranks + part[of].xa_begin;
        for (int k = q; k < part[of].rank; k += 8) sum += a[k] * b[k];
#pragma unroll
        for (int d = 4; d; d >>= 1) sum += __shfl_xor_sync(0xffffffffu, sum, d);
        return bias ? sum + bias[part[of].out_begin + row] : sum;
      };
      float value = row_sum(r / 2, p);
      if (gate >= 0) value = gate_value(value, gate) * row_sum(r / 2 + gated, 1);
      if (q != 0 || !real || i + lane / 8 >= outputs * N) continue;
      const int64_t at = static_cast<int64_t>(n) * y_stride + part[p].out_begin + row;
      if (residual) value += to_float(residual[at]);
      y[at] = from_float<T>(value);
    }
    __syncthreads();
  }
}

// y [N, y_stride] = linear(norm(x)) + residual, or the gate of the first part times the second when gate >= 0 (0 SiLU, 1 GELU in its tanh form), which are
// then alike in out. next (or NULL), next_count, next_In, next_shares: what the kernel that follows is given as parts, part_count, In and shares. norm f32 [In] and residual like y may be NULL; residual may be y. N <= ROWS; In a multiple of 64; at most 4 parts; x 16-byte aligned.
// shares: into how many the rows of each part are cut. launch: grid min(shares, multiprocessors), block 768 for rows1, else 512; dynamic shared 65536 + ROWS · C · 1024
// + P · (In / 64 · 8 + C · 64 · ROWS + 8), C = ceil(In / 512), P = sum over parts of ceil(ceil(out / shares) / 2), the pairs of a share.
#define LINEAR_VECTOR(name, ROWS, WARPS, BLOCKS, UNITS, GROUP, T)                                                                      \
  extern "C" __global__ void __launch_bounds__(WARPS * 32, BLOCKS) linear_vector_nf4_##name(                                           \
      const LinearPart *parts, int part_count, const float *bias, const T *x, const float *norm, float eps, const float *xa, const T *residual, T *y, \
      int N, int In, int y_stride, int ranks, int gate, int shares, const LinearPart *next, int next_count, int next_In, int next_shares) { \
    linear_vector<T, ROWS, WARPS, UNITS, GROUP>(parts, part_count, bias, x, norm, eps, xa, residual, y, N, In, y_stride, ranks, gate, shares, next, \
                                                 next_count, next_In, next_shares);                                                    \
  }
#ifndef REMORA_VARIANTS
IF_BF16(LINEAR_VECTOR(rows1_bf16, 1, 24, 1, 1, 2, bf16_t))
IF_BF16(LINEAR_VECTOR(rows2_bf16, 2, 16, 1, 1, 2, bf16_t))
IF_BF16(LINEAR_VECTOR(rows4_bf16, 4, 16, 1, 1, 2, bf16_t))
LINEAR_VECTOR(rows1_f16, 1, 24, 1, 1, 2, f16_t)
LINEAR_VECTOR(rows2_f16, 2, 16, 1, 1, 2, f16_t)
LINEAR_VECTOR(rows4_f16, 4, 16, 1, 1, 2, f16_t)
#endif

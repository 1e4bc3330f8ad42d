// One row times NF4 in half a multiprocessor: the successor that kernels/cuda/linear_vector.cu may get. A lab variant: checked against the reference and timed,
// not shipped. Its table of pairs, its diagonals of mma.m16n8k16 and its arguments are those of linear_vector (explained there); what differs:
// - A block of 12 warps holds less than half of the registers and of the shared memory, so that under programmatic dependent launch the next kernel's block lies beside it,
//   with its table built and its first codes under way, while this one ends.
// - The table of linear_vector has a gap of 128 bytes after every 128. What else is as large lies in those gaps (x, sums), so a block has 64 KB and 5.
// - Codes come into L2 AHEAD items before they are loaded (one instruction for 2 KB, no registers), so the registers need to hide L2, not memory.
// - Scales are read by the lane that multiplies with them, asked for before the item's products; nothing is converted ahead. For that the blocks of pair d are taken in the order
//   g ^ 2d by the rows g of the tensor core's left operand: after four pairs each lane owns the sums of one block of one pair, and has two scales to find.
// - A warp's run goes along the rows, so sums stay in two registers for a whole row of W; only where runs meet are they split.
// - rms_norm's factor is applied to the sums: x · norm is multiplied, in one pass over x, and the sum of squares is nobody's predecessor.
// An item is 8 rows (4 pairs) x 512 columns, 2 KB. A warp's instructions for one, in the disassembly: 64 PRMT and 64 loads of pairs, 16 HMMA, 8 LDG of codes, 4 of scales,
// 1 prefetch, about 340 in all: 12 µs of issue slots for gate·up of Nemo 12B at 1.9 GHz, 19 µs of memory at 4 TB/s. Shared memory is read in about 94 passes: 13 µs.
// No spill in the loop. Limit: memory, if PDL hides what is left between two kernels: the last sums, the start, x (and where weights are few, their arithmetic).
#include "../cuda/gate.cuh"
#include "../cuda/linear_part.cuh"

namespace {
constexpr int MOST_PARTS = 4, ITEM_ROWS = 8, ITEM_COLUMNS = 512, PAIRS = 4;

// The rows of one block, part after part.
struct Share {
  const uint8_t *data[MOST_PARTS];
  int first[MOST_PARTS], rows[MOST_PARTS];
  // By one thread a part.
  __device__ __forceinline__ void find(const LinearPart *parts, int p, int share, int shares) {
    const uint32_t out = parts[p].out, begin = out * static_cast<uint32_t>(share) / static_cast<uint32_t>(shares), end = out * static_cast<uint32_t>(share + 1) / static_cast<uint32_t>(shares);
    data[p] = static_cast<const uint8_t *>(parts[p].data), first[p] = static_cast<int>(begin), rows[p] = static_cast<int>(end - begin);
  }
  __device__ __forceinline__ int total(int count) const {
    int sum = 0;
    for (int p = 0; p < count; p++) sum += rows[p];
    return sum;
  }
  // The part of row r; r becomes the row of that part.
  __device__ __forceinline__ int part_of(int &r) const {
    int p = 0;
    for (; r >= rows[p]; p++) r -= rows[p];
    r += first[p];
    return p;
  }
};

// Where a row of W lies: 32 bytes, found once. The rows of an item lie in two gaps.
struct Row {
  const uint8_t *codes, *scales;
  const float *nested;  // NULL: scales are f32
  int from;             // the row's first block, counted from the part's first
  int part;
};

// What lies in the gaps of the table, by byte.
__device__ __forceinline__ uint8_t *gap(uint8_t *shared, int byte) { return shared + ((byte >> 7 << 8) | 128 | (byte & 127)); }

template <class T, int WARPS, int AHEAD>
__device__ __forceinline__ void linear_half(const LinearPart *parts, int part_count, const float *bias, const T *x, const float *norm, float eps, const float *xa, const T *residual, T *y,
                                            int N, int In, int ranks, int gate, int shares, const LinearPart *next, int next_count, int next_In, int next_shares) {
  constexpr int THREADS = WARPS * 32;
  DYNAMIC_SHARED(shared);
  __shared__ LinearPart part[MOST_PARTS];
  __shared__ Share own, coming;
  __shared__ float code[MOST_PARTS][256], squares[WARPS];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, g = lane / 4, t = lane % 4;
  const int blocks = In / 64, chunks = (In + ITEM_COLUMNS - 1) / ITEM_COLUMNS;
  // In the gaps: x [chunks, 2, 32 lanes, 8], Row [groups, 8], sums f32 [groups + WARPS, 8], added f32 [groups, 8].
  const int rows_at = chunks * ITEM_COLUMNS * 2;
  const uint8_t *const lane_x = gap(shared, lane * 16);

  for (int i = threadIdx.x; i < part_count * static_cast<int>(sizeof(LinearPart) / 4); i += THREADS)
    reinterpret_cast<uint32_t *>(part)[i] = reinterpret_cast<const uint32_t *>(parts)[i];
  if (next && threadIdx.x >= THREADS - next_count) coming.find(next, threadIdx.x - (THREADS - next_count), blockIdx.x, next_shares);
  if (threadIdx.x < part_count) own.find(parts, threadIdx.x, blockIdx.x, shares);
  float rstd = 1;
  for (int share = blockIdx.x; share < shares; share += gridDim.x) {
    const bool begun = share != static_cast<int>(blockIdx.x);
    if (begun && threadIdx.x < part_count) own.find(part, threadIdx.x, share, shares);
    __syncthreads();
    const int rows = own.total(part_count), groups = (rows + ITEM_ROWS - 1) / ITEM_ROWS, items = groups * chunks, begin = items * warp / WARPS, end = items * (warp + 1) / WARPS;
    const int sums_at = rows_at + groups * ITEM_ROWS * 32, added_at = sums_at + (groups + WARPS) * ITEM_ROWS * 4;
    const bool nested = part[0].nested_scales;
    // Row 0 of a group; row r is r / 4 gaps and r % 4 rows further.
    const auto group_rows = [&](int group) { return gap(shared, rows_at) + group * 512; };
    const auto row_of = [&](uint8_t *base, int r) -> Row & { return *reinterpret_cast<Row *>(base + r / 4 * 256 + r % 4 * 32); };
    // The last group repeats its last row.
    for (int i = threadIdx.x; i < groups * ITEM_ROWS; i += THREADS) {
      int row = min(i, rows - 1);
      const int p = own.part_of(row), from = row * blocks;
      row_of(group_rows(i / ITEM_ROWS), i % ITEM_ROWS) = Row{own.data[p] + static_cast<int64_t>(row) * (In / 2), static_cast<const uint8_t *>(part[p].scales) + static_cast<int64_t>(from) * (nested ? 1 : 4), part[p].nested_scales, from, p};
    }

    // ---- scales into L2, before the codes ----
    for (int p = 0; p < part_count; p++) {
      const int bytes = nested ? 1 : 4, count = own.rows[p] * blocks, from = own.first[p] * blocks;
      for (int line = threadIdx.x * 128; line < count * bytes; line += THREADS * 128) prefetch_l2(static_cast<const uint8_t *>(part[p].scales) + static_cast<int64_t>(from) * bytes + line);
      if (bytes == 1 && static_cast<int>(threadIdx.x) * 8192 < count) prefetch_l2(part[p].nested_scales + ((from + static_cast<int>(threadIdx.x) * 8192) >> 8));
    }
    __syncthreads();

    // ---- items: two under way in registers, AHEAD more on their way into L2 ----
    struct Place {
      int group, chunk;
      __device__ __forceinline__ void step(int chunks) {
        if (++chunk == chunks) chunk = 0, group++;
      }
    };
    const int begin_group = items ? begin / chunks : 0;
    Place now{begin_group, begin - begin_group * chunks}, loading = now, coming_in = now;
    // Item i, one lane a line.
    const auto ask = [&](int i) {
      if (i < end && lane < 16) {
        const int byte = coming_in.chunk * (ITEM_COLUMNS / 2) + lane % 2 * 128;
        if (byte < In / 2) prefetch_l2(row_of(group_rows(coming_in.group), lane / 2).codes + byte);
      }
      coming_in.step(chunks);
    };
    // 0 once these codes are there: N is not negative, but the compiler does not know.
    const auto arrived = [&](uint32_t codes) { return static_cast<int>(codes & static_cast<uint32_t>(N >> 31)); };
    const auto fetch = [&](uint2 into[PAIRS][2], int i, int nothing) {
      if (i < end) {
        loading.group += nothing;
        const uint32_t byte = loading.chunk * (ITEM_COLUMNS / 2);
        uint8_t *const base = group_rows(loading.group);
#pragma unroll
        for (int d = 0; d < PAIRS; d++) {
          const uint32_t at = byte + (lane * 8 ^ d * 64), inside = at < static_cast<uint32_t>(In) / 2 ? at : 0;
#pragma unroll
          for (int h = 0; h < 2; h++) into[d][h] = load_once(reinterpret_cast<const uint2 *>(row_of(base, 2 * d + h).codes + inside));
        }
      }
      loading.step(chunks);
    };
    uint2 early[PAIRS][2] = {}, late[PAIRS][2] = {};
    fetch(early, begin, 0);
    fetch(late, begin + 1, 0);
    coming_in = loading;
    for (int i = 0; i < AHEAD; i++) ask(begin + 2 + i);

    // ---- the scales of a lane: two rows (a pair) of an item and one block, the lane's own ----
    const int own_pair = g >> 1 ^ t, own_block = 2 * t | (g & 1), own_rows = own_pair / 2 * 256 + own_pair % 2 * 64;
    struct Scales {
      float value[2], outer[2];  // outer: of nested scales, whose value is a code of 8 bits
      int part[2];
    };
    const auto find_scales = [&](Scales &s, const Place &place) {
      const uint32_t block = min(place.chunk * 8 + own_block, blocks - 1);
      uint8_t *const base = group_rows(place.group) + own_rows;
#pragma unroll
      for (int h = 0; h < 2; h++) {
        const Row &row = row_of(base, h);
        if (nested) {
          s.part[h] = row.part;
          s.value[h] = __int_as_float(__ldg(row.scales + block));
          s.outer[h] = __ldg(row.nested + (static_cast<uint32_t>(row.from + block) >> 8));
        } else {
          s.value[h] = __ldg(reinterpret_cast<const float *>(row.scales) + block);
        }
      }
    };
    // bitsandbytes multiplies, then adds.
    const auto scale_of = [&](const Scales &s, int h) {
      if (!nested) return s.value[h];
      return __fadd_rn(__fmul_rn(code[s.part[h]][__float_as_int(s.value[h])], s.outer[h]), part[s.part[h]].nested_offset);
    };
    Scales scales = {};
    if (begin < end) find_scales(scales, now);

    // ---- meanwhile: the table, x ----
    if (!begun) {
      for (int i = threadIdx.x; i < 2048; i += THREADS) {
        const uint32_t pair = pack2<T>(NF4_LEVELS[i >> 7], NF4_LEVELS[i >> 3 & 15]);
        reinterpret_cast<uint4 *>(shared)[i / 8 * 16 + i % 8] = make_uint4(pair, pair, pair, pair);
      }
      for (int i = threadIdx.x; i < part_count * 256; i += THREADS)
        if (nested) code[i >> 8][i & 255] = part[i >> 8].nested_code[i & 255];
      if (norm)
        for (int c = threadIdx.x * 32; c < In; c += THREADS * 32) prefetch_l2(norm + c);
      wait_for_previous_kernel();
      let_next_kernel_start();
      const auto place_of = [&](int c) { return gap(shared, c / ITEM_COLUMNS * 1024 + c / 8 % 2 * 512 + c % ITEM_COLUMNS / 16 * 16); };
      if (norm) {
        float sum = 0;
#pragma unroll 2
        for (int c = threadIdx.x * 8; c < chunks * ITEM_COLUMNS; c += THREADS * 8) {
          float v[8] = {}, w[8];
          if (c < In) {
            load8<true>(x + c, 8, v);
            load8<true>(norm + c, 8, w);
#pragma unroll
            for (int i = 0; i < 8; i++) sum += v[i] * v[i], v[i] *= w[i];
          }
          store8<true>(reinterpret_cast<T *>(place_of(c)), 8, v);
        }
        sum = warp_sum(sum);
        if (lane == 0) squares[warp] = sum;
      } else {
        for (int c = threadIdx.x * 8; c < chunks * ITEM_COLUMNS; c += THREADS * 8) copy_async_16(shared_address(place_of(c)), x + min(c, In - 8), c < In);
        copy_async_commit();
        copy_async_wait<0>();
      }
    }
    // What is added to a row's product, asked for together with x.
    for (int i = threadIdx.x; i < rows; i += THREADS) {
      int row = i;
      const int p = own.part_of(row), at = part[p].out_begin + row;
      *reinterpret_cast<float *>(gap(shared, added_at + i * 4)) = (bias ? bias[at] : 0.0f) + (residual ? to_float(residual[at]) : 0.0f);
    }
    __syncthreads();

    // ---- the products ----
    const uint32_t lane_byte = lane * 4;
    const bool odd = g & 1;
    float acc[2] = {};
    const auto take = [&](const uint2 codes[PAIRS][2]) {
      uint32_t xr[8];
#pragma unroll
      for (int s = 0; s < 2; s++) {
        const uint4 v = *reinterpret_cast<const uint4 *>(lane_x + now.chunk * 2048 + s * 1024);
        xr[4 * s] = v.x, xr[4 * s + 1] = v.y, xr[4 * s + 2] = v.z, xr[4 * s + 3] = v.w;
      }
      float mine[2] = {};
#pragma unroll
      for (int d = 0; d < PAIRS; d++) {
        float product[4] = {};
#pragma unroll
        for (int h = 0; h < 4; h++) {  // bytes 2h and 2h + 1
          uint32_t a[4];
#pragma unroll
          for (int i = 0; i < 4; i++) {
            const uint32_t word = h < 2 ? codes[d][i % 2].x : codes[d][i % 2].y;
            a[i] = *reinterpret_cast<const uint32_t *>(shared + __byte_perm(word, lane_byte, 0x7604 | (h % 2 * 2 + i / 2) << 4));
          }
          mma_16x8x16<T>(product, a, xr[2 * h], xr[2 * h + 1]);
        }
        if (d == own_pair) mine[0] = odd ? product[1] : product[0], mine[1] = odd ? product[3] : product[2];
      }
      acc[0] += scale_of(scales, 0) * mine[0];
      acc[1] += scale_of(scales, 1) * mine[1];
    };
    // To the next item. Behind the last one of its rows, or of the run, the sums are done: of the lanes that own a pair, in a fixed order. A warp and a group of
    // rows that meet have a place of their own, group + warp.
    const auto advance = [&](int j) {
      if (now.chunk + 1 == chunks || j + 1 == end) {
#pragma unroll
        for (int h = 0; h < 2; h++) {
          // Pair d is owned by the lanes t = (g >> 1) ^ d: lanes of one pair differ in g's lowest bit, or in both of its others and t alike.
          float sum = acc[h];
          sum += __shfl_xor_sync(0xffffffffu, sum, 4);
          sum += __shfl_xor_sync(0xffffffffu, sum, 8 | 1);
          sum += __shfl_xor_sync(0xffffffffu, sum, 16 | 2);
          if (g == 0) *reinterpret_cast<float *>(gap(shared, sums_at + ((now.group + warp) * ITEM_ROWS + 2 * t + h) * 4)) = sum;
          acc[h] = 0;
        }
      }
      now.step(chunks);
      if (j + 1 < end) find_scales(scales, now);
      if (AHEAD) ask(j + 2 + AHEAD);
    };
    for (int j = begin; j < end; j += 2) {
      take(early);
      advance(j);
      fetch(early, j + 2, arrived(late[PAIRS - 1][1].y));
      if (j + 1 == end) break;
      take(late);
      advance(j + 1);
      fetch(late, j + 3, arrived(early[PAIRS - 1][1].y));
    }

    // ---- what the next kernel's warps read after their first items comes into L2 while this one ends ----
    if (next && share + gridDim.x >= shares) {
      const int next_rows = coming.total(next_count), next_chunks = (next_In + ITEM_COLUMNS - 1) / ITEM_COLUMNS, next_items = (next_rows + ITEM_ROWS - 1) / ITEM_ROWS * next_chunks;
      const int from = next_items * warp / WARPS + 2 + AHEAD, until = min(next_items * (warp + 1) / WARPS, from + 4);
      for (int i = from + lane / 16; i < until; i += 2) {
        const int group = i / next_chunks, byte = (i - group * next_chunks) * (ITEM_COLUMNS / 2) + lane % 2 * 128;
        int row = min(group * ITEM_ROWS + lane % 16 / 2, next_rows - 1);
        const int p = coming.part_of(row);
        if (byte < next_In / 2) prefetch_l2(coming.data[p] + static_cast<int64_t>(row) * (next_In / 2) + byte);
      }
    }
    __syncthreads();

    // ---- 8 threads a row of W, with a gate two rows ----
    if (norm && !begun) {
      float sum = 0;
#pragma unroll
      for (int w = 0; w < WARPS; w++) sum += squares[w];
      rstd = 1.0f / sqrtf(sum / static_cast<float>(In) + eps);
    }
    const int q = lane % 8, outputs = gate >= 0 ? own.rows[0] : rows;
    for (int i = warp * 4; i < outputs; i += WARPS * 4) {
      const int r = min(i + lane / 8, outputs - 1);
      const auto row_sum = [&](int r) {
        const int group = r / ITEM_ROWS;
        float sum = 0;
        for (int w = q; w < WARPS; w += 8) {
          const int from = max(items * w / WARPS, group * chunks), until = min(items * (w + 1) / WARPS, (group + 1) * chunks);
          if (from < until) sum += *reinterpret_cast<const float *>(gap(shared, sums_at + ((group + w) * ITEM_ROWS + r % ITEM_ROWS) * 4));
        }
        sum *= rstd;
        int row = r;
        const int p = own.part_of(row);
        const float *b = part[p].lora_b + static_cast<int64_t>(row) * part[p].rank, *a = xa + part[p].xa_begin;
        for (int k = q; k < part[p].rank; k += 8) sum += a[k] * b[k];
#pragma unroll
        for (int d = 4; d; d >>= 1) sum += __shfl_xor_sync(0xffffffffu, sum, d);
        return sum + *reinterpret_cast<const float *>(gap(shared, added_at + r * 4));
      };
      float value = row_sum(r);
      if (gate >= 0) value = gate_value(value, gate) * row_sum(r + outputs);
      int row = r;
      const int p = own.part_of(row);
      if (q != 0 || i + lane / 8 >= outputs) continue;
      y[part[p].out_begin + row] = from_float<T>(value);
    }
    __syncthreads();
  }
}
}  // namespace

// The arguments of linear_vector with N = 1. Rows and columns of a share fit the gaps: C · 1024 + G · 320 + warps · 32 <= 32768 bytes,
// C = ceil(In / 512), G = ceil(sum over parts of ceil(out / shares) / 8).  launch: grid min(shares, multiprocessors), block warps · 32; dynamic shared 65536.
#define LINEAR_HALF(W, B, A)                                                                                                                       \
  extern "C" __global__ void __launch_bounds__(W * 32, B) linear_half_nf4_w##W##b##B##a##A(                                                        \
      const LinearPart *parts, int part_count, const float *bias, const bf16_t *x, const float *norm, float eps, const float *xa, const bf16_t *residual, bf16_t *y, \
      int N, int In, int, int ranks, int gate, int shares, const LinearPart *next, int next_count, int next_In, int next_shares) {                 \
    linear_half<bf16_t, W, A>(parts, part_count, bias, x, norm, eps, xa, residual, y, N, In, ranks, gate, shares, next, next_count, next_In, next_shares); \
  }
LINEAR_HALF(12, 2, 0)
LINEAR_HALF(12, 2, 2)
LINEAR_HALF(12, 2, 4)
LINEAR_HALF(24, 1, 2)

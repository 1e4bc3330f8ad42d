// LoRA's backward at the output's side, in one pass over d_y [N, ΣOut]. For each part p of a linear group that has an adapter:
//   db [N, r_p] = d_y_p (scale·B_p)        B gradient f32 [Out_p, r_p] += scale · d_y_pᵀ xa_p
// Plan: a unit is 16 rows of a group of COLUMNS columns of one part. Units are numbered group by group, and every block takes the same number of
// consecutive ones, so a card is evenly loaded whatever the shape. Of a unit each of 8 warps has its own columns: the sums of the B gradient
// stay in registers until the block's rows of a group end, the fragments of B as long. A warp's share of db goes to shared memory, and while the next
// unit is multiplied the 8 shares are added up and written. Partial sums lie in the order of fragments: db by unit, the B gradient once for each block and
// group that meet. A second kernel adds them up in order, so equal inputs give equal bits.
// d_y comes by asynchronous copies, 3 units of 32 kB ahead. Its rows in shared memory are 16 bytes longer than they need be, so that 8 of them lie in different
// banks. A tile of 16 x 16 is the first operand of mma.m16n8k16 twice: as it lies for db, transposed for the B gradient.
// Bytes: d_y once. Partials, written and read: 1 kB for each unit of 32 kB (rank 16), and 64 kB for each block and group that meet: on 132 multiprocessors
// 25 MB for gate and up of Mistral Nemo at 8,192 rows, whose d_y has 470 MB, and 11 MB for o, whose d_y has 84.
// Limit: memory; next come instructions, some 180 a warp and unit (360 cycles a scheduler; at 4 TB/s a unit takes 1,900 to arrive), and shared
// memory, to which d_y is written once and from which it is read twice (770 cycles).
#include "ptx.cuh"

constexpr int ROWS = 16, STAGES = 4, WARPS = 8, THREADS = 256, MOST_PARTS = 3;

// What depends on the largest rank: 16 · TILES ranks are computed, a warp has WARP_COLUMNS columns.
template <int TILES> struct Sizes {
  static constexpr int RANKS = 16 * TILES, WARP_COLUMNS = TILES <= 2 ? 128 : 64, COLUMNS = WARPS * WARP_COLUMNS;
  static constexpr int ROW_BYTES = COLUMNS * 2 + 16, XA_ROW_BYTES = RANKS * 2 + 16, STAGE = ROWS * (ROW_BYTES + XA_ROW_BYTES);
  static constexpr int SHARE = ROWS * RANKS * 4, SHARES_AT = STAGES * STAGE, B_AT = SHARES_AT + 2 * WARPS * SHARE, SHARED = B_AT + WARPS * 512;
};
static_assert(Sizes<1>::SHARED == 155648 && Sizes<2>::SHARED == 174080 && Sizes<4>::SHARED == 145408);

// Parts of a group that have adapters: first column in d_y, columns, rank. Unused ones have no columns.
struct Parts {
  int column[MOST_PARTS], columns[MOST_PARTS], rank[MOST_PARTS];
};
// The columns of one group: [column, column + columns) of d_y are columns [before, …) of part `part`, whose ranks begin at rank_start.
struct Columns {
  int part, before, column, columns, rank, rank_start;
};
__device__ __forceinline__ int groups_of(const Parts &parts, int width) {
  int groups = 0;
#pragma unroll
  for (int p = 0; p < MOST_PARTS; p++) groups += (parts.columns[p] + width - 1) / width;
  return groups;
}
__device__ __forceinline__ Columns columns_of(const Parts &parts, int group, int width) {
  Columns c{};
  int rank_start = 0, first = 0;
#pragma unroll
  for (int p = 0; p < MOST_PARTS; p++) {
    const int groups = (parts.columns[p] + width - 1) / width;
    if (group >= first && group < first + groups) {
      const int before = (group - first) * width;
      c = {p, before, parts.column[p] + before, min(width, parts.columns[p] - before), parts.rank[p], rank_start};
    }
    first += groups, rank_start += parts.rank[p];
  }
  return c;
}

template <class T, int TILES>
__device__ void lora_backward(const T *d_y, const T *xa, const T *b, float *db_partials, float *gradient_partials, int N, int outs, int ranks, const Parts &parts,
                              int units_a_block) {
  using S = Sizes<TILES>;
  constexpr int PIECES = S::COLUMNS / 8, XA_PIECES = S::RANKS / 8, NT = 2 * TILES, CT = S::WARP_COLUMNS / 16;
  DYNAMIC_SHARED(shared);
  const uint32_t base = shared_address(shared);
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, steps = (N + ROWS - 1) / ROWS;
  const int begin = blockIdx.x * units_a_block, end = min(groups_of(parts, S::COLUMNS) * steps, begin + units_a_block);

  // The copies run ahead of the products, also into the next group. A thread brings one piece of every second (with 512 columns every fourth) row.
  constexpr int ROWS_APART = THREADS / PIECES;
  const int piece = threadIdx.x % PIECES, first_row = threadIdx.x / PIECES, xa_row = threadIdx.x / XA_PIECES, xa_rank = threadIdx.x % XA_PIECES * 8;
  const T *source, *xa_source;
  int coming = begin / steps, coming_unit = begin, rows, xa_rows;  // rows: how many are left from this thread's first one on, 0 outside the columns or ranks
  const auto begin_columns = [&](int row) {
    const Columns c = columns_of(parts, coming, S::COLUMNS);
    source = d_y + static_cast<int64_t>(row + first_row) * outs + c.column + piece * 8;
    xa_source = xa + static_cast<int64_t>(row + xa_row) * ranks + c.rank_start + xa_rank;
    rows = piece * 8 < c.columns ? N - row - first_row : 0;
    xa_rows = xa_rank < c.rank ? N - row - xa_row : 0;
  };
  int until_next = steps - begin % steps;
  begin_columns(begin % steps * ROWS);
  const auto fetch = [&] {
    if (coming_unit < end) {
      if (until_next == 0) coming++, until_next = steps, begin_columns(0);
      const uint32_t stage = base + (coming_unit - begin) % STAGES * S::STAGE;
#pragma unroll
      for (int r = 0; r < ROWS; r += ROWS_APART) {
        copy_async_16(stage + (first_row + r) * S::ROW_BYTES + piece * 16, source, r < rows);
        source += static_cast<int64_t>(ROWS_APART) * outs;
      }
      if (threadIdx.x < ROWS * XA_PIECES) copy_async_16(stage + ROWS * S::ROW_BYTES + xa_row * S::XA_ROW_BYTES + xa_rank * 2, xa_source, xa_rows > 0);
      xa_source += ROWS * ranks, rows -= ROWS, xa_rows -= ROWS;
      coming_unit++, until_next--;
    }
    copy_async_commit();
  };
  // Sums of the 8 warps' shares of db, each by one thread, and always in the same order.
  const auto add_shares = [&](int unit) {
    const float *share = reinterpret_cast<const float *>(shared + S::SHARES_AT + (unit & 1) * WARPS * S::SHARE);
#pragma unroll
    for (int k = 0; k < TILES; k++) {
      float total = 0;
#pragma unroll
      for (int w = 0; w < WARPS; w++) total += share[w * (S::SHARE / 4) + k * THREADS + threadIdx.x];
      db_partials[static_cast<int64_t>(unit) * (S::SHARE / 4) + k * THREADS + threadIdx.x] = total;
    }
  };

  for (int s = 0; s < STAGES - 1; s++) fetch();
  float sums[CT][NT][4];
  uint32_t b_of[CT][NT][2];
  int group = begin / steps, left = steps - begin % steps;  // units of this group that are still to come
  // 32 columns of 8 ranks at a time, a column a lane, become fragments by way of 512 bytes of shared memory that a warp has for itself.
  const auto start_group = [&] {
    const Columns c = columns_of(parts, group, S::COLUMNS);
    const T *source = b + static_cast<int64_t>(c.column + warp * S::WARP_COLUMNS + lane) * ranks + c.rank_start;
    uint4 pieces[CT / 2][NT];
#pragma unroll
    for (int i = 0; i < CT / 2; i++)
#pragma unroll
      for (int n = 0; n < NT; n++) {
        const bool inside = warp * S::WARP_COLUMNS + i * 32 + lane < c.columns && n * 8 < c.rank;
        pieces[i][n] = inside ? *reinterpret_cast<const uint4 *>(source + static_cast<int64_t>(i) * 32 * ranks + n * 8) : make_uint4(0, 0, 0, 0);
      }
    uint8_t *own = shared + S::B_AT + warp * 512;
#pragma unroll
    for (int i = 0; i < CT / 2; i++)
#pragma unroll
      for (int n = 0; n < NT; n++) {
        *reinterpret_cast<uint4 *>(own + lane * 16) = pieces[i][n];
        __syncwarp();
        uint32_t f[4];
        load_matrix_x4<true>(f, shared_address(own) + lane * 16);
        __syncwarp();
        b_of[2 * i][n][0] = f[0], b_of[2 * i][n][1] = f[1], b_of[2 * i + 1][n][0] = f[2], b_of[2 * i + 1][n][1] = f[3];
      }
#pragma unroll
    for (int i = 0; i < CT; i++)
#pragma unroll
      for (int n = 0; n < NT; n++) sums[i][n][0] = sums[i][n][1] = sums[i][n][2] = sums[i][n][3] = 0;
  };
  // Block and group together number the places where a block and a group meet: one of them rises from each to the next.
  const auto end_group = [&] {
    float4 *target = reinterpret_cast<float4 *>(gradient_partials) + static_cast<int64_t>(blockIdx.x + group) * (S::COLUMNS * S::RANKS / 4) + warp * CT * NT * 32 + lane;
#pragma unroll
    for (int i = 0; i < CT; i++)
#pragma unroll
      for (int n = 0; n < NT; n++) target[(i * NT + n) * 32] = make_float4(sums[i][n][0], sums[i][n][1], sums[i][n][2], sums[i][n][3]);
  };
  start_group();
#pragma unroll 1
  for (int unit = begin; unit < end; unit++) {
    if (left == 0) {
      end_group();
      group++, left = steps;
      start_group();
    }
    left--;
    copy_async_wait<STAGES - 2>();
    __syncthreads();  // this unit has come; of the one before, all shares are written and its stage is free
    fetch();
    if (unit > begin) add_shares(unit - 1);
    const uint32_t tile = base + (unit - begin) % STAGES * S::STAGE, xa_tile = tile + ROWS * S::ROW_BYTES + lane % 16 * S::XA_ROW_BYTES + lane / 16 * 16;
    uint32_t xa_of[TILES][4];
#pragma unroll
    for (int k = 0; k < TILES; k++) load_matrix_x4<true>(xa_of[k], xa_tile + k * 32);
    float share[NT][4];
#pragma unroll
    for (int n = 0; n < NT; n++) share[n][0] = share[n][1] = share[n][2] = share[n][3] = 0;
    const uint32_t as_it_lies = tile + lane % 16 * S::ROW_BYTES + (warp * S::WARP_COLUMNS + lane / 16 * 8) * 2;
    const uint32_t transposed = tile + (lane / 16 * 8 + lane % 8) * S::ROW_BYTES + (warp * S::WARP_COLUMNS + lane / 8 % 2 * 8) * 2;
#pragma unroll
    for (int i = 0; i < CT; i++) {
      uint32_t a[4];
      load_matrix_x4<false>(a, as_it_lies + i * 32);
#pragma unroll
      for (int n = 0; n < NT; n++) mma_16x8x16<T>(share[n], a, b_of[i][n][0], b_of[i][n][1]);
      load_matrix_x4<true>(a, transposed + i * 32);
#pragma unroll
      for (int n = 0; n < NT; n++) mma_16x8x16<T>(sums[i][n], a, xa_of[n / 2][n % 2 * 2], xa_of[n / 2][n % 2 * 2 + 1]);
    }
    float4 *to = reinterpret_cast<float4 *>(shared + S::SHARES_AT + ((unit & 1) * WARPS + warp) * S::SHARE) + lane;
#pragma unroll
    for (int n = 0; n < NT; n++) to[n * 32] = make_float4(share[n][0], share[n][1], share[n][2], share[n][3]);
  }
  copy_async_wait<0>();
  __syncthreads();
  add_shares(end - 1);
  end_group();
}

// Adds the partials up: a thread has two neighbouring ranks of a column of a B gradient, or of a row of db.
template <class T, int TILES>
__device__ void lora_backward_add(const float *db_partials, const float *gradient_partials, T *db, float *const (&gradients)[MOST_PARTS], const float (&scales)[MOST_PARTS],
                                  int N, int ranks, const Parts &parts, int units_a_block) {
  using S = Sizes<TILES>;
  constexpr int NT = 2 * TILES, PAIRS_A_GROUP = S::COLUMNS * S::RANKS / 2, PAIRS_A_UNIT = ROWS * S::RANKS / 2;
  const int steps = (N + ROWS - 1) / ROWS, groups = groups_of(parts, S::COLUMNS);
  const int64_t index = blockIdx.x * static_cast<int64_t>(THREADS) + threadIdx.x, of_db = index - static_cast<int64_t>(groups) * PAIRS_A_GROUP;
  if (of_db < 0) {
    const int group = static_cast<int>(index / PAIRS_A_GROUP), pair = static_cast<int>(index % PAIRS_A_GROUP);
    const int lane = pair / 2 % 32, n = pair / 64 % NT, tile = pair / 64 / NT;
    const int column = tile * 16 + lane / 4 + pair % 2 * 8, rank = n * 8 + lane % 4 * 2;
    const Columns c = columns_of(parts, group, S::COLUMNS);
    float *target = nullptr;
    float scale = 0;
#pragma unroll
    for (int p = 0; p < MOST_PARTS; p++)
      if (p == c.part) target = gradients[p], scale = scales[p];
    if (target == nullptr || column >= c.columns || rank >= c.rank) return;
    const int first = group * steps / units_a_block, last = (group * steps + steps - 1) / units_a_block;
    float2 total = make_float2(0, 0);
#pragma unroll 4
    for (int block = first; block <= last; block++) {
      const float2 value = reinterpret_cast<const float2 *>(gradient_partials)[static_cast<int64_t>(block + group) * PAIRS_A_GROUP + pair];
      total.x += value.x, total.y += value.y;
    }
    target += static_cast<int64_t>(c.before + column) * c.rank + rank;
    target[0] += scale * total.x, target[1] += scale * total.y;
    return;
  }
  const int64_t pairs_a_part = static_cast<int64_t>(steps) * PAIRS_A_UNIT;
  const int part = static_cast<int>(of_db / pairs_a_part), at = static_cast<int>(of_db - part * pairs_a_part), pair = at % PAIRS_A_UNIT;
  const int lane = pair / 2 % 32, n = pair / 64, row = at / PAIRS_A_UNIT * ROWS + lane / 4 + pair % 2 * 8, rank = n * 8 + lane % 4 * 2;
  int first = 0, end = 0, rank_start = 0, of_part = 0;
#pragma unroll
  for (int p = 0, before = 0, ranks_before = 0; p < MOST_PARTS; p++) {
    const int here = (parts.columns[p] + S::COLUMNS - 1) / S::COLUMNS;
    if (p == part) first = before, end = before + here, rank_start = ranks_before, of_part = parts.rank[p];
    before += here, ranks_before += parts.rank[p];
  }
  if (row >= N || rank >= of_part) return;
  float2 total = make_float2(0, 0);
#pragma unroll 8
  for (int group = first; group < end; group++) {
    const float2 value = reinterpret_cast<const float2 *>(db_partials)[static_cast<int64_t>(group) * pairs_a_part + at];
    total.x += value.x, total.y += value.y;
  }
  *reinterpret_cast<uint32_t *>(db + static_cast<int64_t>(row) * ranks + rank_start + rank) = pack2<T>(total.x, total.y);
}

#define PART_SIZES int column0, int columns0, int rank0, int column1, int columns1, int rank1, int column2, int columns2, int rank2
#define PARTS {{column0, column1, column2}, {columns0, columns1, columns2}, {rank0, rank1, rank2}}
// TILES = ceil(largest rank / 16): 1, 2 or 4; COLUMNS = 1024, with 4 TILES 512. groups = Σ ceil(columns / COLUMNS), units = groups · ceil(N / 16).
// launch: grid (ceil(units / units_a_block)), block 256, dynamic shared 155648 (2: 174080, 4: 145408). Ranks and columns multiples of 8; d_y, xa and b 16-byte
// aligned, ranks the sum of all. db_partials f32 [units, 16, 16 TILES], gradient_partials f32 [blocks + groups − 1, COLUMNS, 16 TILES].
#define LORA_BACKWARD(suffix, T, TILES)                                                                                                \
  extern "C" __global__ void __launch_bounds__(256) lora_backward_tiles##TILES##_##suffix(                                            \
      const T *d_y, const T *xa, const T *b, float *db_partials, float *gradient_partials, int N, int outs, int ranks, PART_SIZES, int units_a_block) { \
    const Parts parts = PARTS;                                                                                                        \
    lora_backward<T, TILES>(d_y, xa, b, db_partials, gradient_partials, N, outs, ranks, parts, units_a_block);                 \
  }
// launch: grid ((groups · COLUMNS · 8 TILES + parts · ceil(N / 16) · 128 TILES) / 256 rounded up), block 256. A gradient may be NULL.
#define LORA_BACKWARD_ADD(suffix, T, TILES)                                                                                            \
  extern "C" __global__ void __launch_bounds__(256) lora_backward_add_tiles##TILES##_##suffix(                                        \
      const float *db_partials, const float *gradient_partials, T *db, float *gradient0, float *gradient1, float *gradient2, float scale0, float scale1, float scale2, \
      int N, int ranks, PART_SIZES, int units_a_block) {                                                                              \
    const Parts parts = PARTS;                                                                                                        \
    float *const gradients[] = {gradient0, gradient1, gradient2};                                                                     \
    const float scales[] = {scale0, scale1, scale2};                                                                                  \
    lora_backward_add<T, TILES>(db_partials, gradient_partials, db, gradients, scales, N, ranks, parts, units_a_block);       \
  }
#define BOTH(suffix, T, TILES) LORA_BACKWARD(suffix, T, TILES) LORA_BACKWARD_ADD(suffix, T, TILES)
#if defined(REMORA_EMULATE) || !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
BOTH(bf16, bf16_t, 1)
BOTH(bf16, bf16_t, 2)
BOTH(bf16, bf16_t, 4)
BOTH(f16, f16_t, 1)
BOTH(f16, f16_t, 2)
BOTH(f16, f16_t, 4)
#endif

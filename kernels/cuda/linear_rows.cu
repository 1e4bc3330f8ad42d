// Linear layers of 5 to 64 rows from NF4, whose weights are never decoded to memory: y = x Wᵀ + bias + xa Bᵀ, a group of parts in one launch.
// Plan: a unit is TILE rows of W x 256 columns (16 KB of codes where TILE is 128). All units of all tiles, columns first, are one list that is cut into equal runs, one a block, so no
// shape leaves multiprocessors idle. A run goes through a ring in shared memory: asynchronous copies bring codes, scales and x of the next units while one
// is multiplied; one barrier a unit. Four groups of warps take a block of 64 columns each, WM warps of a group MT x 16 rows each, all of them every row of x.
// W's rows are the 16-row operand of mma.m16n8k16, decoded in registers: a byte (two codes) becomes a pair of levels by one PRMT, which makes an address of it,
// and one load from a table of 256 pairs that every bank holds its own copy of (256 bytes apart). x's rows are the 8-column operand; the order of k within a
// block of 64 is free, so lane (g, t) takes columns 16 t + 0 … 15 of both as they lie. A block's scale multiplies its four products in f32: levels are
// rounded to T and nothing else is before y.
// Sums: four column groups meet in the gaps of the table, in order; a tile that several blocks share is added up by whoever comes last, in the order of
// columns, so all runs give the same bits.
// Bytes: W once (0.52 an element); x once a block and unit, 2 · N / TILE an element, from L2. Limit: memory for few rows; what comes next is counted below, for 1,024 codes and a
// multiprocessor. An H200 reads 1,024 codes in about 32 cycles of one of its 132; a pass is 128 bytes in or out of shared memory, one a cycle.
//   rows of x             8      16     32     64
//   pairs of levels       16     16     16     16    loads from the table
//   codes                  8      8      8      8    copied, loaded
//   x                      5      6     12     24    copied once for TILE rows of W, loaded once for 16 MT
//   scales                 8      8      8      8    copied, looked up, passed around
//   passes                37     38     44     56
//   tensor cores           7     13     26     52    at the rate of mma on Hopper
//   instructions / 4      22     24     31     46    of the disassembly, without what only a new tile needs
#include "hopper.cuh"
#include "linear_part.cuh"

constexpr int ROWS_PARTS = 4, ROWS_TABLE = 65536, UNIT_COLUMNS = 256, COLUMN_GROUPS = UNIT_COLUMNS / 64;

// A unit of a run: for the copies that bring it, or for its products.
struct RowsPlace {
  int tile, column;       // tile: of all parts; column: in units
  int slot = 0;           // of the ring
  int part = 0;
  int row = 0;            // first row of the tile in its part
  __device__ __forceinline__ RowsPlace(int unit, int across) : tile(unit / across), column(unit - tile * across) {}
  __device__ __forceinline__ void find(const LinearPart *parts, int tile_rows) {
    int own = (parts[0].out + tile_rows - 1) / tile_rows, in_part = tile;
    for (part = 0; in_part >= own; own = (parts[part].out + tile_rows - 1) / tile_rows) in_part -= own, part++;
    row = in_part * tile_rows;
  }
  // True at the first unit of the next tile.
  template <int SLOTS> __device__ __forceinline__ bool step(int across) {
    slot = slot + 1 == SLOTS ? 0 : slot + 1;
    if (++column < across) return false;
    column = 0, tile++;
    return true;
  }
};

template <class T, int NT, int MT, int WM, int SLOTS>
__device__ __forceinline__ void linear_rows(const LinearPart *parts, int part_count, const float *bias, const T *x, const float *xa, T *y, float *partial, uint32_t *arrivals,
                                            int N, int In, int y_stride, int ranks) {
  constexpr int WARPS = WM * COLUMN_GROUPS, THREADS = WARPS * 32, TILE = WM * MT * 16, ROWS = NT * 8;
  // A slot of the ring: codes [TILE, 128] with their 16-byte pieces rearranged, scales f32 [TILE, 4], or u32 [4, TILE]: two words with
  // the codes of a row's scales and its outer scales; x [4, NT, 8, 64].
  constexpr int SCALES_AT = TILE * 128, X_AT = SCALES_AT + TILE * 16, SLOT = X_AT + NT * 4096;
  constexpr int SCALES = MT / 2;  // of the 2 MT a quad of lanes needs, those of one lane
  constexpr int AHEAD = SLOTS - 1;  // units under way while one is multiplied
  static_assert(MT % 2 == 0 && TILE * ROWS * 4 <= ROWS_TABLE / 2 && TILE * 4 % THREADS == 0 && THREADS % 8 == 0);
  DYNAMIC_SHARED(shared);  // table, ring
  __shared__ LinearPart part[ROWS_PARTS];
  __shared__ float code[ROWS_PARTS][256];
  __shared__ bool is_last;
  const int tid = threadIdx.x, lane = tid % 32, warp = tid / 32, g = lane / 4, t = lane % 4, wm = warp / COLUMN_GROUPS, wk = warp % COLUMN_GROUPS;
  const int blocks = In / 64, across = (In + UNIT_COLUMNS - 1) / UNIT_COLUMNS;
  const uint32_t ring = shared_address(shared) + ROWS_TABLE;

  for (int i = tid; i < part_count * static_cast<int>(sizeof(LinearPart) / 4); i += THREADS) reinterpret_cast<uint32_t *>(part)[i] = reinterpret_cast<const uint32_t *>(parts)[i];
  __syncthreads();
  const bool nested = part[0].nested_scales;
  int tiles = 0;
  for (int p = 0; p < part_count; p++) tiles += (part[p].out + TILE - 1) / TILE;
  const uint32_t units = tiles * across;
  const int begin = static_cast<int>(units * blockIdx.x / gridDim.x), end = static_cast<int>(units * (blockIdx.x + 1) / gridDim.x);

  // ---- copies ----
  constexpr int WORDS = TILE * 4 / THREADS, PIECES_OF_X = (NT * 8 + WARPS - 1) / WARPS;
  const uint32_t row_bytes = In / 2;
  RowsPlace coming(begin, across);
  const uint8_t *codes_from = nullptr;  // of this thread's piece of the part's first row, in the unit that comes
  const uint8_t *words_from[WORDS];     // of scales: their words of a row's first unit, or the outer scales of the part
  int first_block[WORDS];               // of a row, counted from the part's first
  int first_row = 0, last_row = 0, last_block = 0;
  bool whole = false;  // the scales of a row and unit are one aligned word, or 16 bytes
  const auto enter = [&] {
    coming.find(part, TILE);
    const LinearPart &of = part[coming.part];
    codes_from = static_cast<const uint8_t *>(of.data) + coming.column * 128 + tid % 8 * 16;
    first_row = coming.row + tid / 8, last_row = of.out - 1, last_block = of.out * blocks - 1;
    whole = blocks % 4 == 0 && reinterpret_cast<uint64_t>(of.scales) % (nested ? 4 : 16) == 0;
#pragma unroll
    for (int j = 0; j < WORDS; j++) {
      const int word = (tid + j * THREADS) / TILE, block = min(coming.row + (tid + j * THREADS) % TILE, of.out - 1) * blocks;
      if (!nested) {
        words_from[j] = static_cast<const uint8_t *>(of.scales), first_block[j] = block + word;
      } else if (word < 2) {  // the 8 bytes that hold four codes of scales; first_block: how far the last one is
        const uint64_t from = (reinterpret_cast<uint64_t>(of.scales) + block & ~3ull) + word * 4;
        words_from[j] = reinterpret_cast<const uint8_t *>(from), first_block[j] = static_cast<int>(reinterpret_cast<int64_t>(of.scales) + last_block - static_cast<int64_t>(from));
      } else {  // the first and the last one's outer scale
        words_from[j] = reinterpret_cast<const uint8_t *>(of.nested_scales), first_block[j] = block + (word - 2) * (COLUMN_GROUPS - 1);
      }
    }
  };
  const uint32_t codes_to = ring + tid / 8 * 128 + ((tid % 8 ^ (tid / 8 & 3) * 2) << 4), words_to = ring + SCALES_AT + tid * 4;
  // A copy that is not `inside` reads nothing.
  const auto bring_weights = [&] {
    const int at = coming.column * COLUMN_GROUPS;
    const uint32_t slot = coming.slot * SLOT;
    const bool inside = coming.column * 128 + tid % 8 * 16 < In / 2;
#pragma unroll
    for (int j = 0; j < TILE * 8 / THREADS; j++) {
      const uint8_t *from = codes_from + static_cast<uint64_t>(static_cast<uint32_t>(min(first_row + j * (THREADS / 8), last_row))) * row_bytes;
      copy_async_16(codes_to + slot + j * (THREADS / 8) * 128, from, inside);
    }
    codes_from += 128;
#pragma unroll
    for (int j = 0; j < WORDS; j++) {
      const int i = tid + j * THREADS, word = i / TILE;
      if (nested) {
        if (whole && word % 2) continue;  // a row's words lie in a line of their own, which takes time
        const uint32_t to = words_to + slot + j * THREADS * 4;
        if (word < 2) copy_async_4(to, words_from[j] + at, at <= first_block[j]);
        else copy_async_4(to, words_from[j] + (min(first_block[j] + at, last_block) >> 8) * 4, true);
      } else if (!whole) {
        copy_async_4(ring + SCALES_AT + slot + i % TILE * 16 + word * 4, words_from[j] + static_cast<int64_t>(min(first_block[j] + at, last_block)) * 4, true);
      } else if (word == 0) {
        copy_async_16(ring + SCALES_AT + slot + i * 16, words_from[j] + static_cast<int64_t>(first_block[j] + at) * 4, true);
      }
    }
  };
  const T *const x_from = x + static_cast<int64_t>(tid / 32) * In + tid % 32 * 8;
  const uint32_t x_to = ring + X_AT + (tid % 32 / 8 * NT * 8 + tid / 32) * 128 + tid % 8 / 2 * 32 + ((tid ^ tid / 32) & 1) * 16;
  // Whether piece j of a unit's x is in x.
  const auto x_inside = [&](const RowsPlace &place, int j) { return place.column * UNIT_COLUMNS + tid % 32 * 8 < In && j * WARPS + warp < N; };
  const auto bring_x = [&](const RowsPlace &place) {
#pragma unroll
    for (int j = 0; j < PIECES_OF_X; j++)
      if (WARPS <= NT * 8 || warp < NT * 8) copy_async_16(x_to + place.slot * SLOT + j * WARPS * 128, x_from + j * WARPS * In + place.column * UNIT_COLUMNS, x_inside(place, j));
  };
  static_assert(WARPS % 8 == 0);
  enter();
  RowsPlace first_x = coming;
  for (int u = 0; u < AHEAD; u++) {
    if (begin + u < end) {
      bring_weights();
      if (coming.step<SLOTS>(across) && begin + u + 1 < end) enter();
    }
    copy_async_commit();
  }

  // ---- meanwhile: the tables ----
  for (int i = tid; i < 2048; i += THREADS) {
    const uint32_t pair = pack2<T>(NF4_LEVELS[i >> 7], NF4_LEVELS[i >> 3 & 15]);
    reinterpret_cast<uint4 *>(shared)[i / 8 * 16 + i % 8] = make_uint4(pair, pair, pair, pair);
  }
  if (nested)
    for (int i = tid; i < part_count * 256; i += THREADS) code[i >> 8][i & 255] = part[i >> 8].nested_code[i & 255];
  wait_for_previous_kernel();
  let_next_kernel_start();
  // x of the first units, all loads under way at once. Not as copies: those would be counted behind the codes of all these units.
  {
    uint4 v[AHEAD][PIECES_OF_X];
    RowsPlace from = first_x;
#pragma unroll
    for (int u = 0; u < AHEAD; u++) {
#pragma unroll
      for (int j = 0; j < PIECES_OF_X; j++) {
        v[u][j] = make_uint4(0, 0, 0, 0);
        if (begin + u < end && x_inside(from, j)) v[u][j] = *reinterpret_cast<const uint4 *>(x_from + j * WARPS * In + from.column * UNIT_COLUMNS);
      }
      from.step<SLOTS>(across);
    }
#pragma unroll
    for (int u = 0; u < AHEAD; u++)
#pragma unroll
      for (int j = 0; j < PIECES_OF_X; j++)
        if (WARPS <= NT * 8 || warp < NT * 8) *reinterpret_cast<uint4 *>(shared + (x_to - ring) + ROWS_TABLE + u * SLOT + j * WARPS * 128) = v[u][j];
  }

  // ---- the products ----
  RowsPlace now(begin, across);
  // Of the rows whose scales this lane makes: numbers i · 4 + t of the quad's 2 MT (rows g and g + 8 of each 16).
  int scale_at[SCALES], inner_at[SCALES];  // the row's first block, and where the code of its scale lies in a slot
  float offset = 0;
  const float *own_code = nullptr;
  const auto begin_tile = [&] {
    now.find(part, TILE);
    const LinearPart &of = part[now.part];
    offset = of.nested_offset, own_code = code[now.part];
#pragma unroll
    for (int i = 0; i < SCALES; i++) {
      const int in_tile = wm * MT * 16 + i * 32 + t * 8 + g, first = min(now.row + in_tile, of.out - 1) * blocks;
      const int byte = (static_cast<int>(reinterpret_cast<uint64_t>(of.scales)) + first & 3) + wk;
      scale_at[i] = first;
      inner_at[i] = SCALES_AT + (nested ? in_tile * 4 + byte / 4 * TILE * 4 + byte % 4 : in_tile * 16 + wk * 4);
    }
  };
  float sums[MT][NT][4] = {};
  const uint32_t lane_byte = lane * 4;
  const auto multiply = [&](const uint8_t *slot, int column) {
    float scale[SCALES];
#pragma unroll
    for (int i = 0; i < SCALES; i++) {
      if (nested) {
        const int at = scale_at[i] + column * COLUMN_GROUPS & 255;
        const float outer = *reinterpret_cast<const float *>(slot + SCALES_AT + (wm * MT * 16 + i * 32 + t * 8 + g) * 4 + (2 + (at + wk >> 8)) * TILE * 4);
        scale[i] = __fadd_rn(__fmul_rn(own_code[slot[inner_at[i]]], outer), offset);
      } else {
        scale[i] = *reinterpret_cast<const float *>(slot + inner_at[i]);
      }
    }
    const auto scale_of = [&](int m, int half) { return __shfl_sync(0xffffffffu, scale[(2 * m + half) / 4], g * 4 + (2 * m + half) % 4); };
    const uint8_t *codes = slot + (wm * MT * 16 + g) * 128 + ((wk * 2 + t / 2 ^ (g & 3) * 2) << 4) + t % 2 * 8;
    const uint8_t *row_x = slot + X_AT + (wk * NT * 8 + g) * 128 + t * 32;
    const auto decode = [&](uint32_t a[4][4], int m) {
      const uint2 low = *reinterpret_cast<const uint2 *>(codes + m * 2048), high = *reinterpret_cast<const uint2 *>(codes + m * 2048 + 1024);
#pragma unroll
      for (int s = 0; s < 4; s++)  // bytes 2s and 2s + 1
#pragma unroll
        for (int i = 0; i < 4; i++) {
          const uint32_t word = s < 2 ? i % 2 ? high.x : low.x : i % 2 ? high.y : low.y;
          a[s][i] = *reinterpret_cast<const uint32_t *>(shared + __byte_perm(word, lane_byte, 0x7604 | (s % 2 * 2 + i / 2) << 4));
        }
    };
    const auto load_x = [&](uint32_t b[8], int nt) {
      const uint4 first = *reinterpret_cast<const uint4 *>(row_x + nt * 1024 + (g & 1) * 16), second = *reinterpret_cast<const uint4 *>(row_x + nt * 1024 + (~g & 1) * 16);
      b[0] = first.x, b[1] = first.y, b[2] = first.z, b[3] = first.w, b[4] = second.x, b[5] = second.y, b[6] = second.z, b[7] = second.w;
    };
    const auto add = [&](float sum[4], const uint32_t a[4][4], const uint32_t b[8], float scale0, float scale1) {
      float product[4] = {};
#pragma unroll
      for (int s = 0; s < 4; s++) mma_16x8x16<T>(product, a[s], b[2 * s], b[2 * s + 1]);
      sum[0] += scale0 * product[0], sum[1] += scale0 * product[1], sum[2] += scale1 * product[2], sum[3] += scale1 * product[3];
    };
    if constexpr (NT <= 4) {  // x of the unit stays in registers
      uint32_t b[NT][8];
#pragma unroll
      for (int nt = 0; nt < NT; nt++) load_x(b[nt], nt);
#pragma unroll
      for (int m = 0; m < MT; m++) {
        uint32_t a[4][4];
        decode(a, m);
        const float scale0 = scale_of(m, 0), scale1 = scale_of(m, 1);
#pragma unroll
        for (int nt = 0; nt < NT; nt++) add(sums[m][nt], a, b[nt], scale0, scale1);
      }
    } else {  // W of the unit does
      uint32_t a[MT][4][4];
      float scale0[MT], scale1[MT];
#pragma unroll
      for (int m = 0; m < MT; m++) decode(a[m], m), scale0[m] = scale_of(m, 0), scale1[m] = scale_of(m, 1);
#pragma unroll
      for (int nt = 0; nt < NT; nt++) {
        uint32_t b[8];
        load_x(b, nt);
#pragma unroll
        for (int m = 0; m < MT; m++) add(sums[m][nt], a[m], b, scale0[m], scale1[m]);
      }
    }
  };

  // ---- the sums of a tile, or of this block's share of it ----
  const auto block_of = [&](uint32_t unit) { return static_cast<int>(((unit + 1) * gridDim.x - 1) / units); };
  const auto finish = [&] {
    // Element (row r, row n of x) of the tile lies in gap number (r / 16 · NT + n / 8) · 4 + r / 8 % 2 · 2 + n % 2, at lane r % 8 · 4 + n % 8 / 2.
    float *own = reinterpret_cast<float *>(shared + 128) + wm * MT * NT * 4 * 64 + lane;
    for (int group = 0; group < COLUMN_GROUPS; group++) {
      if (wk == group) {
#pragma unroll
        for (int m = 0; m < MT; m++)
#pragma unroll
          for (int nt = 0; nt < NT; nt++)
#pragma unroll
            for (int c = 0; c < 4; c++) {
              float &at = own[((m * NT + nt) * 4 + c) * 64];
              at = group ? at + sums[m][nt][c] : sums[m][nt][c];
              sums[m][nt][c] = 0;
            }
      }
      __syncthreads();
    }
    const LinearPart &of = part[now.part];
    const int r = tid % TILE, row = now.row + r;
    const float *gathered = reinterpret_cast<const float *>(shared + 128) + (r / 16 * NT * 4 + r / 8 % 2 * 2) * 64 + r % 8 * 4;
    const auto gathered_at = [&](int n) { return gathered[(n / 8 * 4 + n % 2) * 64 + n % 8 / 2]; };
    const auto write = [&](int n, float value) {
      if (row >= of.out) return;
      const float *b = of.lora_b + static_cast<int64_t>(row) * of.rank, *a = xa + static_cast<int64_t>(n) * ranks + of.xa_begin;
      const int rank = xa ? of.rank : 0;
#pragma unroll 1
      for (int k = 0; k < rank; k++) value += a[k] * b[k];
      if (bias) value += bias[of.out_begin + row];
      y[static_cast<int64_t>(n) * y_stride + of.out_begin + row] = from_float<T>(value);
    };
    const int first = block_of(now.tile * across), contributors = block_of((now.tile + 1) * across - 1) - first + 1;
    if (contributors == 1) {
#pragma unroll 1
      for (int n = tid / TILE; n < N; n += THREADS / TILE) write(n, gathered_at(n));
      return;
    }
    // A block shares at most the first and the last tile of its run: two places.
    const auto place_of = [&](int block) {
      const int its_first = static_cast<int>(units * block / gridDim.x) / across;
      return partial + static_cast<int64_t>(2 * block + (now.tile != its_first)) * (TILE * ROWS);
    };
    float *mine = place_of(blockIdx.x);
    for (int n = tid / TILE; n < N; n += THREADS / TILE) mine[n * TILE + r] = gathered_at(n);
    __threadfence();
    __syncthreads();
    if (tid == 0) is_last = atomicInc(arrivals + now.tile, contributors - 1) == static_cast<uint32_t>(contributors - 1);
    __syncthreads();
    if (!is_last) return;
    __threadfence();
    constexpr int AT_ONCE = 4, STEP = THREADS / TILE;
#pragma unroll 1
    for (int n = tid / TILE; n < N; n += STEP * AT_ONCE) {
      float value[AT_ONCE] = {};
#pragma unroll 2
      for (int c = 0; c < contributors; c++) {
        const float *from = place_of(first + c) + r;
#pragma unroll
        for (int i = 0; i < AT_ONCE; i++)
          if (n + i * STEP < N) value[i] += __ldcg(from + (n + i * STEP) * TILE);
      }
#pragma unroll
      for (int i = 0; i < AT_ONCE; i++)
        if (n + i * STEP < N) write(n + i * STEP, value[i]);
    }
  };

  begin_tile();
  for (int u = begin; u < end; u++) {
    copy_async_wait<AHEAD - 1>();
    __syncthreads();
    if (u + AHEAD < end) {
      bring_weights();
      bring_x(coming);
      if (coming.step<SLOTS>(across) && u + AHEAD + 1 < end) enter();
    }
    copy_async_commit();
    multiply(shared + ROWS_TABLE + now.slot * SLOT, now.column);
    if (now.column + 1 == across || u + 1 == end) finish();
    if (now.step<SLOTS>(across) && u + 1 < end) begin_tile();
  }
}

// y [N, y_stride] = x Wᵀ + bias + xa Bᵀ (xa f32 [N, ranks] holds the adapters' scale). N at most the number in the name; In a multiple of 64; at most 4 parts, all nested or none; x and W 16-byte aligned.
// bias f32 [sum of out] may be NULL, and xa: then the adapters are left out. U = ceil(In / 256) · sum over parts of ceil(out / TILE); U · grid < 2^31; a part has less than 2^31 elements.
// partial f32 [2 · grid, TILE · rows of the name]; arrivals u32 [tiles], 0 before and after.
// launch: grid min(U, multiprocessors), block 256 (rows8: 512); TILE 128 (rows64: 64); dynamic shared 65536 + S · (TILE · 144 + rows of the name · 512), S = 4, 3, 2, 3.
#define LINEAR_ROWS(name, NT, MT, WM, SLOTS, T)                                                                                                     \
  extern "C" __global__ void __launch_bounds__(WM * 128, 1) linear_rows_nf4_##name(                                                                 \
      const LinearPart *parts, int part_count, const float *bias, const T *x, const float *xa, T *y, float *partial, uint32_t *arrivals,            \
      int N, int In, int y_stride, int ranks) {                                                                                                     \
    linear_rows<T, NT, MT, WM, SLOTS>(parts, part_count, bias, x, xa, y, partial, arrivals, N, In, y_stride, ranks);                                \
  }
// By shared memory: all fit Hopper (227 KB), three an A100 (163 KB); cards with less have none.
#if defined(REMORA_EMULATE) || !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 900
#define IF_227K(x) x
#else
#define IF_227K(x)
#endif
#if defined(REMORA_EMULATE) || !defined(__CUDA_ARCH__) || __CUDA_ARCH__ == 800 || __CUDA_ARCH__ >= 900
#define IF_163K(x) x
#else
#define IF_163K(x)
#endif
#define LINEAR_ROWS_OF(dtype, T)                               \
  IF_163K(LINEAR_ROWS(rows8_##dtype, 1, 2, 4, 4, T))           \
  IF_163K(LINEAR_ROWS(rows16_##dtype, 2, 4, 2, 3, T))          \
  IF_163K(LINEAR_ROWS(rows32_##dtype, 4, 4, 2, 2, T))          \
  IF_227K(LINEAR_ROWS(rows64_##dtype, 8, 2, 2, 3, T))
LINEAR_ROWS_OF(bf16, bf16_t)
LINEAR_ROWS_OF(f16, f16_t)

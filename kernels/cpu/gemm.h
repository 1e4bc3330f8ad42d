// Packed matrix products: C[M, columns] = A[M, depth] · B[depth, columns], for activations times (frozen, possibly quantized) weights.
//
// The plan, shared by every product here:
//   1. A (activations) is packed once, in panels of up to MR rows:           [block of the depth][panel][step][rows of the panel]
//   2. threads take tasks (about 1,000 rows × 128 columns) from a queue; a task packs, for each block of the depth (KC), its tiles of NR
//      columns of B [step][NR], decoding the weight as it goes, and runs the micro-kernel over its panels;
//   3. after the last block each tile [rows][NR] of f32 sums goes to `finish`, which adds the bias, converts and stores.
// Weights are packed again on every call: it costs a few percent and no memory. Each output is made by one task in a fixed order, so results
// do not depend on which thread ran it. Row panels are balanced (13 and 14 rows instead of 14 and a ragged rest): no padding rows.
//
// Two kinds of kernel: f32 (fused multiply-add; other dtypes are widened while packing) and, on AVX-512 BF16, pairs of bf16
// (vdpbf16ps: the "step" is two values of the depth in one 32-bit lane, so panels look the same to everything but the packing).
#pragma once
#include "decode.h"

namespace remora::REMORA_ISA {

enum class Kind { F32, BF16 };

// Rows and columns of a micro-kernel tile: as many accumulators as the registers hold beside two vectors of B and one of A.
#if REMORA_IS_AVX512
constexpr int MR = 14;
#elif REMORA_IS_AVX2
constexpr int MR = 6;
#elif REMORA_IS_NEON
constexpr int MR = 12;
#else
constexpr int MR = 4;
#endif
constexpr int NR = 2 * W;
// Most columns that one call of `pack_b` makes, and the depth of a block (a quarter more when that saves a block).
constexpr int GROUP_COLUMNS = 256;
constexpr int64_t MAX_KC = 640;

REMORA_INLINE int64_t kind_bytes(Kind kind) { return kind == Kind::BF16 ? 2 : 4; }
// Depth padded to whole steps.
REMORA_INLINE int64_t padded_depth(int64_t depth) { return (depth + 1) & ~int64_t{1}; }
REMORA_INLINE int64_t steps(Kind kind, int64_t depth) { return kind == Kind::BF16 ? (depth + 1) / 2 : depth; }
// The kernel for activations of this dtype.
REMORA_INLINE Kind kind_for(int32_t dtype) {
#if REMORA_IS_AVX512_BF16
  return dtype == REMORA_BF16 ? Kind::BF16 : Kind::F32;
#else
  (void)dtype;
  return Kind::F32;
#endif
}

// ---- micro-kernel ----
struct Segment {
  int64_t steps;
  const float *a;  // [steps][rows]   f32, or bf16 pairs
  const float *b;  // [steps][NR]
};
// c[rows][NR] (+)= Σ a·b over the segments; only the first `vectors` (1 or 2) times W columns are computed.
void micro_kernel(Kind kind, int rows, int vectors, const Segment *segments, int count, float *c, bool accumulate);

// ---- the depth and its blocks ----
struct Block {
  int64_t begin, length;  // values of the reduction, counted from the start of its part
  int64_t start;          // where its panels begin in packed A, in padded values
  int32_t part;
  bool low_rank;          // of a LoRA's rank: A is the thin product, B the adapter's second matrix
};
// Cuts `depth` values (multiples of `unit` except at the end) into blocks; returns their number. blocks may be null to count.
int cut_depth(int64_t depth, int64_t unit, int32_t part, bool low_rank, int64_t start, Block *blocks);

// ---- packed A ----
struct PackedRows {
  Kind kind;
  int64_t rows, depth;  // depth: padded values of all blocks
  int64_t panels, rows_each, longer;  // the first `longer` panels have one row more than rows_each
  float *memory = nullptr;
  PackedRows(Kind kind, int64_t rows, int64_t depth)
      : kind(kind), rows(rows), depth(depth), panels((rows + MR - 1) / MR), rows_each(panels > 0 ? rows / panels : 0), longer(rows - panels * rows_each) {}
  int64_t first_row(int64_t panel) const { return panel * rows_each + (panel < longer ? panel : longer); }
  int panel_rows(int64_t panel) const { return static_cast<int>(rows_each + (panel < longer ? 1 : 0)); }
  float *panel(int64_t panel, const Block &block) const {
    const int64_t values = rows * block.start + first_row(panel) * padded_depth(block.length);
    return reinterpret_cast<float *>(reinterpret_cast<char *>(memory) + values * kind_bytes(kind));
  }
  int64_t bytes() const { return rows * depth * kind_bytes(kind); }
};

// One panel of rows x[row][0 … depth), row stride ld (values).
void pack_rows(Kind kind, const void *x, int32_t dtype, int64_t ld, int rows, int64_t depth, float *panel);
// One panel whose rows are the columns of x: panel row i, depth k = x[k·ld + i].
void pack_columns(Kind kind, const void *x, int32_t dtype, int64_t ld, int rows, int64_t depth, float *panel);

// ---- packing B ----
struct Source {
  const remora_weight *weight;
  float scale = 1.0f;
  float dropout = 0.0f;  // element (row, col) kept when random_uniform(seed, row·cols + col) >= dropout, then scaled by 1/(1-p)
  uint64_t seed = 0;
};
// A tile has NR columns, padded with zeros. `space` is PACK_SPACE floats of this thread.
constexpr int64_t PACK_SPACE = 32 * (GROUP_COLUMNS + 512) > NR * MAX_KC ? 32 * (GROUP_COLUMNS + 512) : NR * MAX_KC;
// B = Wᵀ: column j of the tile is row `row + j` of the weight, depth k its column `depth_begin + k`.
void pack_tile_transposed(Kind kind, const Source &source, int64_t row, int64_t rows, int64_t depth_begin, int64_t depth, float *tile,
                          float *space);
// B = W: depth k is row `depth_begin + k` of the weight; columns [col, col + cols) in tiles `tile_stride` floats apart.
void pack_tiles_straight(Kind kind, const Source &source, int64_t depth_begin, int64_t depth, int64_t col, int64_t cols, float *tiles,
                         int64_t tile_stride, float *space);
// A dense array as a source of B: [rows, cols] row-major.
REMORA_INLINE remora_weight dense_weight(const void *data, int32_t dtype, int64_t rows, int64_t cols) {
  return remora_weight{dtype, 0, rows, cols, data, nullptr, nullptr, nullptr, 0.0f, 0};
}
// Applies dropout (as in Source) to x[row][col … col + count), all f32.
void drop_values(float *x, int64_t count, int64_t first_index, float dropout, uint64_t seed);

// ---- the product ----
// A strip: columns of the output with one reduction. Its tiles do not straddle strips.
struct Strip {
  int64_t columns;
  int32_t part;
  int32_t first_block, block_count;
  int32_t first_rank_block, rank_block_count;  // more blocks, after those
  int32_t blocks() const { return block_count + rank_block_count; }
  int32_t block(int32_t i) const { return i < block_count ? first_block + i : first_rank_block + i - block_count; }
};
struct Tile {
  int32_t strip;
  int64_t row, rows;     // of the output
  int64_t col, columns;  // within the strip
  float *values;         // [rows][NR]
};
struct Product {
  const PackedRows *a;
  const Block *blocks;
  const Strip *strips;
  int32_t strip_count;
  bool straight;  // how B is packed: straight packing reads rows of the weight and wants many columns at once
  // Packs block `block` of columns [col, col + columns) (at most GROUP_COLUMNS, from a tile boundary) of the strip.
  FunctionRef<void(const Strip &strip, const Block &block, int64_t col, int64_t columns, float *tiles, int64_t tile_stride, float *space)> pack_b;
  FunctionRef<void(const Tile &tile, int thread)> finish;
};
// STATUS_MEMORY when scratch is refused. Uses thread_scratch slots 0 … 2.
int32_t multiply(remora_context *ctx, const Product &product);

// ---- storing tiles ----
// out[i][j] = (tile[i][j] + bias[j]) · scale, converted; row stride ld (values). bias may be null.
void store_tile(const float *tile, int64_t rows, int64_t columns, void *out, int32_t dtype, int64_t ld, const float *bias, float scale);
// out[j] = x[j], converted.
void store_tile_row(const float *x, int64_t count, void *out, int32_t dtype);
// out[i][j] += tile[i][j] · scale
void add_tile(const float *tile, int64_t rows, int64_t columns, float *out, int64_t ld, float scale);

}  // namespace remora::REMORA_ISA

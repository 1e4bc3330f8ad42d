// Two ready-made products of dense arrays, over gemm.h.
#pragma once
#include "gemm.h"

namespace remora::REMORA_ISA {

// Scratch slots that the packed products use; an op that calls them keeps its own arrays elsewhere.
enum GemmSlot { PACKED_SLOT = 0, THIN_SLOT = 1, PLAN_SLOT = 2 };
constexpr int64_t PACKED_BYTES = int64_t{64} << 20;  // rows are taken in chunks whose packed panels fit in this

REMORA_INLINE int64_t dtype_bytes(int32_t dtype) { return dtype == REMORA_F32 ? 4 : 2; }
REMORA_INLINE const void *offset_values(const void *x, int64_t values, int32_t dtype) {
  return static_cast<const char *>(x) + values * dtype_bytes(dtype);
}
REMORA_INLINE void *offset_values(void *x, int64_t values, int32_t dtype) { return static_cast<char *>(x) + values * dtype_bytes(dtype); }

using FinishTile = FunctionRef<void(const Tile &tile)>;

// x · Wᵀ, or x · W when straight:  x [rows, depth] of dtype, row stride ld.  W's columns (rows when straight) [depth_begin, depth_begin + depth)
// are multiplied; the output has W's rows (columns) as columns. Tile.row counts from x's first row.
struct RowsProduct {
  remora_context *ctx;
  Kind kind;
  const void *x;
  int32_t dtype;
  int64_t ld, rows, depth;
  const remora_weight *weight;
  bool straight;
  int64_t depth_begin;
  // Instead of x (which is then null): writes values [begin, begin + count) of a row of the left side. Called while packing, by any thread.
  const FunctionRef<void(int64_t row, int64_t begin, int64_t count, float *out)> *make_row = nullptr;
};
int32_t rows_product(const RowsProduct &product, FinishTile finish);

// leftᵀ · right over N rows: left [N, left_stride] of dtype, its first `rows` columns; right [N, …], columns [col, col + columns).
// Each task owns columns of the result and walks all of N in order, so nothing is reduced across threads.
struct TransposedProduct {
  remora_context *ctx;
  Kind kind;
  int64_t N;
  const void *left;
  int32_t left_dtype;
  int64_t left_stride, rows;
  Source right;
  int64_t col, columns;
};
int32_t transposed_product(const TransposedProduct &product, FinishTile finish);

}  // namespace remora::REMORA_ISA

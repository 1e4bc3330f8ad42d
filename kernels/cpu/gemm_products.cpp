// The two ready-made products: cut the depth, pack the left side in chunks, multiply.
#include "gemm_products.h"

#include <atomic>

#include "gemm_thin.h"

namespace remora::REMORA_ISA {
namespace {

constexpr int64_t PACK_STRETCH = 64;  // rows of the source that one piece of packing reads for all panels

struct Depth {
  Block *blocks = nullptr;
  int count = 0;
  int64_t padded = 0;
};

int32_t plan_depth(remora_context *ctx, int64_t depth, int64_t unit, Depth &plan) {
  plan.count = cut_depth(depth, unit, 0, false, 0, nullptr);
  plan.blocks = static_cast<Block *>(scratch(ctx, PLAN_SLOT, plan.count * static_cast<int64_t>(sizeof(Block))));
  if (plan.blocks == nullptr) return fail(ctx, REMORA_STATUS_MEMORY, "matrix product: no memory for the plan");
  cut_depth(depth, unit, 0, false, 0, plan.blocks);
  plan.padded = plan.blocks[plan.count - 1].start + padded_depth(plan.blocks[plan.count - 1].length);
  return REMORA_OK;
}

// Runs body(packed rows, first row) on chunks of at most PACKED_BYTES of panels (but at least one task's rows).
template <class Body>
int32_t for_each_chunk(remora_context *ctx, Kind kind, int64_t rows, int64_t depth, const Body &body) {
  int64_t most = PACKED_BYTES / (depth * kind_bytes(kind));
  if (most < 336) most = 336;
  const int64_t chunks = (rows + most - 1) / most;
  for (int64_t c = 0; c < chunks; c++) {
    const int64_t row0 = rows * c / chunks, row1 = rows * (c + 1) / chunks;
    PackedRows a(kind, row1 - row0, depth);
    a.memory = static_cast<float *>(scratch(ctx, PACKED_SLOT, a.bytes()));
    if (a.memory == nullptr) return fail(ctx, REMORA_STATUS_MEMORY, "matrix product: no memory for %lld bytes of packed rows", static_cast<long long>(a.bytes()));
    if (const int32_t status = body(a, row0)) return status;
  }
  return REMORA_OK;
}

}  // namespace

int32_t rows_product(const RowsProduct &t, FinishTile finish) {
  if (t.rows == 0 || t.depth == 0) return REMORA_OK;
  const int64_t format = format_block(t.weight->format), unit = !t.straight && format > 64 ? format : 64;
  Depth plan;
  if (const int32_t status = plan_depth(t.ctx, t.depth, unit, plan)) return status;
  return for_each_chunk(t.ctx, t.kind, t.rows, plan.padded, [&](const PackedRows &a, int64_t row0) {
    std::atomic<bool> refused{false};
    parallel_for(t.ctx, a.panels, 1, [&](int64_t begin, int64_t end, int thread) {
      float *made = nullptr;
      if (t.make_row != nullptr) {
        made = static_cast<float *>(thread_scratch(t.ctx, thread, 3, MR * MAX_KC * 4));
        if (made == nullptr) return refused.store(true);
      }
      for (int64_t p = begin; p < end; p++) {
        const int64_t row = row0 + a.first_row(p);
        const int rows = a.panel_rows(p);
        for (int b = 0; b < plan.count; b++) {
          const Block &block = plan.blocks[b];
          if (made == nullptr) {
            pack_rows(t.kind, offset_values(t.x, row * t.ld + block.begin, t.dtype), t.dtype, t.ld, rows, block.length, a.panel(p, block));
            continue;
          }
          for (int r = 0; r < rows; r++) (*t.make_row)(row + r, block.begin, block.length, made + r * block.length);
          pack_rows(t.kind, made, REMORA_F32, block.length, rows, block.length, a.panel(p, block));
        }
      }
    });
    if (refused.load()) return fail(t.ctx, REMORA_STATUS_MEMORY, "matrix product: no memory for the rows being made");
    const Strip strip{t.straight ? t.weight->cols : t.weight->rows, 0, 0, plan.count, 0, 0};
    const auto pack_b = [&](const Strip &, const Block &block, int64_t col, int64_t columns, float *tiles, int64_t stride, float *space) {
      const int64_t begin = t.depth_begin + block.begin;
      if (t.straight) pack_tiles_straight(t.kind, Source{t.weight}, begin, block.length, col, columns, tiles, stride, space);
      else pack_tile_transposed(t.kind, Source{t.weight}, col, columns, begin, block.length, tiles, space);
    };
    const auto finish_tile = [&](const Tile &tile, int) {
      Tile moved = tile;
      moved.row += row0;
      finish(moved);
    };
    return multiply(t.ctx, Product{&a, plan.blocks, &strip, 1, t.straight, pack_b, finish_tile});
  });
}

int32_t transposed_product(const TransposedProduct &t, FinishTile finish) {
  if (t.N == 0 || t.rows == 0 || t.columns == 0) return REMORA_OK;
  Depth plan;
  if (const int32_t status = plan_depth(t.ctx, t.N, 64, plan)) return status;
  return for_each_chunk(t.ctx, t.kind, t.rows, plan.padded, [&](const PackedRows &a, int64_t row0) {
    // Pieces of the depth, not of the panels: a row of the source is read once and spread over all panels.
    const int64_t pieces_per_block = (MAX_KC + PACK_STRETCH - 1) / PACK_STRETCH;
    parallel_for(t.ctx, plan.count * pieces_per_block, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t piece = begin; piece < end; piece++) {
        const Block &block = plan.blocks[piece / pieces_per_block];
        const int64_t k = piece % pieces_per_block * PACK_STRETCH, stretch = block.length - k < PACK_STRETCH ? block.length - k : PACK_STRETCH;
        if (stretch <= 0) continue;
        for (int64_t p = 0; p < a.panels; p++) {
          const int64_t first = a.first_row(p);
          const int rows = a.panel_rows(p);
          const void *left = offset_values(t.left, (block.begin + k) * t.left_stride + row0 + first, t.left_dtype);
          pack_columns(t.kind, left, t.left_dtype, t.left_stride, rows, stretch, a.panel(p, block) + steps(t.kind, k) * rows);
        }
      }
    });
    if (is_thin(t)) return thin_product(t, a, plan.blocks, plan.count, finish);
    const Strip strip{t.columns, 0, 0, plan.count, 0, 0};
    const auto pack_b = [&](const Strip &, const Block &block, int64_t col, int64_t columns, float *tiles, int64_t stride, float *space) {
      pack_tiles_straight(t.kind, t.right, block.begin, block.length, t.col + col, columns, tiles, stride, space);
    };
    const auto finish_tile = [&](const Tile &tile, int) {
      Tile moved = tile;
      moved.row += row0;
      finish(moved);
    };
    return multiply(t.ctx, Product{&a, plan.blocks, &strip, 1, true, pack_b, finish_tile});
  });
}

}  // namespace remora::REMORA_ISA

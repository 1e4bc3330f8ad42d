// The linear family over packed products: forward, gradient of the input, and all-weights gradients.
//
//   forward   y  = x Wᵀ + bias + scale · xa Bᵀ     xa = drop(x) Aᵀ          depth: In, then R
//   backward  dx = Σ dy W + mask · db A            db = scale · dy B        depth: ΣOut, then ΣR
// Both have one shape: a wide product whose left side is packed once, and a thin one (ΣR columns) made from the same packed panels while they
// are hot. The thin result is packed in its turn and becomes one more block of the wide product's depth, so LoRA adds no pass over y or dx.
// Where the thin side sees other numbers than the wide one (dropout; E4M3 parts, whose left side is rounded), its rows are packed apart.
#include "linear.h"

#include "fp8.h"

#include <atomic>

namespace remora::REMORA_ISA {
namespace {

// Scratch slots of the context.
enum Slot { PACKED = PACKED_SLOT, THIN = THIN_SLOT, PLAN = PLAN_SLOT, NARROW = 3, MASKED = 4, ROUNDED = 5 };
constexpr int APART = 3;  // thread slot, beside multiply's 0 … 2
constexpr int64_t FEWEST_CHUNK_ROWS = 1024;

// Columns of the thin product that share a part: their B panels for all blocks of that part.
struct ThinTile {
  int32_t part, first_block, block_count;
  int64_t column, columns;  // of xa or db; at most NR
  int64_t part_column;      // of A's rows (B's columns)
  float *panels;            // [block][step][NR]
};

struct LowRank {
  ThinTile *tiles = nullptr;
  int64_t tile_count = 0;
  void *narrow = nullptr;  // xa or db: act [N, ΣR]
  int64_t rank = 0;        // ΣR
};

struct Call {
  remora_context *ctx;
  const remora_linear_part *parts;
  int32_t part_count;
  int32_t dtype;
  Kind kind;
  Group group;
  float dropout;
  uint64_t seed;
};

int64_t out_column(const Call &call, int32_t part) {
  int64_t column = 0;
  for (int32_t p = 0; p < part; p++) column += call.parts[p].weight.rows;
  return column;
}

int64_t rank_column(const Call &call, int32_t part) {
  int64_t column = 0;
  for (int32_t p = 0; p < part; p++) column += call.parts[p].rank;
  return column;
}

// Where a wide block begins in a row of x, or of d_y, whose parts lie side by side.
int64_t wide_column(const Call &call, const Block &block, bool backward) { return block.begin + (backward ? out_column(call, block.part) : 0); }

int64_t block_panel_values(Kind kind, const Block &block) { return steps(kind, block.length) * NR; }

// Cuts ΣR into thin tiles and packs their B panels: rows of A (transposed) in forward, columns of B (straight) in backward.
int32_t pack_thin(const Call &call, const Block *blocks, int wide_blocks, bool backward, LowRank &low) {
  int64_t count = 0, values = 0, column = 0;
  for (int32_t p = 0; p < call.part_count; column += call.parts[p++].rank) {
    int32_t first = 0, end = wide_blocks;  // forward: all of In; backward: the blocks of this part's Out
    if (backward) {
      while (blocks[first].part != p) first++;
      for (end = first; end < wide_blocks && blocks[end].part == p; end++) continue;
    }
    for (int64_t r = 0; r < call.parts[p].rank; r += NR) {
      const int64_t columns = call.parts[p].rank - r < NR ? call.parts[p].rank - r : NR;
      low.tiles[count++] = ThinTile{p, first, end - first, column + r, columns, r, nullptr};
      for (int32_t b = first; b < end; b++) values += block_panel_values(call.kind, blocks[b]);
    }
  }
  auto *memory = static_cast<float *>(scratch(call.ctx, THIN, values * 4));
  if (memory == nullptr) return fail(call.ctx, REMORA_STATUS_MEMORY, "linear: no memory for the packed adapters");
  for (int64_t t = 0; t < count; t++) {
    low.tiles[t].panels = memory;
    for (int i = 0; i < low.tiles[t].block_count; i++) memory += block_panel_values(call.kind, blocks[low.tiles[t].first_block + i]);
  }
  low.tile_count = count;
  parallel_for(call.ctx, count, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t t = begin; t < end; t++) {
      const ThinTile &tile = low.tiles[t];
      const remora_linear_part &part = call.parts[tile.part];
      float *panel = tile.panels;
      for (int i = 0; i < tile.block_count; i++) {
        const Block &block = blocks[tile.first_block + i];
        if (backward) {
          const remora_weight b = dense_weight(part.lora_b, REMORA_F32, part.weight.rows, part.rank);
          pack_tiles_straight(call.kind, Source{&b}, block.begin, block.length, tile.part_column, tile.columns, panel, 0, nullptr);
        } else {
          const remora_weight a = dense_weight(part.lora_a, REMORA_F32, part.rank, call.group.in);
          pack_tile_transposed(call.kind, Source{&a}, tile.part_column, tile.columns, block.begin, block.length, panel, nullptr);
        }
        panel += block_panel_values(call.kind, block);
      }
    }
  });
  return REMORA_OK;
}

// Packs rows of x (or d_y) again for the thin product, in forward under the dropout mask, as one panel [block][step][rows]; nullptr when scratch
// is refused.
const float *pack_apart(const Call &call, const Block *blocks, int wide_blocks, int64_t depth, int64_t rows, int64_t first_row, const void *x,
                        int64_t ld, bool backward, int thread) {
  auto *memory = static_cast<float *>(thread_scratch(call.ctx, thread, APART, MR * (MAX_KC + depth) * 4));
  if (memory == nullptr) return nullptr;
  float *panel = memory + MR * MAX_KC;
  const remora_weight source = dense_weight(x, call.dtype, rows, ld);
  for (int b = 0; b < wide_blocks; b++) {
    const int64_t length = blocks[b].length, column = wide_column(call, blocks[b], backward);
    for (int64_t r = 0; r < rows; r++) {
      decode_segment(source, r, column, length, memory + r * length);
      if (call.dropout > 0.0f && !backward) {
        drop_values(memory + r * length, length, (first_row + r) * ld + column, call.dropout, call.seed);
      }
    }
    pack_rows(call.kind, memory, REMORA_F32, length, static_cast<int>(rows), length, panel + rows * blocks[b].start);
  }
  return panel;
}

// The thin product of one packed panel: rows [first_row, first_row + rows) of low.narrow. `panel_of(block)` gives the left side.
template <class PanelOf>
void thin_rows(const Call &call, const Block *blocks, int rows, int64_t first_row, bool backward, const LowRank &low, const PanelOf &panel_of) {
  alignas(64) float sums[MR * NR];
  for (int64_t t = 0; t < low.tile_count; t++) {
    const ThinTile &tile = low.tiles[t];
    const float *b = tile.panels;
    for (int i = 0; i < tile.block_count; i++) {
      const Block &block = blocks[tile.first_block + i];
      const Segment segment{steps(call.kind, block.length), panel_of(block), b};
      micro_kernel(call.kind, rows, tile.columns > W ? 2 : 1, &segment, 1, sums, i > 0);
      b += block_panel_values(call.kind, block);
    }
    void *out = offset_values(low.narrow, first_row * low.rank + tile.column, call.dtype);
    store_tile(sums, rows, tile.columns, out, call.dtype, low.rank, nullptr, backward ? call.parts[tile.part].scale : 1.0f);
  }
}

// Packs the rows of a chunk: the wide blocks from `wide`, then the thin product of `x` (or d_y), then that as the low-rank blocks. `wide` is x
// itself, or x rounded for E4M3 parts.
int32_t pack_chunk(const Call &call, const PackedRows &a, const Block *blocks, int wide_blocks, int low_blocks, const void *x, const void *wide,
                   int64_t ld, int64_t row0, bool backward, const LowRank &low) {
  std::atomic<bool> refused{false};
  const bool differs = wide != x || (call.dropout > 0.0f && !backward);
  parallel_for(call.ctx, a.panels, 1, [&](int64_t begin, int64_t end, int thread) {
    for (int64_t panel = begin; panel < end; panel++) {
      const int64_t row = a.first_row(panel);
      const int rows = a.panel_rows(panel);
      for (int b = 0; b < wide_blocks; b++) {
        const int64_t column = wide_column(call, blocks[b], backward);
        pack_rows(call.kind, offset_values(wide, row * ld + column, call.dtype), call.dtype, ld, rows, blocks[b].length, a.panel(panel, blocks[b]));
      }
      if (low.rank == 0) continue;
      const float *apart = nullptr;
      if (differs) {
        apart = pack_apart(call, blocks, wide_blocks, a.depth, rows, row0 + row, offset_values(x, row * ld, call.dtype), ld, backward, thread);
        if (apart == nullptr) {
          refused.store(true);
          return;
        }
      }
      thin_rows(call, blocks, rows, row0 + row, backward, low,
                [&](const Block &block) { return apart != nullptr ? apart + rows * block.start : a.panel(panel, block); });
      for (int b = wide_blocks; b < wide_blocks + low_blocks; b++) {
        const int64_t column = blocks[b].begin + rank_column(call, blocks[b].part);
        pack_rows(call.kind, offset_values(low.narrow, (row0 + row) * low.rank + column, call.dtype), call.dtype, low.rank, rows,
                  blocks[b].length, a.panel(panel, blocks[b]));
      }
    }
  });
  return refused.load() ? fail(call.ctx, REMORA_STATUS_MEMORY, "linear: no memory for rows packed apart") : REMORA_OK;
}

// Everything both directions prepare: the blocks of the depth (wide, then low-rank), the strips, and the packed thin side.
struct Plan {
  Block *blocks = nullptr;
  Strip *strips = nullptr;
  int wide_blocks = 0, low_blocks = 0;
  int64_t depth = 0;
  LowRank low;
};

int32_t make_plan(const Call &call, bool backward, void *narrow, int64_t N, Plan &plan) {
  const Group &group = call.group;
  int64_t unit = 64;
  for (int32_t p = 0; p < call.part_count; p++) {
    const int64_t block = format_block(call.parts[p].weight.format);
    if (!backward && block > unit) unit = block;
  }
  if (backward) {
    for (int32_t p = 0; p < call.part_count; p++) plan.wide_blocks += cut_depth(call.parts[p].weight.rows, unit, p, false, 0, nullptr);
  } else {
    plan.wide_blocks = cut_depth(group.in, unit, 0, false, 0, nullptr);
  }
  int64_t thin_tiles = 0;
  for (int32_t p = 0; p < call.part_count; p++) {
    plan.low_blocks += cut_depth(call.parts[p].rank, 2, p, true, 0, nullptr);
    thin_tiles += (call.parts[p].rank + NR - 1) / NR;
  }
  const int64_t block_count = plan.wide_blocks + plan.low_blocks;
  const int64_t bytes = block_count * sizeof(Block) + call.part_count * sizeof(Strip) + thin_tiles * sizeof(ThinTile);
  plan.blocks = static_cast<Block *>(scratch(call.ctx, PLAN, bytes));
  if (plan.blocks == nullptr) return fail(call.ctx, REMORA_STATUS_MEMORY, "linear: no memory for the plan");
  plan.strips = reinterpret_cast<Strip *>(plan.blocks + block_count);
  plan.low.tiles = reinterpret_cast<ThinTile *>(plan.strips + call.part_count);

  int b = 0;
  const auto cut = [&](int64_t depth, int64_t block_unit, int32_t part, bool low_rank) {
    const int count = cut_depth(depth, block_unit, part, low_rank, plan.depth, plan.blocks + b);
    b += count;
    if (count > 0) plan.depth = plan.blocks[b - 1].start + padded_depth(plan.blocks[b - 1].length);
    return count;
  };
  if (backward) {
    for (int32_t p = 0; p < call.part_count; p++) cut(call.parts[p].weight.rows, unit, p, false);
  } else {
    cut(group.in, unit, 0, false);
  }
  for (int32_t p = 0; p < call.part_count; p++) {
    const int first = b, count = cut(call.parts[p].rank, 2, p, true);
    if (!backward) plan.strips[p] = Strip{call.parts[p].weight.rows, p, 0, plan.wide_blocks, first, count};
  }
  if (backward) plan.strips[0] = Strip{group.in, 0, 0, plan.wide_blocks, plan.wide_blocks, plan.low_blocks};

  if (group.rank == 0) return REMORA_OK;
  plan.low.rank = group.rank;
  plan.low.narrow = narrow != nullptr ? narrow : scratch(call.ctx, NARROW, N * group.rank * dtype_bytes(call.dtype));
  if (plan.low.narrow == nullptr) return fail(call.ctx, REMORA_STATUS_MEMORY, "linear: no memory for the thin product");
  return pack_thin(call, plan.blocks, plan.wide_blocks, backward, plan.low);
}

// Runs body(packed rows, first row) on chunks of rows whose packed panels stay below PACKED_BYTES.
template <class Body>
int32_t for_each_chunk(const Call &call, const Plan &plan, int64_t N, const Body &body) {
  int64_t rows = PACKED_BYTES / (plan.depth * kind_bytes(call.kind));
  if (rows < FEWEST_CHUNK_ROWS) rows = FEWEST_CHUNK_ROWS;
  const int64_t chunks = (N + rows - 1) / rows;
  for (int64_t c = 0; c < chunks; c++) {
    const int64_t row0 = N * c / chunks, row1 = N * (c + 1) / chunks;
    PackedRows a(call.kind, row1 - row0, plan.depth);
    a.memory = static_cast<float *>(scratch(call.ctx, PACKED, a.bytes()));
    if (a.memory == nullptr) return fail(call.ctx, REMORA_STATUS_MEMORY, "linear: no memory for %lld bytes of packed rows", static_cast<long long>(a.bytes()));
    if (const int32_t status = body(a, row0)) return status;
  }
  return REMORA_OK;
}

Call make_call(remora_context *ctx, const remora_linear_part *parts, int32_t part_count, int32_t dtype, float dropout, const uint64_t *seed) {
  const bool drop = dropout > 0.0f && seed != nullptr;
  return Call{ctx, parts, part_count, dtype, kind_for(dtype), Group(parts, part_count), drop ? dropout : 0.0f, drop ? seed[0] : 0};
}

bool in_fp8(const remora_linear_part *parts) { return parts[0].weight.format == REMORA_E4M3; }

// What E4M3 weights multiply: x rounded; d_y rounded with the scale of each output folded in and out again, because packing W brings it too.
// x itself for other weights, nullptr when scratch is refused.
const void *wide_side(const Call &call, const void *x, int64_t N, bool backward) {
  if (!in_fp8(call.parts)) return x;
  const int64_t width = backward ? call.group.out : call.group.in;
  const int64_t scale_bytes = (backward ? width : 0) * 4, bytes = N * width * dtype_bytes(call.dtype);
  auto *scales = static_cast<float *>(scratch(call.ctx, ROUNDED, scale_bytes + bytes));
  if (scales == nullptr) return nullptr;
  for (int32_t p = 0; p < call.part_count && backward; p++) {
    memcpy(scales + out_column(call, p), call.parts[p].weight.scales, static_cast<size_t>(call.parts[p].weight.rows) * 4);
  }
  void *rounded = reinterpret_cast<char *>(scales) + scale_bytes;
  round_rows_e4m3(call.ctx, x, backward ? scales : nullptr, rounded, N, width, call.dtype);
  return rounded;
}

}  // namespace

int32_t linear_forward(remora_context *ctx, const remora_linear_part *parts, int32_t part_count, const float *bias, const void *x, void *y,
                       void *xa, int64_t N, int32_t dtype, float dropout, const uint64_t *seed) {
  if (N == 0) return REMORA_OK;
  if (N <= gemv_rows(kind_for(dtype)) && !in_fp8(parts)) return gemv_forward(ctx, parts, part_count, bias, x, y, xa, N, dtype, dropout, seed);
  const Call call = make_call(ctx, parts, part_count, dtype, dropout, seed);
  const Group &group = call.group;
  Plan plan;
  if (const int32_t status = make_plan(call, false, xa, N, plan)) return status;
  const void *wide = wide_side(call, x, N, false);
  if (wide == nullptr) return fail(ctx, REMORA_STATUS_MEMORY, "linear_forward: no memory for the rounded rows");
  return for_each_chunk(call, plan, N, [&](const PackedRows &a, int64_t row0) {
    const void *rows = offset_values(x, row0 * group.in, dtype), *wide_rows = offset_values(wide, row0 * group.in, dtype);
    if (const int32_t status = pack_chunk(call, a, plan.blocks, plan.wide_blocks, plan.low_blocks, rows, wide_rows, group.in, row0, false, plan.low))
      return status;
    const auto pack_b = [&](const Strip &strip, const Block &block, int64_t col, int64_t columns, float *tiles, int64_t, float *space) {
      const remora_linear_part &part = parts[strip.part];
      const remora_weight b = dense_weight(part.lora_b, REMORA_F32, part.weight.rows, part.rank);
      const Source source = block.low_rank ? Source{&b, part.scale} : Source{&part.weight};
      pack_tile_transposed(call.kind, source, col, columns, block.begin, block.length, tiles, space);
    };
    const auto finish = [&](const Tile &tile, int) {
      const int64_t column = out_column(call, tile.strip) + tile.col;
      store_tile(tile.values, tile.rows, tile.columns, offset_values(y, (row0 + tile.row) * group.out + column, dtype), dtype, group.out,
                 bias != nullptr ? bias + column : nullptr, 1.0f);
    };
    return multiply(ctx, Product{&a, plan.blocks, plan.strips, part_count, false, pack_b, finish});
  });
}

int32_t linear_backward_input(remora_context *ctx, const remora_linear_part *parts, int32_t part_count, const void *d_y, void *d_x, void *db,
                              int64_t N, int32_t dtype, float dropout, const uint64_t *seed) {
  if (N == 0) return REMORA_OK;
  const Call call = make_call(ctx, parts, part_count, dtype, dropout, seed);
  const Group &group = call.group;
  if (d_x == nullptr && group.rank == 0) return REMORA_OK;
  Plan plan;
  if (const int32_t status = make_plan(call, true, db, N, plan)) return status;
  const void *wide = d_x == nullptr ? d_y : wide_side(call, d_y, N, true);
  if (wide == nullptr) return fail(ctx, REMORA_STATUS_MEMORY, "linear_backward_input: no memory for the rounded gradient");
  const auto pack_b = [&](const Strip &, const Block &block, int64_t col, int64_t columns, float *tiles, int64_t stride, float *space) {
    const remora_linear_part &part = parts[block.part];
    const remora_weight a = dense_weight(part.lora_a, REMORA_F32, part.rank, group.in);
    pack_tiles_straight(call.kind, Source{block.low_rank ? &a : &part.weight}, block.begin, block.length, col, columns, tiles, stride, space);
  };
  return for_each_chunk(call, plan, N, [&](const PackedRows &a, int64_t row0) {
    const void *rows = offset_values(d_y, row0 * group.out, dtype), *wide_rows = offset_values(wide, row0 * group.out, dtype);
    if (const int32_t status = pack_chunk(call, a, plan.blocks, plan.wide_blocks, plan.low_blocks, rows, wide_rows, group.out, row0, true, plan.low))
      return status;
    if (d_x == nullptr) return static_cast<int32_t>(REMORA_OK);
    const auto out = [&](const Tile &tile) { return offset_values(d_x, (row0 + tile.row) * group.in + tile.col, dtype); };
    const auto finish = [&](const Tile &tile, int) { store_tile(tile.values, tile.rows, tile.columns, out(tile), dtype, group.in, nullptr, 1.0f); };
    if (call.dropout == 0.0f || group.rank == 0) return multiply(ctx, Product{&a, plan.blocks, plan.strips, 1, true, pack_b, finish});

    // With dropout the low-rank part goes through the mask first, and the wide part is added to it.
    auto *masked = static_cast<float *>(scratch(ctx, MASKED, a.rows * group.in * 4));
    if (masked == nullptr) return fail(ctx, REMORA_STATUS_MEMORY, "linear_backward_input: no memory for the masked gradient");
    const Strip narrow{group.in, 0, plan.wide_blocks, plan.low_blocks, 0, 0}, wide{group.in, 0, 0, plan.wide_blocks, 0, 0};
    const auto finish_narrow = [&](const Tile &tile, int) {
      for (int64_t i = 0; i < tile.rows; i++) {
        float *values = tile.values + i * NR;
        drop_values(values, tile.columns, (row0 + tile.row + i) * group.in + tile.col, call.dropout, call.seed);
        memcpy(masked + (tile.row + i) * group.in + tile.col, values, static_cast<size_t>(tile.columns) * 4);
      }
    };
    if (const int32_t status = multiply(ctx, Product{&a, plan.blocks, &narrow, 1, true, pack_b, finish_narrow})) return status;
    const auto finish_wide = [&](const Tile &tile, int thread) {
      for (int64_t i = 0; i < tile.rows; i++) {
        const float *from = masked + (tile.row + i) * group.in + tile.col;
        for (int64_t j = 0; j < tile.columns; j++) tile.values[i * NR + j] += from[j];
      }
      finish(tile, thread);
    };
    return multiply(ctx, Product{&a, plan.blocks, &wide, 1, true, pack_b, finish_wide});
  });
}

void fill_linear(Kernels &k) {
  k.linear_forward = linear_forward;
  k.linear_backward_input = linear_backward_input;
}

}  // namespace remora::REMORA_ISA

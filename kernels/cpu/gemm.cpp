// The driver of the packed products: cutting the depth into blocks, the task queue, and storing tiles. See gemm.h for the plan.
#include "gemm.h"

#include <atomic>

namespace remora::REMORA_ISA {
namespace {

// Depth of a block. Its tile of B (KC · NR values) should stay in the first-level cache, the task's panels of A in the second level.
constexpr int64_t KC = 512;
constexpr int64_t ROWS_PER_TASK = 336;
constexpr int TASKS_PER_THREAD = 6;

}  // namespace

int cut_depth(int64_t depth, int64_t unit, int32_t part, bool low_rank, int64_t start, Block *blocks) {
  if (depth == 0) return 0;
  const int64_t count = depth <= KC + KC / 4 ? 1 : (depth + KC - 1) / KC;
  if (blocks == nullptr) return static_cast<int>(count);
  const int64_t units = depth / unit;
  for (int64_t b = 0; b < count; b++) {
    const int64_t begin = units * b / count * unit, end = b == count - 1 ? depth : units * (b + 1) / count * unit;
    blocks[b] = Block{begin, end - begin, start, part, low_rank};
    start += padded_depth(end - begin);
  }
  return static_cast<int>(count);
}

namespace {

// How the output is cut into tasks: row blocks × groups of tiles of each strip.
struct TaskPlan {
  int64_t panels, row_blocks, tiles_per_task, tasks_per_row_block;

  TaskPlan(const Product &product, int threads) {
    panels = product.a->panels();
    const int64_t panels_per_task = ROWS_PER_TASK / MR;
    row_blocks = (panels + panels_per_task - 1) / panels_per_task;
    tiles_per_task = GROUP_COLUMNS / NR;
    // Straight packing below 4 vectors' worth of columns reads too little of each row of the weight.
    const int64_t fewest = product.straight ? (tiles_per_task + 1) / 2 : 1;
    for (;; tiles_per_task--) {
      tasks_per_row_block = 0;
      for (int s = 0; s < product.strip_count; s++) tasks_per_row_block += tasks_of(product.strips[s]);
      if (tiles_per_task <= fewest || row_blocks * tasks_per_row_block >= static_cast<int64_t>(threads) * TASKS_PER_THREAD) break;
    }
  }
  static int64_t tiles_of(const Strip &strip) { return (strip.columns + NR - 1) / NR; }
  int64_t tasks_of(const Strip &strip) const { return (tiles_of(strip) + tiles_per_task - 1) / tiles_per_task; }
  int64_t tasks() const { return row_blocks * tasks_per_row_block; }
};

struct Task {
  int32_t strip;
  int64_t first_panel, last_panel;
  int64_t first_tile, last_tile;

  Task(const Product &product, const TaskPlan &plan, int64_t number) {
    const int64_t row_block = number / plan.tasks_per_row_block;
    int64_t rest = number % plan.tasks_per_row_block;
    strip = 0;
    while (rest >= plan.tasks_of(product.strips[strip])) rest -= plan.tasks_of(product.strips[strip++]);
    const int64_t parts = plan.tasks_of(product.strips[strip]), tiles = TaskPlan::tiles_of(product.strips[strip]);
    first_panel = plan.panels * row_block / plan.row_blocks;
    last_panel = plan.panels * (row_block + 1) / plan.row_blocks;
    first_tile = tiles * rest / parts;
    last_tile = tiles * (rest + 1) / parts;
  }
};

struct Buffers {
  float *b, *c, *space;
};

// Consecutive blocks that one call of the micro-kernel takes together: as many as fit the depth that one block may have, and then low-rank
// blocks (LoRA's), which are too short to be worth loading and storing the sums once more.
constexpr int MAX_SEGMENTS = 8;
constexpr int64_t RANK_ALLOWANCE = 128;
constexpr int64_t MAX_GROUP_DEPTH = MAX_KC + RANK_ALLOWANCE + 2 * MAX_SEGMENTS;

int32_t end_of_group(const Product &product, const Strip &strip, int32_t first) {
  int64_t depth = 0;
  int32_t i = first;
  for (; i < strip.blocks() && i - first < MAX_SEGMENTS; i++) {
    const Block &block = product.blocks[strip.block(i)];
    depth += block.length;
    if (i > first && depth > (block.low_rank ? MAX_KC + RANK_ALLOWANCE : MAX_KC)) break;
  }
  return i;
}

void run_task(const Product &product, const Task &task, const Buffers &buffers, int thread) {
  const PackedRows &a = *product.a;
  const Strip &strip = product.strips[task.strip];
  const int64_t row0 = a.first_row(task.first_panel), rows = a.first_row(task.last_panel) - row0;
  // Transposing packs one tile at a time, so that it is still in the first-level cache when the micro-kernel reads it.
  const int64_t tiles_per_pack = product.straight ? GROUP_COLUMNS / NR : 1;
  const bool one_group = end_of_group(product, strip, 0) == strip.blocks();
  for (int32_t first = 0, end; first < strip.blocks(); first = end) {
    end = end_of_group(product, strip, first);
    const bool last = end == strip.blocks();
    for (int64_t tile0 = task.first_tile; tile0 < task.last_tile; tile0 += tiles_per_pack) {
      const int64_t tile_end = tile0 + tiles_per_pack < task.last_tile ? tile0 + tiles_per_pack : task.last_tile;
      const int64_t col0 = tile0 * NR, col_end = tile_end * NR < strip.columns ? tile_end * NR : strip.columns;
      Segment segments[MAX_SEGMENTS];
      const float *tiles[MAX_SEGMENTS];
      float *b = buffers.b;
      for (int32_t i = first; i < end; i++) {
        const Block &block = product.blocks[strip.block(i)];
        const int64_t block_steps = steps(a.kind, block.length);
        product.pack_b(strip, block, col0, col_end - col0, b, block_steps * NR, buffers.space);
        segments[i - first].steps = block_steps;
        tiles[i - first] = b;
        b += (tile_end - tile0) * block_steps * NR;
      }
      for (int64_t t = tile0; t < tile_end; t++) {
        const int64_t columns = strip.columns - t * NR < NR ? strip.columns - t * NR : NR;
        for (int32_t i = first; i < end; i++) segments[i - first].b = tiles[i - first] + (t - tile0) * segments[i - first].steps * NR;
        for (int64_t p = task.first_panel; p < task.last_panel; p++) {
          const int64_t row = a.first_row(p), panel_rows = a.first_row(p + 1) - row;
          for (int32_t i = first; i < end; i++) segments[i - first].a = a.panel(p, product.blocks[strip.block(i)]);
          // With one group the tile is finished at once, and one small buffer, always in cache, serves all of them.
          float *c = one_group ? buffers.c : buffers.c + ((t - task.first_tile) * rows + row - row0) * NR;
          micro_kernel(a.kind, static_cast<int>(panel_rows), columns > W ? 2 : 1, segments, end - first, c, first > 0);
          if (last) product.finish(Tile{task.strip, row, panel_rows, t * NR, columns, c}, thread);
        }
      }
    }
  }
}

}  // namespace

int32_t multiply(remora_context *ctx, const Product &product) {
  if (product.a->rows == 0) return REMORA_OK;
  const TaskPlan plan(product, thread_count(ctx));
  bool one_group = true;
  for (int s = 0; s < product.strip_count; s++) {
    one_group = one_group && end_of_group(product, product.strips[s], 0) == product.strips[s].blocks();
  }
  const int64_t b_bytes = MAX_GROUP_DEPTH * (product.straight ? GROUP_COLUMNS : NR) * 4;
  const int64_t c_bytes = (one_group ? MR : ROWS_PER_TASK * plan.tiles_per_task) * NR * 4;
  std::atomic<int64_t> next{0};
  std::atomic<bool> refused{false};
  parallel_threads(ctx, [&](int thread) {
    const Buffers buffers{static_cast<float *>(thread_scratch(ctx, thread, 0, b_bytes)),
                          static_cast<float *>(thread_scratch(ctx, thread, 1, c_bytes)),
                          static_cast<float *>(thread_scratch(ctx, thread, 2, PACK_SPACE * 4))};
    if (buffers.b == nullptr || buffers.c == nullptr || buffers.space == nullptr) {
      refused.store(true);
      return;
    }
    for (int64_t number; (number = next.fetch_add(1)) < plan.tasks();) run_task(product, Task(product, plan, number), buffers, thread);
  });
  if (!refused.load()) return REMORA_OK;
  return fail(ctx, REMORA_STATUS_MEMORY, "matrix product: no memory for %lld bytes of scratch a thread", static_cast<long long>(b_bytes + c_bytes));
}

namespace {

template <class T>
void store_rows(const float *tile, int64_t rows, int64_t columns, T *out, int64_t ld, const float *bias, float scale) {
  for (int64_t j = 0; j < columns; j += W) {
    const int64_t n = columns - j;
    const V add = bias != nullptr ? load_some(bias + j, n) : zero();
    for (int64_t i = 0; i < rows; i++) store_some(out + i * ld + j, (load(tile + i * NR + j) + add) * splat(scale), n);
  }
}

}  // namespace

void store_tile(const float *tile, int64_t rows, int64_t columns, void *out, int32_t dtype, int64_t ld, const float *bias, float scale) {
  if (dtype == REMORA_F32) return store_rows(tile, rows, columns, static_cast<float *>(out), ld, bias, scale);
  if (dtype == REMORA_BF16) return store_rows(tile, rows, columns, static_cast<bf16_t *>(out), ld, bias, scale);
  return store_rows(tile, rows, columns, static_cast<f16_t *>(out), ld, bias, scale);
}

void store_tile_row(const float *x, int64_t count, void *out, int32_t dtype) { store_tile(x, 1, count, out, dtype, 0, nullptr, 1.0f); }

void add_tile(const float *tile, int64_t rows, int64_t columns, float *out, int64_t ld, float scale) {
  for (int64_t i = 0; i < rows; i++) {
    for (int64_t j = 0; j < columns; j += W) {
      const int64_t n = columns - j;
      float *to = out + i * ld + j;
      store_some(to, fma(load(tile + i * NR + j), splat(scale), load_some(to, n)), n);
    }
  }
}

}  // namespace remora::REMORA_ISA

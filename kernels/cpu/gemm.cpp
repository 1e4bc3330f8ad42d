// The driver of the packed products: cutting the depth into blocks, the task queue, and storing tiles. See gemm.h for the plan.
#include "gemm.h"

#include <atomic>

namespace remora::REMORA_ISA {
namespace {

// Depth of a block: its tile of B (KC · NR values) should about fit the first-level cache.
constexpr int64_t KC = 512;
// A task's rows are many, because each value of B is packed once per task; within a task they are taken ROWS_AT_A_TIME, whose panels of A
// stay in the second-level cache while the task's tiles of B pass.
constexpr int64_t ROWS_PER_TASK = 1008;
constexpr int64_t ROWS_AT_A_TIME = 336;  // bf16; half as many in f32
constexpr int64_t COLUMNS_PER_TASK = 128;
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
    panels = product.a->panels;
    tiles_per_task = COLUMNS_PER_TASK / NR;
    tasks_per_row_block = 0;
    for (int s = 0; s < product.strip_count; s++) tasks_per_row_block += tasks_of(product.strips[s]);
    // Fewer rows and then fewer columns a task until every thread has several; straight packing below half of the columns reads too
    // little of each row of the weight.
    const int64_t panels_per_task = ROWS_PER_TASK / MR, wanted = static_cast<int64_t>(threads) * TASKS_PER_THREAD;
    row_blocks = (panels + panels_per_task - 1) / panels_per_task;
    while (threads > 1 && tasks() < wanted && panels * MR > 2 * ROWS_AT_A_TIME * row_blocks) row_blocks++;
    const int64_t fewest = product.straight ? (tiles_per_task + 1) / 2 : 1;
    while (threads > 1 && tasks() < wanted && tiles_per_task > fewest) {
      tiles_per_task--;
      tasks_per_row_block = 0;
      for (int s = 0; s < product.strip_count; s++) tasks_per_row_block += tasks_of(product.strips[s]);
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

// One group of blocks of one task, packed: what the loops over rows and tiles below need.
struct PackedGroup {
  const Block *blocks[MAX_SEGMENTS];
  int64_t steps[MAX_SEGMENTS];
  const float *tiles[MAX_SEGMENTS];  // of the task's first tile; one tile is steps · NR floats
  int count;
  bool first, last;
};

PackedGroup pack_group(const Product &product, const Task &task, int32_t begin, int32_t end, const Buffers &buffers) {
  const Strip &strip = product.strips[task.strip];
  PackedGroup group{};
  group.count = end - begin;
  group.first = begin == 0;
  group.last = end == strip.blocks();
  float *b = buffers.b;
  for (int i = 0; i < group.count; i++) {
    const Block &block = product.blocks[strip.block(begin + i)];
    group.blocks[i] = &block;
    group.steps[i] = steps(product.a->kind, block.length);
    group.tiles[i] = b;
    const int64_t tile_stride = group.steps[i] * NR;
    // Straight packing reads along rows of the weight, so it takes all columns at once; transposing takes a tile at a time.
    const int64_t tiles_at_once = product.straight ? task.last_tile - task.first_tile : 1;
    for (int64_t t = task.first_tile; t < task.last_tile; t += tiles_at_once, b += tiles_at_once * tile_stride) {
      const int64_t col = t * NR, end_col = (t + tiles_at_once) * NR;
      product.pack_b(strip, block, col, (end_col < strip.columns ? end_col : strip.columns) - col, b, tile_stride, buffers.space);
    }
  }
  return group;
}

void run_task(const Product &product, const Task &task, const Buffers &buffers, int thread) {
  const PackedRows &a = *product.a;
  const Strip &strip = product.strips[task.strip];
  const int64_t row0 = a.first_row(task.first_panel), rows = a.first_row(task.last_panel) - row0;
  const int64_t panels_at_a_time = ROWS_AT_A_TIME * 2 / kind_bytes(a.kind) / MR;
  for (int32_t begin = 0, end; begin < strip.blocks(); begin = end) {
    end = end_of_group(product, strip, begin);
    const PackedGroup group = pack_group(product, task, begin, end, buffers);
    // With one group a tile is finished at once, and one small buffer, always in cache, serves all of them.
    const bool one_group = group.first && group.last;
    for (int64_t panel0 = task.first_panel; panel0 < task.last_panel; panel0 += panels_at_a_time) {
      const int64_t panel_end = panel0 + panels_at_a_time < task.last_panel ? panel0 + panels_at_a_time : task.last_panel;
      for (int64_t t = task.first_tile; t < task.last_tile; t++) {
        const int64_t columns = strip.columns - t * NR < NR ? strip.columns - t * NR : NR;
        Segment segments[MAX_SEGMENTS];
        for (int i = 0; i < group.count; i++) {
          segments[i].steps = group.steps[i];
          segments[i].b = group.tiles[i] + (t - task.first_tile) * group.steps[i] * NR;
        }
        for (int64_t p = panel0; p < panel_end; p++) {
          const int64_t row = a.first_row(p);
          const int panel_rows = a.panel_rows(p);
          for (int i = 0; i < group.count; i++) segments[i].a = a.panel(p, *group.blocks[i]);
          float *c = one_group ? buffers.c : buffers.c + ((t - task.first_tile) * rows + row - row0) * NR;
          micro_kernel(a.kind, panel_rows, columns > W ? 2 : 1, segments, group.count, c, !group.first);
          if (group.last) product.finish(Tile{task.strip, row, panel_rows, t * NR, columns, c}, thread);
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
  const int64_t b_bytes = MAX_GROUP_DEPTH * plan.tiles_per_task * NR * kind_bytes(product.a->kind);
  const int64_t c_bytes = (one_group ? MR : (ROWS_PER_TASK + MR) * plan.tiles_per_task) * NR * 4;
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

// 2·W values, converted.
template <class T>
REMORA_INLINE void store_two(T *out, V a, V b) {
  store(out, a);
  store(out + W, b);
}
#if REMORA_IS_AVX512_BF16
REMORA_INLINE void store_two(bf16_t *out, V a, V b) { _mm512_storeu_si512(out, (__m512i)_mm512_cvtne2ps_pbh(b, a)); }
#endif

template <class T>
void store_rows(const float *tile, int64_t rows, int64_t columns, T *out, int64_t ld, const float *bias, float scale) {
  if (columns == NR && bias == nullptr && scale == 1.0f) {  // the usual tile
    for (int64_t i = 0; i < rows; i++, out += ld, tile += NR) store_two(out, load(tile), load(tile + W));
    return;
  }
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

// leftᵀ · right with few rows on the left (LoRA's ranks). Packing the right side would cost as much as multiplying it, so the micro-kernel here
// reads its rows directly, interleaving pairs in registers. A task owns columns of the result and walks the depth in stretches; within a
// stretch it goes tile by tile, each step prefetching the same row of the next tile, because 64 bytes of each of many rows is a pattern that
// hardware prefetchers do not see. Limit: memory reads of the right side, once.
#include "gemm_thin.h"

#include <atomic>

#include "gemm_readers.h"

namespace remora::REMORA_ISA {
namespace {

constexpr int64_t STRETCH = 128;    // depth between two visits of a tile's sums
constexpr int64_t MOST_PANELS = 4;  // on the left; beyond, packing the right side pays

template <class Reader, int ROWS>
void micro(const Reader &reader, int64_t row, int64_t depth, int64_t col, int64_t columns, const float *a, float *c) {
  constexpr bool PAIRS = Reader::VALUES == 2 * W;
  V sum[ROWS][2];
#pragma GCC unroll 16
  for (int i = 0; i < ROWS; i++) {
    sum[i][0] = load(c + i * NR);
    sum[i][1] = load(c + i * NR + W);
  }
  const auto multiply = [&](V left, V right) __attribute__((always_inline)) {
#pragma GCC unroll 16
    for (int i = 0; i < ROWS; i++) {
      const V x = splat(a[i]);
#if REMORA_IS_AVX512_BF16
      if constexpr (PAIRS) {
        sum[i][0] = _mm512_dpbf16_ps(sum[i][0], (__m512bh)x, (__m512bh)left);
        sum[i][1] = _mm512_dpbf16_ps(sum[i][1], (__m512bh)x, (__m512bh)right);
        continue;
      }
#endif
      sum[i][0] = fma(x, left, sum[i][0]);
      sum[i][1] = fma(x, right, sum[i][1]);
    }
    a += ROWS;
  };
  int64_t k = 0;
#if REMORA_IS_AVX512_BF16
  if constexpr (PAIRS) {
    const Interleave interleave;
    for (; columns >= NR && k + 2 <= depth; k += 2) {
      const V x = reader.load_all(row + k, col), y = reader.load_all(row + k + 1, col);
      reader.prefetch(row + k, col + NR);
      reader.prefetch(row + k + 1, col + NR);
      multiply(interleave.low(x, y), interleave.high(x, y));
    }
    for (; k < depth; k += 2) {
      const V x = reader.load_first(row + k, col, columns), y = k + 1 < depth ? reader.load_first(row + k + 1, col, columns) : zero();
      multiply(interleave.low(x, y), interleave.high(x, y));
    }
  }
#endif
  if constexpr (!PAIRS) {
    for (; columns >= NR && k < depth; k++) {
      reader.prefetch(row + k, col + NR);
      reader.prefetch(row + k, col + NR + W);
      multiply(reader.load_all(row + k, col), reader.load_all(row + k, col + W));
    }
    for (; k < depth; k++) {
      multiply(reader.load_first(row + k, col, columns), columns > W ? reader.load_first(row + k, col + W, columns - W) : zero());
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < ROWS; i++) {
    store(c + i * NR, sum[i][0]);
    store(c + i * NR + W, sum[i][1]);
  }
}

template <class Reader, int ROWS = MR>
void micro_of(int rows, const Reader &reader, int64_t row, int64_t depth, int64_t col, int64_t columns, const float *a, float *c) {
  if (rows == ROWS) return micro<Reader, ROWS>(reader, row, depth, col, columns, a, c);
  if constexpr (ROWS > 1) micro_of<Reader, ROWS - 1>(rows, reader, row, depth, col, columns, a, c);
}

// Calls f(reader) for the dense formats of the right side: what activations can be.
template <class F>
void with_dense_reader(Kind kind, const remora_weight &w, const F &f) {
#if REMORA_IS_AVX512_BF16
  if (kind == Kind::BF16) return f(PairReader<bf16_t>{static_cast<const bf16_t *>(w.data), w.cols});
#endif
  (void)kind;
  if (w.format == REMORA_BF16) return f(WideReader<bf16_t>{static_cast<const bf16_t *>(w.data), w.cols});
  if (w.format == REMORA_F16) return f(WideReader<f16_t>{static_cast<const f16_t *>(w.data), w.cols});
  f(WideReader<float>{static_cast<const float *>(w.data), w.cols});
}

}  // namespace

bool is_thin(const TransposedProduct &t) {
  const int32_t format = t.right.weight->format;
  const bool dense = t.kind == Kind::BF16 ? format == REMORA_BF16 : format <= REMORA_F16;
  return dense && t.right.dropout == 0.0f && t.right.scale == 1.0f && t.rows <= MOST_PANELS * MR;
}

int32_t thin_product(const TransposedProduct &t, const PackedRows &a, const Block *blocks, int block_count, FinishTile finish) {
  const int64_t tiles = (t.columns + NR - 1) / NR, tasks_wanted = 2 * thread_count(t.ctx);
  const int64_t tasks = tiles < tasks_wanted ? tiles : tasks_wanted;
  std::atomic<int64_t> next{0};
  std::atomic<bool> refused{false};
  parallel_threads(t.ctx, [&](int thread) {
    const int64_t most = (tiles / tasks + 1) * NR * t.rows;
    auto *sums = static_cast<float *>(thread_scratch(t.ctx, thread, 1, most * 4));
    if (sums == nullptr) {
      refused.store(true);
      return;
    }
    for (int64_t task; (task = next.fetch_add(1)) < tasks;) {
      const int64_t tile0 = tiles * task / tasks, tile_end = tiles * (task + 1) / tasks;
      memset(sums, 0, static_cast<size_t>((tile_end - tile0) * NR * t.rows) * 4);
      const auto sums_of = [&](int64_t tile, int64_t panel) { return sums + ((tile - tile0) * t.rows + a.first_row(panel)) * NR; };
      for (int b = 0; b < block_count; b++) {
        for (int64_t k = 0; k < blocks[b].length; k += STRETCH) {
          const int64_t depth = blocks[b].length - k < STRETCH ? blocks[b].length - k : STRETCH;
          with_dense_reader(t.kind, *t.right.weight, [&](const auto &reader) {
            for (int64_t tile = tile0; tile < tile_end; tile++) {
              const int64_t columns = t.columns - tile * NR < NR ? t.columns - tile * NR : NR;
              for (int64_t p = 0; p < a.panels; p++) {
                const float *panel = a.panel(p, blocks[b]) + steps(t.kind, k) * a.panel_rows(p);
                micro_of(a.panel_rows(p), reader, blocks[b].begin + k, depth, t.col + tile * NR, columns, panel, sums_of(tile, p));
              }
            }
          });
        }
      }
      for (int64_t tile = tile0; tile < tile_end; tile++) {
        const int64_t columns = t.columns - tile * NR < NR ? t.columns - tile * NR : NR;
        for (int64_t p = 0; p < a.panels; p++) finish(Tile{0, a.first_row(p), a.panel_rows(p), tile * NR, columns, sums_of(tile, p)});
      }
    }
  });
  return refused.load() ? fail(t.ctx, REMORA_STATUS_MEMORY, "adapter gradient: no memory for the sums") : REMORA_OK;
}

}  // namespace remora::REMORA_ISA

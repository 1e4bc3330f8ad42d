// W + scale · B A in one pass over W: decoded, added in f32 and rounded once (or encoded to NF4) while it is in the first-level cache.
//
// A stretch of rows walks over panels of 256 columns. A's part of a panel is copied side by side (its rows lie `cols` apart, often a power of two,
// which the cache's sets do not like) and stays in the cache for the whole stretch. A tile is ROWS × 2 registers of sums, to which each rank adds one
// product; the base joins them on their way out. Limit: multiply-adds, `rank` a weight; the rest costs about as much as rank 8 does, NF4 as rank 20.
#include <atomic>

#include "nf4.h"

namespace remora::REMORA_ISA {
namespace {

constexpr int64_t PANEL = 256;  // columns: whole blocks of every format
constexpr int64_t TILE = 2 * W;
#if REMORA_IS_AVX512 || REMORA_IS_NEON
constexpr int ROWS = 8;
#else
constexpr int ROWS = 4;
#endif
constexpr int64_t STRETCH = 64 / ROWS;  // groups of ROWS rows that share one copy of A's part

struct Update {
  const float *a, *b;  // [rank, cols], [rows, rank]
  int64_t rank;
  float scale;
};

// panel[tile][r][0 … TILE) = a[r][col + tile·TILE …], zeros beyond `columns`.
void copy_panel(const Update &update, int64_t cols, int64_t col, int64_t columns, float *panel) {
  for (int64_t c = 0; c < columns; c += TILE) {
    const int64_t count = columns - c < TILE ? columns - c : TILE;
    for (int64_t r = 0; r < update.rank; r++, panel += TILE) {
      memcpy(panel, update.a + r * cols + col + c, static_cast<size_t>(count) * 4);
      if (count < TILE) memset(panel + count, 0, static_cast<size_t>(TILE - count) * 4);
    }
  }
}

// factors[r][i] = b[first + i][r]; rows beyond the last one are made of the last one, and thrown away.
void turn_factors(const Update &update, int64_t first, int64_t rows, float *factors) {
  for (int64_t i = 0; i < ROWS; i++) {
    const float *const row = update.b + (first + (i < rows ? i : rows - 1)) * update.rank;
    for (int64_t r = 0; r < update.rank; r++) factors[r * ROWS + i] = row[r];
  }
}

// Where the rows that come next stand in memory: asked for while these are being made, one cache line a tile.
struct Ahead {
  const char *from;
  int64_t rows, stride, step;
};

// ROWS rows of W as they are, row i at from + i · stride: dense ones are read where they stand.
template <class B>
struct Base {
  const B *from;
  int64_t stride;
  int64_t rows;
};

// values[i][c] = base[i][c] + scale · Σ_r factors[r][i] · panel[…][r][c]
template <class B>
void add_product(const Update &update, const float *panel, const float *factors, Base<B> base, int64_t columns, float *values, Ahead ahead) {
  for (int64_t c = 0; c < columns; c += TILE) {
    for (int64_t i = 0; i < ahead.rows; i++) __builtin_prefetch(ahead.from + i * ahead.stride);
    ahead.from += ahead.step;
    V left[ROWS], right[ROWS];
    for (int i = 0; i < ROWS; i++) left[i] = right[i] = zero();
    for (int64_t r = 0; r < update.rank; r++, panel += TILE) {
      const V a0 = load(panel), a1 = load(panel + W);
#pragma GCC unroll 8
      for (int i = 0; i < ROWS; i++) {
        const V factor = splat(factors[r * ROWS + i]);
        left[i] = fma(factor, a0, left[i]);
        right[i] = fma(factor, a1, right[i]);
      }
    }
    const int64_t left_count = columns - c, right_count = left_count - W;
    const bool whole = left_count >= TILE;
#pragma GCC unroll 8
    for (int i = 0; i < ROWS; i++) {
      const B *const from = base.from + (i < base.rows ? i : 0) * base.stride + c;
      float *const to = values + i * PANEL + c;
      const V w0 = whole ? load(from) : load_some(from, left_count);
      const V w1 = whole ? load(from + W) : right_count > 0 ? load_some(from + W, right_count) : zero();
      store(to, fma(splat(update.scale), left[i], w0));
      store(to + W, fma(splat(update.scale), right[i], w1));
    }
  }
}

// Calls finish(row − first, col, columns, values of that row) for each piece of a row, once, on any thread.
template <class Finish>
int32_t merge(remora_context *ctx, const remora_weight &weight, const Update &update, int64_t first, int64_t count, Finish &&finish) {
  const int64_t cols = weight.cols, stride = format_row_bytes(weight.format, cols);
  const char *const data = static_cast<const char *>(weight.data);
  std::atomic<bool> refused{false};
  parallel_for(ctx, (count + ROWS - 1) / ROWS, 1, [&](int64_t begin, int64_t end, int thread) {
    float *panel = nullptr, *factors = nullptr;
    if (update.rank > 0) {
      panel = static_cast<float *>(thread_scratch(ctx, thread, 0, update.rank * (PANEL + ROWS) * 4));
      if (panel == nullptr) return refused.store(true);
      factors = panel + update.rank * PANEL;
    }
    alignas(64) float values[ROWS * PANEL] = {};
    for (int64_t stretch = begin; stretch < end; stretch += STRETCH) {
      const int64_t last = stretch + STRETCH < end ? stretch + STRETCH : end;
      for (int64_t col = 0; col < cols; col += PANEL) {
        const int64_t columns = cols - col < PANEL ? cols - col : PANEL;
        if (update.rank > 0) copy_panel(update, cols, col, columns, panel);
        for (int64_t group = stretch; group < last; group++) {
          const int64_t row = group * ROWS, rows = count - row < ROWS ? count - row : ROWS;
          if (update.rank == 0) {
            for (int64_t i = 0; i < rows; i++) decode_segment(weight, first + row + i, col, columns, values + i * PANEL);
          } else {
            turn_factors(update, first + row, rows, factors);
            const int64_t next = row + ROWS, left = group + 1 < last ? count - next : 0;
            const char *const from = data + (first + row) * stride;
            const Ahead ahead{from + ROWS * stride + format_row_bytes(weight.format, col), left < ROWS ? left : ROWS, stride,
                              format_row_bytes(weight.format, PANEL) / (PANEL / TILE)};
            if (weight.format == REMORA_BF16) {
              add_product(update, panel, factors, Base<bf16_t>{reinterpret_cast<const bf16_t *>(from) + col, cols, rows}, columns, values, ahead);
            } else if (weight.format == REMORA_F16) {
              add_product(update, panel, factors, Base<f16_t>{reinterpret_cast<const f16_t *>(from) + col, cols, rows}, columns, values, ahead);
            } else {
              for (int64_t i = 0; i < rows; i++) decode_segment(weight, first + row + i, col, columns, values + i * PANEL);
              add_product(update, panel, factors, Base<float>{values, PANEL, ROWS}, columns, values, ahead);
            }
          }
          for (int64_t i = 0; i < rows; i++) finish(row + i, col, columns, values + i * PANEL);
        }
      }
    }
  });
  if (refused.load()) return fail(ctx, REMORA_STATUS_MEMORY, "merge_rows: no memory for a part of A");
  return REMORA_OK;
}

int32_t merge_rows(remora_context *ctx, const remora_weight *weight, const float *a, const float *b, void *out, int64_t row, int64_t row_count,
                   int64_t rank, int32_t dtype, float scale) {
  return dispatch_dtype(ctx, dtype, [&](auto tag) {
    using T = decltype(tag);
    return merge(ctx, *weight, Update{a, b, rank, scale}, row, row_count, [&](int64_t r, int64_t col, int64_t columns, const float *values) {
      T *const to = static_cast<T *>(out) + r * weight->cols + col;
      int64_t c = 0;
      for (; c + W <= columns; c += W) store_exact(to + c, load(values + c));
      for (; c < columns; c++) from_float(values[c], to[c]);
    });
  });
}

int32_t merge_rows_nf4(remora_context *ctx, const remora_weight *weight, const float *a, const float *b, uint8_t *codes, float *absmax,
                       int64_t row, int64_t row_count, int64_t rank, int32_t dtype, float scale) {
  const Nf4Coder coder;
  return dispatch_dtype(ctx, dtype, [&](auto tag) {
    using T = decltype(tag);
    return merge(ctx, *weight, Update{a, b, rank, scale}, row, row_count, [&](int64_t r, int64_t col, int64_t columns, const float *values) {
      const int64_t at = r * weight->cols + col;
      nf4_encode_rounded<T>(coder, values, columns / 64, codes + at / 2, absmax + at / 64);
    });
  });
}

}  // namespace

void fill_merge(Kernels &k) {
  k.merge_rows = merge_rows;
  k.merge_rows_nf4 = merge_rows_nf4;
}

}  // namespace remora::REMORA_ISA

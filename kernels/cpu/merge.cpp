// W + scale · B A in one pass over W: decoded, added in f32 and rounded once (or encoded to NF4) while it is in the first-level cache.
//
// A stretch of rows walks over panels of 256 columns. A's part of a panel is copied side by side (its rows lie `cols` apart, often a power of two,
// which the cache's sets do not like) and stays there with the ROWS × 256 sums being made. Each rank adds one product to ROWS × 2 registers.
// Limit: multiply-adds, `rank` a weight; decoding, rounding and encoding cost about as much as rank 16 does.
#include <atomic>

#include "nf4.h"

namespace remora::REMORA_ISA {
namespace {

constexpr int64_t PANEL = 1024;  // columns: whole blocks of every format
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

// panel[r][c] = a[r][col + c], zeros beyond `columns`.
void copy_panel(const Update &update, int64_t cols, int64_t col, int64_t columns, float *panel) {
  for (int64_t r = 0; r < update.rank; r++) {
    memcpy(panel + r * PANEL, update.a + r * cols + col, static_cast<size_t>(columns) * 4);
    if (columns < PANEL) memset(panel + r * PANEL + columns, 0, static_cast<size_t>(PANEL - columns) * 4);
  }
}

// factors[r][i] = b[first + i][r]; rows beyond the last one are made of the last one, and thrown away.
void turn_factors(const Update &update, int64_t first, int64_t rows, float *factors) {
  for (int64_t i = 0; i < ROWS; i++) {
    const float *const row = update.b + (first + (i < rows ? i : rows - 1)) * update.rank;
    for (int64_t r = 0; r < update.rank; r++) factors[r * ROWS + i] = row[r];
  }
}

// Where the rows that come next stand in memory: asked for while these are being made, one cache line a step.
struct Ahead {
  const char *from;
  int64_t rows, stride, step;
};

// values[i][c] += scale · Σ_r factors[r][i] · panel[r][c]
void add_product(const Update &update, const float *panel, const float *factors, int64_t columns, float *values, Ahead ahead) {
  for (int64_t c = 0; c < columns; c += 2 * W) {
    for (int64_t i = 0; i < ahead.rows; i++) __builtin_prefetch(ahead.from + i * ahead.stride);
    ahead.from += ahead.step;
    V left[ROWS], right[ROWS];
    for (int i = 0; i < ROWS; i++) left[i] = right[i] = zero();
    for (int64_t r = 0; r < update.rank; r++) {
      const V a0 = load(panel + r * PANEL + c), a1 = load(panel + r * PANEL + c + W);
#pragma GCC unroll 8
      for (int i = 0; i < ROWS; i++) {
        const V factor = splat(factors[r * ROWS + i]);
        left[i] = fma(factor, a0, left[i]);
        right[i] = fma(factor, a1, right[i]);
      }
    }
#pragma GCC unroll 8
    for (int i = 0; i < ROWS; i++) {
      float *const to = values + i * PANEL + c;
      store(to, fma(splat(update.scale), left[i], load(to)));
      store(to + W, fma(splat(update.scale), right[i], load(to + W)));
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
          for (int64_t i = 0; i < rows; i++) decode_segment(weight, first + row + i, col, columns, values + i * PANEL);
          if (update.rank > 0) {
            turn_factors(update, first + row, rows, factors);
            const bool wraps = group + 1 == last;
            const int64_t next = wraps ? stretch * ROWS : row + ROWS, next_col = wraps ? col + PANEL : col;
            const Ahead ahead{data + (first + next) * stride + format_row_bytes(weight.format, next_col), count - next < ROWS ? count - next : ROWS, stride, format_row_bytes(weight.format, PANEL) / (PANEL / (2 * W))};
            add_product(update, panel, factors, columns, values, ahead);
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

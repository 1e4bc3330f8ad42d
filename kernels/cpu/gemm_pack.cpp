// Packing for gemm.h. A "vector" here is W lanes of 32 bits: W values for the f32 kernel, W pairs of neighbouring bf16 values for the bf16
// kernel. A Reader (gemm_readers.h) loads such vectors from a row of some format; everything here is written once over readers.
// Formats without a reader of their own (GGUF, f16 weights, scaled or dropped values) are first decoded to rows in `space`.
#include "gemm_readers.h"
#include "gemm_transpose.h"

namespace remora::REMORA_ISA {
namespace {

// ---- rows to panels by transposing ----

// out[k][j] = row j: `rows` rows become columns of a tile of `width` columns (zeros beyond rows), `depth` values deep.
template <class Reader>
void transpose_to_tile(const Reader &reader, int64_t row, int64_t rows, int64_t col, int64_t depth, float *tile) {
  for (int h = 0; h < NR; h += W) {
    const int64_t valid = rows - h < W ? rows - h : W;
    for (int64_t k = 0; k < depth; k += Reader::VALUES) {
      V r[W];
      const int64_t n = depth - k;
      if (valid == W && n >= Reader::VALUES) {
#pragma GCC unroll 16
        for (int i = 0; i < W; i++) {
          r[i] = reader.load_all(row + h + i, col + k);
          reader.prefetch(row + h + i, col + k + 2 * Reader::VALUES);
        }
      } else {
        for (int i = 0; i < W; i++) r[i] = i < valid ? reader.load_first(row + h + i, col + k, n) : zero();
      }
      transpose(r);
      float *out = tile + k * W / Reader::VALUES * NR + h;
      const int64_t vectors = (n * W + Reader::VALUES - 1) / Reader::VALUES;
      if (vectors >= W) {
#pragma GCC unroll 16
        for (int i = 0; i < W; i++) store(out + i * NR, r[i]);
      } else {
        for (int64_t i = 0; i < vectors; i++) store(out + i * NR, r[i]);
      }
    }
  }
}

// Stores the first n values of v at [offset, offset + n) of a panel of `size` values. A whole vector is stored while it stays inside the panel:
// what spills over is written again by the following steps, and the next panel, which may be another thread's, is never touched.
REMORA_INLINE void store_spilling(float *panel, int64_t size, int64_t offset, V v, int64_t n) {
  if (size - offset >= W) store(panel + offset, v);
  else store_some(panel + offset, v, n);
}

// panel[k][i] = row i, `rows` <= MR rows side by side. Lanes beyond `rows` repeat the last row: they are spilled over or not stored.
template <class Reader>
void transpose_to_panel(const Reader &reader, int64_t rows, int64_t depth, float *panel) {
  constexpr int GROUPS = (MR + W - 1) / W;
  const int64_t all = (depth * W + Reader::VALUES - 1) / Reader::VALUES, size = all * rows;
  int64_t step = 0, k = 0;
  // Whole vectors whose stores, spills included, stay inside the panel.
  for (; k + Reader::VALUES <= depth && size - (step + W - 1) * rows >= GROUPS * W; k += Reader::VALUES, step += W) {
    V r[GROUPS][W];
#pragma GCC unroll 4
    for (int g = 0; g < GROUPS; g++) {
#pragma GCC unroll 16
      for (int i = 0; i < W; i++) {
        const int64_t row = g * W + i < rows ? g * W + i : rows - 1;
        r[g][i] = reader.load_all(row, k);
        reader.prefetch(row + rows, k);  // the next panel, usually the next to be packed
      }
      transpose(r[g]);
    }
    float *out = panel + step * rows;
#pragma GCC unroll 16
    for (int i = 0; i < W; i++, out += rows) {
#pragma GCC unroll 4
      for (int g = 0; g < GROUPS; g++) store(out + g * W, r[g][i]);
    }
  }
  for (; k < depth; k += Reader::VALUES) {
    V r[GROUPS][W];
    for (int g = 0; g < GROUPS; g++) {
      for (int i = 0; i < W; i++) r[g][i] = reader.load_first(g * W + i < rows ? g * W + i : rows - 1, k, depth - k);
      transpose(r[g]);
    }
    for (int i = 0; i < W && step < all; i++, step++) {
      for (int g = 0; g < GROUPS && g * W < rows; g++) store_spilling(panel, size, step * rows + g * W, r[g][i], rows - g * W);
    }
  }
}

// ---- rows to tiles without transposing: depth k is row k ----

template <class Reader>
void straight_to_tiles(const Reader &reader, int64_t row, int64_t depth, int64_t col, int64_t cols, float *tiles, int64_t tile_stride) {
#if REMORA_IS_AVX512_BF16
  if constexpr (Reader::VALUES == 2 * W) {  // two rows interleaved to pairs
    const Interleave interleave;
    for (int64_t k = 0; k < depth; k += 2, tiles += NR) {
      float *out = tiles;
      for (int64_t c = 0; c < cols; c += NR, out += tile_stride) {
        const int64_t n = cols - c;
        const V a = reader.load_first(row + k, col + c, n);
        const V b = k + 1 < depth ? reader.load_first(row + k + 1, col + c, n) : zero();
        reader.prefetch(row + k + 16, col + c);
        reader.prefetch(row + k + 17, col + c);
        store(out, interleave.low(a, b));
        store(out + W, interleave.high(a, b));
      }
    }
    return;
  }
#endif
  for (int64_t k = 0; k < depth; k++, tiles += NR) {
    float *out = tiles;
    for (int64_t c = 0; c < cols; c += NR, out += tile_stride) {
      const int64_t n = cols - c;
      store(out, reader.load_first(row + k, col + c, n));
      store(out + W, n > W ? reader.load_first(row + k, col + c + W, n - W) : zero());
      reader.prefetch(row + k + 8, col + c);
    }
  }
}

// The columns of x become the rows of a panel: panel[k][i] = x[k][i].
template <class T>
void columns_to_panel(const T *x, int64_t ld, int64_t rows, int64_t depth, float *panel) {
  for (int64_t k = 0; k < depth; k++) {
    for (int64_t i = 0; i < rows; i += W) {
      store_spilling(panel, depth * rows, k * rows + i, load_some(x + k * ld + i, rows - i), rows - i);
    }
  }
}

#if REMORA_IS_AVX512_BF16
REMORA_INLINE __m512i bf16_words(const bf16_t *p, int64_t n) { return _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(first(n), p)); }
REMORA_INLINE __m512i bf16_words(const float *p, int64_t n) { return _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(load(p, n))); }
template <class T>
void columns_to_pair_panel(const T *x, int64_t ld, int64_t rows, int64_t depth, float *panel) {
  for (int64_t k = 0; k < depth; k += 2, panel += rows) {
    const __m512i a = bf16_words(x + k * ld, rows);
    const __m512i b = k + 1 < depth ? bf16_words(x + (k + 1) * ld, rows) : _mm512_setzero_si512();
    _mm512_mask_storeu_epi32(panel, first(rows), _mm512_or_si512(a, _mm512_slli_epi32(b, 16)));
  }
}
#endif

// ---- sources of B ----

bool has_reader(Kind kind, const Source &source) {
  if (source.scale != 1.0f || source.dropout > 0.0f) return false;
  const int32_t format = source.weight->format;
  if (kind == Kind::BF16) return format == REMORA_BF16 || format == REMORA_F32 || format == REMORA_NF4;
  return format == REMORA_BF16 || format == REMORA_F32 || format == REMORA_F16;
}

template <class F>
void with_float_reader(Kind kind, const float *x, int64_t ld, const F &f) {
#if REMORA_IS_AVX512_BF16
  if (kind == Kind::BF16) return f(PairReader<float>{x, ld});
#endif
  (void)kind;
  f(WideReader<float>{x, ld});
}

// Decodes [row, row + rows) × [col, col + cols) to f32 rows of `ld` floats in space; returns how many floats before col each row starts
// (a block of the format may begin earlier; ld has room for it).
int64_t decode_rows(const Source &source, int64_t row, int64_t rows, int64_t col, int64_t cols, float *space, int64_t ld) {
  const remora_weight &w = *source.weight;
  const int64_t unit = format_block(w.format), begin = col / unit * unit, end = (col + cols + unit - 1) / unit * unit;
  for (int64_t i = 0; i < rows; i++) {
    float *out = space + i * ld;
    decode_segment(w, row + i, begin, end - begin, out);
    if (source.scale != 1.0f) {
      for (int64_t j = 0; j < end - begin; j++) out[j] *= source.scale;
    }
    if (source.dropout > 0.0f) drop_values(out, end - begin, (row + i) * w.cols + begin, source.dropout, source.seed);
  }
  return col - begin;
}

}  // namespace

void drop_values(float *x, int64_t count, int64_t first_index, float dropout, uint64_t seed) {
  const float keep = 1.0f / (1.0f - dropout);
  for (int64_t i = 0; i < count; i++) x[i] = random_uniform(seed, static_cast<uint64_t>(first_index + i)) >= dropout ? x[i] * keep : 0.0f;
}

void pack_rows(Kind kind, const void *x, int32_t dtype, int64_t ld, int rows, int64_t depth, float *panel) {
#if REMORA_IS_AVX512_BF16
  if (kind == Kind::BF16) {
    if (dtype == REMORA_BF16) return transpose_to_panel(PairReader<bf16_t>{static_cast<const bf16_t *>(x), ld}, rows, depth, panel);
    return transpose_to_panel(PairReader<float>{static_cast<const float *>(x), ld}, rows, depth, panel);
  }
#endif
  (void)kind;
  if (dtype == REMORA_BF16) return transpose_to_panel(WideReader<bf16_t>{static_cast<const bf16_t *>(x), ld}, rows, depth, panel);
  if (dtype == REMORA_F16) return transpose_to_panel(WideReader<f16_t>{static_cast<const f16_t *>(x), ld}, rows, depth, panel);
  transpose_to_panel(WideReader<float>{static_cast<const float *>(x), ld}, rows, depth, panel);
}

void pack_columns(Kind kind, const void *x, int32_t dtype, int64_t ld, int rows, int64_t depth, float *panel) {
#if REMORA_IS_AVX512_BF16
  if (kind == Kind::BF16) {
    if (dtype == REMORA_BF16) return columns_to_pair_panel(static_cast<const bf16_t *>(x), ld, rows, depth, panel);
    return columns_to_pair_panel(static_cast<const float *>(x), ld, rows, depth, panel);
  }
#endif
  (void)kind;
  if (dtype == REMORA_BF16) return columns_to_panel(static_cast<const bf16_t *>(x), ld, rows, depth, panel);
  if (dtype == REMORA_F16) return columns_to_panel(static_cast<const f16_t *>(x), ld, rows, depth, panel);
  columns_to_panel(static_cast<const float *>(x), ld, rows, depth, panel);
}

void pack_tile_transposed(Kind kind, const Source &source, int64_t row, int64_t rows, int64_t depth_begin, int64_t depth, float *tile,
                          float *space) {
  if (has_reader(kind, source)) {
    with_reader(kind, *source.weight, [&](const auto &reader) { transpose_to_tile(reader, row, rows, depth_begin, depth, tile); });
    return;
  }
  // Blocks of the depth begin at multiples of the format's block (cut_depth), so nothing is decoded twice here.
  const int64_t ld = (depth + 15) & ~int64_t{15};
  const int64_t skip = decode_rows(source, row, rows, depth_begin, depth, space, ld);
  with_float_reader(kind, space + skip, ld, [&](const auto &reader) { transpose_to_tile(reader, 0, rows, 0, depth, tile); });
}

void pack_tiles_straight(Kind kind, const Source &source, int64_t depth_begin, int64_t depth, int64_t col, int64_t cols, float *tiles,
                         int64_t tile_stride, float *space) {
  if (has_reader(kind, source)) {
    with_reader(kind, *source.weight, [&](const auto &reader) { straight_to_tiles(reader, depth_begin, depth, col, cols, tiles, tile_stride); });
    return;
  }
  constexpr int64_t ROWS = 32;
  constexpr int64_t LD = GROUP_COLUMNS + 512;
  for (int64_t k = 0; k < depth; k += ROWS) {
    const int64_t rows = depth - k < ROWS ? depth - k : ROWS;
    const int64_t skip = decode_rows(source, depth_begin + k, rows, col, cols, space, LD);
    with_float_reader(kind, space + skip, LD, [&](const auto &reader) {
      straight_to_tiles(reader, 0, rows, 0, cols, tiles + steps(kind, k) * NR, tile_stride);
    });
  }
}

}  // namespace remora::REMORA_ISA

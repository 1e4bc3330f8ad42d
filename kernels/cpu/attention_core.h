// What every attention kernel is made of: panels, register-blocked products over them, and the tile loop of flash attention's forward
// (Dao 2023, arXiv:2307.08691).
//
// Operands are kept as 32-bit words so that one product serves two arithmetics:
//   FloatWords  a word is one f32 number; multiply-add is fma
//   PairWords   a word is two bf16 numbers that follow each other along the summed dimension; multiply-add is vdpbf16ps (AVX512_BF16, bf16 only)
// With R rows of D numbers, Dp = D rounded up to whole vectors and E = numbers a word (1 or 2), the forms are
//   rows    [R, Dp/E]   each row as it is, zeros behind D             the left operand of a product that sums over D
//   columns [D/E, 64]   the transpose of 64 rows                      the right operand of a product that sums over D
//   stacked [R/E, Dp]   words of rows r and r+1 at the same d         the right operand of a product that sums over rows
// Sums are always f32.
#pragma once
#include <cmath>
#include "isa.h"

namespace remora::REMORA_ISA {

constexpr int64_t KEYS = 64;  // keys a block: 64 columns of scores are 4 AVX-512 vectors
#if REMORA_IS_AVX512
constexpr int TILE_M = 6, TILE_N = 4;  // 24 sums + 4 of the right operand + 1 broadcast of 32 registers
#elif REMORA_IS_AVX2
constexpr int TILE_M = 6, TILE_N = 2;  // 12 + 2 + 1 of 16
#elif REMORA_IS_NEON
constexpr int TILE_M = 6, TILE_N = 4;  // 24 + 4 + 1 of 32
#else
constexpr int TILE_M = 4, TILE_N = 2;
#endif

constexpr int64_t ALPHAS = TILE_M > W ? (TILE_M + W - 1) / W * W : W;  // TILE_M in whole vectors

constexpr float LOG2_E = 1.44269504088896340736f, LN_2 = 0.69314718055994530942f;
constexpr float MASKED = -1e30f;  // a score that may not be seen; finite, so that differences of two stay numbers
constexpr float NOTHING = -1e20f;  // the running maximum before any score: far above MASKED, far below every real score

REMORA_INLINE int64_t round_up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

// ---- words ----
struct FloatWords {
  typedef FloatWords Base;  // whose products and forms this one uses
  static constexpr int64_t E = 1;
  static constexpr bool PRECISE = true;
  REMORA_INLINE V madd(V sum, V a, V b) { return fma(a, b, sum); }
  template <class T>
  REMORA_INLINE V words(const T *x, int64_t word) {
    return load(x + word);
  }
  template <class T>
  REMORA_INLINE void row(const T *x, float *words, int64_t D, int64_t Dp) {
    int64_t i = 0;
    for (; i + W <= D; i += W) store(words + i, load(x + i));
    if (i < Dp) store(words + i, load(x + i, D - i));
  }
};

// f16 widened to f32: only the exponential is coarser.
struct HalfWords : FloatWords {
  static constexpr bool PRECISE = false;
};

#if REMORA_IS_AVX512_BF16
struct PairWords {
  typedef PairWords Base;
  static constexpr int64_t E = 2;
  static constexpr bool PRECISE = false;
  REMORA_INLINE V madd(V sum, V a, V b) { return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b); }
  REMORA_INLINE V words(const bf16_t *x, int64_t word) { return _mm512_loadu_ps(reinterpret_cast<const float *>(x) + word); }
  REMORA_INLINE void row(const bf16_t *x, float *words, int64_t D, int64_t Dp) {
    int64_t i = 0;
    for (; i + 32 <= D; i += 32) _mm512_storeu_si512(words + i / 2, _mm512_loadu_si512(x + i));
    if (i == Dp) return;
    memcpy(words + i / 2, x + i, static_cast<size_t>(D - i) * 2);
    memset(reinterpret_cast<bf16_t *>(words) + D, 0, static_cast<size_t>(Dp - D) * 2);
  }
};
#endif

template <class T>
struct WordsOf {
  typedef HalfWords type;
};
template <>
struct WordsOf<float> {
  typedef FloatWords type;
};
#if REMORA_IS_AVX512_BF16
template <>
struct WordsOf<bf16_t> {
  typedef PairWords type;
};
#endif

// Asks for a row of D numbers before it is read: rows lie far apart (one token's q, k and v together), which no hardware prefetcher follows.
template <class T>
REMORA_INLINE void prefetch_row(const T *x, int64_t D) {
  for (int64_t byte = 0; byte < D * static_cast<int64_t>(sizeof(T)); byte += 64) __builtin_prefetch(reinterpret_cast<const char *>(x) + byte);
}

#if REMORA_IS_AVX512
// out[k·KEYS + i] = word k of row i, for a square of 16; at(i) gives 16 words of row i.
template <class F>
REMORA_INLINE void transpose_square(F &&at, float *out) {
  __m512 a[16], b[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; i++) a[i] = at(i);
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    b[i] = _mm512_unpacklo_ps(a[i], a[i + 1]);
    b[i + 1] = _mm512_unpackhi_ps(a[i], a[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4)
#pragma GCC unroll 2
    for (int j = 0; j < 2; j++) {
      const __m512d low = _mm512_castps_pd(b[i + j]), high = _mm512_castps_pd(b[i + j + 2]);
      a[i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
      a[i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
    }
  // a[4g + k] holds, in its four 128-bit lanes l, word 4l + k of rows 4g … 4g + 3
#pragma GCC unroll 4
  for (int k = 0; k < 4; k++) {
    const __m512 x = _mm512_shuffle_f32x4(a[k], a[4 + k], 0x88), y = _mm512_shuffle_f32x4(a[8 + k], a[12 + k], 0x88);
    const __m512 z = _mm512_shuffle_f32x4(a[k], a[4 + k], 0xDD), w = _mm512_shuffle_f32x4(a[8 + k], a[12 + k], 0xDD);
    _mm512_storeu_ps(out + k * KEYS, _mm512_shuffle_f32x4(x, y, 0x88));
    _mm512_storeu_ps(out + (8 + k) * KEYS, _mm512_shuffle_f32x4(x, y, 0xDD));
    _mm512_storeu_ps(out + (4 + k) * KEYS, _mm512_shuffle_f32x4(z, w, 0x88));
    _mm512_storeu_ps(out + (12 + k) * KEYS, _mm512_shuffle_f32x4(z, w, 0xDD));
  }
}
#elif REMORA_IS_AVX2
template <class F>
REMORA_INLINE void transpose_square(F &&at, float *out) {
  __m256 a[8], b[8];
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++) a[i] = at(i);
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 2) {
    b[i] = _mm256_unpacklo_ps(a[i], a[i + 1]);
    b[i + 1] = _mm256_unpackhi_ps(a[i], a[i + 1]);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 8; i += 4) {
    a[i] = _mm256_shuffle_ps(b[i], b[i + 2], 0x44);
    a[i + 1] = _mm256_shuffle_ps(b[i], b[i + 2], 0xEE);
    a[i + 2] = _mm256_shuffle_ps(b[i + 1], b[i + 3], 0x44);
    a[i + 3] = _mm256_shuffle_ps(b[i + 1], b[i + 3], 0xEE);
  }
#pragma GCC unroll 4
  for (int k = 0; k < 4; k++) {
    _mm256_storeu_ps(out + k * KEYS, _mm256_permute2f128_ps(a[k], a[4 + k], 0x20));
    _mm256_storeu_ps(out + (4 + k) * KEYS, _mm256_permute2f128_ps(a[k], a[4 + k], 0x31));
  }
}
#else
template <class F>
REMORA_INLINE void transpose_square(F &&at, float *out) {
  float words[W][W];
  for (int i = 0; i < W; i++) store(words[i], at(i));
  for (int k = 0; k < W; k++)
    for (int i = 0; i < W; i++) memcpy(out + k * KEYS + i, &words[i][k], 4);
}
#endif

// Column form of `count` <= KEYS rows given by their addresses, zeros behind count. space: [KEYS, Dp/E].
template <class P, class T>
static void pack_columns(const T *const *rows, int64_t count, int64_t D, int64_t Dp, float *space, float *out) {
  const int64_t depth = (D + P::E - 1) / P::E, ld = Dp / P::E;
  if (count == KEYS && D % (P::E * W) == 0) {
    for (int64_t r = 0; r < KEYS; r += W)
      for (int64_t c = 0; c < depth; c += W) transpose_square([&](int i) { return P::words(rows[r + i], c); }, out + c * KEYS + r);
    return;
  }
  for (int64_t i = 0; i < count; i++) P::row(rows[i], space + i * ld, D, Dp);
  memset(space + count * ld, 0, static_cast<size_t>((KEYS - count) * ld) * 4);
  int64_t c = 0;
  for (; c + W <= depth; c += W)
    for (int64_t r = 0; r < KEYS; r += W) transpose_square([&](int i) { return load(space + (r + i) * ld + c); }, out + c * KEYS + r);
  for (; c < depth; c++)
    for (int64_t r = 0; r < KEYS; r++) memcpy(out + c * KEYS + r, space + r * ld + c, 4);
}

// Rows 2i and 2i + 1 of `rows` (row form) stacked into row i of `out` [., Dp]; with one number a word the row form already is the stacked form.
template <class P>
REMORA_INLINE const float *stack_rows(const float *rows, int64_t count, int64_t Dp, float *out) {
  if (P::E == 1) return rows;
#if REMORA_IS_AVX512_BF16
  for (int64_t i = 0; i < count; i += 2) {
    const uint16_t *even = reinterpret_cast<const uint16_t *>(rows + i * Dp / 2), *odd = even + Dp;
    for (int64_t d = 0; d < Dp; d += 16) {
      const __m512i low = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(even + d)));
      const __m512i high = i + 1 < count ? _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(odd + d))), 16)
                                         : _mm512_setzero_si512();
      _mm512_storeu_si512(out + i / 2 * Dp + d, _mm512_or_si512(low, high));
    }
  }
#endif
  return out;
}

// Stacked form of `count` <= KEYS rows given by their addresses, zeros behind count. space: [KEYS, Dp/E]; the result lies in space or in out.
template <class P, class T>
static const float *pack_stacked(const T *const *rows, int64_t count, int64_t D, int64_t Dp, float *space, float *out) {
  const int64_t ld = Dp / P::E;
  for (int64_t i = 0; i < count; i++) P::row(rows[i], space + i * ld, D, Dp);
  memset(space + count * ld, 0, static_cast<size_t>((KEYS - count) * ld) * 4);
  return stack_rows<P>(space, KEYS, Dp, out);
}

// ---- products ----
// c[M, N·W] = alpha ⊙ c + a b, one tile in registers. a is [M, depth] (lda words a row), or with ACROSS [depth, M]; b [depth, N·W]; alpha is a
// factor for each row of c, or NULL for 1. With KEEP false c starts from zero.
template <class P, int M, int N, bool ACROSS>
static void product_tile(const float *a, int64_t lda, const float *b, int64_t ldb, float *c, int64_t ldc, int64_t depth, bool keep, const float *alpha) {
  V sum[M][N];
  if (!keep) {
#pragma GCC unroll 8
    for (int m = 0; m < M; m++)
#pragma GCC unroll 8
      for (int n = 0; n < N; n++) sum[m][n] = zero();
  } else {
#pragma GCC unroll 8
    for (int m = 0; m < M; m++) {
      const V factor = splat(alpha == nullptr ? 1.0f : alpha[m]);
#pragma GCC unroll 8
      for (int n = 0; n < N; n++) sum[m][n] = load(c + m * ldc + n * W) * factor;
    }
  }
  for (int64_t k = 0; k < depth; k++) {
    V right[N];
#pragma GCC unroll 8
    for (int n = 0; n < N; n++) right[n] = load(b + k * ldb + n * W);
#pragma GCC unroll 8
    for (int m = 0; m < M; m++) {
      const V left = splat(ACROSS ? a[k * lda + m] : a[m * lda + k]);
#pragma GCC unroll 8
      for (int n = 0; n < N; n++) sum[m][n] = P::madd(sum[m][n], left, right[n]);
    }
  }
#pragma GCC unroll 8
  for (int m = 0; m < M; m++)
#pragma GCC unroll 8
    for (int n = 0; n < N; n++) store(c + m * ldc + n * W, sum[m][n]);
}

template <class P, int M, bool ACROSS>
REMORA_INLINE void product_rows(const float *a, int64_t lda, const float *b, int64_t ldb, float *c, int64_t ldc, int64_t columns, int64_t depth,
                                bool keep, const float *alpha) {
  for (int64_t n = 0; n < columns;) {
    const int64_t left = (columns - n) / W;
    if (TILE_N >= 4 && left >= 4) {
      product_tile<P, M, 4, ACROSS>(a, lda, b + n, ldb, c + n, ldc, depth, keep, alpha);
      n += 4 * W;
    } else if (TILE_N >= 3 && left >= 3) {
      product_tile<P, M, 3, ACROSS>(a, lda, b + n, ldb, c + n, ldc, depth, keep, alpha);
      n += 3 * W;
    } else if (left >= 2) {
      product_tile<P, M, 2, ACROSS>(a, lda, b + n, ldb, c + n, ldc, depth, keep, alpha);
      n += 2 * W;
    } else {
      product_tile<P, M, 1, ACROSS>(a, lda, b + n, ldb, c + n, ldc, depth, keep, alpha);
      n += W;
    }
  }
}

// Any number of rows up to TILE_M.
template <class P, bool ACROSS>
static void product(const float *a, int64_t lda, const float *b, int64_t ldb, float *c, int64_t ldc, int64_t rows, int64_t columns, int64_t depth,
                    bool keep, const float *alpha) {
  switch (rows) {
    case 1: return product_rows<P, 1, ACROSS>(a, lda, b, ldb, c, ldc, columns, depth, keep, alpha);
    case 2: return product_rows<P, 2, ACROSS>(a, lda, b, ldb, c, ldc, columns, depth, keep, alpha);
    case 3: return product_rows<P, 3, ACROSS>(a, lda, b, ldb, c, ldc, columns, depth, keep, alpha);
    case 4: return product_rows<P, 4, ACROSS>(a, lda, b, ldb, c, ldc, columns, depth, keep, alpha);
    case 5: return product_rows<P, (TILE_M >= 5 ? 5 : 1), ACROSS>(a, lda, b, ldb, c, ldc, columns, depth, keep, alpha);
    case 6: return product_rows<P, (TILE_M >= 6 ? 6 : 1), ACROSS>(a, lda, b, ldb, c, ldc, columns, depth, keep, alpha);
  }
}

static inline int32_t check_heads(remora_context *ctx, const char *op, int64_t H, int64_t K, int64_t D) {
  if (H >= 1 && K >= 1 && D >= 1 && H % K == 0) return REMORA_OK;
  return fail(ctx, REMORA_STATUS_SHAPE, "%s: %lld query heads over %lld key heads of size %lld; expected a multiple, and sizes of at least 1", op,
              static_cast<long long>(H), static_cast<long long>(K), static_cast<long long>(D));
}

// ---- scores ----
struct Scoring {
  float scale, softcap;
  // Without a cap the score is a positive multiple of s: maxima can be taken of s itself.
  inline __attribute__((always_inline)) bool plain() const { return !(softcap > 0) && scale > 0; }
  // Score in base 2: log2(e) · softcap(scale · s).
  inline __attribute__((always_inline)) V base2(V s) const {
    if (softcap > 0) return splat(softcap * LOG2_E) * tanh(s * splat(scale / softcap));
    return s * splat(scale * LOG2_E);
  }
};

// x where from <= lane position < to, else `other`; n is the position of lane 0.
REMORA_INLINE V inside(V x, V other, int64_t n, int64_t from, int64_t to) {
  const V lane = iota() + splat(static_cast<float>(n));
  return select(lt(lane, splat(static_cast<float>(from))), other, select(lt(lane, splat(static_cast<float>(to))), x, other));
}

// One row of probabilities into row form: words [KEYS/E], numbers n … n + W.
template <class P>
REMORA_INLINE void store_probability(float *words, int64_t n, V p) {
  if (P::E == 1)
    store(words + n, p);
  else
    store(reinterpret_cast<bf16_t *>(words) + n, p);
}

// Scratch carved out of one block, each array on its own cache lines.
struct Carver {
  char *next;
  inline __attribute__((always_inline)) float *floats(int64_t count) {
    float *array = reinterpret_cast<float *>(next);
    next += round_up(count * 4, 64);
    return array;
  }
};

// ---- the forward tile loop ----
// One task: `tokens` rows of the G query heads that share a key head. Row r = g · tokens + t of every array below is head g of token t.
struct ForwardSizes {
  int64_t tokens, G, D, Dp;
  ForwardSizes(int64_t tokens, int64_t G, int64_t D) : tokens(tokens), G(G), D(D), Dp(round_up(D, W > 16 ? W : 16)) {}
  int64_t rows() const { return tokens * G; }
  int64_t bytes() const {
    const int64_t panels = 4 * KEYS * Dp + 2 * TILE_M * KEYS, state = rows() * (2 * Dp + W + 1);
    return (panels + state) * 4 + 16 * 64;
  }
};

// Tokens a task: enough rows to make packing a block of keys cheap beside the products (measured: 3% at 288 rows), few enough for L2.
REMORA_INLINE int64_t tokens_per_task(int64_t G) {
  const int64_t tokens = 288 / G / TILE_M * TILE_M;
  return tokens < 2 * TILE_M ? 2 * TILE_M : tokens;
}

// Result of a task, valid until the thread's next one. Row r of out is not yet divided by the sum of its probabilities, total(r); its scores'
// maximum in base 2 is highest[r].
struct ForwardResult {
  const float *out, *highest, *lanes;
  int64_t Dp;
  inline __attribute__((always_inline)) float total(int64_t r) const { return hsum(load(lanes + r * W)); }
};

// query(t): address of head 0 of token t (head g lies D further each). low[t], high[t]: the keys that token t sees, [low, high).
// keys(first, count, k, v): addresses of `count` key and value rows. memory: ForwardSizes::bytes().
template <class T, class Query, class Keys>
static ForwardResult attend(const ForwardSizes &z, const Scoring &scoring, const int64_t *low, const int64_t *high, void *memory, Query &&query,
                            Keys &&keys) {
  typedef typename WordsOf<T>::type P;
  typedef typename P::Base Base;
  const int64_t rows = z.rows(), Dp = z.Dp, Dw = Dp / P::E, depth = (z.D + P::E - 1) / P::E;
  Carver carver{static_cast<char *>(memory)};
  float *const q = carver.floats(rows * Dw), *const out = carver.floats(rows * Dp), *const lanes = carver.floats(rows * W);
  float *const highest = carver.floats(rows), *const row_words = carver.floats(KEYS * Dp), *const k_columns = carver.floats(KEYS * Dp);
  float *const v_rows = carver.floats(KEYS * Dp), *const v_space = carver.floats(KEYS * Dp);
  float *const scores = carver.floats(TILE_M * KEYS), *const weights = carver.floats(TILE_M * KEYS);

  int64_t first_key = INT64_MAX, last_key = 0;
  for (int64_t t = 0; t < z.tokens; t++) {
    const T *x = query(t);
    if (t + 4 < z.tokens) prefetch_row(query(t + 4), z.G * z.D);
    for (int64_t g = 0; g < z.G; g++) P::row(x + g * z.D, q + (g * z.tokens + t) * Dw, z.D, Dp);
    if (low[t] >= high[t]) continue;
    first_key = low[t] < first_key ? low[t] : first_key;
    last_key = high[t] > last_key ? high[t] : last_key;
  }
  memset(out, 0, static_cast<size_t>(rows * Dp) * 4);
  memset(lanes, 0, static_cast<size_t>(rows * W) * 4);
  for (int64_t r = 0; r < rows; r++) highest[r] = NOTHING;

  for (int64_t j = first_key; j < last_key; j += KEYS) {
    const int64_t count = last_key - j < KEYS ? last_key - j : KEYS;
    bool seen = false;
    for (int64_t t = 0; t < z.tokens && !seen; t++) seen = low[t] < j + count && high[t] > j && low[t] < high[t];
    if (!seen) continue;
    const T *k[KEYS], *v[KEYS];
    keys(j, count, k, v);
    pack_columns<Base>(k, count, z.D, Dp, row_words, k_columns);
    const float *const v_stacked = pack_stacked<Base>(v, count, z.D, Dp, v_rows, v_space);
    if (j + KEYS < last_key) {
      const int64_t next = last_key - j - KEYS < KEYS ? last_key - j - KEYS : KEYS;
      keys(j + KEYS, next, k, v);
      for (int64_t i = 0; i < next; i++) {
        prefetch_row(k[i], z.D);
        prefetch_row(v[i], z.D);
      }
    }

    for (int64_t t = 0; t < z.tokens; t += TILE_M) {
      const int64_t m = z.tokens - t < TILE_M ? z.tokens - t : TILE_M;
      // The columns that any of these tokens sees, in whole vectors (of at least two, so that pairs stay whole).
      int64_t from = KEYS, to = 0, tight_from = 0, tight_to = KEYS;
      for (int64_t i = t; i < t + m; i++) {
        const int64_t a = low[i] > j ? low[i] - j : 0, b = high[i] - j < count ? high[i] - j : count;
        tight_from = a > tight_from ? a : tight_from;
        tight_to = b < tight_to ? b : tight_to;
        if (a >= b) continue;
        from = a < from ? a : from;
        to = b > to ? b : to;
      }
      if (from >= to) continue;
      from = from / W * W;
      to = round_up(to, W);
      const bool whole = tight_from <= from && tight_to >= to;
      for (int64_t g = 0; g < z.G; g++) {
        const int64_t r = g * z.tokens + t;
        product<Base, false>(q + r * Dw, Dw, k_columns + from, KEYS, scores + from, KEYS, m, to - from, depth, false, nullptr);
        float fresh[TILE_M], alpha[ALPHAS];
        const bool plain = whole && scoring.plain();
        const V factor = splat(scoring.scale * LOG2_E);
        for (int64_t i = 0; i < m; i++) {
          float *s = scores + i * KEYS;
          const int64_t a = low[t + i] - j, b = high[t + i] - j;
          V top = splat(MASKED);
          if (plain) {
            for (int64_t n = from; n < to; n += W) top = max(load(s + n), top);
            fresh[i] = hmax(top) * (scoring.scale * LOG2_E);
          } else {
            for (int64_t n = from; n < to; n += W) {
              V x = scoring.base2(load(s + n));
              if (!whole) x = inside(x, splat(MASKED), n, a, b);
              store(s + n, x);
              top = max(x, top);
            }
            fresh[i] = hmax(top);
          }
          fresh[i] = fresh[i] > highest[r + i] ? fresh[i] : highest[r + i];
          alpha[i] = highest[r + i] - fresh[i];
          highest[r + i] = fresh[i];
        }
        for (int64_t i = m; i < ALPHAS; i++) alpha[i] = 0;
        for (int64_t i = 0; i < m; i += W) store(alpha + i, exp2<P::PRECISE>(load(alpha + i)));
        for (int64_t i = 0; i < m; i++) {
          const V top = splat(fresh[i]), slope = plain ? factor : splat(1.0f);
          V sum = load(lanes + (r + i) * W) * splat(alpha[i]);
          for (int64_t n = from; n < to; n += W) {
            const V p = exp2<P::PRECISE>(fma(load(scores + i * KEYS + n), slope, -top));
            sum = sum + p;
            store_probability<Base>(weights + i * (KEYS / P::E), n, p);
          }
          store(lanes + (r + i) * W, sum);
        }
        product<Base, false>(weights + from / P::E, KEYS / P::E, v_stacked + from / P::E * Dp, Dp, out + r * Dp, Dp, m, Dp, (to - from) / P::E, true,
                          alpha);
      }
    }
  }
  return {out, highest, lanes, Dp};
}

}  // namespace remora::REMORA_ISA

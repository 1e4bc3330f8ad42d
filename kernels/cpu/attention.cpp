// Attention over packed rows: causal or not, segments of any length, grouped heads, window and soft cap. Tiles of TILE_M rows by up to 64 keys;
// nothing is computed outside the vectors that a tile's rows can see. No array of N × N exists.
#include "attention_core.h"

namespace remora::REMORA_ISA {

// The keys that row n sees, [low, high); every mask of this op is one interval.
struct Visible {
  const int32_t *start, *end;
  int64_t window;
  bool causal;

  void of(int64_t n, int64_t *low, int64_t *high) const {
    int64_t a = start[n], b = end[n];
    if (causal && b > n + 1) b = n + 1;
    if (window > 0) {
      if (a < n - window + 1) a = n - window + 1;
      if (!causal && b > n + window) b = n + window;
    }
    *low = a;
    *high = b > a ? b : a;
  }
};

template <class T>
static int32_t forward(remora_context *ctx, const T *qkv, const Visible &visible, T *out, float *lse, int64_t N, int64_t H, int64_t K, int64_t D,
                       const Scoring &scoring) {
  const int64_t G = H / K, stride = (H + 2 * K) * D, per_task = tokens_per_task(G), blocks = (N + per_task - 1) / per_task;
  const ForwardSizes largest(per_task, G, D);
  for (int t = 0; t < thread_count(ctx); t++)
    if (thread_scratch(ctx, t, 0, largest.bytes()) == nullptr || thread_scratch(ctx, t, 1, 2 * per_task * 8) == nullptr)
      return fail(ctx, REMORA_STATUS_MEMORY, "attention_forward: no memory for a task of %lld rows", static_cast<long long>(largest.rows()));
  parallel_for(ctx, blocks * K, 1, [&](int64_t begin, int64_t end, int thread) {
    int64_t *const low = static_cast<int64_t *>(thread_scratch(ctx, thread, 1, 2 * per_task * 8)), *const high = low + per_task;
    for (int64_t task = begin; task < end; task++) {
      // Late blocks see the most keys: first, so that the last piece of the queue is a short one.
      const int64_t first_row = (blocks - 1 - task / K) * per_task, head = task % K;
      const ForwardSizes z(N - first_row < per_task ? N - first_row : per_task, G, D);
      for (int64_t t = 0; t < z.tokens; t++) visible.of(first_row + t, low + t, high + t);
      const T *const k_head = qkv + (H + head) * D, *const v_head = k_head + K * D;
      const ForwardResult result = attend<T>(
          z, scoring, low, high, thread_scratch(ctx, thread, 0, largest.bytes()),
          [&](int64_t t) { return qkv + (first_row + t) * stride + head * G * D; },
          [&](int64_t j, int64_t count, const T **k, const T **v) {
            for (int64_t i = 0; i < count; i++) {
              k[i] = k_head + (j + i) * stride;
              v[i] = v_head + (j + i) * stride;
            }
          });
      for (int64_t t = 0; t < z.tokens; t++) {
        for (int64_t g = 0; g < G; g++) {
          const int64_t r = g * z.tokens + t, n = first_row + t, h = head * G + g;
          const float total = result.total(r);
          const V inverse = splat(total > 0 ? 1.0f / total : 0.0f);
          const float *from = result.out + r * result.Dp;
          T *to = out + (n * H + h) * D;
          for (int64_t d = 0; d < D; d += W) store_some(to + d, load(from + d) * inverse, D - d);
          if (lse != nullptr) lse[n * H + h] = total > 0 ? (result.highest[r] + std::log2(total)) * LN_2 : -__builtin_inff();
        }
      }
    }
  });
  return REMORA_OK;
}

static int32_t attention_forward(remora_context *ctx, const void *qkv, const int32_t *segment_start, const int32_t *segment_end, void *out, float *lse,
                                 int64_t N, int64_t H, int64_t K, int64_t D, int32_t dtype, float scale, int32_t causal, int64_t window,
                                 float softcap) {
  const int32_t status = check_heads(ctx, "attention_forward", H, K, D);
  if (status != REMORA_OK) return status;
  return dispatch_dtype(ctx, dtype, [&](auto tag) {
    using T = decltype(tag);
    const Visible visible = {segment_start, segment_end, window, causal != 0};
    return forward(ctx, static_cast<const T *>(qkv), visible, static_cast<T *>(out), lse, N, H, K, D, Scoring{scale, softcap});
  });
}

// ---- backward ----
// With S the scores in base 2, P = 2^(S − lse2), delta = Σ_d dO · O:
//   dV = Pᵀ dO     dP = dO Vᵀ     dS = scale · P ∘ (dP − delta) (∘ 1 − tanh² with a soft cap)     dQ = dS K     dK = dSᵀ Q
// One task is a key head and a range of rows (a part). It goes through its rows in chunks whose panels stay in L2, and for each chunk through
// the keys; dQ of a chunk is complete at its end, dK and dV of all keys that the part sees are kept in f32 for the part. At the end the parts of
// a key head are added in order: deterministic, and no two threads ever write the same place.
constexpr int64_t BAND = 8 * TILE_M;  // rows of one tile of P and dS: the depth of the products for dK and dV
static_assert(BAND % 2 == 0, "pairs of rows");

struct Part {
  int64_t first_row, last_row, first_key, last_key, offset;  // offset: of its dK in the shared scratch, in rows of Dp
};

struct BackwardSizes {
  int64_t G, D, Dp, chunk;  // chunk: rows (tokens) whose panels live together
  BackwardSizes(int64_t G, int64_t D) : G(G), D(D), Dp(round_up(D, W > 16 ? W : 16)) {
    // 768 rows of 64 in L2; fewer of larger heads, but never so few that packing the keys shows.
    const int64_t fit = 768 * 64 / Dp, rows = (fit < 288 ? 288 : fit > 768 ? 768 : fit) / G / BAND * BAND;
    chunk = rows < BAND ? BAND : rows;
  }
  int64_t bytes() const {
    const int64_t queries = chunk * G * (5 * Dp + 2), panels = 6 * KEYS * Dp, tiles = 5 * BAND * KEYS + 4 * TILE_M * KEYS;
    return (queries + panels + tiles) * 4 + 32 * 64;
  }
};

template <class T>
struct Backward {
  typedef typename WordsOf<T>::type P;
  typedef typename P::Base Base;
  const T *qkv, *out, *d_out;
  const float *lse;
  T *d_qkv;
  int64_t N, H, K;
  Visible visible;
  Scoring scoring;
  BackwardSizes z;

  // Arrays of one thread; see carve().
  struct Arrays {
    float *q, *q_space, *d_o, *d_o_space, *d_q, *lse2, *delta;
    float *k_rows, *k_columns, *k_space, *v_columns;
    float *scores, *d_scores, *p_across, *ds_across, *ds_rows;
    const float *q_stacked, *d_o_stacked;
    int64_t *low, *high;
  };

  Arrays carve(void *memory, void *intervals) const {
    Carver c{static_cast<char *>(memory)};
    Arrays a;
    const int64_t rows = z.chunk * z.G, Dw = z.Dp / P::E;
    a.q = c.floats(rows * Dw);
    a.d_o = c.floats(rows * Dw);
    a.q_space = c.floats(rows * Dw);
    a.d_o_space = c.floats(rows * Dw);
    a.d_q = c.floats(rows * z.Dp);
    a.lse2 = c.floats(rows);
    a.delta = c.floats(rows);
    a.k_rows = c.floats(KEYS * Dw);
    a.k_columns = c.floats(KEYS * Dw);
    a.k_space = c.floats(KEYS * Dw);
    a.v_columns = c.floats(KEYS * Dw);
    a.scores = c.floats(2 * TILE_M * KEYS);
    a.d_scores = c.floats(2 * TILE_M * KEYS);
    a.p_across = c.floats(BAND * KEYS);
    a.ds_across = c.floats(BAND * KEYS);
    a.ds_rows = c.floats(BAND * KEYS);
    a.low = static_cast<int64_t *>(intervals);
    a.high = a.low + z.chunk;
    return a;
  }

  int64_t stride() const { return (H + 2 * K) * z.D; }

  // Rows [first, first + count) of all heads of the group, head g's row t at g · chunk + t; rows behind count are zeros up to a whole band.
  void load_chunk(Arrays &a, int64_t head, int64_t first, int64_t count) const {
    const int64_t Dw = z.Dp / P::E, padded = round_up(count, BAND);
    for (int64_t t = 0; t < count; t++) visible.of(first + t, a.low + t, a.high + t);
    // Token by token, all heads of the group together: they lie side by side in memory.
    for (int64_t t = 0; t < count; t++) {
      const int64_t n = first + t, h = head * z.G;
      if (t + 4 < count) {
        prefetch_row(qkv + (n + 4) * stride() + h * z.D, z.G * z.D);
        prefetch_row(d_out + ((n + 4) * H + h) * z.D, z.G * z.D);
        prefetch_row(out + ((n + 4) * H + h) * z.D, z.G * z.D);
      }
      for (int64_t g = 0; g < z.G; g++) {
        const int64_t r = g * z.chunk + t;
        P::row(qkv + n * stride() + (h + g) * z.D, a.q + r * Dw, z.D, z.Dp);
        const T *g_row = d_out + (n * H + h + g) * z.D, *o_row = out + (n * H + h + g) * z.D;
        P::row(g_row, a.d_o + r * Dw, z.D, z.Dp);
        V dot = zero();
        for (int64_t d = 0; d < z.D; d += W) dot = fma(load_some(g_row + d, z.D - d), load_some(o_row + d, z.D - d), dot);
        a.delta[r] = hsum(dot);
        a.lse2[r] = lse[n * H + h + g] * LOG2_E;
      }
    }
    for (int64_t g = 0; g < z.G; g++) {
      const int64_t base = g * z.chunk;
      memset(a.q + (base + count) * Dw, 0, static_cast<size_t>((padded - count) * Dw) * 4);
      memset(a.d_o + (base + count) * Dw, 0, static_cast<size_t>((padded - count) * Dw) * 4);
      memset(a.d_q + base * z.Dp, 0, static_cast<size_t>(count * z.Dp) * 4);
      a.q_stacked = stack_rows<Base>(a.q + base * Dw, padded, z.Dp, a.q_space + base * Dw) - base * Dw;
      a.d_o_stacked = stack_rows<Base>(a.d_o + base * Dw, padded, z.Dp, a.d_o_space + base * Dw) - base * Dw;
    }
  }

  // Keys [j, j + count), and a hint for the `more` that follow. Gives K in stacked form; the columns of K and V are in the arrays.
  const float *load_keys(Arrays &a, int64_t head, int64_t j, int64_t count, int64_t more) const {
    const T *k[KEYS], *v[KEYS];
    const T *const first = qkv + j * stride() + (H + head) * z.D;
    for (int64_t i = 0; i < count; i++) {
      k[i] = first + i * stride();
      v[i] = k[i] + K * z.D;
    }
    pack_columns<Base>(k, count, z.D, z.Dp, a.k_rows, a.k_columns);
    pack_columns<Base>(v, count, z.D, z.Dp, a.k_rows, a.v_columns);
    const float *const k_stacked = pack_stacked<Base>(k, count, z.D, z.Dp, a.k_rows, a.k_space);
    for (int64_t i = KEYS; i < KEYS + more; i++) {
      prefetch_row(first + i * stride(), z.D);
      prefetch_row(first + i * stride() + K * z.D, z.D);
    }
    return k_stacked;
  }

  // P and dS of rows t … t + m of one head (panel row r), columns [from, to), into scores and d_scores; zeros elsewhere in the row.
  void score_tile(const Arrays &a, int64_t j, int64_t t, int64_t r, int64_t m, int64_t from, int64_t to, bool whole) const {
    const int64_t Dw = z.Dp / P::E, depth = (z.D + P::E - 1) / P::E;
    product<Base, false>(a.q + r * Dw, Dw, a.k_columns + from, KEYS, a.scores + from, KEYS, m, to - from, depth, false, nullptr);
    product<Base, false>(a.d_o + r * Dw, Dw, a.v_columns + from, KEYS, a.d_scores + from, KEYS, m, to - from, depth, false, nullptr);
    for (int64_t i = 0; i < m; i++) {
      float *s = a.scores + i * KEYS, *ds = a.d_scores + i * KEYS;
      const V lse2 = splat(a.lse2[r + i]), delta = splat(a.delta[r + i]);
      for (int64_t n = 0; n < from; n += W) {
        store(s + n, zero());
        store(ds + n, zero());
      }
      for (int64_t n = from; n < to; n += W) {
        const V x = scoring.base2(load(s + n));
        V p = exp2<P::PRECISE>(x - lse2), d = p * (load(ds + n) - delta) * splat(scoring.scale);
        if (scoring.softcap > 0) {
          const V bent = x * splat(LN_2 / scoring.softcap);
          d = d * fnma(bent, bent, splat(1.0f));
        }
        if (!whole) {
          p = inside(p, zero(), n, a.low[t + i] - j, a.high[t + i] - j);
          d = inside(d, zero(), n, a.low[t + i] - j, a.high[t + i] - j);
        }
        store(s + n, p);
        store(ds + n, d);
      }
      for (int64_t n = to; n < KEYS; n += W) {
        store(s + n, zero());
        store(ds + n, zero());
      }
    }
  }

  // f32 rows of a tile into the forms that the products read: dS by rows, P and dS across (pairs of rows in a word).
  void keep_tile(const Arrays &a, int64_t band_row, int64_t m) const {
    if (P::E == 1) {
      memcpy(a.p_across + band_row * KEYS, a.scores, static_cast<size_t>(m * KEYS) * 4);
      memcpy(a.ds_across + band_row * KEYS, a.d_scores, static_cast<size_t>(m * KEYS) * 4);
      return;
    }
#if REMORA_IS_AVX512_BF16
    for (int64_t i = 0; i < m; i += 2) {
      for (int64_t n = 0; n < KEYS; n += W) {
        const bool odd = i + 1 < m;
        const __m256i p0 = narrow(load(a.scores + i * KEYS + n), bf16_t{}), d0 = narrow(load(a.d_scores + i * KEYS + n), bf16_t{});
        const __m256i p1 = odd ? narrow(load(a.scores + (i + 1) * KEYS + n), bf16_t{}) : _mm256_setzero_si256();
        const __m256i d1 = odd ? narrow(load(a.d_scores + (i + 1) * KEYS + n), bf16_t{}) : _mm256_setzero_si256();
        const int64_t row = (band_row + i) / 2;
        _mm512_storeu_si512(a.p_across + row * KEYS + n,
                            _mm512_or_si512(_mm512_cvtepu16_epi32(p0), _mm512_slli_epi32(_mm512_cvtepu16_epi32(p1), 16)));
        _mm512_storeu_si512(a.ds_across + row * KEYS + n,
                            _mm512_or_si512(_mm512_cvtepu16_epi32(d0), _mm512_slli_epi32(_mm512_cvtepu16_epi32(d1), 16)));
        _mm256_storeu_si256((__m256i *)((bf16_t *)(a.ds_rows + (band_row + i) * KEYS / 2) + n), d0);
        if (odd) _mm256_storeu_si256((__m256i *)((bf16_t *)(a.ds_rows + (band_row + i + 1) * KEYS / 2) + n), d1);
      }
    }
#endif
  }

  // All rows of one band (up to BAND tokens of one head) against one block of keys. d_k, d_v: the block's rows in the part's sums.
  void band(const Arrays &a, const float *k_stacked, int64_t j, int64_t count, int64_t t0, int64_t tokens, int64_t base, float *d_k, float *d_v) const {
    const int64_t Dp = z.Dp;
    int64_t froms[BAND / TILE_M], tos[BAND / TILE_M], block_from = KEYS, block_to = 0;
    const int64_t tiles = (tokens + TILE_M - 1) / TILE_M;
    for (int64_t tile = 0; tile < tiles; tile++) {
      const int64_t t = t0 + tile * TILE_M, m = t0 + tokens - t < TILE_M ? t0 + tokens - t : TILE_M;
      int64_t from = KEYS, to = 0, tight_from = 0, tight_to = KEYS;
      for (int64_t i = t; i < t + m; i++) {
        const int64_t lo = a.low[i] > j ? a.low[i] - j : 0, hi = a.high[i] - j < count ? a.high[i] - j : count;
        tight_from = lo > tight_from ? lo : tight_from;
        tight_to = hi < tight_to ? hi : tight_to;
        if (lo >= hi) continue;
        from = lo < from ? lo : from;
        to = hi > to ? hi : to;
      }
      froms[tile] = tos[tile] = 0;
      if (from >= to) continue;
      froms[tile] = from = from / W * W;
      tos[tile] = to = round_up(to, W);
      block_from = from < block_from ? from : block_from;
      block_to = to > block_to ? to : block_to;
      score_tile(a, j, t, base + t, m, from, to, tight_from <= from && tight_to >= to);
      keep_tile(a, tile * TILE_M, m);
      const float *ds = P::E == 1 ? a.ds_across + tile * TILE_M * KEYS : a.ds_rows + tile * TILE_M * KEYS / P::E;
      product<Base, false>(ds + from / P::E, KEYS / P::E, k_stacked + from / P::E * Dp, Dp, a.d_q + (base + t) * Dp, Dp, m, Dp, (to - from) / P::E, true,
                        nullptr);
    }
    const int64_t key_end = block_to < count ? block_to : count;
    for (int64_t key = block_from; key < key_end; key += TILE_M) {
      const int64_t m = key_end - key < TILE_M ? key_end - key : TILE_M;
      // The run of tiles in which any row sees any of these keys. Tiles inside the run that do not are zeros only where they were written, so a
      // tile that was skipped altogether ends the run.
      for (int64_t tile = 0; tile < tiles;) {
        while (tile < tiles && (froms[tile] >= key + m || tos[tile] <= key)) tile++;
        const int64_t first_tile = tile;
        while (tile < tiles && froms[tile] < key + m && tos[tile] > key) tile++;
        if (first_tile == tile) break;
        const int64_t first_row = first_tile * TILE_M, last_row = tile * TILE_M < tokens ? tile * TILE_M : tokens;
        const int64_t word = first_row / P::E, depth = (last_row - first_row + P::E - 1) / P::E, at = (base + t0 + first_row) / P::E * Dp;
        product<Base, true>(a.p_across + word * KEYS + key, KEYS, a.d_o_stacked + at, Dp, d_v + key * Dp, Dp, m, Dp, depth, true, nullptr);
        product<Base, true>(a.ds_across + word * KEYS + key, KEYS, a.q_stacked + at, Dp, d_k + key * Dp, Dp, m, Dp, depth, true, nullptr);
      }
    }
  }

  // One task: d_k, d_v f32 [last_key − first_key, Dp] of the part.
  void run(const Part &part, int64_t head, void *memory, void *intervals, float *d_k, float *d_v) const {
    Arrays a = carve(memory, intervals);
    const int64_t keys = part.last_key - part.first_key;
    memset(d_k, 0, static_cast<size_t>(keys * z.Dp) * 4);
    memset(d_v, 0, static_cast<size_t>(keys * z.Dp) * 4);
    for (int64_t first = part.first_row; first < part.last_row; first += z.chunk) {
      const int64_t count = part.last_row - first < z.chunk ? part.last_row - first : z.chunk;
      load_chunk(a, head, first, count);
      int64_t first_key = part.last_key, last_key = part.first_key;
      for (int64_t t = 0; t < count; t++) {
        if (a.low[t] >= a.high[t]) continue;
        first_key = a.low[t] < first_key ? a.low[t] : first_key;
        last_key = a.high[t] > last_key ? a.high[t] : last_key;
      }
      for (int64_t j = first_key; j < last_key; j += KEYS) {
        const int64_t block = last_key - j < KEYS ? last_key - j : KEYS;
        bool seen = false;
        for (int64_t t = 0; t < count && !seen; t++) seen = a.low[t] < j + block && a.high[t] > j && a.low[t] < a.high[t];
        if (!seen) continue;
        const int64_t behind = last_key - j - block;
        const float *k_stacked = load_keys(a, head, j, block, behind < KEYS ? behind : KEYS);
        for (int64_t t = 0; t < count; t += BAND)
          for (int64_t g = 0; g < z.G; g++)
            band(a, k_stacked, j, block, t, count - t < BAND ? count - t : BAND, g * z.chunk, d_k + (j - part.first_key) * z.Dp,
                 d_v + (j - part.first_key) * z.Dp);
      }
      for (int64_t t = 0; t < count; t++)
        for (int64_t g = 0; g < z.G; g++) {
          const float *from = a.d_q + (g * z.chunk + t) * z.Dp;
          T *to = d_qkv + (first + t) * stride() + (head * z.G + g) * z.D;
          for (int64_t d = 0; d < z.D; d += W) store_some(to + d, load(from + d), z.D - d);
        }
    }
  }
};

constexpr int64_t MAX_PARTS = 64;

// Cuts the rows into parts of about equal work. Their number follows from the thread count; it is held down when parts would see so many of the
// same keys that their sums took much more memory than the gradient itself. Gives the parts and the rows of all their sums together.
static int64_t plan_parts(const Visible &visible, int64_t N, int64_t K, int64_t threads, Part *parts, int64_t *sum_rows) {
  int64_t work = 0;
  for (int64_t n = 0; n < N; n++) {
    int64_t low, high;
    visible.of(n, &low, &high);
    work += high - low + 16;
  }
  int64_t wanted = (6 * threads + K - 1) / K;
  const int64_t most = (N + 2 * BAND - 1) / (2 * BAND);
  wanted = wanted < most ? wanted : most;
  wanted = wanted < MAX_PARTS ? wanted : MAX_PARTS;
  for (;; wanted = wanted / 2 > 8 ? wanted / 2 : 8) {
    int64_t count = 0, done = 0;
    *sum_rows = 0;
    for (int64_t n = 0; n < N;) {
      Part part = {n, n, INT64_MAX, 0, *sum_rows};
      while (n < N && (count == wanted - 1 || done < work * (count + 1) / wanted || part.last_row == part.first_row)) {
        int64_t low, high;
        visible.of(n, &low, &high);
        done += high - low + 16;
        if (low < high) {
          part.first_key = low < part.first_key ? low : part.first_key;
          part.last_key = high > part.last_key ? high : part.last_key;
        }
        part.last_row = ++n;
      }
      if (part.first_key > part.last_key) part.first_key = part.last_key = 0;
      *sum_rows += part.last_key - part.first_key;
      parts[count++] = part;
    }
    if (wanted <= 8 || *sum_rows <= 4 * N) return count;
  }
}

template <class T>
static int32_t backward(remora_context *ctx, const Backward<T> &job) {
  const int64_t Dp = job.z.Dp, threads = thread_count(ctx);
  Part parts[MAX_PARTS];
  int64_t sum_rows = 0;
  const int64_t count = plan_parts(job.visible, job.N, job.K, threads, parts, &sum_rows);
  // dK of every part of head 0, dV of every part of head 0, head 1, …
  float *const sums = static_cast<float *>(scratch(ctx, 0, (2 * job.K * sum_rows * Dp + 1) * 4));
  bool refused = sums == nullptr;
  for (int t = 0; t < threads; t++)
    refused |= thread_scratch(ctx, t, 0, job.z.bytes()) == nullptr || thread_scratch(ctx, t, 1, 2 * job.z.chunk * 8) == nullptr;
  if (refused) return fail(ctx, REMORA_STATUS_MEMORY, "attention_backward: no memory for %lld rows of sums", static_cast<long long>(2 * job.K * sum_rows));

  parallel_for(ctx, count * job.K, 1, [&](int64_t begin, int64_t end, int thread) {
    for (int64_t task = begin; task < end; task++) {
      const int64_t head = task / count;
      const Part &part = parts[task % count];
      float *const d_k = sums + (2 * head * sum_rows + part.offset) * Dp, *const d_v = d_k + sum_rows * Dp;
      job.run(part, head, thread_scratch(ctx, thread, 0, job.z.bytes()), thread_scratch(ctx, thread, 1, 2 * job.z.chunk * 8), d_k, d_v);
    }
  });
  parallel_for(ctx, job.N, grain_for(2 * job.K * Dp * 2), [&](int64_t begin, int64_t end, int) {
    for (int64_t n = begin; n < end; n++) {
      for (int64_t which = 0; which < 2 * job.K; which++) {  // key heads, then value heads
        const float *const base = sums + (which < job.K ? 2 * which : 2 * (which - job.K) + 1) * sum_rows * Dp;
        T *const to = job.d_qkv + n * job.stride() + (job.H + which) * job.z.D;
        for (int64_t d = 0; d < job.z.D; d += W) {
          V total = zero();
          for (int64_t p = 0; p < count; p++)
            if (n >= parts[p].first_key && n < parts[p].last_key) total = total + load(base + (parts[p].offset + n - parts[p].first_key) * Dp + d);
          store_some(to + d, total, job.z.D - d);
        }
      }
    }
  });
  return REMORA_OK;
}

static int32_t attention_backward(remora_context *ctx, const void *qkv, const int32_t *segment_start, const int32_t *segment_end, const void *out,
                                  const float *lse, const void *d_out, void *d_qkv, int64_t N, int64_t H, int64_t K, int64_t D, int32_t dtype,
                                  float scale, int32_t causal, int64_t window, float softcap) {
  const int32_t status = check_heads(ctx, "attention_backward", H, K, D);
  if (status != REMORA_OK || N == 0) return status;
  return dispatch_dtype(ctx, dtype, [&](auto tag) {
    using T = decltype(tag);
    const Backward<T> job = {static_cast<const T *>(qkv),   static_cast<const T *>(out), static_cast<const T *>(d_out), lse,
                             static_cast<T *>(d_qkv),       N,                           H,                             K,
                             {segment_start, segment_end, window, causal != 0}, {scale, softcap}, BackwardSizes(H / K, D)};
    return backward(ctx, job);
  });
}

void fill_attention(Kernels &k) {
  k.attention_forward = attention_forward;
  k.attention_backward = attention_backward;
}

}  // namespace remora::REMORA_ISA

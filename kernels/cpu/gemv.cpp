// linear_forward for a few rows (decoding): each weight is read once, straight from memory, and multiplied with all rows of x while it is in
// registers. Limit: memory bandwidth. One linear stream per thread with a prefetch 4 KiB ahead (measured best; interleaving several weight
// rows is slower). Formats without a dot product of their own are decoded a stretch at a time into the first-level cache.
#include "linear.h"

namespace remora::REMORA_ISA {
namespace {

constexpr int64_t PREFETCH_BYTES = 4096;
constexpr int64_t STRETCH = 1024;         // values decoded at a time; a multiple of every format's block
constexpr int64_t STRETCH_OF_MANY = 512;  // the same with several rows of x, which take 16 KB of the cache then
constexpr int OUTPUTS = 16;               // outputs gathered before they are stored
enum Slot { ROWS_OF_X = 0, DROPPED_X = 1, SPLIT_X = 2, XA = 3, XA_ROUNDED = 4 };

// sums[r] += Σ_k w[k] · x[r][k] for ROWS rows of x, ld apart.
template <int ROWS, class T>
REMORA_INLINE void dot(const T *w, const float *x, int64_t ld, int64_t count, float *sums) {
  constexpr int UNROLL = ROWS == 1 ? 4 : ROWS == 2 ? 2 : 1;  // enough independent sums to hide the latency of the multiply-add
  V sum[ROWS][UNROLL];
  for (int r = 0; r < ROWS; r++) {
    for (int u = 0; u < UNROLL; u++) sum[r][u] = zero();
  }
  int64_t k = 0;
  for (; k + W * UNROLL <= count; k += W * UNROLL) {
    __builtin_prefetch(reinterpret_cast<const char *>(w + k) + PREFETCH_BYTES);
    if (W * UNROLL * sizeof(T) > 64) __builtin_prefetch(reinterpret_cast<const char *>(w + k) + PREFETCH_BYTES + 64);
#pragma GCC unroll 4
    for (int u = 0; u < UNROLL; u++) {
      const V v = load(w + k + u * W);
#pragma GCC unroll 8
      for (int r = 0; r < ROWS; r++) sum[r][u] = fma(v, load(x + r * ld + k + u * W), sum[r][u]);
    }
  }
  for (; k < count; k += W) {
    const int64_t n = count - k;
    const V v = load_some(w + k, n);
    for (int r = 0; r < ROWS; r++) sum[r][0] = fma(v, load_some(x + r * ld + k, n), sum[r][0]);
  }
  for (int r = 0; r < ROWS; r++) {
    V total = sum[r][0];
    for (int u = 1; u < UNROLL; u++) total = total + sum[r][u];
    sums[r] += hsum(total);
  }
}

#if REMORA_IS_AVX512
REMORA_INLINE float nf4_scale(const remora_weight &w, int64_t block) {
  if (w.nested_scales == nullptr) return static_cast<const float *>(w.scales)[block];
  return w.nested_code[static_cast<const uint8_t *>(w.scales)[block]] * w.nested_scales[block >> 8] + w.nested_offset;
}

// NF4: 16 bytes hold 32 values; their high nibbles are the even values, so x comes split: per 32 values first 16 even, then 16 odd ones.
// The block's scale is taken out of the block: sum += absmax · (values[codes] · x).
REMORA_INLINE void dot_nf4(const uint8_t *codes, const remora_weight &w, int64_t block, const float *x, int64_t count, float *sum) {
  const __m512 table = _mm512_loadu_ps(NF4_VALUES);
  V total = zero();
  for (int64_t k = 0; k < count; k += 64, codes += 32, block++) {
    __builtin_prefetch(codes + PREFETCH_BYTES);
    const __m512i a = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i *>(codes)));
    const __m512i b = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i *>(codes + 16)));
    V d = _mm512_permutexvar_ps(_mm512_srli_epi32(a, 4), table) * load(x + k);
    d = fma(_mm512_permutexvar_ps(a, table), load(x + k + 16), d);  // only the low four bits of an index count
    d = fma(_mm512_permutexvar_ps(_mm512_srli_epi32(b, 4), table), load(x + k + 32), d);
    d = fma(_mm512_permutexvar_ps(b, table), load(x + k + 48), d);
    total = fma(d, splat(nf4_scale(w, block)), total);
  }
  *sum += hsum(total);
}
constexpr bool SPLIT_NF4 = true;
#else
constexpr bool SPLIT_NF4 = false;
#endif

struct Rows {
  const float *x;      // [ROWS, In], zero rows at the end
  const float *split;  // the same, even and odd values apart (NF4)
  int64_t in;
};

// ---- one row of x: one linear stream over the weight ----

// Row `row` of the weight times the row of x.
float weight_row(const remora_weight &w, int64_t row, const Rows &rows, float *space) {
  float sum = 0.0f;
  const int64_t in = rows.in;
  switch (w.format) {
    case REMORA_F32: dot<1>(static_cast<const float *>(w.data) + row * in, rows.x, in, in, &sum); return sum;
    case REMORA_BF16: dot<1>(static_cast<const bf16_t *>(w.data) + row * in, rows.x, in, in, &sum); return sum;
    case REMORA_F16: dot<1>(static_cast<const f16_t *>(w.data) + row * in, rows.x, in, in, &sum); return sum;
#if REMORA_IS_AVX512
    case REMORA_NF4: dot_nf4(static_cast<const uint8_t *>(w.data) + row * in / 2, w, row * (in / 64), rows.split, in, &sum); return sum;
#endif
  }
  for (int64_t k = 0; k < in; k += STRETCH) {
    const int64_t n = in - k < STRETCH ? in - k : STRETCH;
    decode_segment(w, row, k, n, space);
    dot<1>(static_cast<const float *>(space), rows.x + k, in, n, &sum);
  }
  return sum;
}

// ---- several rows of x: stretches of x stay in the first-level cache while OUTPUTS rows of the weight pass, a few at a time ----

template <class T>
struct DenseReader {
  static constexpr int VECTORS = 1;
  const T *w;
  int64_t ld;
  void read(int64_t o, int64_t k, V *v) const {
    v[0] = load(w + o * ld + k);
    __builtin_prefetch(reinterpret_cast<const char *>(w + o * ld + k) + STRETCH_OF_MANY * sizeof(T));
  }
  V read_some(int64_t o, int64_t k, int64_t n) const { return load(w + o * ld + k, n); }
};

#if REMORA_IS_AVX512
struct Nf4Reader {  // values in the order of Rows.split
  static constexpr int VECTORS = 4;
  const remora_weight &w;
  int64_t row, col;
  void read(int64_t o, int64_t k, V *v) const {
    const int64_t index = (row + o) * w.cols + col + k;
    const uint8_t *codes = static_cast<const uint8_t *>(w.data) + (index >> 1);
    const V scale = splat(nf4_scale(w, index >> 6)), table = _mm512_mul_ps(_mm512_loadu_ps(NF4_VALUES), scale);
    __builtin_prefetch(codes + STRETCH_OF_MANY / 2);
    for (int h = 0; h < 2; h++) {
      const __m512i bytes = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i *>(codes + 16 * h)));
      v[2 * h] = _mm512_permutexvar_ps(_mm512_srli_epi32(bytes, 4), table);
      v[2 * h + 1] = _mm512_permutexvar_ps(bytes, table);
    }
  }
  V read_some(int64_t, int64_t, int64_t) const { return zero(); }  // never: In is a multiple of 64
};
#endif

// sums[o][r] += weight row o · x row r over `count` values, OUT rows of the weight at a time in registers.
template <int ROWS, int OUT, class Reader>
REMORA_INLINE void tile_dot(const Reader &w, int64_t o, const float *x, int64_t ld, int64_t count, V (*sums)[ROWS]) {
  V sum[OUT][ROWS];
#pragma GCC unroll 16
  for (int i = 0; i < OUT; i++) {
    for (int r = 0; r < ROWS; r++) sum[i][r] = sums[i][r];
  }
  int64_t k = 0;
  for (; k + W * Reader::VECTORS <= count; k += W * Reader::VECTORS) {
    V v[OUT][Reader::VECTORS];
#pragma GCC unroll 4
    for (int i = 0; i < OUT; i++) w.read(o + i, k, v[i]);
#pragma GCC unroll 4
    for (int u = 0; u < Reader::VECTORS; u++) {
#pragma GCC unroll 8
      for (int r = 0; r < ROWS; r++) {
        const V row = load(x + r * ld + k + u * W);
#pragma GCC unroll 4
        for (int i = 0; i < OUT; i++) sum[i][r] = fma(v[i][u], row, sum[i][r]);
      }
    }
  }
  for (; k < count; k += W) {
    const int64_t n = count - k < W ? count - k : W;
    for (int i = 0; i < OUT; i++) {
      const V v = w.read_some(o + i, k, n);
      for (int r = 0; r < ROWS; r++) sum[i][r] = fma(v, load_some(x + r * ld + k, n), sum[i][r]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < OUT; i++) {
    for (int r = 0; r < ROWS; r++) sums[i][r] = sum[i][r];
  }
}

// As many sums as registers hold beside the values being multiplied.
constexpr int SUMS_IN_REGISTERS = REMORA_IS_AVX512 || REMORA_IS_NEON ? 16 : 8;

template <int ROWS, class Reader>
REMORA_INLINE void tiles_dot(const Reader &w, int64_t count_rows, const float *x, int64_t ld, int64_t count, V (*sums)[ROWS]) {
  constexpr int OUT = SUMS_IN_REGISTERS / ROWS < 1 ? 1 : SUMS_IN_REGISTERS / ROWS > 4 ? 4 : SUMS_IN_REGISTERS / ROWS;
  int64_t o = 0;
  for (; o + OUT <= count_rows; o += OUT) tile_dot<ROWS, OUT>(w, o, x, ld, count, sums + o);
  for (; o < count_rows; o++) tile_dot<ROWS, 1>(w, o, x, ld, count, sums + o);
}

// out[r][o] = weight row (row + o) · x row r, for o in [0, count).
template <int ROWS>
void weight_rows(const remora_weight &w, int64_t row, int64_t count, const Rows &rows, float *space, float (&out)[ROWS][OUTPUTS]) {
  alignas(64) V sums[OUTPUTS][ROWS];
  for (int64_t o = 0; o < count; o++) {
    for (int r = 0; r < ROWS; r++) sums[o][r] = zero();
  }
  const int64_t in = rows.in;
  for (int64_t k = 0; k < in; k += STRETCH_OF_MANY) {
    const int64_t n = in - k < STRETCH_OF_MANY ? in - k : STRETCH_OF_MANY;
    const float *x = rows.x + k;
    switch (w.format) {
      case REMORA_F32: tiles_dot<ROWS>(DenseReader<float>{static_cast<const float *>(w.data) + row * in + k, in}, count, x, in, n, sums); break;
      case REMORA_BF16: tiles_dot<ROWS>(DenseReader<bf16_t>{static_cast<const bf16_t *>(w.data) + row * in + k, in}, count, x, in, n, sums); break;
      case REMORA_F16: tiles_dot<ROWS>(DenseReader<f16_t>{static_cast<const f16_t *>(w.data) + row * in + k, in}, count, x, in, n, sums); break;
#if REMORA_IS_AVX512
      case REMORA_NF4: tiles_dot<ROWS>(Nf4Reader{w, row, k}, count, rows.split + k, in, n, sums); break;
#endif
      default:
        for (int64_t o = 0; o < count; o++) decode_segment(w, row + o, k, n, space + o * STRETCH_OF_MANY);
        tiles_dot<ROWS>(DenseReader<float>{space, STRETCH_OF_MANY}, count, x, in, n, sums);
    }
  }
  for (int64_t o = 0; o < count; o++) {
    for (int r = 0; r < ROWS; r++) out[r][o] = hsum(sums[o][r]);
  }
}

struct Gemv {
  remora_context *ctx;
  const remora_linear_part *parts;
  int32_t part_count;
  const float *bias;
  void *y, *xa;
  int64_t N;
  int32_t dtype;
  Group group;
  Rows rows;        // x
  const float *xa_rows;  // [ROWS, ΣR] f32, rounded to the dtype as xa is
};

template <int ROWS>
void store_outputs(const Gemv &g, const float (&sums)[ROWS][OUTPUTS], int64_t column, int64_t count) {
  for (int64_t r = 0; r < g.N; r++) {
    store_tile(sums[r], 1, count, offset_values(g.y, r * g.group.out + column, g.dtype), g.dtype, g.group.out,
               g.bias != nullptr ? g.bias + column : nullptr, 1.0f);
  }
}

// Output columns [begin, end) of one part.
template <int ROWS>
void part_columns(const Gemv &g, const remora_linear_part &part, int64_t begin, int64_t end, int64_t column0, int64_t rank0, float *space) {
  alignas(64) float sums[ROWS][OUTPUTS];
  for (int64_t c = begin; c < end; c += OUTPUTS) {
    const int64_t count = end - c < OUTPUTS ? end - c : OUTPUTS;
    if constexpr (ROWS == 1) {
      for (int64_t o = 0; o < count; o++) sums[0][o] = weight_row(part.weight, c + o, g.rows, space);
    } else {
      weight_rows<ROWS>(part.weight, c, count, g.rows, space, sums);
    }
    for (int64_t o = 0; o < count && part.rank > 0; o++) {
      float low[ROWS] = {};
      dot<ROWS>(part.lora_b + (c + o) * part.rank, g.xa_rows + rank0, g.group.rank, part.rank, low);
      for (int r = 0; r < ROWS; r++) sums[r][o] += part.scale * low[r];
    }
    store_outputs<ROWS>(g, sums, column0 + c, count);
  }
}

template <int ROWS>
int32_t run(Gemv &g, const float *dropped) {
  const Group &group = g.group;
  if (group.rank > 0) {
    auto *xa = static_cast<float *>(scratch(g.ctx, XA, ROWS * group.rank * 4 + 64));
    if (xa == nullptr) return fail(g.ctx, REMORA_STATUS_MEMORY, "linear_forward: no memory for x A");
    int64_t column = 0;
    for (int32_t p = 0; p < g.part_count; column += g.parts[p++].rank) {
      const remora_linear_part &part = g.parts[p];
      parallel_for(g.ctx, part.rank, 1 + (1 << 15) / group.in, [&](int64_t begin, int64_t end, int) {
        for (int64_t r = begin; r < end; r++) {
          float sums[ROWS] = {};
          dot<ROWS>(part.lora_a + r * group.in, dropped, group.in, group.in, sums);
          for (int i = 0; i < ROWS; i++) xa[i * group.rank + column + r] = sums[i];
        }
      });
    }
    void *kept = g.xa != nullptr ? g.xa : scratch(g.ctx, XA_ROUNDED, g.N * group.rank * dtype_bytes(g.dtype));
    if (kept == nullptr) return fail(g.ctx, REMORA_STATUS_MEMORY, "linear_forward: no memory for x A");
    const remora_weight rounded = dense_weight(kept, g.dtype, g.N, group.rank);
    for (int64_t r = 0; r < g.N; r++) {
      store_tile_row(xa + r * group.rank, group.rank, offset_values(kept, r * group.rank, g.dtype), g.dtype);
      decode_segment(rounded, r, 0, group.rank, xa + r * group.rank);
    }
    g.xa_rows = xa;
  }
  bool refused = false;
  int64_t column = 0, rank = 0;
  for (int32_t p = 0; p < g.part_count; column += g.parts[p].weight.rows, rank += g.parts[p].rank, p++) {
    const remora_linear_part &part = g.parts[p];
    // Pieces of about 32 K values: long enough streams for the prefetch, short enough to even out busy cores.
    parallel_for(g.ctx, (part.weight.rows + OUTPUTS - 1) / OUTPUTS, 1 + 2048 / group.in, [&](int64_t begin, int64_t end, int thread) {
      auto *space = static_cast<float *>(thread_scratch(g.ctx, thread, 0, OUTPUTS * STRETCH_OF_MANY * 4));
      if (space == nullptr) {
        refused = true;
        return;
      }
      const int64_t last = end * OUTPUTS < part.weight.rows ? end * OUTPUTS : part.weight.rows;
      part_columns<ROWS>(g, part, begin * OUTPUTS, last, column, rank, space);
    });
  }
  return refused ? fail(g.ctx, REMORA_STATUS_MEMORY, "linear_forward: no memory for decoding") : REMORA_OK;
}

// Even values of each 32 first, then the odd ones.
void split_even_odd(const float *x, float *out, int64_t count) {
  for (int64_t k = 0; k < count; k += 32) {
    for (int i = 0; i < 16; i++) {
      out[k + i] = x[k + 2 * i];
      out[k + 16 + i] = x[k + 2 * i + 1];
    }
  }
}

}  // namespace

int32_t gemv_forward(remora_context *ctx, const remora_linear_part *parts, int32_t part_count, const float *bias, const void *x, void *y,
                     void *xa, int64_t N, int32_t dtype, float dropout, const uint64_t *seed) {
  Gemv g{ctx, parts, part_count, bias, y, xa, N, dtype, Group(parts, part_count), {}, nullptr};
  const int64_t in = g.group.in, padded = N <= 2 ? N : N <= 4 ? 4 : 8;
  auto *rows = static_cast<float *>(scratch(ctx, ROWS_OF_X, padded * in * 4));
  if (rows == nullptr) return fail(ctx, REMORA_STATUS_MEMORY, "linear_forward: no memory for x");
  const remora_weight source = dense_weight(x, dtype, N, in);
  for (int64_t r = 0; r < N; r++) decode_segment(source, r, 0, in, rows + r * in);
  memset(rows + N * in, 0, static_cast<size_t>((padded - N) * in) * 4);
  g.rows = Rows{rows, nullptr, in};

  bool nf4 = false;
  for (int32_t p = 0; p < part_count; p++) nf4 = nf4 || parts[p].weight.format == REMORA_NF4;
  if (nf4 && SPLIT_NF4) {
    auto *split = static_cast<float *>(scratch(ctx, SPLIT_X, padded * in * 4));
    if (split == nullptr) return fail(ctx, REMORA_STATUS_MEMORY, "linear_forward: no memory for x");
    split_even_odd(rows, split, padded * in);
    g.rows.split = split;
  }
  const float *dropped = rows;
  if (dropout > 0.0f && seed != nullptr && g.group.rank > 0) {
    auto *masked = static_cast<float *>(scratch(ctx, DROPPED_X, padded * in * 4));
    if (masked == nullptr) return fail(ctx, REMORA_STATUS_MEMORY, "linear_forward: no memory for x");
    memcpy(masked, rows, static_cast<size_t>(padded * in) * 4);
    drop_values(masked, N * in, 0, dropout, seed[0]);
    dropped = masked;
  }
  if (padded == 1) return run<1>(g, dropped);
  if (padded == 2) return run<2>(g, dropped);
  if (padded == 4) return run<4>(g, dropped);
  return run<8>(g, dropped);
}

}  // namespace remora::REMORA_ISA

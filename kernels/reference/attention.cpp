// Attention over packed rows, and over the paged cache.
//
//   score_nj = scale · q_n · k_j, then softcap · tanh(score / softcap) when softcap > 0
//   p_nj     = exp(score_nj) / Σ_j' exp(score_nj')   over the rows j that n may see
//   out_n    = Σ_j p_nj v_j,   lse_n = log Σ_j exp(score_nj)
// Query head h reads key/value head h / (H/K).
#include "reference.h"

namespace remora::reference {

// What row n may see.
struct Mask {
  const int32_t *start, *end;
  bool causal;
  int64_t window;

  bool sees(int64_t n, int64_t j) const {
    if (j < start[n] || j >= end[n]) return false;
    if (causal && j > n) return false;
    if (window <= 0) return true;
    return n - j < window && (causal || j - n < window);
  }
};

// The packed projections as doubles, with the places of one head's vectors.
struct Heads {
  const double *qkv;
  int64_t H, K, D;

  int64_t stride() const { return (H + 2 * K) * D; }
  int64_t q(int64_t n, int64_t h) const { return n * stride() + h * D; }
  int64_t k(int64_t j, int64_t h) const { return j * stride() + (H + h / (H / K)) * D; }
  int64_t v(int64_t j, int64_t h) const { return k(j, h) + K * D; }
};

static double dot(const double *a, const double *b, int64_t count) {
  double total = 0;
  for (int64_t i = 0; i < count; i++) total += a[i] * b[i];
  return total;
}

static double capped(double score, float softcap) { return softcap > 0 ? softcap * std::tanh(score / softcap) : score; }

// p[j] of row n for all j (0 where unseen); gives log Σ exp(score). A row that sees nothing has all zeros and −infinity.
static double probabilities(const Heads &heads, const Mask &mask, int64_t n, int64_t h, int64_t N, float scale, float softcap, double *p) {
  double highest = -INFINITY, total = 0;
  for (int64_t j = 0; j < N; j++) {
    p[j] = mask.sees(n, j) ? capped(scale * dot(heads.qkv + heads.q(n, h), heads.qkv + heads.k(j, h), heads.D), softcap) : -INFINITY;
    highest = std::fmax(highest, p[j]);
  }
  for (int64_t j = 0; j < N; j++) {
    p[j] = p[j] == -INFINITY ? 0 : std::exp(p[j] - highest);
    total += p[j];
  }
  for (int64_t j = 0; j < N && total > 0; j++) p[j] /= total;
  return total > 0 ? highest + std::log(total) : -INFINITY;
}

static int32_t attention_forward(remora_context *ctx, const void *qkv, const int32_t *segment_start, const int32_t *segment_end, void *out,
                                 float *lse, int64_t N, int64_t H, int64_t K, int64_t D, int32_t dtype, float scale, int32_t causal,
                                 int64_t window, float softcap) {
  const Heads heads = {doubles_of(ctx, 0, qkv, N * (H + 2 * K) * D, dtype), H, K, D};
  REMORA_NEED(heads.qkv);
  double *p = doubles(ctx, 1, N);
  REMORA_NEED(p);
  const Mask mask = {segment_start, segment_end, causal != 0, window};
  for (int64_t n = 0; n < N; n++) {
    for (int64_t h = 0; h < H; h++) {
      const double total = probabilities(heads, mask, n, h, N, scale, softcap, p);
      if (lse != nullptr) lse[n * H + h] = static_cast<float>(total);
      for (int64_t d = 0; d < D; d++) {
        double value = 0;
        for (int64_t j = 0; j < N; j++) value += p[j] * heads.qkv[heads.v(j, h) + d];
        put(out, (n * H + h) * D + d, dtype, value);
      }
    }
  }
  return REMORA_OK;
}

// With dp_nj = d_out_n · v_j and delta_n = Σ_j p_nj dp_nj:
//   d_v_j += p_nj d_out_n
//   d_score_nj = p_nj (dp_nj − delta_n), times 1 − (capped score / softcap)² when there is a cap
//   d_q_n += scale · d_score_nj k_j,   d_k_j += scale · d_score_nj q_n
// `out` and `lse` are not read: the oracle makes them again in f64.
static int32_t attention_backward(remora_context *ctx, const void *qkv, const int32_t *segment_start, const int32_t *segment_end,
                                  const void *, const float *, const void *d_out, void *d_qkv, int64_t N, int64_t H, int64_t K, int64_t D,
                                  int32_t dtype, float scale, int32_t causal, int64_t window, float softcap) {
  const int64_t count = N * (H + 2 * K) * D;
  const Heads heads = {doubles_of(ctx, 0, qkv, count, dtype), H, K, D};
  REMORA_NEED(heads.qkv);
  double *p = doubles(ctx, 1, N);
  REMORA_NEED(p);
  double *g = doubles_of(ctx, 2, d_out, N * H * D, dtype);
  REMORA_NEED(g);
  double *d = doubles(ctx, 3, count);
  REMORA_NEED(d);
  for (int64_t i = 0; i < count; i++) d[i] = 0;
  const Mask mask = {segment_start, segment_end, causal != 0, window};
  for (int64_t n = 0; n < N; n++) {
    for (int64_t h = 0; h < H; h++) {
      const double *dn = g + (n * H + h) * D;
      probabilities(heads, mask, n, h, N, scale, softcap, p);
      double delta = 0;
      for (int64_t j = 0; j < N; j++) {
        if (p[j] != 0) delta += p[j] * dot(dn, heads.qkv + heads.v(j, h), D);
      }
      for (int64_t j = 0; j < N; j++) {
        if (p[j] == 0) continue;
        const double *q = heads.qkv + heads.q(n, h), *k = heads.qkv + heads.k(j, h);
        double d_score = p[j] * (dot(dn, heads.qkv + heads.v(j, h), D) - delta);
        if (softcap > 0) {
          const double bent = std::tanh(scale * dot(q, k, D) / softcap);
          d_score *= 1 - bent * bent;
        }
        for (int64_t e = 0; e < D; e++) {
          d[heads.v(j, h) + e] += p[j] * dn[e];
          d[heads.q(n, h) + e] += scale * d_score * k[e];
          d[heads.k(j, h) + e] += scale * d_score * q[e];
        }
      }
    }
  }
  for (int64_t i = 0; i < count; i++) put(d_qkv, i, dtype, d[i]);
  return REMORA_OK;
}

// ---- paged cache ----

// First element of position `position` of sequence b in pages [pages, page_size, K, D].
static int64_t slot(const int32_t *block_table, int64_t b, int64_t position, int64_t page_size, int64_t blocks_per_sequence, int64_t KD) {
  const int64_t page = block_table[b * blocks_per_sequence + position / page_size];
  return (page * page_size + position % page_size) * KD;
}

static int32_t cache_write(remora_context *, const void *qkv, const int32_t *sequences, const int32_t *positions,
                           const int32_t *block_table, void *k_pages, void *v_pages, int64_t N, int64_t H, int64_t K, int64_t D,
                           int64_t page_size, int64_t blocks_per_sequence, int32_t dtype) {
  const int64_t KD = K * D, bytes = dtype_bytes(dtype);
  for (int64_t n = 0; n < N; n++) {
    if (sequences[n] < 0) continue;  // padding
    const int64_t to = slot(block_table, sequences[n], positions[n], page_size, blocks_per_sequence, KD);
    const char *k = static_cast<const char *>(qkv) + (n * (H + 2 * K) + H) * D * bytes;
    std::memcpy(static_cast<char *>(k_pages) + to * bytes, k, KD * bytes);
    std::memcpy(static_cast<char *>(v_pages) + to * bytes, k + KD * bytes, KD * bytes);
  }
  return REMORA_OK;
}

// Row n at position t reads positions 0 … t of its sequence, or the last `window` of them. Padding rows give zeros.
static int32_t attention_paged(remora_context *ctx, const void *qkv, const int32_t *sequences, const int32_t *positions,
                               const int32_t *block_table, const void *k_pages, const void *v_pages, void *out, int64_t N, int64_t H,
                               int64_t K, int64_t D, int64_t page_size, int64_t blocks_per_sequence, int32_t dtype, float scale,
                               int64_t window, float softcap) {
  double *p = doubles(ctx, 0, page_size * blocks_per_sequence);
  REMORA_NEED(p);
  for (int64_t n = 0; n < N; n++) {
    const int64_t last = sequences[n] < 0 ? -1 : positions[n];
    const int64_t first = window > 0 && last + 1 > window ? last + 1 - window : 0;
    for (int64_t h = 0; h < H; h++) {
      const int64_t head = h / (H / K) * D;
      double highest = -INFINITY, total = 0;
      for (int64_t t = first; t <= last; t++) {
        const int64_t at = slot(block_table, sequences[n], t, page_size, blocks_per_sequence, K * D) + head;
        double score = 0;
        for (int64_t d = 0; d < D; d++) score += get(qkv, n * (H + 2 * K) * D + h * D + d, dtype) * get(k_pages, at + d, dtype);
        p[t] = capped(scale * score, softcap);
        highest = std::fmax(highest, p[t]);
      }
      for (int64_t t = first; t <= last; t++) total += p[t] = std::exp(p[t] - highest);
      for (int64_t d = 0; d < D; d++) {
        double value = 0;
        for (int64_t t = first; t <= last; t++) {
          const int64_t at = slot(block_table, sequences[n], t, page_size, blocks_per_sequence, K * D) + head;
          value += p[t] / total * get(v_pages, at + d, dtype);
        }
        put(out, (n * H + h) * D + d, dtype, value);
      }
    }
  }
  return REMORA_OK;
}

void fill_attention(Kernels &k) {
  k.attention_forward = attention_forward;
  k.attention_backward = attention_backward;
  k.cache_write = cache_write;
  k.attention_paged = attention_paged;
}

}  // namespace remora::reference

// Attention of new tokens over the paged cache: one row a sequence (decoding) and many rows of a sequence (reading a prompt) take the same path.
// Rows that follow each other in one sequence form a chunk and share the panels of its keys. When there are fewer tasks than threads (one
// sequence, few key heads), the keys are cut into shares whose results are merged at the end (Dao et al. 2023, "Flash-Decoding").
#include "attention_core.h"

namespace remora::REMORA_ISA {

static int32_t check_slots(remora_context *ctx, const char *op, const int32_t *sequences, const int32_t *positions, int64_t N, int64_t page_size,
                           int64_t blocks_per_sequence) {
  for (int64_t n = 0; n < N; n++)
    if (sequences[n] >= 0 && (positions[n] < 0 || positions[n] >= page_size * blocks_per_sequence))
      return fail(ctx, REMORA_STATUS_ARGUMENT, "%s: positions[%lld] is %d; the block table has room for %lld positions a sequence", op,
                  static_cast<long long>(n), static_cast<int>(positions[n]), static_cast<long long>(page_size * blocks_per_sequence));
  return REMORA_OK;
}

// Where positions of one sequence lie in pages [pages, page_size, K, D].
struct Pages {
  const int32_t *block_table;
  int64_t page_size, blocks_per_sequence, row;  // row = K·D

  int64_t offset(int64_t sequence, int64_t position) const {
    const int64_t page = block_table[sequence * blocks_per_sequence + position / page_size];
    return (page * page_size + position % page_size) * row;
  }
};

static int32_t cache_write(remora_context *ctx, const void *qkv, const int32_t *sequences, const int32_t *positions, const int32_t *block_table,
                           void *k_pages, void *v_pages, int64_t N, int64_t H, int64_t K, int64_t D, int64_t page_size,
                           int64_t blocks_per_sequence, int32_t dtype) {
  const int32_t status = check_slots(ctx, "cache_write", sequences, positions, N, page_size, blocks_per_sequence);
  if (status != REMORA_OK) return status;
  return dispatch_dtype(ctx, dtype, [&](auto tag) {
    using T = decltype(tag);
    const Pages pages = {block_table, page_size, blocks_per_sequence, K * D};
    const size_t bytes = static_cast<size_t>(K * D) * sizeof(T);
    parallel_for(ctx, N, grain_for(2 * K * D), [&](int64_t begin, int64_t end, int) {
      for (int64_t n = begin; n < end; n++) {
        if (sequences[n] < 0) continue;
        const T *k = static_cast<const T *>(qkv) + (n * (H + 2 * K) + H) * D;
        const int64_t at = pages.offset(sequences[n], positions[n]);
        memcpy(static_cast<T *>(k_pages) + at, k, bytes);
        memcpy(static_cast<T *>(v_pages) + at, k + K * D, bytes);
      }
    });
    return REMORA_OK;
  });
}

struct Chunk {
  int64_t first, count;  // rows
};

template <class T>
static int32_t attend_pages(remora_context *ctx, const T *qkv, const int32_t *sequences, const int32_t *positions, const Pages &pages,
                            const T *k_pages, const T *v_pages, T *out, int64_t N, int64_t H, int64_t K, int64_t D, const Scoring &scoring,
                            int64_t window) {
  const int64_t G = H / K, stride = (H + 2 * K) * D, per_task = tokens_per_task(G), threads = thread_count(ctx);
  Chunk *const chunks = static_cast<Chunk *>(scratch(ctx, 0, (N + 1) * static_cast<int64_t>(sizeof(Chunk))));
  if (chunks == nullptr) return fail(ctx, REMORA_STATUS_MEMORY, "attention_paged: no memory for %lld chunks", static_cast<long long>(N));
  int64_t count = 0, longest = 0, most_tokens = 0;
  for (int64_t n = 0; n < N;) {
    int64_t m = 1;
    if (sequences[n] < 0) {
      memset(out + n * H * D, 0, static_cast<size_t>(H * D) * sizeof(T));
    } else {
      while (n + m < N && m < per_task && sequences[n + m] == sequences[n]) m++;
      for (int64_t i = n; i < n + m; i++) longest = positions[i] + 1 > longest ? positions[i] + 1 : longest;
      chunks[count++] = {n, m};
      most_tokens = m > most_tokens ? m : most_tokens;
    }
    n += m;
  }
  if (count == 0) return REMORA_OK;
  if (window > 0 && window + per_task < longest) longest = window + per_task;

  // Shares of the keys a task: enough that every thread has two, none below 512 keys.
  int64_t shares = (2 * threads + count * K - 1) / (count * K);
  shares = shares < longest / 512 ? shares : longest / 512;
  shares = shares < 1 ? 1 : shares;

  const ForwardSizes largest(most_tokens, G, D);
  const int64_t Dp = largest.Dp, record = largest.rows() * (Dp + 2);  // a share's sums, highest scores and totals
  float *const records = shares == 1 ? nullptr : static_cast<float *>(scratch(ctx, 1, count * K * shares * record * 4));
  bool refused = shares > 1 && records == nullptr;
  for (int t = 0; t < threads; t++)
    refused |= thread_scratch(ctx, t, 0, largest.bytes()) == nullptr || thread_scratch(ctx, t, 1, 2 * per_task * 8) == nullptr;
  if (refused) return fail(ctx, REMORA_STATUS_MEMORY, "attention_paged: no memory for tasks of %lld rows", static_cast<long long>(largest.rows()));

  parallel_for(ctx, count * K * shares, 1, [&](int64_t begin, int64_t end, int thread) {
    int64_t *const low = static_cast<int64_t *>(thread_scratch(ctx, thread, 1, 2 * per_task * 8)), *const high = low + per_task;
    for (int64_t task = begin; task < end; task++) {
      const int64_t share = task % shares, head = task / shares % K;
      const Chunk &chunk = chunks[task / shares / K];
      const ForwardSizes z(chunk.count, G, D);
      int64_t first_key = INT64_MAX, last_key = 0;
      for (int64_t t = 0; t < z.tokens; t++) {
        high[t] = positions[chunk.first + t] + 1;
        low[t] = window > 0 && high[t] > window ? high[t] - window : 0;
        first_key = low[t] < first_key ? low[t] : first_key;
        last_key = high[t] > last_key ? high[t] : last_key;
      }
      const int64_t from = first_key + (last_key - first_key) * share / shares, to = first_key + (last_key - first_key) * (share + 1) / shares;
      for (int64_t t = 0; t < z.tokens; t++) {
        low[t] = low[t] > from ? low[t] : from;
        high[t] = high[t] < to ? high[t] : to;
        high[t] = high[t] > low[t] ? high[t] : low[t];
      }
      const int64_t sequence = sequences[chunk.first];
      const ForwardResult result = attend<T>(
          z, scoring, low, high, thread_scratch(ctx, thread, 0, largest.bytes()),
          [&](int64_t t) { return qkv + (chunk.first + t) * stride + head * G * D; },
          [&](int64_t j, int64_t keys, const T **k, const T **v) {
            for (int64_t i = 0; i < keys; i++) {
              const int64_t at = pages.offset(sequence, j + i) + head * D;
              k[i] = k_pages + at;
              v[i] = v_pages + at;
            }
          });
      for (int64_t r = 0; r < z.rows(); r++) {
        const float total = result.total(r);
        if (shares > 1) {
          float *const kept = records + task * record + r * (Dp + 2);
          memcpy(kept, result.out + r * Dp, static_cast<size_t>(Dp) * 4);
          kept[Dp] = result.highest[r];
          kept[Dp + 1] = total;
          continue;
        }
        const int64_t n = chunk.first + r % z.tokens, h = head * G + r / z.tokens;
        const V inverse = splat(1.0f / total);
        for (int64_t d = 0; d < D; d += W) store_some(out + (n * H + h) * D + d, load(result.out + r * Dp + d) * inverse, D - d);
      }
    }
  });
  if (shares == 1) return REMORA_OK;

  parallel_for(ctx, count * K, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t task = begin; task < end; task++) {
      const Chunk &chunk = chunks[task / K];
      const int64_t head = task % K;
      for (int64_t r = 0; r < chunk.count * G; r++) {
        float highest = NOTHING, total = 0;
        for (int64_t s = 0; s < shares; s++) {
          const float score = records[(task * shares + s) * record + r * (Dp + 2) + Dp];
          highest = score > highest ? score : highest;
        }
        for (int64_t s = 0; s < shares; s++) {
          const float *const kept = records + (task * shares + s) * record + r * (Dp + 2);
          total += kept[Dp + 1] * std::exp2(kept[Dp] - highest);
        }
        const int64_t n = chunk.first + r % chunk.count, h = head * G + r / chunk.count;
        for (int64_t d = 0; d < D; d += W) {
          V sum = zero();
          for (int64_t s = 0; s < shares; s++) {
            const float *const kept = records + (task * shares + s) * record + r * (Dp + 2);
            sum = fma(load(kept + d), splat(std::exp2(kept[Dp] - highest) / total), sum);
          }
          store_some(out + (n * H + h) * D + d, sum, D - d);
        }
      }
    }
  });
  return REMORA_OK;
}

static int32_t attention_paged(remora_context *ctx, const void *qkv, const int32_t *sequences, const int32_t *positions, const int32_t *block_table,
                               const void *k_pages, const void *v_pages, void *out, int64_t N, int64_t H, int64_t K, int64_t D, int64_t page_size,
                               int64_t blocks_per_sequence, int32_t dtype, float scale, int64_t window, float softcap) {
  int32_t status = check_heads(ctx, "attention_paged", H, K, D);
  if (status == REMORA_OK) status = check_slots(ctx, "attention_paged", sequences, positions, N, page_size, blocks_per_sequence);
  if (status != REMORA_OK) return status;
  return dispatch_dtype(ctx, dtype, [&](auto tag) {
    using T = decltype(tag);
    const Pages pages = {block_table, page_size, blocks_per_sequence, K * D};
    return attend_pages(ctx, static_cast<const T *>(qkv), sequences, positions, pages, static_cast<const T *>(k_pages),
                        static_cast<const T *>(v_pages), static_cast<T *>(out), N, H, K, D, Scoring{scale, softcap}, window);
  });
}

void fill_attention_paged(Kernels &k) {
  k.cache_write = cache_write;
  k.attention_paged = attention_paged;
}

}  // namespace remora::REMORA_ISA

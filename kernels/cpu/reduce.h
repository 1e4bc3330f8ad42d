// Sums over long arrays in f64, in fixed chunks combined in order: the same result whatever thread ran which chunk.
#pragma once
#include "isa.h"

namespace remora::REMORA_ISA {

// Adds up term(x[i]) over [0, count) in f64; eight running sums a chunk, so that the additions overlap. NaN when scratch is refused.
template <class F>
static inline double sum_f64(remora_context *ctx, const float *x, int64_t count, F &&term) {
  constexpr int64_t CHUNK = 1 << 16;
  const int64_t chunks = (count + CHUNK - 1) / CHUNK;
  double *partial = static_cast<double *>(scratch(ctx, 0, (chunks > 0 ? chunks : 1) * 8));
  if (partial == nullptr) return __builtin_nan("");
  parallel_for(ctx, chunks, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t c = begin; c < end; c++) {
      const int64_t first_element = c * CHUNK, last = first_element + CHUNK < count ? first_element + CHUNK : count;
      double sums[8] = {};
      int64_t i = first_element;
      for (; i + 8 <= last; i += 8)
        for (int j = 0; j < 8; j++) sums[j] += term(static_cast<double>(x[i + j]));
      for (; i < last; i++) sums[0] += term(static_cast<double>(x[i]));
      partial[c] = ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
    }
  });
  double total = 0;
  for (int64_t c = 0; c < chunks; c++) total += partial[c];
  return total;
}

// How many parts a loop over `count` rows is cut into when each part keeps its own partial sums: it depends on the thread count only, so the
// result is deterministic. Part p is [count·p/parts, count·(p+1)/parts).
REMORA_INLINE int64_t part_count(remora_context *ctx, int64_t count) {
  const int64_t most = 4 * static_cast<int64_t>(thread_count(ctx)), wanted = (count + 31) / 32;
  return wanted < most ? wanted : most;
}

// target[c] += Σ_p partial[p, c], p in order.
static inline void add_partials(remora_context *ctx, const float *partial, int64_t parts, int64_t columns, float *target) {
  parallel_for(ctx, (columns + W - 1) / W, grain_for(W * parts), [&](int64_t begin, int64_t end, int) {
    for (int64_t c = begin * W; c < end * W && c < columns; c += W) {
      const int64_t n = columns - c;
      V sum = load_some(target + c, n);
      for (int64_t p = 0; p < parts; p++) sum = sum + load_some(partial + p * columns + c, n);
      store_some(target + c, sum, n);
    }
  });
}

}  // namespace remora::REMORA_ISA

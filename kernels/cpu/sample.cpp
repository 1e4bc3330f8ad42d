// Drawing the next token of each row: repetition penalty, temperature, top-k, top-p, min-p, one draw.
// "Rank" is the order by falling score, the lower id first among equals. Each of top-k, top-p and min-p keeps a prefix of that order, so what is
// kept is always described by its last member (a Cut). A cut is found without sorting the vocabulary: scores are counted into narrow bins, and
// only the bin in which the prefix ends is sorted.
#include <cmath>
#include "isa.h"

namespace remora::REMORA_ISA {

constexpr int BINS = 2048;
constexpr float BINS_PER_UNIT = 64.0f;  // of (best − z)/temperature: a bin spans 1.6% of probability; the last one holds all beyond 32 units

struct Candidate {
  float z;
  int32_t id;
  bool before(const Candidate &other) const { return z > other.z || (z == other.z && id < other.id); }
};

typedef Candidate Cut;  // kept: every candidate up to and including this one in rank

// Heap sort into rank order: the least candidate sinks to the end.
static void sort_by_rank(Candidate *a, int64_t count) {
  const auto sift = [&](int64_t root, int64_t size) {
    for (int64_t child; (child = 2 * root + 1) < size; root = child) {
      if (child + 1 < size && a[child].before(a[child + 1])) child++;  // the one that ranks later
      if (!a[root].before(a[child])) return;
      const Candidate kept = a[root];
      a[root] = a[child];
      a[child] = kept;
    }
  };
  for (int64_t i = count / 2 - 1; i >= 0; i--) sift(i, count);
  for (int64_t size = count - 1; size > 0; size--) {
    const Candidate kept = a[0];
    a[0] = a[size];
    a[size] = kept;
    sift(0, size);
  }
}

// exp((x[i] − best) · inverse) into p; their sum in f64, in the order of the ids.
static double exponentials(const float *x, float *p, int64_t V_, float best, float inverse) {
  double total = 0;
  for (int64_t i = 0; i < V_; i += W) store_some(p + i, exp((load_some(x + i, V_ - i) - splat(best)) * splat(inverse)), V_ - i);
  for (int64_t i = 0; i < V_; i++) total += p[i];
  return total;
}

static int64_t best_id(const float *z, int64_t count) {
  int64_t best = 0;
  for (int64_t i = 1; i < count; i++)
    if (z[i] > z[best]) best = i;
  return best;
}

struct Row {
  const float *z, *p;  // scores, and exp((z − best)/temperature)
  int64_t count;
  float best, inverse;
  double *weights;          // [BINS] scratch: sums of p, or counts
  Candidate *candidates;    // [count] scratch

  int bin(float score) const {
    const float x = (best - score) * inverse * BINS_PER_UNIT;
    return x < BINS - 1 ? static_cast<int>(x) : BINS - 1;  // NaN goes to the last bin too
  }
  bool kept(int64_t i, const Cut &cut) const { return z[i] > cut.z || (z[i] == cut.z && i <= cut.id); }

  // The cut after the shortest prefix, within `limit`, whose weights reach `target`. by_count: every weight is 1 (top-k), else it is p (top-p).
  Cut find(bool by_count, double target, const Cut &limit) const {
    for (int b = 0; b < BINS; b++) weights[b] = 0;
    for (int64_t i = 0; i < count; i++)
      if (kept(i, limit)) weights[bin(z[i])] += by_count ? 1.0 : static_cast<double>(p[i]);
    double running = 0;
    int last = 0;
    while (last < BINS - 1 && running + weights[last] < target) running += weights[last++];
    int64_t n = 0;
    for (int64_t i = 0; i < count; i++)
      if (kept(i, limit) && bin(z[i]) == last) candidates[n++] = {z[i], static_cast<int32_t>(i)};
    if (n == 0) return limit;  // rounding of the running sum: everything is kept
    sort_by_rank(candidates, n);
    for (int64_t i = 0; i < n; i++) {
      running += by_count ? 1.0 : static_cast<double>(p[candidates[i].id]);
      if (running >= target) return candidates[i];
    }
    return last == BINS - 1 ? limit : candidates[n - 1];
  }
};

static void sample_row(const float *logits, const float *params, uint64_t seed, int32_t step, const int32_t *history, int32_t history_length,
                       int64_t count, float *z, float *p, double *weights, Candidate *candidates, int32_t *id, float *logprob) {
  const float temperature = params[0], top_k = params[1], top_p = params[2], min_p = params[3], penalty = params[4];
  const float *scores = logits;
  if (penalty != 1.0f && history_length > 0) {
    memcpy(z, logits, static_cast<size_t>(count) * 4);
    for (int32_t i = 0; i < history_length; i++) {
      const int32_t seen = history[i];
      if (seen < 0 || seen >= count) continue;
      z[seen] = logits[seen] > 0 ? logits[seen] / penalty : logits[seen] * penalty;  // from the logit as it came: once for any number of times
    }
    scores = z;
  }
  int64_t chosen = best_id(scores, count);
  if (temperature > 0.0f) {
    const float inverse = 1.0f / temperature;
    double total = exponentials(scores, p, count, scores[chosen], inverse);
    const Row row = {scores, p, count, scores[chosen], inverse, weights, candidates};
    Cut cut = {-__builtin_inff(), INT32_MAX};
    const auto total_kept = [&]() {
      double sum = 0;
      for (int64_t i = 0; i < count; i++)
        if (row.kept(i, cut)) sum += p[i];
      return sum;
    };
    if (top_k > 0.0f && top_k < static_cast<float>(count)) {
      cut = row.find(true, std::floor(static_cast<double>(top_k)), cut);
      total = total_kept();
    }
    if (top_p < 1.0f) cut = row.find(false, static_cast<double>(top_p) * total, cut);
    const float least = min_p > 0.0f ? min_p : 0.0f;
    // The best one always stays, whatever min_p says.
    const auto stays = [&](int64_t i) { return i == chosen || (row.kept(i, cut) && p[i] >= least); };
    total = 0;
    for (int64_t i = 0; i < count; i++)
      if (stays(i)) total += p[i];
    const double goal = static_cast<double>(random_uniform(seed, static_cast<uint64_t>(static_cast<int64_t>(step)))) * total;
    double running = 0;
    for (int64_t i = 0; i < count; i++) {
      if (!stays(i)) continue;
      running += p[i];
      if (p[i] > 0.0f && running > goal) {
        chosen = i;
        break;
      }
    }
  }
  const float highest = logits[best_id(logits, count)];
  *logprob = static_cast<float>(static_cast<double>(logits[chosen] - highest) - std::log(exponentials(logits, p, count, highest, 1.0f)));
  *id = static_cast<int32_t>(chosen);
}

static int32_t sample(remora_context *ctx, const float *logits, const float *params, const uint64_t *seeds, const int32_t *steps,
                      const int32_t *history, const int32_t *history_length, int32_t *ids, float *logprobs, int64_t B, int64_t V_,
                      int64_t history_stride) {
  if (V_ < 1) return B == 0 ? REMORA_OK : fail(ctx, REMORA_STATUS_SHAPE, "sample: %lld logits a row; expected at least 1", static_cast<long long>(V_));
  const int64_t z_bytes = (V_ * 4 + 63) / 64 * 64, bytes = 2 * z_bytes + BINS * 8 + V_ * static_cast<int64_t>(sizeof(Candidate));
  for (int t = 0; t < thread_count(ctx); t++)
    if (thread_scratch(ctx, t, 0, bytes) == nullptr)
      return fail(ctx, REMORA_STATUS_MEMORY, "sample: no memory for a row of %lld logits", static_cast<long long>(V_));
  parallel_for(ctx, B, 1, [&](int64_t begin, int64_t end, int thread) {
    char *const memory = static_cast<char *>(thread_scratch(ctx, thread, 0, bytes));
    float *const z = reinterpret_cast<float *>(memory), *const p = reinterpret_cast<float *>(memory + z_bytes);
    double *const weights = reinterpret_cast<double *>(memory + 2 * z_bytes);
    Candidate *const candidates = reinterpret_cast<Candidate *>(memory + 2 * z_bytes + BINS * 8);
    for (int64_t b = begin; b < end; b++)
      sample_row(logits + b * V_, params + b * 5, seeds[b], steps[b], history == nullptr ? nullptr : history + b * history_stride,
                 history_length == nullptr ? 0 : history_length[b], V_, z, p, weights, candidates, ids + b, logprobs + b);
  });
  return REMORA_OK;
}

void fill_sample(Kernels &k) { k.sample = sample; }

}  // namespace remora::REMORA_ISA

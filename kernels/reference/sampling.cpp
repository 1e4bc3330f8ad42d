// Drawing one token a row: penalty, temperature, top-k, top-p, min-p, then a walk through what is left.
#include "reference.h"

namespace remora::reference {

// The row's controls, in the order of params[b, :].
struct Controls {
  float temperature, top_k, top_p, min_p, repetition_penalty;
};

// Repetition penalty: once per distinct id of the history, from the unmodified logit.
static void penalize(double *z, const float *logits, int64_t V, const int32_t *history, int32_t length, float penalty) {
  for (int32_t i = 0; i < length; i++) {
    const int32_t id = history[i];
    if (id < 0 || id >= V) continue;
    const double logit = logits[id];
    z[id] = logit > 0 ? logit / penalty : logit * penalty;
  }
}

// order[0 … V) = ids by falling z, the lower id first among equals. Merge sort, because it is stable.
static void rank(const double *z, int64_t *order, int64_t *spare, int64_t V) {
  for (int64_t i = 0; i < V; i++) order[i] = i;
  for (int64_t width = 1; width < V; width *= 2) {
    for (int64_t start = 0; start < V; start += 2 * width) {
      const int64_t middle = start + width < V ? start + width : V, end = start + 2 * width < V ? start + 2 * width : V;
      int64_t left = start, right = middle;
      for (int64_t to = start; to < end; to++) {
        const bool take_left = left < middle && (right >= end || z[order[left]] >= z[order[right]]);
        spare[to] = take_left ? order[left++] : order[right++];
      }
    }
    for (int64_t i = 0; i < V; i++) order[i] = spare[i];
  }
}

// How many of the ranked tokens stay. p are their probabilities relative to the best one's, exp(z − z_best), by rank.
static int64_t survivors(const double *p, int64_t V, const Controls &controls) {
  int64_t keep = V;
  if (controls.top_k > 0 && controls.top_k < keep) keep = static_cast<int64_t>(controls.top_k);
  if (controls.top_p < 1) {
    double total = 0, running = 0;
    for (int64_t i = 0; i < keep; i++) total += p[i];
    int64_t prefix = 0;
    while (prefix < keep && (prefix == 0 || running < controls.top_p * total)) running += p[prefix++];
    keep = prefix;
  }
  if (controls.min_p > 0) {
    while (keep > 1 && p[keep - 1] < controls.min_p) keep--;
  }
  return keep;
}

static int32_t sample(remora_context *ctx, const float *logits, const float *params, const uint64_t *seeds, const int32_t *steps,
                      const int32_t *history, const int32_t *history_length, int32_t *ids, float *logprobs, int64_t B, int64_t V,
                      int64_t history_stride) {
  double *z = doubles(ctx, 0, V);
  REMORA_NEED(z);
  double *p = doubles(ctx, 1, V);
  REMORA_NEED(p);
  int64_t *order = static_cast<int64_t *>(scratch(ctx, 2, V * 8 + 8));
  REMORA_NEED(order);
  int64_t *spare = static_cast<int64_t *>(scratch(ctx, 3, V * 8 + 8));
  REMORA_NEED(spare);
  for (int64_t b = 0; b < B && V > 0; b++) {
    const float *row = logits + b * V;
    const float *values = params + b * 5;
    const Controls controls = {values[0], values[1], values[2], values[3], values[4]};
    for (int64_t v = 0; v < V; v++) z[v] = row[v];
    if (controls.repetition_penalty != 1) {
      penalize(z, row, V, history + b * history_stride, history_length[b], controls.repetition_penalty);
    }
    rank(z, order, spare, V);
    int64_t chosen = order[0];
    if (controls.temperature > 0) {
      for (int64_t i = 0; i < V; i++) p[i] = std::exp((z[order[i]] - z[order[0]]) / controls.temperature);
      const int64_t keep = survivors(p, V, controls);
      // From here on z holds the weight of each survivor at its id, 0 elsewhere, and the walk goes by id.
      double total = 0, running = 0;
      for (int64_t v = 0; v < V; v++) z[v] = 0;
      for (int64_t i = 0; i < keep; i++) z[order[i]] = p[i];
      for (int64_t v = 0; v < V; v++) total += z[v];
      const double u = random_uniform(seeds[b], static_cast<uint64_t>(static_cast<int64_t>(steps[b])));
      for (int64_t v = 0; v < V; v++) {
        running += z[v];
        if (z[v] > 0 && running > u * total) {
          chosen = v;
          break;
        }
      }
    }
    double highest = -INFINITY, total = 0;
    for (int64_t v = 0; v < V; v++) highest = std::fmax(highest, row[v]);
    for (int64_t v = 0; v < V; v++) total += std::exp(row[v] - highest);
    ids[b] = static_cast<int32_t>(chosen);
    logprobs[b] = static_cast<float>(row[chosen] - highest - std::log(total));
  }
  return REMORA_OK;
}

void fill_sampling(Kernels &k) { k.sample = sample; }

}  // namespace remora::reference

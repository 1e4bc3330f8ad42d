// Gradient norm, AdamW, and AdamW with 8-bit state.
#include "reference.h"

namespace remora::reference {

// norm[0] = sqrt(Σ g²);  norm[1] = the factor that brings it down to max_norm
static int32_t gradient_norm(remora_context *, const float *gradients, float *norm, int64_t count, float max_norm) {
  double squares = 0;
  for (int64_t i = 0; i < count; i++) squares += static_cast<double>(gradients[i]) * gradients[i];
  const double length = std::sqrt(squares);
  norm[0] = static_cast<float>(length);
  norm[1] = max_norm <= 0 || length <= max_norm ? 1.0f : static_cast<float>(max_norm / length);
  return REMORA_OK;
}

// One parameter: decay, then the step by the two moments with their bias corrections (1 − beta^t, in hyper[5] and hyper[6]).
//   p ← p · (1 − lr · decay);  m ← β1 m + (1 − β1) g;  v ← β2 v + (1 − β2) g²
//   p ← p − lr / (1 − β1^t) · m / (sqrt(v) / sqrt(1 − β2^t) + eps)
struct Moments {
  double m, v;
};

static double adamw_step(const float *hyper, double g, double p, Moments &state) {
  const double rate = hyper[0], beta1 = hyper[1], beta2 = hyper[2], eps = hyper[3], decay = hyper[4];
  state.m = beta1 * state.m + (1 - beta1) * g;
  state.v = beta2 * state.v + (1 - beta2) * g * g;
  return p * (1 - rate * decay) - rate / hyper[5] * state.m / (std::sqrt(state.v) / std::sqrt(hyper[6]) + eps);
}

static int32_t adamw(remora_context *, const float *gradients, const float *hyper, const float *clip, float *params, float *m, float *v,
                     void *weights_out, int64_t count, int32_t out_dtype) {
  for (int64_t i = 0; i < count; i++) {
    Moments state = {m[i], v[i]};
    params[i] = static_cast<float>(adamw_step(hyper, static_cast<double>(gradients[i]) * clip[0], params[i], state));
    m[i] = static_cast<float>(state.m);
    v[i] = static_cast<float>(state.v);
    if (weights_out != nullptr) put(weights_out, i, out_dtype, params[i]);
  }
  return REMORA_OK;
}

// ---- 8-bit state ----

// bitsandbytes' dynamic map, sorted: for each decade i = 0 … 6, 10^(i − 6) times the centres of 2^i (signed: of either sign) or 2^(i+1)
// (unsigned) equal parts of [0.1, 1]; and 0 and 1. Small values get decades, large values get steps.
struct DynamicMap {
  float values[256];

  explicit DynamicMap(bool is_signed) {
    int count = 0;
    for (int i = 0; i < 7; i++) {
      const int parts = is_signed ? 1 << i : 2 << i;
      for (int k = 0; k < parts; k++) {
        const double low = 0.1 + 0.9 * k / parts, high = 0.1 + 0.9 * (k + 1) / parts;
        const double value = std::pow(10.0, i - 6) * (low + high) / 2;
        values[count++] = static_cast<float>(value);
        if (is_signed) values[count++] = static_cast<float>(-value);
      }
    }
    values[count++] = 0;
    values[count++] = 1;
    for (int i = 1; i < 256; i++) {  // insertion sort
      for (int j = i; j > 0 && values[j] < values[j - 1]; j--) {
        const float swap = values[j];
        values[j] = values[j - 1];
        values[j - 1] = swap;
      }
    }
  }

  // Nearest entry, the lower one in a tie.
  uint8_t encode(float value) const {
    int index = 0;
    while (index < 255 && value > (values[index] + values[index + 1]) / 2) index++;
    return static_cast<uint8_t>(index);
  }
};

// Blocks of 256: decode the state with the block's scales, step, make new scales (the largest size in the block), encode.
static int32_t adamw_8bit(remora_context *ctx, const float *gradients, const float *hyper, const float *clip, float *params, uint8_t *m,
                          uint8_t *v, float *m_scales, float *v_scales, void *weights_out, int64_t count, int32_t out_dtype) {
  const DynamicMap signed_map(true), unsigned_map(false);
  Moments *states = static_cast<Moments *>(scratch(ctx, 0, 256 * sizeof(Moments)));
  REMORA_NEED(states);
  for (int64_t start = 0; start < count; start += 256) {
    const int64_t length = count - start < 256 ? count - start : 256, block = start / 256;
    double largest_m = 0, largest_v = 0;
    for (int64_t j = 0; j < length; j++) {
      const int64_t i = start + j;
      states[j] = {static_cast<double>(signed_map.values[m[i]]) * m_scales[block],
                   static_cast<double>(unsigned_map.values[v[i]]) * v_scales[block]};
      params[i] = static_cast<float>(adamw_step(hyper, static_cast<double>(gradients[i]) * clip[0], params[i], states[j]));
      if (weights_out != nullptr) put(weights_out, i, out_dtype, params[i]);
      largest_m = std::fmax(largest_m, std::fabs(states[j].m));
      largest_v = std::fmax(largest_v, states[j].v);
    }
    m_scales[block] = static_cast<float>(largest_m);
    v_scales[block] = static_cast<float>(largest_v);
    for (int64_t j = 0; j < length; j++) {
      m[start + j] = signed_map.encode(static_cast<float>(largest_m > 0 ? states[j].m / largest_m : 0));
      v[start + j] = unsigned_map.encode(static_cast<float>(largest_v > 0 ? states[j].v / largest_v : 0));
    }
  }
  return REMORA_OK;
}

void fill_optimizer(Kernels &k) {
  k.gradient_norm = gradient_norm;
  k.adamw = adamw;
  k.adamw_8bit = adamw_8bit;
}

}  // namespace remora::reference

// The gradient norm and AdamW over flat f32 buffers, with the state in f32 or in 8 bits. Memory-bound: each array is read and written once.
#include "reduce.h"

namespace remora::REMORA_ISA {

static int32_t gradient_norm(remora_context *ctx, const float *gradients, float *norm, int64_t count, float max_norm) {
  const double length = __builtin_sqrt(sum_f64(ctx, gradients, count, [](double g) { return g * g; }));
  norm[0] = static_cast<float>(length);
  // A NaN length compares false and stays visible in norm[0]; the factor is then NaN too, as in PyTorch's clip_grad_norm_.
  norm[1] = max_norm <= 0.0f || length <= max_norm ? 1.0f : static_cast<float>(max_norm / length);
  return REMORA_OK;
}

// The scalars of one step, in PyTorch's form (torch.optim.AdamW, arXiv:1711.05101).
struct Step {
  float clip, beta1, beta2, one_minus_beta1, one_minus_beta2, decay, step_size, root_correction2, eps;
};

static Step step_of(const float *hyper, const float *clip) {
  Step s;
  s.clip = clip == nullptr ? 1.0f : clip[0];
  s.beta1 = hyper[1];
  s.beta2 = hyper[2];
  s.one_minus_beta1 = static_cast<float>(1.0 - static_cast<double>(hyper[1]));
  s.one_minus_beta2 = static_cast<float>(1.0 - static_cast<double>(hyper[2]));
  s.decay = static_cast<float>(1.0 - static_cast<double>(hyper[0]) * static_cast<double>(hyper[4]));
  s.step_size = static_cast<float>(static_cast<double>(hyper[0]) / static_cast<double>(hyper[5]));
  s.root_correction2 = static_cast<float>(1.0 / __builtin_sqrt(static_cast<double>(hyper[6])));
  s.eps = hyper[3];
  return s;
}

REMORA_INLINE V next_m(const Step &s, V m, V g) { return fma(g - m, splat(s.one_minus_beta1), m); }
REMORA_INLINE V next_v(const Step &s, V v, V g) { return fma(v, splat(s.beta2), splat(s.one_minus_beta2) * g * g); }
REMORA_INLINE V next_param(const Step &s, V p, V m, V v) {
  return fnma(splat(s.step_size), m / fma(sqrt(v), splat(s.root_correction2), splat(s.eps)), p * splat(s.decay));
}

template <class T>
static void adamw_range(const Step &s, const float *gradients, float *params, float *m, float *v, T *out, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; i += W) {
    const int64_t n = end - i;
    const V g = load_some(gradients + i, n) * splat(s.clip);
    const V new_m = next_m(s, load_some(m + i, n), g), new_v = next_v(s, load_some(v + i, n), g);
    const V p = next_param(s, load_some(params + i, n), new_m, new_v);
    store_some(m + i, new_m, n);
    store_some(v + i, new_v, n);
    store_some(params + i, p, n);
    if (out != nullptr) store_some(out + i, p, n);
  }
}

static int32_t adamw(remora_context *ctx, const float *gradients, const float *hyper, const float *clip, float *params, float *m, float *v,
                     void *weights_out, int64_t count, int32_t out_dtype) {
  const Step s = step_of(hyper, clip);
  return dispatch_dtype(ctx, weights_out == nullptr ? REMORA_F32 : out_dtype, [&](auto tag) {
    using T = decltype(tag);
    parallel_for(ctx, count, 8192, [&](int64_t begin, int64_t end, int) {
      adamw_range(s, gradients, params, m, v, static_cast<T *>(weights_out), begin, end);
    });
    return REMORA_OK;
  });
}

// ---- 8-bit state (Dettmers et al. 2021, arXiv:2110.02861) ----
// bitsandbytes' dynamic map: in decade 10^(e−6), e = 0 … 6, the middles of equal steps between 0.1 and 1, twice as many in each next decade, with
// both signs or with twice the resolution; 0 and 1 besides. A start table over the leading bits of a float makes the search for the nearest
// entry a step or two.
struct DynamicMap {
  static constexpr int KEYS = 1 << 14;  // sign, exponent and 5 bits of mantissa
  float values[256];
  float bounds[256];  // bounds[i]: halfway between entries i and i + 1; above it the code is at least i + 1. The last is infinite.
  uint8_t start[KEYS];
  // The most bounds that one cell of the start table holds: the closest ones are 0.9/128 apart (unsigned, top decade), the widest cell is 1/64.
  static constexpr int STEPS = 3;

  void build(bool with_sign) {
    int count = 0;
    for (int e = 0; e < 7; e++) {
      const int steps = 1 << (with_sign ? e : e + 1);
      const float decade = static_cast<float>(DECADES[e]), step = (1.0f - 0.1f) / static_cast<float>(steps);
      for (int i = 0; i < steps; i++) {
        const float middle = unfused(edge(i, steps, step) + edge(i + 1, steps, step)) / 2.0f;
        values[count++] = decade * middle;
        if (with_sign) values[count++] = -(decade * middle);
      }
    }
    values[count++] = 0.0f;
    values[count++] = 1.0f;
    for (int i = 1; i < count; i++)  // insertion sort: 256 entries, once
      for (int j = i; j > 0 && values[j] < values[j - 1]; j--) {
        const float kept = values[j];
        values[j] = values[j - 1];
        values[j - 1] = kept;
      }
    for (int i = 0; i < 255; i++) bounds[i] = unfused(values[i] + values[i + 1]) / 2.0f;
    bounds[255] = __builtin_inff();
    for (int key = 0; key < KEYS; key++) {
      // The cell's ends: towards zero first for positive cells, away from zero first for negative ones. Cells outside [−1, 1] are never asked for.
      const uint32_t bits = static_cast<uint32_t>(key) << 18;
      const float inner = bits_to_float(bits), outer = bits_to_float(bits | 0x3FFFFu);
      if (!(inner >= -1.0f && inner <= 1.0f)) {
        start[key] = inner < 0 ? 0 : 255;
        continue;
      }
      start[key] = search(bits & 0x80000000u ? outer : inner, 0);
    }
  }

  // Code of the entry nearest to x in [−1, 1] (the lower one when both are as near). No branch depends on x: mispredicted ones cost most of the time.
  uint8_t nearest(float x) const {
    int code = start[float_to_bits(x) >> 18];
#pragma GCC unroll 3
    for (int i = 0; i < STEPS; i++) code += x > bounds[code];
    return static_cast<uint8_t>(code);
  }

 private:
  static constexpr double DECADES[7] = {1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0};
  // torch.linspace(0.1, 1, steps + 1)[i] in f32, which counts from the nearer end
  static float edge(int i, int steps, float step) {
    return 2 * i < steps + 1 ? 0.1f + unfused(step * static_cast<float>(i)) : 1.0f - unfused(step * static_cast<float>(steps - i));
  }
  uint8_t search(float x, int from) const {
    while (x > bounds[from]) from++;
    return static_cast<uint8_t>(from);
  }
};
constexpr double DynamicMap::DECADES[7];

static DynamicMap signed_map, unsigned_map;  // built by fill_optimizer, before any context exists

constexpr int64_t STATE_BLOCK = 256;

template <class T>
static void adamw_8bit_block(const Step &s, const float *gradients, float *params, uint8_t *m, uint8_t *v, float *m_scale, float *v_scale, T *out,
                             int64_t count) {
  alignas(64) float new_m[STATE_BLOCK], new_v[STATE_BLOCK];
  for (int64_t i = 0; i < count; i++) new_m[i] = signed_map.values[m[i]];
  for (int64_t i = 0; i < count; i++) new_v[i] = unsigned_map.values[v[i]];
  V m_max = zero(), v_max = zero();
  for (int64_t i = 0; i < count; i += W) {
    const int64_t n = count - i;
    const V g = load_some(gradients + i, n) * splat(s.clip);
    const V mv = fma(load_some(new_m + i, n) * splat(*m_scale), splat(s.beta1), splat(s.one_minus_beta1) * g);
    const V vv = next_v(s, load_some(new_v + i, n) * splat(*v_scale), g);
    const V p = next_param(s, load_some(params + i, n), mv, vv);
    store_some(new_m + i, mv, n);
    store_some(new_v + i, vv, n);
    store_some(params + i, p, n);
    if (out != nullptr) store_some(out + i, p, n);
    m_max = max(abs(n < W ? select(first(n), mv, zero()) : mv), m_max);
    v_max = max(n < W ? select(first(n), vv, zero()) : vv, v_max);
  }
  *m_scale = hmax(m_max);
  *v_scale = hmax(v_max);
  const float m_inverse = *m_scale > 0.0f ? 1.0f / *m_scale : 0.0f, v_inverse = *v_scale > 0.0f ? 1.0f / *v_scale : 0.0f;
  for (int64_t i = 0; i < count; i++) m[i] = signed_map.nearest(new_m[i] * m_inverse);
  for (int64_t i = 0; i < count; i++) v[i] = unsigned_map.nearest(new_v[i] * v_inverse);
}

static int32_t adamw_8bit(remora_context *ctx, const float *gradients, const float *hyper, const float *clip, float *params, uint8_t *m, uint8_t *v,
                          float *m_scales, float *v_scales, void *weights_out, int64_t count, int32_t out_dtype) {
  const Step s = step_of(hyper, clip);
  return dispatch_dtype(ctx, weights_out == nullptr ? REMORA_F32 : out_dtype, [&](auto tag) {
    using T = decltype(tag);
    parallel_for(ctx, (count + STATE_BLOCK - 1) / STATE_BLOCK, 16, [&](int64_t begin, int64_t end, int) {
      for (int64_t b = begin; b < end; b++) {
        const int64_t i = b * STATE_BLOCK, left = count - i;
        adamw_8bit_block(s, gradients + i, params + i, m + i, v + i, m_scales + b, v_scales + b,
                         weights_out == nullptr ? nullptr : static_cast<T *>(weights_out) + i, left < STATE_BLOCK ? left : STATE_BLOCK);
      }
    });
    return REMORA_OK;
  });
}

void fill_optimizer(Kernels &k) {
  signed_map.build(true);
  unsigned_map.build(false);
  k.gradient_norm = gradient_norm;
  k.adamw = adamw;
  k.adamw_8bit = adamw_8bit;
}

}  // namespace remora::REMORA_ISA

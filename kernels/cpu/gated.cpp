// The gate of the MLP (Shazeer 2020, arXiv:2002.05202): SwiGLU and GeGLU forward and backward, and GELU alone for encoders.
#include "isa.h"

namespace remora::REMORA_ISA {

constexpr float GELU_OUTER = 0.79788456080286535588f;  // sqrt(2/π)
constexpr float GELU_CUBIC = 0.044715f;

// σ(x), and 1 − σ(x) as e⁻ˣ σ(x): subtracting from 1 would leave the last bit of the reciprocal, which GELU's slope multiplies by g³.
template <bool PRECISE>
REMORA_INLINE V sigmoid_pair(V x, V &complement) {
  const V e = exp2<PRECISE>(min(splat(124.0f), x * splat(-1.44269504088896341f)));
  const V s = reciprocal(splat(1.0f) + e);
  complement = e * s;
  return s;
}

// PRECISE is for f32; results rounded to 16 bits take the shorter exponential.
template <bool PRECISE>
struct Silu {
  REMORA_INLINE V value(V g) { return g * sigmoid_fast<PRECISE>(g); }
  REMORA_INLINE void both(V g, V &value, V &slope) {
    V rest;
    const V s = sigmoid_pair<PRECISE>(g, rest);
    value = g * s;
    slope = s * fma(g, rest, splat(1.0f));
  }
};

// 0.5 g (1 + tanh(z)), z = sqrt(2/π) (g + 0.044715 g³), Hendrycks & Gimpel, arXiv:1606.08415. Written as g · sigmoid(2z), which is the same
// and keeps its digits where tanh nears −1.
template <bool PRECISE>
struct GeluTanh {
  REMORA_INLINE V value(V g) { return g * sigmoid_fast<PRECISE>(splat(2.0f * GELU_OUTER) * g * fma(splat(GELU_CUBIC) * g, g, splat(1.0f))); }
  REMORA_INLINE void both(V g, V &value, V &slope) {
    V rest;
    const V square = g * g, s = sigmoid_pair<PRECISE>(splat(2.0f * GELU_OUTER) * g * fma(splat(GELU_CUBIC), square, splat(1.0f)), rest);
    const V inner = splat(2.0f * GELU_OUTER) * fma(splat(3.0f * GELU_CUBIC), square, splat(1.0f));
    value = g * s;
    slope = fma(value * rest, inner, s);
  }
};

// g Φ(g) with erf from Abramowitz & Stegun 7.1.26 (absolute error 1.5e-7); the tail Φ(−|g|) is the polynomial itself, so nothing cancels.
struct GeluErf {
  REMORA_INLINE V value(V g) {
    const V z = abs(g) * splat(0.70710678118654752440f), t = splat(1.0f) / fma(splat(0.3275911f), z, splat(1.0f));
    V p = splat(1.061405429f);
    p = fma(p, t, splat(-1.453152027f));
    p = fma(p, t, splat(1.421413741f));
    p = fma(p, t, splat(-0.284496736f));
    p = fma(p, t, splat(0.254829592f));
    const V tail = splat(0.5f) * p * t * exp(-(z * z));
    return g * select(lt(g, zero()), tail, splat(1.0f) - tail);
  }
};

template <class F, class T>
static void gated_forward_rows(remora_context *ctx, const T *gate_up, T *y, int64_t N, int64_t width) {
  parallel_for(ctx, N, grain_for(width), [&](int64_t begin, int64_t end, int) {
    for (int64_t n = begin; n < end; n++) {
      const T *gate = gate_up + n * 2 * width, *up = gate + width;
      T *out = y + n * width;
      for (int64_t c = 0; c < width; c += W) {
        // The next row's halves: three short streams a row are more than the hardware prefetcher follows.
        __builtin_prefetch(gate + c + 2 * width);
        __builtin_prefetch(up + c + 2 * width);
        store_some(out + c, F::value(load_some(gate + c, width - c)) * load_some(up + c, width - c), width - c);
      }
    }
  });
}

template <class F, class T>
static void gated_backward_rows(remora_context *ctx, const T *gate_up, const T *d_y, T *d_gate_up, int64_t N, int64_t width) {
  parallel_for(ctx, N, grain_for(width), [&](int64_t begin, int64_t end, int) {
    for (int64_t n = begin; n < end; n++) {
      const T *gate = gate_up + n * 2 * width, *up = gate + width, *g = d_y + n * width;
      T *d_gate = d_gate_up + n * 2 * width, *d_up = d_gate + width;
      for (int64_t c = 0; c < width; c += W) {
        const int64_t m = width - c;
        __builtin_prefetch(gate + c + 2 * width);
        __builtin_prefetch(up + c + 2 * width);
        __builtin_prefetch(g + c + width);
        const V grad = load_some(g + c, m), u = load_some(up + c, m);
        V value, slope;
        F::both(load_some(gate + c, m), value, slope);
        store_some(d_gate + c, grad * u * slope, m);
        store_some(d_up + c, grad * value, m);
      }
    }
  });
}

static int32_t unknown_kind(remora_context *ctx, const char *op, int32_t kind) {
  return fail(ctx, REMORA_STATUS_ARGUMENT, "%s: activation kind is %d; expected 0 or 1", op, static_cast<int>(kind));
}

static int32_t gated_forward(remora_context *ctx, const void *gate_up, void *y, int64_t N, int64_t F, int32_t dtype, int32_t kind) {
  if (kind != 0 && kind != 1) return unknown_kind(ctx, "gated_forward", kind);
  return dispatch_dtype(ctx, dtype, [&](auto tag) {
    using T = decltype(tag);
    constexpr bool PRECISE = sizeof(T) == 4;
    const auto run = kind == 0 ? gated_forward_rows<Silu<PRECISE>, T> : gated_forward_rows<GeluTanh<PRECISE>, T>;
    run(ctx, static_cast<const T *>(gate_up), static_cast<T *>(y), N, F);
    return REMORA_OK;
  });
}

static int32_t gated_backward(remora_context *ctx, const void *gate_up, const void *d_y, void *d_gate_up, int64_t N, int64_t F, int32_t dtype,
                              int32_t kind) {
  if (kind != 0 && kind != 1) return unknown_kind(ctx, "gated_backward", kind);
  return dispatch_dtype(ctx, dtype, [&](auto tag) {
    using T = decltype(tag);
    constexpr bool PRECISE = sizeof(T) == 4;
    const auto run = kind == 0 ? gated_backward_rows<Silu<PRECISE>, T> : gated_backward_rows<GeluTanh<PRECISE>, T>;
    run(ctx, static_cast<const T *>(gate_up), static_cast<const T *>(d_y), static_cast<T *>(d_gate_up), N, F);
    return REMORA_OK;
  });
}

static int32_t gelu_forward(remora_context *ctx, const void *x, void *y, int64_t count, int32_t dtype, int32_t kind) {
  if (kind != 0 && kind != 1) return unknown_kind(ctx, "gelu_forward", kind);
  return dispatch_dtype(ctx, dtype, [&](auto tag) {
    using T = decltype(tag);
    const T *in = static_cast<const T *>(x);
    T *out = static_cast<T *>(y);
    parallel_for(ctx, count, 8192, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; i += W) {
        const V v = load_some(in + i, end - i);
        store_some(out + i, kind == 0 ? GeluErf::value(v) : GeluTanh<sizeof(T) == 4>::value(v), end - i);
      }
    });
    return REMORA_OK;
  });
}

void fill_gated(Kernels &k) {
  k.gated_forward = gated_forward;
  k.gated_backward = gated_backward;
  k.gelu_forward = gelu_forward;
}

}  // namespace remora::REMORA_ISA

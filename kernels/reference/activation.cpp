// SiLU, GELU and the gated MLP: y = f(gate) · up.
#include "reference.h"

namespace remora::reference {

static const double PI = 3.14159265358979323846;

// A value of an activation with its derivative.
struct Curve {
  double value, slope;
};

// silu(x) = x σ(x);  silu'(x) = σ(x) (1 + x (1 − σ(x)))
static Curve silu(double x) {
  const double sigmoid = 1 / (1 + std::exp(-x));
  return {x * sigmoid, sigmoid * (1 + x * (1 - sigmoid))};
}

// gelu(x) ≈ x/2 · (1 + tanh(u)),  u = sqrt(2/π) (x + 0.044715 x³)
static Curve gelu_tanh(double x) {
  const double root = std::sqrt(2 / PI);
  const double t = std::tanh(root * (x + 0.044715 * x * x * x));
  return {x / 2 * (1 + t), (1 + t) / 2 + x / 2 * (1 - t * t) * root * (1 + 3 * 0.044715 * x * x)};
}

// gelu(x) = x/2 · (1 + erf(x / √2))
static double gelu_erf(double x) { return x / 2 * (1 + std::erf(x / std::sqrt(2.0))); }

static Curve gate_curve(double x, int32_t kind) { return kind == 0 ? silu(x) : gelu_tanh(x); }

static int32_t gated_forward(remora_context *, const void *gate_up, void *y, int64_t N, int64_t F, int32_t dtype, int32_t kind) {
  for (int64_t n = 0; n < N; n++) {
    for (int64_t f = 0; f < F; f++) {
      const double gate = get(gate_up, n * 2 * F + f, dtype), up = get(gate_up, n * 2 * F + F + f, dtype);
      put(y, n * F + f, dtype, gate_curve(gate, kind).value * up);
    }
  }
  return REMORA_OK;
}

// d_gate = d_y · up · f'(gate);  d_up = d_y · f(gate)
static int32_t gated_backward(remora_context *, const void *gate_up, const void *d_y, void *d_gate_up, int64_t N, int64_t F, int32_t dtype,
                              int32_t kind) {
  for (int64_t n = 0; n < N; n++) {
    for (int64_t f = 0; f < F; f++) {
      const int64_t gate_at = n * 2 * F + f, up_at = gate_at + F;
      const double gate = get(gate_up, gate_at, dtype), up = get(gate_up, up_at, dtype), g = get(d_y, n * F + f, dtype);
      const Curve curve = gate_curve(gate, kind);
      put(d_gate_up, gate_at, dtype, g * up * curve.slope);
      put(d_gate_up, up_at, dtype, g * curve.value);
    }
  }
  return REMORA_OK;
}

static int32_t gelu_forward(remora_context *, const void *x, void *y, int64_t count, int32_t dtype, int32_t kind) {
  for (int64_t i = 0; i < count; i++) {
    const double value = get(x, i, dtype);
    put(y, i, dtype, kind == 0 ? gelu_erf(value) : gelu_tanh(value).value);
  }
  return REMORA_OK;
}

void fill_activation(Kernels &k) {
  k.gated_forward = gated_forward;
  k.gated_backward = gated_backward;
  k.gelu_forward = gelu_forward;
}

}  // namespace remora::reference

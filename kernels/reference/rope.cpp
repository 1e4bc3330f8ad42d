// Heads: optional RMS norm of each q and k head, then rotary position. qkv [N, (H+2K)·D]: query heads, key heads, value heads.
//
// Rotation, with h = rotary/2 and (cos, sin) = table[positions[n]][i], for i < h:
//   out_i     = t_i · cos − t_{i+h} · sin
//   out_{i+h} = t_{i+h} · cos + t_i · sin
// where t is the head, after its norm if it has one. What lies beyond `rotary` passes through.
#include "reference.h"

namespace remora::reference {

// 1 / sqrt(mean x² + eps) of one head
static double head_rstd(const double *x, int64_t D, float eps) {
  double squares = 0;
  for (int64_t d = 0; d < D; d++) squares += x[d] * x[d];
  return 1 / std::sqrt(squares / static_cast<double>(D) + eps);
}

// In place. direction +1 turns forward; −1 turns back, which is the gradient, because a rotation's transpose is its inverse.
static void rotate(double *t, const float *angles, int64_t rotary, double direction) {
  const int64_t h = rotary / 2;
  for (int64_t i = 0; i < h; i++) {
    const double cosine = angles[2 * i], sine = direction * angles[2 * i + 1];
    const double first = t[i], second = t[i + h];
    t[i] = first * cosine - second * sine;
    t[i + h] = second * cosine + first * sine;
  }
}

static int32_t rope_forward(remora_context *ctx, const void *qkv, const float *q_norm, const float *k_norm, const float *table,
                            const int32_t *positions, void *out, int64_t N, int64_t H, int64_t K, int64_t D, int64_t rotary, int32_t dtype,
                            float eps) {
  double *t = doubles(ctx, 0, D);
  REMORA_NEED(t);
  for (int64_t n = 0; n < N; n++) {
    for (int64_t head = 0; head < H + 2 * K; head++) {
      const int64_t at = (n * (H + 2 * K) + head) * D;
      for (int64_t d = 0; d < D; d++) t[d] = get(qkv, at + d, dtype);
      const float *norm = head < H ? q_norm : k_norm;
      if (head < H + K) {  // value heads are only copied
        if (norm != nullptr) {
          const double r = head_rstd(t, D, eps);
          for (int64_t d = 0; d < D; d++) t[d] *= r * norm[d];
        }
        rotate(t, table + positions[n] * rotary, rotary, +1);
      }
      for (int64_t d = 0; d < D; d++) put(out, at + d, dtype, t[d]);
    }
  }
  return REMORA_OK;
}

// Turn the gradient back; then, with norms, the gradient of an RMS norm: with u = x · rstd and g = d_t · norm,
//   d_x = rstd · (g − u · mean(g · u)),   norm_grad += Σ d_t · u
static int32_t rope_backward(remora_context *ctx, const void *qkv, const float *q_norm, const float *k_norm, const float *table,
                             const int32_t *positions, const void *d_out, void *d_qkv, float *q_norm_grad, float *k_norm_grad, int64_t N,
                             int64_t H, int64_t K, int64_t D, int64_t rotary, int32_t dtype, float eps) {
  double *dt = doubles(ctx, 0, D);
  REMORA_NEED(dt);
  double *u = doubles(ctx, 1, D);
  REMORA_NEED(u);
  double *q_total = doubles(ctx, 2, D);
  REMORA_NEED(q_total);
  double *k_total = doubles(ctx, 3, D);
  REMORA_NEED(k_total);
  for (int64_t d = 0; d < D; d++) q_total[d] = k_total[d] = 0;
  for (int64_t n = 0; n < N; n++) {
    for (int64_t head = 0; head < H + 2 * K; head++) {
      const int64_t at = (n * (H + 2 * K) + head) * D;
      for (int64_t d = 0; d < D; d++) dt[d] = get(d_out, at + d, dtype);
      const float *norm = head < H ? q_norm : k_norm;
      if (head < H + K) {
        rotate(dt, table + positions[n] * rotary, rotary, -1);
        if (norm != nullptr) {
          for (int64_t d = 0; d < D; d++) u[d] = get(qkv, at + d, dtype);
          const double r = head_rstd(u, D, eps);
          double *total = head < H ? q_total : k_total;
          double mean = 0;
          for (int64_t d = 0; d < D; d++) {
            u[d] *= r;
            total[d] += dt[d] * u[d];
            mean += dt[d] * norm[d] * u[d] / static_cast<double>(D);
          }
          for (int64_t d = 0; d < D; d++) dt[d] = r * (dt[d] * norm[d] - u[d] * mean);
        }
      }
      for (int64_t d = 0; d < D; d++) put(d_qkv, at + d, dtype, dt[d]);
    }
  }
  for (int64_t d = 0; d < D && q_norm_grad != nullptr; d++) q_norm_grad[d] = static_cast<float>(q_norm_grad[d] + q_total[d]);
  for (int64_t d = 0; d < D && k_norm_grad != nullptr; d++) k_norm_grad[d] = static_cast<float>(k_norm_grad[d] + k_total[d]);
  return REMORA_OK;
}

void fill_rope(Kernels &k) {
  k.rope_forward = rope_forward;
  k.rope_backward = rope_backward;
}

}  // namespace remora::reference

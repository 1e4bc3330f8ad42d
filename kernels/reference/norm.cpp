// Root-mean-square norm and layer norm, one row at a time.
#include "reference.h"

namespace remora::reference {

// s = x + residual;  rstd = 1 / sqrt(mean_c s² + eps);  y = s · rstd · weight
static int32_t rms_norm_forward(remora_context *ctx, const void *x, const void *residual, const float *weight, void *sum, void *y,
                                float *rstd, int64_t N, int64_t C, int32_t dtype, float eps) {
  double *s = doubles(ctx, 0, C);
  REMORA_NEED(s);
  for (int64_t n = 0; n < N; n++) {
    double squares = 0;
    for (int64_t c = 0; c < C; c++) {
      s[c] = get(x, n * C + c, dtype);
      if (residual != nullptr) {
        s[c] += get(residual, n * C + c, dtype);
        put(sum, n * C + c, dtype, s[c]);
        s[c] = get(sum, n * C + c, dtype);  // what is normalized is what is kept: the rounded sum
      }
      squares += s[c] * s[c];
    }
    const double r = 1 / std::sqrt(squares / static_cast<double>(C) + eps);
    for (int64_t c = 0; c < C; c++) put(y, n * C + c, dtype, s[c] * r * weight[c]);
    if (rstd != nullptr) rstd[n] = static_cast<float>(r);
  }
  return REMORA_OK;
}

// With t = rstd · s (the normalized row) and g = d_y · weight:
//   d_sum = d_residual + rstd · (g − t · mean_c(g · t))
static void write_d_sum(const void *s, const float *weight, const float *rstd, const void *d_y, const void *d_residual, void *d_sum,
                        int64_t N, int64_t C, int32_t dtype) {
  for (int64_t n = 0; n < N; n++) {
    const double r = rstd[n];
    double mean = 0;
    for (int64_t c = 0; c < C; c++) {
      const double t = r * get(s, n * C + c, dtype);
      mean += get(d_y, n * C + c, dtype) * weight[c] * t;
    }
    mean /= static_cast<double>(C);
    for (int64_t c = 0; c < C; c++) {
      const int64_t i = n * C + c;
      const double t = r * get(s, i, dtype);
      const double g = get(d_y, i, dtype) * weight[c];
      const double carried = d_residual == nullptr ? 0 : get(d_residual, i, dtype);
      put(d_sum, i, dtype, carried + r * (g - t * mean));
    }
  }
}

// weight_grad[c] += Σ_n d_y · s · rstd, summed in f64 and added once
static void add_weight_grad(const void *s, const float *rstd, const void *d_y, float *weight_grad, int64_t N, int64_t C, int32_t dtype) {
  for (int64_t c = 0; c < C; c++) {
    double total = 0;
    for (int64_t n = 0; n < N; n++) total += get(d_y, n * C + c, dtype) * get(s, n * C + c, dtype) * rstd[n];
    weight_grad[c] = static_cast<float>(weight_grad[c] + total);
  }
}

static int32_t rms_norm_backward(remora_context *, const void *s, const float *weight, const float *rstd, const void *d_y,
                                 const void *d_residual, void *d_sum, float *weight_grad, int64_t N, int64_t C, int32_t dtype) {
  if (weight_grad != nullptr) add_weight_grad(s, rstd, d_y, weight_grad, N, C, dtype);
  write_d_sum(s, weight, rstd, d_y, d_residual, d_sum, N, C, dtype);
  return REMORA_OK;
}

// y = s · rstd · weight
static int32_t rms_norm_apply(remora_context *, const void *s, const float *weight, const float *rstd, void *y, int64_t N, int64_t C,
                              int32_t dtype) {
  for (int64_t n = 0; n < N; n++) {
    for (int64_t c = 0; c < C; c++) put(y, n * C + c, dtype, get(s, n * C + c, dtype) * rstd[n] * weight[c]);
  }
  return REMORA_OK;
}

// s = x + residual;  y = (s − mean) / sqrt(mean_c (s − mean)² + eps) · weight + bias
static int32_t layer_norm_forward(remora_context *ctx, const void *x, const void *residual, const float *weight, const float *bias, void *y,
                                  int64_t N, int64_t C, int32_t dtype, float eps) {
  double *s = doubles(ctx, 0, C);
  REMORA_NEED(s);
  for (int64_t n = 0; n < N; n++) {
    double mean = 0, variance = 0;
    for (int64_t c = 0; c < C; c++) {
      s[c] = get(x, n * C + c, dtype) + (residual == nullptr ? 0 : get(residual, n * C + c, dtype));
      mean += s[c] / static_cast<double>(C);
    }
    for (int64_t c = 0; c < C; c++) variance += (s[c] - mean) * (s[c] - mean) / static_cast<double>(C);
    const double r = 1 / std::sqrt(variance + eps);
    for (int64_t c = 0; c < C; c++) put(y, n * C + c, dtype, (s[c] - mean) * r * weight[c] + bias[c]);
  }
  return REMORA_OK;
}

void fill_norm(Kernels &k) {
  k.rms_norm_forward = rms_norm_forward;
  k.rms_norm_backward = rms_norm_backward;
  k.rms_norm_apply = rms_norm_apply;
  k.layer_norm_forward = layer_norm_forward;
}

}  // namespace remora::reference

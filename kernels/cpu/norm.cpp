// Root-mean-square norm (Zhang & Sennrich 2019, arXiv:1910.07467) with the residual addition folded in, its backward, and layer norm for
// encoders. One row at a time: the row stays in L1 between its passes.
#include "reduce.h"

namespace remora::REMORA_ISA {

// y = s · rstd · weight
template <class T>
REMORA_INLINE void scale_row(const T *s, const float *weight, float rstd, T *y, int64_t C) {
  for (int64_t c = 0; c < C; c += W) store_some(y + c, load_some(s + c, C - c) * splat(rstd) * load_some(weight + c, C - c), C - c);
}

static int32_t rms_norm_forward(remora_context *ctx, const void *x, const void *residual, const float *weight, void *sum, void *y, float *rstd,
                                int64_t N, int64_t C, int32_t dtype, float eps) {
  return dispatch_dtype(ctx, dtype, [&](auto tag) {
    using T = decltype(tag);
    parallel_for(ctx, N, grain_for(C), [&](int64_t begin, int64_t end, int) {
      for (int64_t n = begin; n < end; n++) {
        const T *s = static_cast<const T *>(x) + n * C;
        V squares = zero();
        if (residual != nullptr) {
          const T *r = static_cast<const T *>(residual) + n * C;
          T *total = static_cast<T *>(sum) + n * C;
          for (int64_t c = 0; c < C; c += W) {
            // Rounded before it is normalized, so that backward, which reads the stored sum, sees the same numbers.
            const V v = round_as(load_some(s + c, C - c) + load_some(r + c, C - c), tag);
            store_some(total + c, v, C - c);
            squares = fma(v, v, squares);
          }
          s = total;
        } else {
          for (int64_t c = 0; c < C; c += W) {
            const V v = load_some(s + c, C - c);
            squares = fma(v, v, squares);
          }
        }
        const float scale = 1.0f / __builtin_sqrtf(hsum(squares) / static_cast<float>(C) + eps);
        if (rstd != nullptr) rstd[n] = scale;
        scale_row(s, weight, scale, static_cast<T *>(y) + n * C, C);
      }
    });
    return REMORA_OK;
  });
}

static int32_t rms_norm_apply(remora_context *ctx, const void *s, const float *weight, const float *rstd, void *y, int64_t N, int64_t C,
                              int32_t dtype) {
  return dispatch_dtype(ctx, dtype, [&](auto tag) {
    using T = decltype(tag);
    parallel_for(ctx, N, grain_for(C), [&](int64_t begin, int64_t end, int) {
      for (int64_t n = begin; n < end; n++) scale_row(static_cast<const T *>(s) + n * C, weight, rstd[n], static_cast<T *>(y) + n * C, C);
    });
    return REMORA_OK;
  });
}

static int32_t rms_norm_backward(remora_context *ctx, const void *s, const float *weight, const float *rstd, const void *d_y,
                                 const void *d_residual, void *d_sum, float *weight_grad, int64_t N, int64_t C, int32_t dtype) {
  return dispatch_dtype(ctx, dtype, [&](auto tag) {
    using T = decltype(tag);
    const int64_t parts = part_count(ctx, N);
    float *partial = nullptr;
    if (weight_grad != nullptr) {
      partial = static_cast<float *>(scratch(ctx, 0, (parts > 0 ? parts : 1) * C * 4));
      if (partial == nullptr) return fail(ctx, REMORA_STATUS_MEMORY, "rms_norm_backward: no memory for %lld partial sums of %lld values",
                                          static_cast<long long>(parts), static_cast<long long>(C));
    }
    parallel_for(ctx, parts, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t p = begin; p < end; p++) {
        float *sums = partial == nullptr ? nullptr : partial + p * C;
        if (sums != nullptr) memset(sums, 0, static_cast<size_t>(C) * 4);
        for (int64_t n = N * p / parts; n < N * (p + 1) / parts; n++) {
          const T *x = static_cast<const T *>(s) + n * C, *g = static_cast<const T *>(d_y) + n * C;
          const T *r = d_residual == nullptr ? nullptr : static_cast<const T *>(d_residual) + n * C;
          T *out = static_cast<T *>(d_sum) + n * C;
          V dot = zero();
          for (int64_t c = 0; c < C; c += W)
            dot = fma(load_some(g + c, C - c) * load_some(weight + c, C - c), load_some(x + c, C - c), dot);
          const float scale = rstd[n];
          const V k = splat(scale), back = splat(scale * scale * scale * hsum(dot) / static_cast<float>(C));
          for (int64_t c = 0; c < C; c += W) {
            const int64_t m = C - c;
            const V xv = load_some(x + c, m), gv = load_some(g + c, m);
            V d = fnma(xv, back, gv * load_some(weight + c, m) * k);
            if (r != nullptr) d = d + load_some(r + c, m);
            if (sums != nullptr) store_some(sums + c, fma(gv * k, xv, load_some(sums + c, m)), m);
            store_some(out + c, d, m);
          }
        }
      }
    });
    if (weight_grad != nullptr) add_partials(ctx, partial, parts, C, weight_grad);
    return REMORA_OK;
  });
}

static int32_t layer_norm_forward(remora_context *ctx, const void *x, const void *residual, const float *weight, const float *bias, void *y,
                                  int64_t N, int64_t C, int32_t dtype, float eps) {
  return dispatch_dtype(ctx, dtype, [&](auto tag) {
    using T = decltype(tag);
    bool refused = false;
    for (int t = 0; t < thread_count(ctx); t++) refused |= thread_scratch(ctx, t, 0, (C + W) * 4) == nullptr;
    if (refused) return fail(ctx, REMORA_STATUS_MEMORY, "layer_norm_forward: no memory for a row of %lld values", static_cast<long long>(C));
    parallel_for(ctx, N, grain_for(C), [&](int64_t begin, int64_t end, int thread) {
      float *row = static_cast<float *>(thread_scratch(ctx, thread, 0, (C + W) * 4));
      for (int64_t n = begin; n < end; n++) {
        const T *in = static_cast<const T *>(x) + n * C, *r = residual == nullptr ? nullptr : static_cast<const T *>(residual) + n * C;
        T *out = static_cast<T *>(y) + n * C;
        V total = zero();
        for (int64_t c = 0; c < C; c += W) {
          V v = load_some(in + c, C - c);
          if (r != nullptr) v = v + load_some(r + c, C - c);
          total = total + v;
          store_some(row + c, v, C - c);
        }
        const V mean = splat(hsum(total) / static_cast<float>(C));
        V squares = zero();
        for (int64_t c = 0; c < C; c += W) {
          V v = load_some(row + c, C - c) - mean;
          if (C - c < W) v = select(first(C - c), v, zero());
          squares = fma(v, v, squares);
        }
        const V scale = splat(1.0f / __builtin_sqrtf(hsum(squares) / static_cast<float>(C) + eps));
        for (int64_t c = 0; c < C; c += W) {
          const V v = (load_some(row + c, C - c) - mean) * scale * load_some(weight + c, C - c);
          store_some(out + c, bias == nullptr ? v : v + load_some(bias + c, C - c), C - c);
        }
      }
    });
    return REMORA_OK;
  });
}

void fill_norm(Kernels &k) {
  k.rms_norm_forward = rms_norm_forward;
  k.rms_norm_backward = rms_norm_backward;
  k.rms_norm_apply = rms_norm_apply;
  k.layer_norm_forward = layer_norm_forward;
}

}  // namespace remora::REMORA_ISA

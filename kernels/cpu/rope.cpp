// Heads of q and k: the optional RMS norm over each head (Qwen3, Gemma 3), then rotary position (Su et al. 2021, arXiv:2104.09864) in
// Hugging Face's half-split layout. Values pass through.
#include "reduce.h"

namespace remora::REMORA_ISA {

// One row's angles, taken apart from (cos, sin) pairs once and used by every head.
REMORA_INLINE void split_angles(const float *pairs, int64_t half, float *cosine, float *sine) {
  for (int64_t i = 0; i < half; i++) {
    cosine[i] = pairs[2 * i];
    sine[i] = pairs[2 * i + 1];
  }
}

// (x, y) → (x cos − y sin, y cos + x sin); with `sign` = −1 the turn is undone. in and out may be the same.
template <class S, class T>
REMORA_INLINE void rotate(const S *in, T *out, const float *cosine, const float *sine, int64_t half, float sign) {
  for (int64_t i = 0; i < half; i += W) {
    const int64_t m = half - i;
    const V x = load_some(in + i, m), y = load_some(in + half + i, m), c = load_some(cosine + i, m), s = load_some(sine + i, m) * splat(sign);
    store_some(out + i, fnma(y, s, x * c), m);
    store_some(out + half + i, fma(x, s, y * c), m);
  }
}

template <class S, class T>
REMORA_INLINE void copy_values(const S *in, T *out, int64_t count) {
  for (int64_t i = 0; i < count; i += W) store_some(out + i, load_some(in + i, count - i), count - i);
}

template <class T>
REMORA_INLINE float head_rstd(const T *x, int64_t D, float eps) {
  V squares = zero();
  for (int64_t c = 0; c < D; c += W) {
    const V v = load_some(x + c, D - c);
    squares = fma(v, v, squares);
  }
  return 1.0f / __builtin_sqrtf(hsum(squares) / static_cast<float>(D) + eps);
}

// Each thread's scratch: cos [half], sin [half], one head [D]; each padded to whole vectors.
REMORA_INLINE bool reserve_heads(remora_context *ctx, int64_t D) {
  bool granted = true;
  for (int t = 0; t < thread_count(ctx); t++) granted &= thread_scratch(ctx, t, 0, 3 * (D + W) * 4) != nullptr;
  return granted;
}

static int32_t check_rotary(remora_context *ctx, const char *op, int64_t D, int64_t rotary, const float *q_norm, const float *k_norm) {
  if (rotary % 2 != 0 || rotary > D || rotary < 0)
    return fail(ctx, REMORA_STATUS_SHAPE, "%s: rotary is %lld; expected an even number up to the head size %lld", op,
                static_cast<long long>(rotary), static_cast<long long>(D));
  if ((q_norm == nullptr) != (k_norm == nullptr)) return fail(ctx, REMORA_STATUS_ARGUMENT, "%s: q_norm and k_norm must both be given or both be NULL", op);
  if (!reserve_heads(ctx, D)) return fail(ctx, REMORA_STATUS_MEMORY, "%s: no memory for a head of %lld values", op, static_cast<long long>(D));
  return REMORA_OK;
}

static int32_t rope_forward(remora_context *ctx, const void *qkv, const float *q_norm, const float *k_norm, const float *table,
                            const int32_t *positions, void *out, int64_t N, int64_t H, int64_t K, int64_t D, int64_t rotary, int32_t dtype,
                            float eps) {
  const int32_t status = check_rotary(ctx, "rope_forward", D, rotary, q_norm, k_norm);
  if (status != REMORA_OK) return status;
  return dispatch_dtype(ctx, dtype, [&](auto tag) {
    using T = decltype(tag);
    const int64_t stride = (H + 2 * K) * D, half = rotary / 2;
    parallel_for(ctx, N, grain_for(stride), [&](int64_t begin, int64_t end, int thread) {
      float *cosine = static_cast<float *>(thread_scratch(ctx, thread, 0, 3 * (D + W) * 4)), *sine = cosine + D + W, *head = sine + D + W;
      for (int64_t n = begin; n < end; n++) {
        split_angles(table + positions[n] * rotary, half, cosine, sine);
        const T *in = static_cast<const T *>(qkv) + n * stride;
        T *to = static_cast<T *>(out) + n * stride;
        for (int64_t h = 0; h < H + K; h++) {
          const T *x = in + h * D;
          T *y = to + h * D;
          if (q_norm != nullptr) {
            const float *weight = h < H ? q_norm : k_norm;
            const V scale = splat(head_rstd(x, D, eps));
            for (int64_t c = 0; c < D; c += W) store_some(head + c, load_some(x + c, D - c) * scale * load_some(weight + c, D - c), D - c);
            rotate(head, y, cosine, sine, half, 1.0f);
            copy_values(head + rotary, y + rotary, D - rotary);
          } else {
            rotate(x, y, cosine, sine, half, 1.0f);
            if (x != y) memcpy(y + rotary, x + rotary, static_cast<size_t>(D - rotary) * sizeof(T));
          }
        }
        if (in != to) memcpy(to + (H + K) * D, in + (H + K) * D, static_cast<size_t>(K * D) * sizeof(T));
      }
    });
    return REMORA_OK;
  });
}

static int32_t rope_backward(remora_context *ctx, const void *qkv, const float *q_norm, const float *k_norm, const float *table,
                             const int32_t *positions, const void *d_out, void *d_qkv, float *q_norm_grad, float *k_norm_grad, int64_t N,
                             int64_t H, int64_t K, int64_t D, int64_t rotary, int32_t dtype, float eps) {
  const int32_t status = check_rotary(ctx, "rope_backward", D, rotary, q_norm, k_norm);
  if (status != REMORA_OK) return status;
  return dispatch_dtype(ctx, dtype, [&](auto tag) {
    using T = decltype(tag);
    const int64_t stride = (H + 2 * K) * D, half = rotary / 2, parts = part_count(ctx, N);
    const bool weights_train = q_norm != nullptr && (q_norm_grad != nullptr || k_norm_grad != nullptr);
    // Partial sums of the norms' gradients: all of q's [parts, D], then all of k's.
    float *partial = nullptr;
    if (weights_train) {
      partial = static_cast<float *>(scratch(ctx, 0, 2 * (parts > 0 ? parts : 1) * D * 4));
      if (partial == nullptr) return fail(ctx, REMORA_STATUS_MEMORY, "rope_backward: no memory for the norms' partial sums");
      memset(partial, 0, static_cast<size_t>(2 * parts * D) * 4);
    }
    parallel_for(ctx, parts, 1, [&](int64_t begin, int64_t end, int thread) {
      float *cosine = static_cast<float *>(thread_scratch(ctx, thread, 0, 3 * (D + W) * 4)), *sine = cosine + D + W, *head = sine + D + W;
      for (int64_t p = begin; p < end; p++) {
        for (int64_t n = N * p / parts; n < N * (p + 1) / parts; n++) {
          split_angles(table + positions[n] * rotary, half, cosine, sine);
          const T *from = static_cast<const T *>(d_out) + n * stride;
          T *to = static_cast<T *>(d_qkv) + n * stride;
          for (int64_t h = 0; h < H + K; h++) {
            const T *g = from + h * D;
            T *d = to + h * D;
            if (q_norm == nullptr) {
              rotate(g, d, cosine, sine, half, -1.0f);
              if (g != d) memcpy(d + rotary, g + rotary, static_cast<size_t>(D - rotary) * sizeof(T));
              continue;
            }
            const T *x = static_cast<const T *>(qkv) + n * stride + h * D;
            const float *weight = h < H ? q_norm : k_norm;
            float *sums = weights_train ? partial + ((h < H ? 0 : parts) + p) * D : nullptr;
            rotate(g, head, cosine, sine, half, -1.0f);
            copy_values(g + rotary, head + rotary, D - rotary);
            const float rstd = head_rstd(x, D, eps);
            V dot = zero();
            for (int64_t c = 0; c < D; c += W)
              dot = fma(load_some(head + c, D - c) * load_some(weight + c, D - c), load_some(x + c, D - c), dot);
            const V scale = splat(rstd), back = splat(rstd * rstd * rstd * hsum(dot) / static_cast<float>(D));
            for (int64_t c = 0; c < D; c += W) {
              const int64_t m = D - c;
              const V xv = load_some(x + c, m), gv = load_some(head + c, m);
              if (sums != nullptr) store_some(sums + c, fma(gv * scale, xv, load_some(sums + c, m)), m);
              store_some(d + c, fnma(xv, back, gv * load_some(weight + c, m) * scale), m);
            }
          }
          if (from != to) memcpy(to + (H + K) * D, from + (H + K) * D, static_cast<size_t>(K * D) * sizeof(T));
        }
      }
    });
    if (weights_train && q_norm_grad != nullptr) add_partials(ctx, partial, parts, D, q_norm_grad);
    if (weights_train && k_norm_grad != nullptr) add_partials(ctx, partial + parts * D, parts, D, k_norm_grad);
    return REMORA_OK;
  });
}

void fill_rope(Kernels &k) {
  k.rope_forward = rope_forward;
  k.rope_backward = rope_backward;
}

}  // namespace remora::REMORA_ISA

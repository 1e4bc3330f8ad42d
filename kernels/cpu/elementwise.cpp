// Conversions, scaled addition, sums, random fills and row copies: memory-bound loops.
#include "reduce.h"

namespace remora::REMORA_ISA {

template <class S, class T>
static void convert_range(const S *source, T *target, int64_t begin, int64_t end) {
  int64_t i = begin;
  for (; i + W <= end; i += W) store_exact(target + i, load(source + i));
  for (; i < end; i++) from_float(to_float(source[i]), target[i]);
}

static int32_t convert(remora_context *ctx, const void *source, void *target, int64_t count, int32_t source_dtype, int32_t target_dtype) {
  return dispatch_dtype(ctx, source_dtype, [&](auto source_tag) {
    return dispatch_dtype(ctx, target_dtype, [&](auto target_tag) {
      using S = decltype(source_tag);
      using T = decltype(target_tag);
      parallel_for(ctx, count, 16384, [&](int64_t begin, int64_t end, int) {
        if (sizeof(S) == sizeof(T) && source_dtype == target_dtype)
          memcpy(static_cast<T *>(target) + begin, static_cast<const S *>(source) + begin, static_cast<size_t>(end - begin) * sizeof(T));
        else
          convert_range(static_cast<const S *>(source), static_cast<T *>(target), begin, end);
      });
      return REMORA_OK;
    });
  });
}

static int32_t add(remora_context *ctx, const void *x, void *y, int64_t count, int32_t dtype, float scale) {
  return dispatch_dtype(ctx, dtype, [&](auto tag) {
    using T = decltype(tag);
    const T *in = static_cast<const T *>(x);
    T *out = static_cast<T *>(y);
    parallel_for(ctx, count, 16384, [&](int64_t begin, int64_t end, int) {
      int64_t i = begin;
      for (; i + W <= end; i += W) store(out + i, fma(splat(scale), load(in + i), load(out + i)));
      if (i < end) store(out + i, fma(splat(scale), load(in + i, end - i), load(out + i, end - i)), end - i);
    });
    return REMORA_OK;
  });
}

static int32_t sum(remora_context *ctx, const float *x, float *out, int64_t count) {
  out[0] = static_cast<float>(sum_f64(ctx, x, count, [](double v) { return v; }));
  return REMORA_OK;
}

static int32_t random(remora_context *ctx, float *x, int64_t count, uint64_t seed, float bound, int32_t normal) {
  parallel_for(ctx, count, 4096, [&](int64_t begin, int64_t end, int) {
    if (normal != 0) {
      for (int64_t i = begin; i < end; i++) x[i] = bound * random_normal(seed, static_cast<uint64_t>(i));
    } else {
      for (int64_t i = begin; i < end; i++) x[i] = bound * (2.0f * random_uniform(seed, static_cast<uint64_t>(i)) - 1.0f);
    }
  });
  return REMORA_OK;
}

static int32_t gather_rows(remora_context *ctx, const void *x, const int32_t *rows, void *out, int64_t count, int64_t C, int32_t dtype) {
  return dispatch_dtype(ctx, dtype, [&](auto tag) {
    using T = decltype(tag);
    const size_t bytes = static_cast<size_t>(C) * sizeof(T);
    parallel_for(ctx, count, grain_for(C), [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; i++) {
        T *target = static_cast<T *>(out) + i * C;
        if (rows[i] < 0)
          memset(target, 0, bytes);
        else
          memcpy(target, static_cast<const T *>(x) + rows[i] * C, bytes);
      }
    });
    return REMORA_OK;
  });
}

void fill_elementwise(Kernels &k) {
  k.convert = convert;
  k.add = add;
  k.sum = sum;
  k.random = random;
  k.gather_rows = gather_rows;
}

}  // namespace remora::REMORA_ISA

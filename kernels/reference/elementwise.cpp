// Conversions, sums, random numbers and row copies.
#include "reference.h"

namespace remora::reference {

// target[i] = source[i], rounded to nearest even
static int32_t convert(remora_context *, const void *source, void *target, int64_t count, int32_t source_dtype, int32_t target_dtype) {
  for (int64_t i = 0; i < count; i++) put(target, i, target_dtype, get(source, i, source_dtype));
  return REMORA_OK;
}

// y[i] += scale · x[i]
static int32_t add(remora_context *, const void *x, void *y, int64_t count, int32_t dtype, float scale) {
  for (int64_t i = 0; i < count; i++) put(y, i, dtype, get(y, i, dtype) + scale * get(x, i, dtype));
  return REMORA_OK;
}

// out[0] = Σ x[i]
static int32_t sum(remora_context *, const float *x, float *out, int64_t count) {
  double total = 0;
  for (int64_t i = 0; i < count; i++) total += x[i];
  out[0] = static_cast<float>(total);
  return REMORA_OK;
}

// x[i] = (2u − 1) · bound, u the i-th uniform of the seed; or bound · z, z its i-th normal. In f32, so that every device gives the same bits.
static int32_t random(remora_context *, float *x, int64_t count, uint64_t seed, float bound, int32_t normal) {
  for (int64_t i = 0; i < count; i++) {
    const uint64_t index = static_cast<uint64_t>(i);
    x[i] = normal != 0 ? random_normal(seed, index) * bound : (2.0f * random_uniform(seed, index) - 1.0f) * bound;
  }
  return REMORA_OK;
}

// out[i, :] = x[rows[i], :], zeros where rows[i] < 0
static int32_t gather_rows(remora_context *, const void *x, const int32_t *rows, void *out, int64_t count, int64_t C, int32_t dtype) {
  for (int64_t i = 0; i < count; i++) {
    for (int64_t c = 0; c < C; c++) put(out, i * C + c, dtype, rows[i] < 0 ? 0.0 : get(x, rows[i] * C + c, dtype));
  }
  return REMORA_OK;
}

void fill_elementwise(Kernels &k) {
  k.convert = convert;
  k.add = add;
  k.sum = sum;
  k.random = random;
  k.gather_rows = gather_rows;
}

}  // namespace remora::reference

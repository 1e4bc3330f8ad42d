// LoRA's dropout. The mask is a function of the seed and the element's index alone, so it is made again wherever it is needed.
// The factor 1 / (1 - p) is not applied here: products take it in f32, so that what is kept is kept exactly.
// Plan: a thread owns pieces of 8 elements, grid-stride. Bytes: x read, y written. Limit: memory, next to about 12 integer instructions an
// element for the random bits.
#include "common.cuh"

template <bool VECTOR, class T> __device__ void dropout(const T *x, T *y, int64_t count, uint64_t seed, float p) {
  for (int64_t i = grid_start() * 8; i < count; i += grid_step() * 8) {
    float v[8];
    const bool whole = VECTOR && i + 8 <= count;
    if (whole) load8<true>(x + i, 8, v);
    else load8<false>(x + i, count - i, v);
#pragma unroll
    for (int k = 0; k < 8; k++) v[k] = random_uniform(seed, static_cast<uint64_t>(i + k)) >= p ? v[k] : 0.0f;
    if (whole) store8<true>(y + i, 8, v);
    else store8<false>(y + i, count - i, v);
  }
}
// launch: grid min(ceil(count / 2048), 4096), block 256. y[i] = x[i] where uniform(seed[0], i) >= p, else 0. y may be x.
#define DROPOUT(suffix, T)                                                                                                             \
  extern "C" __global__ void __launch_bounds__(256) dropout_##suffix(const T *x, T *y, int64_t count, const uint64_t *seed, float p) { \
    if (is_aligned16(x) && is_aligned16(y)) dropout<true>(x, y, count, seed[0], p);                                            \
    else dropout<false>(x, y, count, seed[0], p);                                                                              \
  }
REMORA_FOR_ACTIVATIONS(DROPOUT)

// NF4's levels and the scale of a block of 64 (bitsandbytes' layout).
#pragma once
#include "common.cuh"

// QLoRA, arXiv:2305.14314, appendix E, as bitsandbytes prints them.
__constant__ float NF4_LEVELS[16] = {-1.0f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f, -0.18477343022823334f,
                                     -0.09105003625154495f, 0.0f, 0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f, 0.33791524171829224f,
                                     0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1.0f};

// Scale of block b: f32, or double quantized. Not fused into one rounding: bitsandbytes multiplies, then adds.
template <bool NESTED>
__device__ __forceinline__ float nf4_absmax(const void *scales, const float *nested_scales, const float *code, float offset, int64_t b) {
  if (!NESTED) return static_cast<const float *>(scales)[b];
  return __fadd_rn(__fmul_rn(code[static_cast<const uint8_t *>(scales)[b]], nested_scales[b >> 8]), offset);
}

// The gate of a gated MLP: SiLU (kind 0) or GELU in its tanh form (kind 1).
#pragma once
#include "common.cuh"

__device__ __forceinline__ float sigmoid(float x) { return 1.0f / (1.0f + __expf(-x)); }
__device__ __forceinline__ float gelu_inner(float x) { return 0.7978845608028654f * (x + 0.044715f * x * x * x); }
// tanh through exp: exact to a few ulp and saturating
__device__ __forceinline__ float tanh_exp(float x) {
  const float e = __expf(-2.0f * fabsf(x));
  return copysignf((1.0f - e) / (1.0f + e), x);
}

__device__ __forceinline__ float gate_value(float g, int kind) { return kind == 0 ? g * sigmoid(g) : 0.5f * g * (1.0f + tanh_exp(gelu_inner(g))); }

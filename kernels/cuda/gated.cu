// Gated MLP activation (SwiGLU, GeGLU) and plain GELU: forward and backward.
// Plan: a thread owns 8 columns of a row; gate and up are F apart in the same row. backward may write over gate_up, because a thread
// reads what it will overwrite before it writes. Bytes: forward 3 F elements a row, backward 5 F, rounded 1 byte more for each written. Limit: memory;
// exp and tanh stay under it.
#include "e4m3.cuh"
#include "gate.cuh"

// value and derivative of the gate function
__device__ __forceinline__ void gate_both(float g, int kind, float &value, float &slope) {
  if (kind == 0) {
    const float s = sigmoid(g);
    value = g * s;
    slope = s * (1.0f + g * (1.0f - s));
  } else {
    const float t = tanh_exp(gelu_inner(g));
    value = 0.5f * g * (1.0f + t);
    slope = 0.5f * (1.0f + t) + 0.5f * g * (1.0f - t * t) * 0.7978845608028654f * (1.0f + 3.0f * 0.044715f * g * g);
  }
}

// launch: grid (ceil(F / 2048), min(N, 65535)), block 256. kind 0: SiLU, 1: GELU in its tanh form.
#define GATED_FORWARD(suffix, T)                                                                                                       \
  extern "C" __global__ void __launch_bounds__(256) gated_forward_##suffix(const T *gate_up, T *y, int64_t N, int64_t F, int kind) {   \
    follow_previous_kernel();                                                                                                         \
    const int64_t c = grid_start() * 8;                                                                                               \
    if (c >= F) return;                                                                                                               \
    const bool vector = F % 8 == 0 && is_aligned16(gate_up) && is_aligned16(y);                                                       \
    for (int64_t n = blockIdx.y; n < N; n += gridDim.y) {                                                                             \
      const T *g = gate_up + n * 2 * F + c;                                                                                           \
      float a[8], b[8];                                                                                                               \
      if (vector) load8<true>(g, 8, a), load8<true>(g + F, 8, b);                                                                     \
      else load8<false>(g, F - c, a), load8<false>(g + F, F - c, b);                                                                  \
      _Pragma("unroll") for (int i = 0; i < 8; i++) a[i] = gate_value(a[i], kind) * b[i];                                             \
      if (vector) store8<true>(y + n * F + c, 8, a);                                                                                  \
      else store8<false>(y + n * F + c, F - c, a);                                                                                    \
    }                                                                                                                                 \
  }
REMORA_FOR_ACTIVATIONS(GATED_FORWARD)

// launch: grid (ceil(F / 2048), min(N, 65535)), block 256. d_gate_up may be gate_up.
#define GATED_BACKWARD(suffix, T)                                                                                                      \
  extern "C" __global__ void __launch_bounds__(256) gated_backward_##suffix(const T *gate_up, const T *d_y, T *d_gate_up, int64_t N, int64_t F, \
                                                                            int kind) {                                                \
    const int64_t c = grid_start() * 8;                                                                                               \
    if (c >= F) return;                                                                                                               \
    const bool vector = F % 8 == 0 && is_aligned16(gate_up) && is_aligned16(d_y) && is_aligned16(d_gate_up);                          \
    for (int64_t n = blockIdx.y; n < N; n += gridDim.y) {                                                                             \
      const T *g = gate_up + n * 2 * F + c;                                                                                           \
      T *d = d_gate_up + n * 2 * F + c;                                                                                               \
      float a[8], b[8], dy[8];                                                                                                        \
      if (vector) load8<true>(g, 8, a), load8<true>(g + F, 8, b), load8<true>(d_y + n * F + c, 8, dy);                                \
      else load8<false>(g, F - c, a), load8<false>(g + F, F - c, b), load8<false>(d_y + n * F + c, F - c, dy);                        \
      _Pragma("unroll") for (int i = 0; i < 8; i++) {                                                                                 \
        float value, slope;                                                                                                           \
        gate_both(a[i], kind, value, slope);                                                                                          \
        a[i] = dy[i] * b[i] * slope;                                                                                                  \
        b[i] = dy[i] * value;                                                                                                         \
      }                                                                                                                               \
      if (vector) store8<true>(d, 8, a), store8<true>(d + F, 8, b);                                                                   \
      else store8<false>(d, F - c, a), store8<false>(d + F, F - c, b);                                                                \
    }                                                                                                                                 \
  }
REMORA_FOR_ACTIVATIONS(GATED_BACKWARD)

// The same backward, which also writes y = f(gate) · up again (for rungs of the memory ladder that do not keep y).
// launch: grid (ceil(F / 2048), min(N, 65535)), block 256. d_gate_up may be gate_up; y must be another array than d_y.
#define GATED_BACKWARD_RECOMPUTE(suffix, T)                                                                                            \
  extern "C" __global__ void __launch_bounds__(256) gated_backward_recompute_##suffix(const T *gate_up, const T *d_y, T *d_gate_up, T *y, \
                                                                                      int64_t N, int64_t F, int kind) {                \
    const int64_t c = grid_start() * 8;                                                                                               \
    if (c >= F) return;                                                                                                               \
    const bool vector = F % 8 == 0 && is_aligned16(gate_up) && is_aligned16(d_y) && is_aligned16(d_gate_up) && is_aligned16(y);       \
    for (int64_t n = blockIdx.y; n < N; n += gridDim.y) {                                                                             \
      const T *g = gate_up + n * 2 * F + c;                                                                                           \
      T *d = d_gate_up + n * 2 * F + c;                                                                                               \
      float a[8], b[8], dy[8], out[8];                                                                                                \
      if (vector) load8<true>(g, 8, a), load8<true>(g + F, 8, b), load8<true>(d_y + n * F + c, 8, dy);                                \
      else load8<false>(g, F - c, a), load8<false>(g + F, F - c, b), load8<false>(d_y + n * F + c, F - c, dy);                        \
      _Pragma("unroll") for (int i = 0; i < 8; i++) {                                                                                 \
        float value, slope;                                                                                                           \
        gate_both(a[i], kind, value, slope);                                                                                          \
        out[i] = value * b[i];                                                                                                        \
        a[i] = dy[i] * b[i] * slope;                                                                                                  \
        b[i] = dy[i] * value;                                                                                                         \
      }                                                                                                                               \
      if (vector) store8<true>(d, 8, a), store8<true>(d + F, 8, b), store8<true>(y + n * F + c, 8, out);                              \
      else store8<false>(d, F - c, a), store8<false>(d + F, F - c, b), store8<false>(y + n * F + c, F - c, out);                      \
    }                                                                                                                                 \
  }
REMORA_FOR_ACTIVATIONS(GATED_BACKWARD_RECOMPUTE)

// Both again for a linear in E4M3 that reads what they write: a block owns a row, so that it knows the largest of it, and writes codes and scale too.
// launch: grid N, block 256. F a multiple of 8, arrays 16-byte aligned. codes u8 [N, F], scales f32 [N].
extern "C" __global__ void __launch_bounds__(256) gated_forward_rounded_bf16(const bf16_t *gate_up, bf16_t *y, uint8_t *codes, float *scales, int64_t F, int kind) {
  __shared__ uint32_t scratch[8];
  const int64_t n = blockIdx.x;
  uint32_t largest = 0;
  for (int64_t c = threadIdx.x * 8; c < F; c += 2048) {
    const bf16_t *g = gate_up + n * 2 * F + c;
    float a[8], b[8];
    load8<true>(g, 8, a), load8<true>(g + F, 8, b);
#pragma unroll
    for (int i = 0; i < 8; i++) a[i] = gate_value(a[i], kind) * b[i];
    store8<true>(y + n * F + c, 8, a);
    keep_largest_stored<bf16_t>(largest, a, nullptr, c, F);
  }
  e4m3_row_again<256>(y + n * F, nullptr, codes + n * F, scales + n, F, largest, scratch);
}
// launch: grid N, block 256. d_gate_up may be gate_up. columns u8 [2 F]: d_gate_up · 2^(columns - 127) is what is rounded; codes u8 [N, 2 F], scales f32 [N].
extern "C" __global__ void __launch_bounds__(256) gated_backward_rounded_bf16(const bf16_t *gate_up, const bf16_t *d_y, bf16_t *d_gate_up, const uint8_t *columns,
                                                                              uint8_t *codes, float *scales, int64_t F, int kind) {
  __shared__ uint32_t scratch[8];
  const int64_t n = blockIdx.x;
  uint32_t largest = 0;
  for (int64_t c = threadIdx.x * 8; c < F; c += 2048) {
    const bf16_t *g = gate_up + n * 2 * F + c;
    bf16_t *d = d_gate_up + n * 2 * F + c;
    float a[8], b[8], dy[8];
    load8<true>(g, 8, a), load8<true>(g + F, 8, b), load8<true>(d_y + n * F + c, 8, dy);
#pragma unroll
    for (int i = 0; i < 8; i++) {
      float value, slope;
      gate_both(a[i], kind, value, slope);
      a[i] = dy[i] * b[i] * slope;
      b[i] = dy[i] * value;
    }
    store8<true>(d, 8, a), store8<true>(d + F, 8, b);
    keep_largest_stored<bf16_t>(largest, a, columns, c, 2 * F), keep_largest_stored<bf16_t>(largest, b, columns, F + c, 2 * F);
  }
  e4m3_row_again<256>(d_gate_up + n * 2 * F, columns, codes + n * 2 * F, scales + n, 2 * F, largest, scratch);
}

// launch: grid min(ceil(count / 2048), 4096), block 256. kind 0: exact (erf), 1: tanh form. y may be x.
#define GELU_FORWARD(suffix, T)                                                                                                        \
  extern "C" __global__ void __launch_bounds__(256) gelu_forward_##suffix(const T *x, T *y, int64_t count, int kind) {                 \
    const bool vector = is_aligned16(x) && is_aligned16(y);                                                                           \
    for (int64_t c = grid_start() * 8; c < count; c += grid_step() * 8) {                                                             \
      float v[8];                                                                                                                     \
      const bool whole = vector && c + 8 <= count;                                                                                    \
      if (whole) load8<true>(x + c, 8, v);                                                                                            \
      else load8<false>(x + c, count - c, v);                                                                                         \
      _Pragma("unroll") for (int i = 0; i < 8; i++) v[i] = kind == 0 ? 0.5f * v[i] * (1.0f + erff(v[i] * 0.7071067811865476f))        \
                                                                     : gate_value(v[i], 1);                                          \
      if (whole) store8<true>(y + c, 8, v);                                                                                           \
      else store8<false>(y + c, count - c, v);                                                                                        \
    }                                                                                                                                 \
  }
REMORA_FOR_ACTIVATIONS(GELU_FORWARD)

// Cross-entropy over a chunk of logits rows [rows, V], with the gradient made in place: the head's two products are cuBLASLt's.
// Plan: one block of 1,024 owns a row; pass 1 reads it with a running maximum and sum a thread, pass 2 reads it again (132 rows in flight
// are 34 MB at V = 131,072: from L2) and writes the gradient. Bytes: a row read once from memory and written once. Limit: memory.
#include "common.cuh"

__device__ __forceinline__ float softcapped(float x, float cap) { return cap > 0 ? cap * tanhf(x / cap) : x; }

template <bool VECTOR, class S, class T>
__device__ void cross_entropy(const S *logits, T *d_logits, int target, float scale, float *row_loss, int32_t *top1, int64_t V, float cap) {
  __shared__ float scratch[32];
  __shared__ int best_index[32];
  const int thread = threadIdx.x;
  if (target < 0) {
    if (thread == 0) {
      *row_loss = 0;
      if (top1) *top1 = -1;
    }
    if (d_logits) {
      const float zero[8] = {0, 0, 0, 0, 0, 0, 0, 0};
      for (int64_t c = thread * 8; c < V; c += 8192) store8<VECTOR>(d_logits + c, V - c, zero);
    }
    return;
  }
  float top = -REMORA_INFINITY, total = 0;
  int index = 0x7fffffff;
  for (int64_t c = thread * 8; c < V; c += 8192) {
    float v[8];
    load8<VECTOR>(logits + c, V - c, v);
    float local = -REMORA_INFINITY;
#pragma unroll
    for (int i = 0; i < 8; i++) {
      v[i] = VECTOR || c + i < V ? softcapped(v[i], cap) : -REMORA_INFINITY;
      local = fmaxf(local, v[i]);
    }
    if (local > top) {
      total *= __expf(top - local);
      top = local;
#pragma unroll
      for (int i = 7; i >= 0; i--)
        if (v[i] == local) index = static_cast<int>(c) + i;
    }
#pragma unroll
    for (int i = 0; i < 8; i++) total += __expf(v[i] - top);
  }
  const float maximum = block_max<1024>(top, scratch);
  total = block_sum<1024>(total * (total > 0 ? __expf(top - maximum) : 0.0f), scratch);
  if (top1) {
    int candidate = top == maximum ? index : 0x7fffffff;
#pragma unroll
    for (int d = 16; d; d >>= 1) candidate = min(candidate, __shfl_xor_sync(0xffffffffu, candidate, d));
    if (thread % 32 == 0) best_index[thread / 32] = candidate;
    __syncthreads();
    if (thread == 0) {
      for (int w = 1; w < 32; w++) candidate = min(candidate, best_index[w]);
      *top1 = candidate;
    }
  }
  const float lse = maximum + logf(total);
  if (thread == 0) *row_loss = lse - softcapped(to_float(logits[target]), cap);
  if (!d_logits) return;
  __syncthreads();  // the target's logit is read before it may be overwritten
  for (int64_t c = thread * 8; c < V; c += 8192) {
    float v[8];
    load8<VECTOR>(logits + c, V - c, v);
#pragma unroll
    for (int i = 0; i < 8; i++) {
      const float z = softcapped(v[i], cap);
      float g = __expf(z - lse);
      if (c + i == target) g -= 1.0f;
      if (cap > 0) g *= 1.0f - (z / cap) * (z / cap);
      v[i] = g * scale;
    }
    store8<VECTOR>(d_logits + c, V - c, v);
  }
}

// launch: grid rows, block 1024. d_logits: 0 (no gradient), logits (same dtype) or another array. loss_scale f32 [1] or 0 (one).
// row_loss f32 [rows]; row_top1 i32 [rows] or 0; targets i32 [rows], < 0 not trained (loss 0, gradient 0, top1 -1); V < 2^31.
#define CROSS_ENTROPY(from, S, to, T)                                                                                                  \
  extern "C" __global__ void __launch_bounds__(1024) cross_entropy_block_per_row_##from##_to_##to(                                     \
      const S *logits, T *d_logits, const int32_t *targets, const float *loss_scale, float *row_loss, int32_t *row_top1, int64_t V, float softcap) { \
    const int64_t row = blockIdx.x;                                                                                                   \
    const float scale = loss_scale ? loss_scale[0] : 1.0f;                                                                            \
    T *d = d_logits ? d_logits + row * V : nullptr;                                                                                   \
    int32_t *t1 = row_top1 ? row_top1 + row : nullptr;                                                                                \
    const int target = targets[row];                                                                                                  \
    if (V % 8 == 0 && is_aligned16(logits) && is_aligned16(d_logits))                                                                 \
      cross_entropy<true, S, T>(logits + row * V, d, target, scale, row_loss + row, t1, V, softcap);                                  \
    else                                                                                                                              \
      cross_entropy<false, S, T>(logits + row * V, d, target, scale, row_loss + row, t1, V, softcap);                                 \
  }
CROSS_ENTROPY(f32, float, f32, float)
CROSS_ENTROPY(f32, float, bf16, bf16_t)
CROSS_ENTROPY(f32, float, f16, f16_t)
CROSS_ENTROPY(bf16, bf16_t, bf16, bf16_t)
CROSS_ENTROPY(f16, f16_t, f16, f16_t)

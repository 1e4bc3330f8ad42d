// Optimizer over flat f32 buffers: gradient norm and clip in two fixed-order passes, AdamW with f32 or 8-bit state, loss scaling for f16.
// Plan: norm and AdamW, a thread owns 4 elements, grid-stride. 8-bit AdamW, one block of 256 owns one quantization block of 256.
// Bytes an element: norm 4, AdamW 28 + 2 (copy out), 8-bit AdamW 16 + 2. Limit: memory. Everything that varies by step is read from
// device memory, so a captured step can be replayed.
#include "common.cuh"

// launch: grid P <= 1024 (ceil(count / 4096) at most), block 256. partials f64 [P]: each block's sum of squares.
extern "C" __global__ void __launch_bounds__(256) gradient_norm_partials_f32(const float *g, double *partials, int64_t count) {
  __shared__ double scratch[8];
  double total = 0;
  const bool vector = is_aligned16(g);
  for (int64_t i = grid_start() * 4; i < count; i += grid_step() * 4) {
    if (vector && i + 4 <= count) {
      const float4 v = *reinterpret_cast<const float4 *>(g + i);
      total += static_cast<double>(v.x) * v.x + static_cast<double>(v.y) * v.y + static_cast<double>(v.z) * v.z + static_cast<double>(v.w) * v.w;
    } else {
      for (int64_t k = i; k < count && k < i + 4; k++) total += static_cast<double>(g[k]) * g[k];
    }
  }
  total = block_sum<256>(total, scratch);
  if (threadIdx.x == 0) partials[blockIdx.x] = total;
}
// launch: grid 1, block 256. norm[0] = sqrt(sum of partials), norm[1] = min(1, max_norm / norm[0]), 1 when max_norm <= 0.
extern "C" __global__ void __launch_bounds__(256) gradient_norm_final_f32(const double *partials, float *norm, int parts, float max_norm) {
  __shared__ double scratch[8];
  double total = 0;
  for (int i = threadIdx.x; i < parts; i += 256) total += partials[i];
  total = block_sum<256>(total, scratch);
  if (threadIdx.x == 0) {
    const float n = static_cast<float>(sqrt(total));
    norm[0] = n;
    norm[1] = max_norm > 0 && n > max_norm ? max_norm / n : 1.0f;
  }
}

// Loss scaling for f16 (Micikevicius et al. 2018, arXiv:1710.03740). scaling f32 [4] = { scale of the next step, good steps in a row, steps skipped so
// far, scale of the step that is over: negative when it was skipped }.
// launch: grid 1, block 32. loss_scale[0] = factor[0] · scale: what the head multiplies gradients by.
extern "C" __global__ void __launch_bounds__(32) scale_loss(const float *scaling, const float *factor, float *loss_scale) {
  if (threadIdx.x == 0) loss_scale[0] = factor[0] * scaling[0];
}
// After the norm of the scaled gradients (norm[0]):
//   finite: norm[0] /= scale, norm[1] = min(1, max_norm / norm[0]) / scale; after `growth_interval` good steps in a row the scale doubles (<= 2^24)
//   not finite: norm[1] = -1, which makes adamw leave everything as it is; the scale halves (>= 1)
// launch: grid 1, block 32. max_norm <= 0: no clipping.
extern "C" __global__ void __launch_bounds__(32) update_loss_scale(float *norm, float *scaling, float max_norm, int growth_interval) {
  if (threadIdx.x) return;
  const float scale = scaling[0], n = norm[0];
  if (n - n == 0.0f) {
    const float real = n / scale;
    norm[0] = real;
    norm[1] = (max_norm > 0 && real > max_norm ? max_norm / real : 1.0f) / scale;
    scaling[1] += 1;
    scaling[3] = scale;
    if (scaling[1] >= static_cast<float>(growth_interval)) {
      scaling[1] = 0;
      scaling[0] = fminf(scale * 2.0f, 16777216.0f);
    }
  } else {
    norm[1] = -1;
    scaling[0] = fmaxf(scale * 0.5f, 1.0f);
    scaling[1] = 0;
    scaling[2] += 1;
    scaling[3] = -scale;
  }
}

// PyTorch's AdamW; hyper f32 [8] = { learning_rate, beta1, beta2, eps, weight_decay, 1 - beta1^t, 1 - beta2^t, unused }.
struct Hyper {
  float rate, beta1, beta2, eps, decay, step_size, root_correction, clip;
};
__device__ __forceinline__ Hyper read_hyper(const float *hyper, const float *clip) {
  Hyper h;
  h.rate = hyper[0], h.beta1 = hyper[1], h.beta2 = hyper[2], h.eps = hyper[3];
  h.decay = 1.0f - hyper[0] * hyper[4];
  h.step_size = hyper[0] / hyper[5];
  h.root_correction = sqrtf(hyper[6]);
  h.clip = clip ? clip[0] : 1.0f;
  return h;
}
__device__ __forceinline__ void adamw_update(const Hyper &h, float g, float &p, float &m, float &v) {
  g *= h.clip;
  m = h.beta1 * m + (1.0f - h.beta1) * g;
  v = h.beta2 * v + (1.0f - h.beta2) * g * g;
  p = p * h.decay - h.step_size * m / (sqrtf(v) / h.root_correction + h.eps);
}

template <class T> __device__ void adamw(const float *gradients, const float *hyper, const float *clip, float *params, float *m, float *v, T *out, int64_t count) {
  const Hyper h = read_hyper(hyper, clip);
  const bool vector = is_aligned16(gradients) && is_aligned16(params) && is_aligned16(m) && is_aligned16(v) && (reinterpret_cast<uintptr_t>(out) & 15) == 0;
  for (int64_t i = grid_start() * 4; i < count; i += grid_step() * 4) {
    if (vector && i + 4 <= count) {
      const float4 g = *reinterpret_cast<const float4 *>(gradients + i);
      float4 p = *reinterpret_cast<float4 *>(params + i);
      if (h.clip >= 0) {
        float4 a = *reinterpret_cast<float4 *>(m + i), b = *reinterpret_cast<float4 *>(v + i);
        adamw_update(h, g.x, p.x, a.x, b.x);
        adamw_update(h, g.y, p.y, a.y, b.y);
        adamw_update(h, g.z, p.z, a.z, b.z);
        adamw_update(h, g.w, p.w, a.w, b.w);
        *reinterpret_cast<float4 *>(params + i) = p;
        *reinterpret_cast<float4 *>(m + i) = a;
        *reinterpret_cast<float4 *>(v + i) = b;
      }
      if (out) {
        if constexpr (sizeof(T) == 2) *reinterpret_cast<uint2 *>(out + i) = make_uint2(pack2<T>(p.x, p.y), pack2<T>(p.z, p.w));
        else *reinterpret_cast<float4 *>(out + i) = p;
      }
    } else {
      for (int64_t k = i; k < count && k < i + 4; k++) {
        float p = params[k];
        if (h.clip >= 0) {
          adamw_update(h, gradients[k], p, m[k], v[k]);
          params[k] = p;
        }
        if (out) out[k] = from_float<T>(p);
      }
    }
  }
}
// launch: grid min(ceil(count / 1024), 4096), block 256. clip f32 [1] or 0 (one); clip[0] < 0 skips the step. out: 0 or the compute copy.
#define ADAMW(suffix, T)                                                                                                               \
  extern "C" __global__ void __launch_bounds__(256) adamw_##suffix(const float *gradients, const float *hyper, const float *clip, float *params, \
                                                                   float *m, float *v, T *out, int64_t count) {                        \
    adamw<T>(gradients, hyper, clip, params, m, v, out, count);                                                                       \
  }
REMORA_FOR_ACTIVATIONS(ADAMW)

// Index of the map entry nearest to x; map ascending. Between two entries the midpoint goes to the lower one.
__device__ __forceinline__ int nearest_code(const float *map, float x) {
  int low = 0;  // count of midpoints below x
#pragma unroll
  for (int step = 128; step; step >>= 1) {
    const int i = low + step;
    if (i <= 255 && 0.5f * (map[i - 1] + map[i]) < x) low = i;
  }
  return low;
}

template <class T>
__device__ void adamw_8bit(const float *gradients, const float *hyper, const float *clip, float *params, uint8_t *m, uint8_t *v, float *m_scales,
                           float *v_scales, const float *signed_map, const float *unsigned_map, T *out, int64_t count) {
  __shared__ float maps[2][256], scratch[8];
  const int thread = threadIdx.x;
  maps[0][thread] = signed_map[thread];
  maps[1][thread] = unsigned_map[thread];
  const Hyper h = read_hyper(hyper, clip);
  const int64_t blocks = (count + 255) / 256;
  for (int64_t b = blockIdx.x; b < blocks; b += gridDim.x) {
    __syncthreads();
    const int64_t i = b * 256 + thread;
    const bool inside = i < count;
    float p = inside ? params[i] : 0;
    if (h.clip >= 0) {
      float a = inside ? maps[0][m[i]] * m_scales[b] : 0, s = inside ? maps[1][v[i]] * v_scales[b] : 0;
      if (inside) adamw_update(h, gradients[i], p, a, s);
      const float m_top = block_max<256>(fabsf(a), scratch), v_top = block_max<256>(s, scratch);
      if (inside) {
        m[i] = static_cast<uint8_t>(nearest_code(maps[0], m_top > 0 ? a / m_top : 0));
        v[i] = static_cast<uint8_t>(nearest_code(maps[1], v_top > 0 ? s / v_top : 0));
        params[i] = p;
      }
      if (thread == 0) m_scales[b] = m_top, v_scales[b] = v_top;
    }
    if (out && inside) out[i] = from_float<T>(p);
  }
}
// launch: grid min(ceil(count / 256), 8192), block 256. signed_map, unsigned_map f32 [256]: bitsandbytes' dynamic maps, ascending.
#define ADAMW_8BIT(suffix, T)                                                                                                          \
  extern "C" __global__ void __launch_bounds__(256) adamw_8bit_block_per_256_##suffix(                                                 \
      const float *gradients, const float *hyper, const float *clip, float *params, uint8_t *m, uint8_t *v, float *m_scales, float *v_scales, \
      const float *signed_map, const float *unsigned_map, T *out, int64_t count) {                                                     \
    adamw_8bit<T>(gradients, hyper, clip, params, m, v, m_scales, v_scales, signed_map, unsigned_map, out, count);                    \
  }
REMORA_FOR_ACTIVATIONS(ADAMW_8BIT)

// What every CUDA kernel here shares: element types, 8-element loads and stores, reductions, counter-based random numbers.
// Rules of this folder
// - Kernels are extern "C" and say their strategy in their name; the dtype of activations is the last part (_bf16, _f16, _f32).
// - A comment line `// launch: ...` before a kernel gives grid and block; scripts/cuda-signatures.mjs copies it into kernels.json.
// - Rows are read in 16-byte pieces when pointers and widths allow (checked in the kernel), else element by element: any size works.
// - No atomics on floats: every result is the same bits on every run.
// - The same source compiles for the emulator (REMORA_EMULATE, kernels/lab/emulator), so index arithmetic is proven without a GPU.
#pragma once
#include <stdint.h>
#ifdef REMORA_EMULATE
#include "../lab/emulator/emulator.h"
#endif

#define REMORA_INFINITY __int_as_float(0x7f800000)

struct bf16_t { uint16_t bits; };
struct f16_t { uint16_t bits; };

// ---- programmatic dependent launch (sm_90 and later) ----
// Inside a captured step a kernel may start before the one ahead of it has ended (kernels.json marks those that wait as "early"): it waits here before
// it reads what that one writes, or writes anything; without such a launch it is no wait at all.
__device__ __forceinline__ void wait_for_previous_kernel() {
#if !defined(REMORA_EMULATE) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}
// From here on the next kernel may start, once every block has said so or left. Never before the wait: so a kernel that starts early knows that all but
// its one predecessor are done, and may read before its own wait what that predecessor does not write.
__device__ __forceinline__ void let_next_kernel_start() {
#if !defined(REMORA_EMULATE) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}
// The first statement of a kernel that has nothing to do before.
__device__ __forceinline__ void follow_previous_kernel() {
  wait_for_previous_kernel();
  let_next_kernel_start();
}

// ---- conversion, to nearest even ----
__device__ __forceinline__ float to_float(float x) { return x; }
__device__ __forceinline__ float to_float(bf16_t x) { return __uint_as_float(static_cast<uint32_t>(x.bits) << 16); }
__device__ __forceinline__ float to_float(f16_t x) {
#ifdef REMORA_EMULATE
  return emu::half_to_float(x.bits);
#else
  float y;
  asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x.bits));
  return y;
#endif
}
__device__ __forceinline__ uint16_t bf16_bits(float x) {
#if !defined(REMORA_EMULATE) && __CUDA_ARCH__ >= 900
  uint16_t y;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y) : "f"(x));
  return y;
#else
  const uint32_t u = __float_as_uint(x);
  if ((u & 0x7fffffffu) > 0x7f800000u) return 0x7fff;  // NaN, as the hardware writes it
  return static_cast<uint16_t>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
#endif
}
__device__ __forceinline__ uint16_t f16_bits(float x) {
#ifdef REMORA_EMULATE
  return emu::float_to_half(x);
#else
  uint16_t y;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y) : "f"(x));
  return y;
#endif
}
template <class T> __device__ __forceinline__ T from_float(float x);
template <> __device__ __forceinline__ float from_float<float>(float x) { return x; }
template <> __device__ __forceinline__ bf16_t from_float<bf16_t>(float x) { return {bf16_bits(x)}; }
template <> __device__ __forceinline__ f16_t from_float<f16_t>(float x) { return {f16_bits(x)}; }

// Two elements in one register, `low` first in memory.
template <class T> __device__ __forceinline__ uint32_t pack2(float low, float high);
template <> __device__ __forceinline__ uint32_t pack2<bf16_t>(float low, float high) {
#if !defined(REMORA_EMULATE) && __CUDA_ARCH__ >= 800
  uint32_t y;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(high), "f"(low));
  return y;
#else
  return static_cast<uint32_t>(bf16_bits(high)) << 16 | bf16_bits(low);
#endif
}
template <> __device__ __forceinline__ uint32_t pack2<f16_t>(float low, float high) {
#if !defined(REMORA_EMULATE) && __CUDA_ARCH__ >= 800
  uint32_t y;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(high), "f"(low));
  return y;
#else
  return static_cast<uint32_t>(f16_bits(high)) << 16 | f16_bits(low);
#endif
}
template <class T> __device__ __forceinline__ float2 unpack2(uint32_t x) {
  return make_float2(to_float(T{static_cast<uint16_t>(x & 0xffff)}), to_float(T{static_cast<uint16_t>(x >> 16)}));
}

// ---- pieces of 8 elements ----
// True when rows of `count` elements starting at p can be read in 16-byte pieces.
__device__ __forceinline__ bool is_aligned16(const void *p) { return (reinterpret_cast<uintptr_t>(p) & 15) == 0; }

template <class T> __device__ __forceinline__ void unpack8(const uint4 &u, float v[8]) {
  const uint32_t w[4] = {u.x, u.y, u.z, u.w};
#pragma unroll
  for (int i = 0; i < 4; i++) {
    const float2 f = unpack2<T>(w[i]);
    v[2 * i] = f.x;
    v[2 * i + 1] = f.y;
  }
}
template <class T> __device__ __forceinline__ uint4 pack8(const float v[8]) {
  return make_uint4(pack2<T>(v[0], v[1]), pack2<T>(v[2], v[3]), pack2<T>(v[4], v[5]), pack2<T>(v[6], v[7]));
}
template <class T> __device__ __forceinline__ void load8_vector(const T *p, float v[8]) { unpack8<T>(*reinterpret_cast<const uint4 *>(p), v); }
template <> __device__ __forceinline__ void load8_vector<float>(const float *p, float v[8]) {
  const float4 a = reinterpret_cast<const float4 *>(p)[0], b = reinterpret_cast<const float4 *>(p)[1];
  v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w, v[4] = b.x, v[5] = b.y, v[6] = b.z, v[7] = b.w;
}
template <class T> __device__ __forceinline__ void store8_vector(T *p, const float v[8]) { *reinterpret_cast<uint4 *>(p) = pack8<T>(v); }
template <> __device__ __forceinline__ void store8_vector<float>(float *p, const float v[8]) {
  reinterpret_cast<float4 *>(p)[0] = make_float4(v[0], v[1], v[2], v[3]);
  reinterpret_cast<float4 *>(p)[1] = make_float4(v[4], v[5], v[6], v[7]);
}
// VECTOR: all 8 at once, 16-byte aligned. Otherwise the first n of them, the rest 0.
template <bool VECTOR, class T> __device__ __forceinline__ void load8(const T *p, int64_t n, float v[8]) {
  if (VECTOR) {
    load8_vector(p, v);
  } else {
#pragma unroll
    for (int i = 0; i < 8; i++) v[i] = i < n ? to_float(p[i]) : 0.0f;
  }
}
template <bool VECTOR, class T> __device__ __forceinline__ void store8(T *p, int64_t n, const float v[8]) {
  if (VECTOR) {
    store8_vector(p, v);
  } else {
#pragma unroll
    for (int i = 0; i < 8; i++)
      if (i < n) p[i] = from_float<T>(v[i]);
  }
}

// ---- reductions: fixed order, result in every lane (thread) ----
__device__ __forceinline__ float warp_sum(float x) {
#pragma unroll
  for (int d = 16; d; d >>= 1) x += __shfl_xor_sync(0xffffffffu, x, d);
  return x;
}
__device__ __forceinline__ double warp_sum(double x) {
#pragma unroll
  for (int d = 16; d; d >>= 1) x += __shfl_xor_sync(0xffffffffu, x, d);
  return x;
}
__device__ __forceinline__ float warp_max(float x) {
#pragma unroll
  for (int d = 16; d; d >>= 1) x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, d));
  return x;
}
// Sum over the block of THREADS threads; every thread gets it. scratch: THREADS/32 values. Two barriers.
template <int THREADS, class S> __device__ __forceinline__ S block_sum(S x, S *scratch) {
  x = warp_sum(x);
  if (THREADS == 32) return x;
  __syncthreads();
  if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = x;
  __syncthreads();
  S total = 0;
#pragma unroll
  for (int w = 0; w < THREADS / 32; w++) total += scratch[w];
  return total;
}
template <int THREADS> __device__ __forceinline__ float block_max(float x, float *scratch) {
  x = warp_max(x);
  if (THREADS == 32) return x;
  __syncthreads();
  if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = x;
  __syncthreads();
  float top = scratch[0];
#pragma unroll
  for (int w = 1; w < THREADS / 32; w++) top = fmaxf(top, scratch[w]);
  return top;
}

// ---- counter-based random numbers: kernels/cpu/context.h, bit for bit ----
__device__ __forceinline__ uint32_t random_bits(uint64_t seed, uint64_t index) {
  uint64_t z = seed + (index + 1) * 0x9E3779B97F4A7C15ull;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return static_cast<uint32_t>((z ^ (z >> 31)) >> 32);
}
__device__ __forceinline__ float random_uniform(uint64_t seed, uint64_t index) {
  return static_cast<float>(random_bits(seed, index) >> 8) * (1.0f / 16777216.0f);
}
// f64 as on the CPU: the two libraries' log and cos differ by an ulp of f64 at most, so the f32 result agrees but for rare roundings.
__device__ __forceinline__ float random_normal(uint64_t seed, uint64_t index) {
  const double u = 1.0 - static_cast<double>(random_uniform(seed, 2 * index));
  const double angle = 6.283185307179586476925 * static_cast<double>(random_uniform(seed, 2 * index + 1));
  return static_cast<float>(sqrt(-2.0 * log(u)) * cos(angle));
}

// First index of a grid-stride loop over pieces, and its step.
__device__ __forceinline__ int64_t grid_start() { return blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x; }
__device__ __forceinline__ int64_t grid_step() { return gridDim.x * static_cast<int64_t>(blockDim.x); }

// Instantiates a macro for the three activation dtypes: M(suffix, type).
#define REMORA_FOR_ACTIVATIONS(M) M(f32, float) M(bf16, bf16_t) M(f16, f16_t)

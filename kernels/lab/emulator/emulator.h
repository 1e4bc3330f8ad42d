// A CUDA machine made of fibers: lets every kernel of kernels/cuda run, slowly and exactly, on a computer without a GPU.
// Included in place of the CUDA headers when REMORA_EMULATE is defined. One fiber per thread of a block, blocks one after another
// (beside each other only where one waits for another).
// What it models: shared memory as one 32-bit address space, barriers (bar.sync, mbarrier with transaction counts), warp collectives
// (shuffle, vote, ldmatrix, mma), asynchronous copies (cp.async and the bulk addition take effect only when waited for; the bulk tensor copy
// at once) and wgmma through its real shared-memory descriptors. It finds wrong indexing, missing waits, deadlocks and unwritten outputs; it knows
// nothing of time, nor of races whose outcome depends on it.
#pragma once
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#ifdef REMORA_SIGNATURES  // scripts/cuda-signatures.mjs reads the expanded source
#define __global__ REMORA_GLOBAL
#define REMORA_LAUNCH_BOUNDS(threads, ...) (threads)
#define __launch_bounds__(...) REMORA_LAUNCH_BOUNDS(__VA_ARGS__, 0)
#else
#define __global__ __attribute__((visibility("default")))
#define __launch_bounds__(...)
#endif
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __restrict__
#define __constant__ static
#define __shared__ static
#define __align__(n) __attribute__((aligned(n)))
#define __grid_constant__

struct uint2 { uint32_t x, y; };
struct alignas(16) uint4 { uint32_t x, y, z, w; };
struct alignas(8) float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(16) int4 { int32_t x, y, z, w; };
struct int2 { int32_t x, y; };
struct Dim3 { uint32_t x, y, z; };
static inline uint2 make_uint2(uint32_t x, uint32_t y) { return {x, y}; }
static inline uint4 make_uint4(uint32_t x, uint32_t y, uint32_t z, uint32_t w) { return {x, y, z, w}; }
static inline float2 make_float2(float x, float y) { return {x, y}; }
static inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
static inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
static inline int2 make_int2(int x, int y) { return {x, y}; }

namespace emu {
constexpr int kMaxThreads = 1024;
constexpr uint32_t kSharedBytes = 1 << 18;
struct Group { uint64_t generation; int arrived; void *args[128]; };
struct Machine {
  Dim3 thread, block, block_dim, grid_dim;  // of the running fiber
  int linear;                               // linear thread index of the running fiber
  uint8_t *shared;                          // dynamic shared memory, 1024-byte aligned, of the running block
  uint32_t shared_bytes;
  Group warps[kMaxThreads / 32], warpgroups[kMaxThreads / 128];
  struct { uint64_t generation; int arrived; } barriers[16];
  int live;           // threads of the block that have not returned
  uint64_t progress;  // raised whenever anything happens, for finding deadlocks
};
extern "C" Machine remora_emulated_machine;
extern "C" void remora_emulated_yield();
extern "C" void remora_emulated_fail(const char *message);
static inline Machine &machine() { return remora_emulated_machine; }

// Every thread of a group hands in its arguments; the last to arrive runs exec(all arguments) for all of them.
template <class A, class F> inline void collective(Group &g, int size, int rank, A &mine, F exec) {
  g.args[rank] = &mine;
  const uint64_t generation = g.generation;
  machine().progress++;
  if (++g.arrived == size) {
    exec(reinterpret_cast<A **>(g.args));
    g.arrived = 0;
    g.generation++;
  } else {
    while (g.generation == generation) remora_emulated_yield();
  }
}
template <class A, class F> inline void warp_collective(A &mine, F exec) {
  Machine &m = machine();
  collective(m.warps[m.linear / 32], 32, m.linear % 32, mine, exec);
}
template <class A, class F> inline void warpgroup_collective(A &mine, F exec) {
  Machine &m = machine();
  collective(m.warpgroups[m.linear / 128], 128, m.linear % 128, mine, exec);
}
inline void barrier(int id, int count, bool wait) {
  auto &b = machine().barriers[id];
  const uint64_t generation = b.generation;
  machine().progress++;
  if (++b.arrived >= count) {
    b.arrived = 0;
    b.generation++;
  } else if (wait) {
    while (b.generation == generation) {
      remora_emulated_yield();
      if (id == 0 && count != machine().live && b.generation == generation && b.arrived >= machine().live) {  // others returned
        b.arrived = 0;
        b.generation++;
      }
    }
  }
}
inline uint8_t *shared_pointer(uint32_t address, uint32_t bytes) {
  if (address < 1024 || address - 1024 + bytes > machine().shared_bytes) remora_emulated_fail("shared-memory access out of range");
  return machine().shared + (address - 1024);
}
inline uint32_t shared_address(const void *p) {
  const int64_t offset = static_cast<const uint8_t *>(p) - machine().shared;
  if (offset < 0 || offset > machine().shared_bytes) remora_emulated_fail("pointer is not in dynamic shared memory");
  return static_cast<uint32_t>(offset) + 1024;
}
// cp.async: remembered per thread, done when waited for.
extern "C" void remora_emulated_copy_async(uint32_t target, const void *source, uint32_t bytes, uint32_t valid);
extern "C" void remora_emulated_copy_commit();
extern "C" void remora_emulated_copy_wait(int groups_left);
// Bulk addition of f32 from shared to global memory: the same.
extern "C" void remora_emulated_bulk_add(float *target, uint32_t source, uint32_t bytes);
extern "C" void remora_emulated_bulk_add_wait();

inline float half_to_float(uint16_t h) {
  _Float16 f;
  memcpy(&f, &h, 2);
  return static_cast<float>(f);
}
inline uint16_t float_to_half(float x) {
  const _Float16 f = static_cast<_Float16>(x);
  uint16_t h;
  memcpy(&h, &f, 2);
  return h;
}
inline float bfloat_to_float(uint16_t h) {
  const uint32_t u = static_cast<uint32_t>(h) << 16;
  float f;
  memcpy(&f, &u, 4);
  return f;
}
}  // namespace emu

#define threadIdx (emu::machine().thread)
#define blockIdx (emu::machine().block)
#define blockDim (emu::machine().block_dim)
#define gridDim (emu::machine().grid_dim)

static inline void __syncthreads() { emu::barrier(0, emu::machine().live, true); }
static inline void __syncwarp(uint32_t = 0xffffffffu) { int x = 0; emu::warp_collective(x, [](int **) {}); }
static inline void __threadfence() {}
static inline void __threadfence_block() {}
namespace emu {
template <class T> struct ShuffleArgs { T value; int source; T result; };
template <class T> inline T shuffle(T value, int source) {
  ShuffleArgs<T> a{value, source, value};
  warp_collective(a, [](ShuffleArgs<T> **l) {
    for (int i = 0; i < 32; i++) l[i]->result = l[l[i]->source]->value;
  });
  return a.result;
}
}  // namespace emu
template <class T> static inline T __shfl_xor_sync(uint32_t, T v, int mask) { return emu::shuffle(v, (emu::machine().linear % 32) ^ mask); }
template <class T> static inline T __shfl_sync(uint32_t, T v, int lane, int width = 32) {
  const int self = emu::machine().linear % 32;
  return emu::shuffle(v, (self & ~(width - 1)) | (lane & (width - 1)));
}
template <class T> static inline T __shfl_up_sync(uint32_t, T v, int d) {
  const int self = emu::machine().linear % 32;
  return emu::shuffle(v, self >= d ? self - d : self);
}
template <class T> static inline T __shfl_down_sync(uint32_t, T v, int d) {
  const int self = emu::machine().linear % 32;
  return emu::shuffle(v, self + d < 32 ? self + d : self);
}
static inline uint32_t __ballot_sync(uint32_t, int predicate) {
  struct A { int p; uint32_t r; } a{predicate, 0};
  emu::warp_collective(a, [](A **l) {
    uint32_t r = 0;
    for (int i = 0; i < 32; i++) r |= (l[i]->p != 0 ? 1u : 0u) << i;
    for (int i = 0; i < 32; i++) l[i]->r = r;
  });
  return a.r;
}
static inline int __any_sync(uint32_t m, int p) { return __ballot_sync(m, p) != 0; }
static inline int __all_sync(uint32_t m, int p) { return __ballot_sync(m, p) == 0xffffffffu; }
static inline int __syncthreads_or(int p) {
  static int value[2];  // one block at a time
  static uint64_t phase;
  (void)phase;
  __syncthreads();
  value[0] = 0;
  __syncthreads();
  if (p) value[0] = 1;
  __syncthreads();
  const int r = value[0];
  __syncthreads();
  return r;
}
static inline int __popc(uint32_t x) { return __builtin_popcount(x); }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline int __clz(int x) { return x ? __builtin_clz(x) : 32; }
static inline float __uint_as_float(uint32_t u) { float f; memcpy(&f, &u, 4); return f; }
static inline uint32_t __float_as_uint(float f) { uint32_t u; memcpy(&u, &f, 4); return u; }
static inline int __float_as_int(float f) { return static_cast<int>(__float_as_uint(f)); }
static inline float __int_as_float(int i) { return __uint_as_float(static_cast<uint32_t>(i)); }
#define __expf(x) expf(x)
#define __logf(x) logf(x)
static inline float __fdividef(float a, float b) { return a / b; }
static inline float __fdiv_rn(float a, float b) { return a / b; }
static inline float __fmul_rn(float a, float b) { volatile float r = a * b; return r; }
static inline float __fadd_rn(float a, float b) { volatile float r = a + b; return r; }
static inline float __fsqrt_rn(float a) { return sqrtf(a); }
static inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
template <class T> static inline T __ldg(const T *p) { return *p; }
template <class T> static inline T __ldcg(const T *p) { return *p; }
template <class T> static inline T min(T a, T b) { return a < b ? a : b; }
template <class T> static inline T max(T a, T b) { return a > b ? a : b; }
static inline float min(float a, float b) { return fminf(a, b); }
static inline float max(float a, float b) { return fmaxf(a, b); }
static inline uint32_t __byte_perm(uint32_t x, uint32_t y, uint32_t s) {
  const uint64_t v = static_cast<uint64_t>(y) << 32 | x;
  uint32_t r = 0;
  for (int i = 0; i < 4; i++) r |= static_cast<uint32_t>((v >> (8 * ((s >> (4 * i)) & 7))) & 255) << (8 * i);
  return r;
}
template <class T> static inline T atomicAdd(T *p, T v) { T old = *p; *p += v; return old; }
template <class T> static inline T atomicMax(T *p, T v) { T old = *p; if (v > old) *p = v; return old; }
template <class T> static inline T atomicMin(T *p, T v) { T old = *p; if (v < old) *p = v; return old; }
static inline uint32_t atomicInc(uint32_t *p, uint32_t last) { const uint32_t old = *p; *p = old >= last ? 0 : old + 1; return old; }
template <class T> static inline T atomicOr(T *p, T v) { T old = *p; *p |= v; return old; }

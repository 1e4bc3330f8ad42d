// Tensor-core and asynchronous-copy instructions as small functions, each with its emulated twin.
// Fragment layouts are those of the PTX manual for mma.m16n8k16: with g = lane / 4 and t = lane % 4,
//   A (16 x 16): a0 (g, 2t..), a1 (g + 8, 2t..), a2 (g, 2t + 8..), a3 (g + 8, 2t + 8..)     B (16 x 8): b0 (2t.., g), b1 (2t + 8.., g)
//   C (16 x 8) f32: c0 (g, 2t), c1 (g, 2t + 1), c2 (g + 8, 2t), c3 (g + 8, 2t + 1)
#pragma once
#include "common.cuh"

// Address of dynamic shared memory in its own 32-bit space.
__device__ __forceinline__ uint32_t shared_address(const void *p) {
#ifdef REMORA_EMULATE
  return emu::shared_address(p);
#else
  return static_cast<uint32_t>(__cvta_generic_to_shared(p));
#endif
}
#ifdef REMORA_EMULATE
#define DYNAMIC_SHARED(name) uint8_t *name = emu::machine().shared
#else
#define DYNAMIC_SHARED(name) extern __shared__ __align__(1024) uint8_t name[]
#endif

// d += a b with f32 sums; T is bf16_t or f16_t. On sm_75 (f16 only) two m16n8k8 steps do it.
template <class T> __device__ __forceinline__ void mma_16x8x16(float d[4], const uint32_t a[4], uint32_t b0, uint32_t b1) {
#ifdef REMORA_EMULATE
  struct Args { float *d; const uint32_t *a; uint32_t b[2]; } args{d, a, {b0, b1}};
  emu::warp_collective(args, [](Args **l) {
    static float A[16][16], B[16][8];
    for (int lane = 0; lane < 32; lane++) {
      const int g = lane / 4, t = lane % 4;
      for (int r = 0; r < 4; r++) {
        const float2 f = unpack2<T>(l[lane]->a[r]);
        const int row = g + (r & 1) * 8, col = 2 * t + (r >> 1) * 8;
        A[row][col] = f.x, A[row][col + 1] = f.y;
      }
      for (int r = 0; r < 2; r++) {
        const float2 f = unpack2<T>(l[lane]->b[r]);
        B[2 * t + 8 * r][g] = f.x, B[2 * t + 8 * r + 1][g] = f.y;
      }
    }
    for (int lane = 0; lane < 32; lane++)
      for (int i = 0; i < 4; i++) {
        const int row = lane / 4 + (i >> 1) * 8, col = (lane % 4) * 2 + (i & 1);
        float s = l[lane]->d[i];
        for (int k = 0; k < 16; k++) s += A[row][k] * B[k][col];
        l[lane]->d[i] = s;
      }
  });
#elif __CUDA_ARCH__ >= 800
  if constexpr (sizeof(T) == 2 && __is_same(T, bf16_t))
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  else
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#else
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(b0));
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[2]), "r"(a[3]), "r"(b1));
#endif
}

// Four 8x8 matrices of 16-bit elements; lane i gives the address of row i % 8 of matrix i / 8. Lane l receives elements (l / 4, 2 (l % 4)..)
// of each matrix, or with TRANSPOSE of each matrix transposed.
template <bool TRANSPOSE> __device__ __forceinline__ void load_matrix_x4(uint32_t r[4], uint32_t address) {
#ifdef REMORA_EMULATE
  struct Args { uint32_t *r; uint32_t address; } args{r, address};
  emu::warp_collective(args, [](Args **l) {
    uint16_t m[4][8][8];
    for (int i = 0; i < 32; i++) {
      if (l[i]->address % 16) emu::remora_emulated_fail("ldmatrix address misaligned");
      memcpy(m[i / 8][i % 8], emu::shared_pointer(l[i]->address, 16), 16);
    }
    for (int i = 0; i < 32; i++)
      for (int k = 0; k < 4; k++) {
        const int a = i / 4, b = 2 * (i % 4);
        const uint16_t low = TRANSPOSE ? m[k][b][a] : m[k][a][b], high = TRANSPOSE ? m[k][b + 1][a] : m[k][a][b + 1];
        l[i]->r[k] = static_cast<uint32_t>(high) << 16 | low;
      }
  });
#else
  if (TRANSPOSE)
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(address) : "memory");
  else
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(address) : "memory");
#endif
}

__device__ __forceinline__ void store_shared(uint32_t address, uint32_t value) {
#ifdef REMORA_EMULATE
  memcpy(emu::shared_pointer(address, 4), &value, 4);
#else
  asm volatile("st.shared.b32 [%0], %1;" ::"r"(address), "r"(value) : "memory");
#endif
}

// Four lanes hold 2 columns each of 4 groups of 8: afterwards lane t holds all 8 of group t (a 4 x 4 transpose).
__device__ __forceinline__ void quad_transpose(uint32_t (&v)[4], int t) {
#pragma unroll
  for (int i = 0; i < 4; i += 2) {
    const uint32_t other = __shfl_xor_sync(0xffffffffu, t & 1 ? v[i] : v[i + 1], 1);
    if (t & 1) v[i] = other;
    else v[i + 1] = other;
  }
#pragma unroll
  for (int i = 0; i < 2; i++) {
    const uint32_t other = __shfl_xor_sync(0xffffffffu, t & 2 ? v[i] : v[i + 2], 2);
    if (t & 2) v[i] = other;
    else v[i + 2] = other;
  }
}

// 16 bytes from global to shared memory without passing registers; zeros when !valid. Before sm_80: an ordinary copy.
__device__ __forceinline__ void copy_async_16(uint32_t target, const void *source, bool valid) {
#ifdef REMORA_EMULATE
  emu::remora_emulated_copy_async(target, source, 16, valid ? 16 : 0);
#elif __CUDA_ARCH__ >= 800
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(target), "l"(source), "r"(valid ? 16 : 0) : "memory");
#else
  uint4 v = make_uint4(0, 0, 0, 0);
  if (valid) v = *reinterpret_cast<const uint4 *>(source);
  asm volatile("st.shared.v4.b32 [%0], {%1,%2,%3,%4};" ::"r"(target), "r"(v.x), "r"(v.y), "r"(v.z), "r"(v.w) : "memory");
#endif
}
// The same for 4 bytes.
__device__ __forceinline__ void copy_async_4(uint32_t target, const void *source, bool valid) {
#ifdef REMORA_EMULATE
  emu::remora_emulated_copy_async(target, source, 4, valid ? 4 : 0);
#elif __CUDA_ARCH__ >= 800
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(target), "l"(source), "r"(valid ? 4 : 0) : "memory");
#else
  const uint32_t v = valid ? *reinterpret_cast<const uint32_t *>(source) : 0;
  asm volatile("st.shared.b32 [%0], %1;" ::"r"(target), "r"(v) : "memory");
#endif
}
__device__ __forceinline__ void copy_async_commit() {
#ifdef REMORA_EMULATE
  emu::remora_emulated_copy_commit();
#elif __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}
template <int LEFT> __device__ __forceinline__ void copy_async_wait() {
#ifdef REMORA_EMULATE
  emu::remora_emulated_copy_wait(LEFT);
#elif __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;" ::"n"(LEFT) : "memory");
#endif
}

// A piece of an array that is read once: past the first-level cache.
__device__ __forceinline__ uint4 load_once(const uint4 *p) {
#ifdef REMORA_EMULATE
  if (reinterpret_cast<uintptr_t>(p) % 16) emu::remora_emulated_fail("16-byte load misaligned");
  return *p;
#else
  uint4 v;
  asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0,%1,%2,%3}, [%4];" : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "l"(p));
  return v;
#endif
}
__device__ __forceinline__ uint2 load_once(const uint2 *p) {
#ifdef REMORA_EMULATE
  if (reinterpret_cast<uintptr_t>(p) % 8) emu::remora_emulated_fail("8-byte load misaligned");
  return *p;
#else
  uint2 v;
  asm volatile("ld.global.nc.L1::no_allocate.v2.u32 {%0,%1}, [%2];" : "=r"(v.x), "=r"(v.y) : "l"(p));
  return v;
#endif
}

// The line of 128 bytes that p lies in comes into the second-level cache.
__device__ __forceinline__ void prefetch_l2(const void *p) {
#ifndef REMORA_EMULATE
  asm volatile("prefetch.global.L2 [%0];" ::"l"(p));
#endif
}

// The values are made here, not where they are stored: a store that only some lanes make then needs no branch.
__device__ __forceinline__ void keep_here(float &a, float &b) {
#ifndef REMORA_EMULATE
  asm volatile("" : "+f"(a), "+f"(b));
#endif
}

// 2^x, one instruction
__device__ __forceinline__ float exp2_fast(float x) {
#ifdef REMORA_EMULATE
  return exp2f(x);
#else
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#endif
}

// Hopper's instructions (sm_90a): wgmma, mbarriers, bulk (tensor) copies, register reallocation, each with its emulated twin.
// Matrices in shared memory: panels of 64 columns (128 bytes a row) in the 128-byte swizzle, 1024-byte aligned; the tensor copy writes that
// layout by itself. Read along the rows (K-major, k = column) with descriptor_k, or across them (MN-major, k = row) with descriptor_mn.
// The wgmma accumulator of 64 rows x N columns: warp w owns rows 16w … 16w + 15; d[4j + c] is as c of mma.m16n8k16 for columns 8j … 8j + 7.
#pragma once
#include "ptx.cuh"

struct alignas(64) TensorMap {
  uint64_t opaque[16];
};

#ifdef REMORA_EMULATE
namespace emu {
struct Barrier {  // 8 bytes in shared memory
  uint16_t expected, pending;
  int32_t bytes_and_phase;  // pending bytes * 2 + phase
};
inline Barrier *barrier_at(uint32_t address) { return reinterpret_cast<Barrier *>(shared_pointer(address, 8)); }
inline void barrier_settle(Barrier *b) {
  machine().progress++;
  if (b->pending == 0 && (b->bytes_and_phase >> 1) == 0) {
    b->pending = b->expected;
    b->bytes_and_phase ^= 1;
  }
}
// Element (row, k) of a 16-bit matrix in the 128-byte swizzle, as wgmma reads it.
inline uint16_t matrix_element(uint64_t descriptor, bool mn_major, int row, int k) {
  const uint32_t start = (descriptor & 0x3fff) << 4, leading = (descriptor >> 16 & 0x3fff) << 4, stride = (descriptor >> 32 & 0x3fff) << 4;
  if (descriptor >> 62 != 1) remora_emulated_fail("descriptor without the 128-byte swizzle");
  uint32_t offset;
  if (mn_major) offset = row / 64 * leading + k / 8 * stride + k % 8 * 128 + row % 64 * 2;
  else offset = row / 8 * stride + row % 8 * 128 + k * 2;
  uint32_t address = start + offset;
  address ^= (address >> 7 & 7) << 4;
  uint16_t v;
  memcpy(&v, shared_pointer(address, 2), 2);
  return v;
}
template <class T, int N, bool TRANSPOSE_B, bool TRANSPOSE_A = false> inline void wgmma(float *d, const uint32_t *a, uint64_t a_descriptor, uint64_t b_descriptor, int accumulate) {
  struct Args { float *d; const uint32_t *a; uint64_t da, db; int accumulate; } args{d, a, a_descriptor, b_descriptor, accumulate};
  warpgroup_collective(args, [](Args **l) {
    static float A[64][16], B[16][N];
    for (int i = 1; i < 128; i++)
      if (l[i]->da != l[0]->da || l[i]->db != l[0]->db) remora_emulated_fail("wgmma descriptors differ within the warpgroup");
    for (int r = 0; r < 64; r++)
      for (int k = 0; k < 16; k++) {
        if (l[0]->a) {
          const int lane = r / 16 * 32 + r % 8 * 4 + k % 8 / 2, reg = r % 16 / 8 + k / 8 * 2;
          const float2 f = unpack2<T>(l[lane]->a[reg]);
          A[r][k] = k % 2 ? f.y : f.x;
        } else {
          A[r][k] = to_float(T{matrix_element(l[0]->da, TRANSPOSE_A, r, k)});
        }
      }
    for (int n = 0; n < N; n++)
      for (int k = 0; k < 16; k++) B[k][n] = to_float(T{matrix_element(l[0]->db, TRANSPOSE_B, n, k)});
    for (int t = 0; t < 128; t++)
      for (int i = 0; i < N / 2; i++) {
        const int row = t / 32 * 16 + t % 32 / 4 + (i & 2) * 4, col = i / 4 * 8 + t % 4 * 2 + i % 2;
        float s = l[t]->accumulate ? l[t]->d[i] : 0.0f;
        for (int k = 0; k < 16; k++) s += A[row][k] * B[k][col];
        l[t]->d[i] = s;
      }
  });
}
}  // namespace emu
#endif

// ---- mbarriers ----
__device__ __forceinline__ void barrier_init(uint32_t barrier, int arrivals) {
#ifdef REMORA_EMULATE
  *emu::barrier_at(barrier) = {static_cast<uint16_t>(arrivals), static_cast<uint16_t>(arrivals), 0};
#else
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory");
#endif
}
// Makes initialized barriers visible to the copy engine; before the block's first barrier.
__device__ __forceinline__ void barrier_init_fence() {
#ifndef REMORA_EMULATE
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#endif
}
__device__ __forceinline__ void barrier_arrive(uint32_t barrier) {
#ifdef REMORA_EMULATE
  emu::Barrier *b = emu::barrier_at(barrier);
  b->pending--;
  emu::barrier_settle(b);
#else
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
#endif
}
// Arrives, and announces `bytes` that copies will complete.
__device__ __forceinline__ void barrier_expect(uint32_t barrier, int bytes) {
#ifdef REMORA_EMULATE
  emu::Barrier *b = emu::barrier_at(barrier);
  b->bytes_and_phase += bytes * 2;
  b->pending--;
  emu::barrier_settle(b);
#else
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes) : "memory");
#endif
}
// Waits until the phase of this parity has completed.
__device__ __forceinline__ void barrier_wait(uint32_t barrier, int parity) {
#ifdef REMORA_EMULATE
  while ((emu::barrier_at(barrier)->bytes_and_phase & 1) == parity) emu::remora_emulated_yield();
#else
  asm volatile(
      "{\n"
      ".reg .pred p;\n"
      "again:\n"
      "mbarrier.try_wait.parity.shared::cta.b64 p, [%0], %1;\n"
      "@p bra done;\n"
      "bra again;\n"
      "done:\n"
      "}\n" ::"r"(barrier), "r"(parity) : "memory");
#endif
}

// ---- copies by the copy engine, completing on an mbarrier; one thread issues ----
// Box of the tensor map at (column, row): rows of 64 elements into a swizzled panel, zeros outside the array.
__device__ __forceinline__ void copy_tensor(uint32_t target, const TensorMap *map, int column, int row, uint32_t barrier) {
#ifdef REMORA_EMULATE
  const uint64_t *m = map->opaque;
  const uint32_t box_columns = static_cast<uint32_t>(m[4]), box_rows = static_cast<uint32_t>(m[5]);
  if (target % 1024 || box_columns != 64) emu::remora_emulated_fail("bulk tensor copy: target or box");
  for (uint32_t r = 0; r < box_rows; r++)
    for (uint32_t c = 0; c < 64; c++) {
      uint16_t v = 0;
      const int64_t x = column + static_cast<int64_t>(c), y = row + static_cast<int64_t>(r);
      if (x >= 0 && y >= 0 && x < static_cast<int64_t>(m[1]) && y < static_cast<int64_t>(m[2]))
        memcpy(&v, reinterpret_cast<const uint8_t *>(m[0]) + y * static_cast<int64_t>(m[3]) + x * 2, 2);
      uint32_t address = target + r * 128 + c * 2;
      address ^= (address >> 7 & 7) << 4;
      memcpy(emu::shared_pointer(address, 2), &v, 2);
    }
  emu::Barrier *b = emu::barrier_at(barrier);
  b->bytes_and_phase -= static_cast<int32_t>(box_columns * box_rows * 2) * 2;
  emu::barrier_settle(b);
#else
  asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], [%4];" ::"r"(target),
               "l"(reinterpret_cast<uint64_t>(map)), "r"(column), "r"(row), "r"(barrier)
               : "memory");
#endif
}
// The same for elements that are read once: they leave the second-level cache first. policy: read_once_policy().
__device__ __forceinline__ uint64_t read_once_policy() {
#ifdef REMORA_EMULATE
  return 0;
#else
  uint64_t policy;
  asm volatile("createpolicy.fractional.L2::evict_first.b64 %0, 1.0;" : "=l"(policy));
  return policy;
#endif
}
__device__ __forceinline__ void copy_tensor_once(uint32_t target, const TensorMap *map, int column, int row, uint32_t barrier, uint64_t policy) {
#ifdef REMORA_EMULATE
  copy_tensor(target, map, column, row, barrier);
#else
  asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint [%0], [%1, {%2, %3}], [%4], %5;" ::"r"(target),
               "l"(reinterpret_cast<uint64_t>(map)), "r"(column), "r"(row), "r"(barrier), "l"(policy)
               : "memory");
#endif
}
__device__ __forceinline__ void prefetch_tensor_map(const TensorMap *map) {
#ifndef REMORA_EMULATE
  asm volatile("prefetch.tensormap [%0];" ::"l"(reinterpret_cast<uint64_t>(map)) : "memory");
#endif
}
// Adds `bytes` (of 16) of f32 in shared memory to an array in global memory, in no fixed order among blocks; the thread that issues waits.
__device__ __forceinline__ void bulk_add(float *target, uint32_t source, int bytes) {
#ifdef REMORA_EMULATE
  emu::remora_emulated_bulk_add(target, source, static_cast<uint32_t>(bytes));
#else
  asm volatile("cp.reduce.async.bulk.global.shared::cta.bulk_group.add.f32 [%0], [%1], %2;\n"
               "cp.async.bulk.commit_group;" ::"l"(target), "r"(source), "r"(bytes)
               : "memory");
#endif
}
// Until the sources of this thread's bulk additions have been read and may be written again.
__device__ __forceinline__ void bulk_add_wait_read() {
#ifdef REMORA_EMULATE
  emu::remora_emulated_bulk_add_wait();
#else
  asm volatile("cp.async.bulk.wait_group.read 0;" ::: "memory");
#endif
}
// Plain stores of this thread to shared memory become visible to wgmma and to the copy engine.
__device__ __forceinline__ void shared_store_fence() {
#ifndef REMORA_EMULATE
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#endif
}
// ---- registers of a warpgroup ----
template <int REGISTERS> __device__ __forceinline__ void registers_give() {
#ifndef REMORA_EMULATE
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(REGISTERS));
#endif
}
template <int REGISTERS> __device__ __forceinline__ void registers_take() {
#ifndef REMORA_EMULATE
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(REGISTERS));
#endif
}
// Barrier `id` (1 … 15) of `threads` threads.
__device__ __forceinline__ void named_barrier_wait(int id, int threads) {
#ifdef REMORA_EMULATE
  emu::barrier(id, threads, true);
#else
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
#endif
}
__device__ __forceinline__ void named_barrier_arrive(int id, int threads) {
#ifdef REMORA_EMULATE
  emu::barrier(id, threads, false);
#else
  asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory");
#endif
}

// ---- wgmma ----
// 8-row groups 1024 bytes apart; k16 steps advance the start by 32 bytes within a panel.
__device__ __forceinline__ uint64_t descriptor_k(uint32_t address) {
  return static_cast<uint64_t>((address & 0x3ffff) >> 4) | static_cast<uint64_t>(1) << 16 | static_cast<uint64_t>(1024 >> 4) << 32 | static_cast<uint64_t>(1) << 62;
}
// k is the row: groups of 8 rows 1024 bytes apart, panels of 64 columns `panel_bytes` apart; k16 steps advance the start by 2048 bytes.
__device__ __forceinline__ uint64_t descriptor_mn(uint32_t address, uint32_t panel_bytes) {
  return static_cast<uint64_t>((address & 0x3ffff) >> 4) | static_cast<uint64_t>(panel_bytes >> 4) << 16 | static_cast<uint64_t>(1024 >> 4) << 32 |
         static_cast<uint64_t>(1) << 62;
}
__device__ __forceinline__ void wgmma_begin() {
#ifndef REMORA_EMULATE
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#endif
}
__device__ __forceinline__ void wgmma_commit() {
#ifndef REMORA_EMULATE
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
#endif
}
template <int LEFT> __device__ __forceinline__ void wgmma_wait() {
#ifndef REMORA_EMULATE
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(LEFT) : "memory");
#endif
}
// Keeps the compiler from moving reads or writes of accumulators across a point.
template <int COUNT> __device__ __forceinline__ void pin(float (&d)[COUNT]) {
#ifndef REMORA_EMULATE
#pragma unroll
  for (int i = 0; i < COUNT; i++) asm volatile("" : "+f"(d[i])::"memory");
#endif
}

// d (64 x N, f32) = [d +] a b; T bf16_t or f16_t. a: descriptor_k, or registers as operand A of mma.m16n8k16.
// TRANSPOSE_A, TRANSPOSE_B: a, b from descriptor_mn, else from descriptor_k. shared_first overwrites d, so that d need not live before.
template <class T, int N, bool TRANSPOSE_B> struct Wgmma;

template <class T, bool TRANSPOSE_B> struct Wgmma<T, 64, TRANSPOSE_B> {
  template <bool TRANSPOSE_A = false> static __device__ __forceinline__ void shared(float (&d)[32], uint64_t a, uint64_t b, int accumulate) {
#ifdef REMORA_EMULATE
    emu::wgmma<T, 64, TRANSPOSE_B, TRANSPOSE_A>(d, nullptr, a, b, accumulate);
#else
    if constexpr (__is_same(T, bf16_t)) {
      asm volatile(
          "{\n.reg .pred p;\nsetp.ne.b32 p, %34, 0;\n"
          "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, %32, %33, p, 1, 1, %35, %36;\n"
          "}\n"
          : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]), "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]), "+f"(d[16]), "+f"(d[17]), "+f"(d[18]), "+f"(d[19]), "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]), "+f"(d[24]), "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]), "+f"(d[30]), "+f"(d[31])
          : "l"(a), "l"(b), "r"(accumulate), "n"(TRANSPOSE_A ? 1 : 0), "n"(TRANSPOSE_B ? 1 : 0));
    } else {
      asm volatile(
          "{\n.reg .pred p;\nsetp.ne.b32 p, %34, 0;\n"
          "wgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16 {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, %32, %33, p, 1, 1, %35, %36;\n"
          "}\n"
          : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]), "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]), "+f"(d[16]), "+f"(d[17]), "+f"(d[18]), "+f"(d[19]), "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]), "+f"(d[24]), "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]), "+f"(d[30]), "+f"(d[31])
          : "l"(a), "l"(b), "r"(accumulate), "n"(TRANSPOSE_A ? 1 : 0), "n"(TRANSPOSE_B ? 1 : 0));
    }
#endif
  }
  template <bool TRANSPOSE_A = false> static __device__ __forceinline__ void shared_first(float (&d)[32], uint64_t a, uint64_t b) {
#ifdef REMORA_EMULATE
    emu::wgmma<T, 64, TRANSPOSE_B, TRANSPOSE_A>(d, nullptr, a, b, 0);
#else
    if constexpr (__is_same(T, bf16_t)) {
      asm volatile(
          "{\n.reg .pred p;\nsetp.ne.b32 p, 0, 0;\n"
          "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, %32, %33, p, 1, 1, %34, %35;\n"
          "}\n"
          : "=f"(d[0]), "=f"(d[1]), "=f"(d[2]), "=f"(d[3]), "=f"(d[4]), "=f"(d[5]), "=f"(d[6]), "=f"(d[7]), "=f"(d[8]), "=f"(d[9]), "=f"(d[10]), "=f"(d[11]), "=f"(d[12]), "=f"(d[13]), "=f"(d[14]), "=f"(d[15]), "=f"(d[16]), "=f"(d[17]), "=f"(d[18]), "=f"(d[19]), "=f"(d[20]), "=f"(d[21]), "=f"(d[22]), "=f"(d[23]), "=f"(d[24]), "=f"(d[25]), "=f"(d[26]), "=f"(d[27]), "=f"(d[28]), "=f"(d[29]), "=f"(d[30]), "=f"(d[31])
          : "l"(a), "l"(b), "n"(TRANSPOSE_A ? 1 : 0), "n"(TRANSPOSE_B ? 1 : 0));
    } else {
      asm volatile(
          "{\n.reg .pred p;\nsetp.ne.b32 p, 0, 0;\n"
          "wgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16 {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, %32, %33, p, 1, 1, %34, %35;\n"
          "}\n"
          : "=f"(d[0]), "=f"(d[1]), "=f"(d[2]), "=f"(d[3]), "=f"(d[4]), "=f"(d[5]), "=f"(d[6]), "=f"(d[7]), "=f"(d[8]), "=f"(d[9]), "=f"(d[10]), "=f"(d[11]), "=f"(d[12]), "=f"(d[13]), "=f"(d[14]), "=f"(d[15]), "=f"(d[16]), "=f"(d[17]), "=f"(d[18]), "=f"(d[19]), "=f"(d[20]), "=f"(d[21]), "=f"(d[22]), "=f"(d[23]), "=f"(d[24]), "=f"(d[25]), "=f"(d[26]), "=f"(d[27]), "=f"(d[28]), "=f"(d[29]), "=f"(d[30]), "=f"(d[31])
          : "l"(a), "l"(b), "n"(TRANSPOSE_A ? 1 : 0), "n"(TRANSPOSE_B ? 1 : 0));
    }
#endif
  }
  static __device__ __forceinline__ void registers(float (&d)[32], const uint32_t (&a)[4], uint64_t b, int accumulate) {
#ifdef REMORA_EMULATE
    emu::wgmma<T, 64, TRANSPOSE_B>(d, a, 0, b, accumulate);
#else
    if constexpr (__is_same(T, bf16_t)) {
      asm volatile(
          "{\n.reg .pred p;\nsetp.ne.b32 p, %37, 0;\n"
          "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, {%32, %33, %34, %35}, %36, p, 1, 1, %38;\n"
          "}\n"
          : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]), "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]), "+f"(d[16]), "+f"(d[17]), "+f"(d[18]), "+f"(d[19]), "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]), "+f"(d[24]), "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]), "+f"(d[30]), "+f"(d[31])
          : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(accumulate), "n"(TRANSPOSE_B ? 1 : 0));
    } else {
      asm volatile(
          "{\n.reg .pred p;\nsetp.ne.b32 p, %37, 0;\n"
          "wgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16 {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, {%32, %33, %34, %35}, %36, p, 1, 1, %38;\n"
          "}\n"
          : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]), "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]), "+f"(d[16]), "+f"(d[17]), "+f"(d[18]), "+f"(d[19]), "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]), "+f"(d[24]), "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]), "+f"(d[30]), "+f"(d[31])
          : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(accumulate), "n"(TRANSPOSE_B ? 1 : 0));
    }
#endif
  }
};
template <class T, bool TRANSPOSE_B> struct Wgmma<T, 128, TRANSPOSE_B> {
  template <bool TRANSPOSE_A = false> static __device__ __forceinline__ void shared(float (&d)[64], uint64_t a, uint64_t b, int accumulate) {
#ifdef REMORA_EMULATE
    emu::wgmma<T, 128, TRANSPOSE_B, TRANSPOSE_A>(d, nullptr, a, b, accumulate);
#else
    if constexpr (__is_same(T, bf16_t)) {
      asm volatile(
          "{\n.reg .pred p;\nsetp.ne.b32 p, %66, 0;\n"
          "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, %64, %65, p, 1, 1, %67, %68;\n"
          "}\n"
          : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]), "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]), "+f"(d[16]), "+f"(d[17]), "+f"(d[18]), "+f"(d[19]), "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]), "+f"(d[24]), "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]), "+f"(d[30]), "+f"(d[31]), "+f"(d[32]), "+f"(d[33]), "+f"(d[34]), "+f"(d[35]), "+f"(d[36]), "+f"(d[37]), "+f"(d[38]), "+f"(d[39]), "+f"(d[40]), "+f"(d[41]), "+f"(d[42]), "+f"(d[43]), "+f"(d[44]), "+f"(d[45]), "+f"(d[46]), "+f"(d[47]), "+f"(d[48]), "+f"(d[49]), "+f"(d[50]), "+f"(d[51]), "+f"(d[52]), "+f"(d[53]), "+f"(d[54]), "+f"(d[55]), "+f"(d[56]), "+f"(d[57]), "+f"(d[58]), "+f"(d[59]), "+f"(d[60]), "+f"(d[61]), "+f"(d[62]), "+f"(d[63])
          : "l"(a), "l"(b), "r"(accumulate), "n"(TRANSPOSE_A ? 1 : 0), "n"(TRANSPOSE_B ? 1 : 0));
    } else {
      asm volatile(
          "{\n.reg .pred p;\nsetp.ne.b32 p, %66, 0;\n"
          "wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16 {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, %64, %65, p, 1, 1, %67, %68;\n"
          "}\n"
          : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]), "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]), "+f"(d[16]), "+f"(d[17]), "+f"(d[18]), "+f"(d[19]), "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]), "+f"(d[24]), "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]), "+f"(d[30]), "+f"(d[31]), "+f"(d[32]), "+f"(d[33]), "+f"(d[34]), "+f"(d[35]), "+f"(d[36]), "+f"(d[37]), "+f"(d[38]), "+f"(d[39]), "+f"(d[40]), "+f"(d[41]), "+f"(d[42]), "+f"(d[43]), "+f"(d[44]), "+f"(d[45]), "+f"(d[46]), "+f"(d[47]), "+f"(d[48]), "+f"(d[49]), "+f"(d[50]), "+f"(d[51]), "+f"(d[52]), "+f"(d[53]), "+f"(d[54]), "+f"(d[55]), "+f"(d[56]), "+f"(d[57]), "+f"(d[58]), "+f"(d[59]), "+f"(d[60]), "+f"(d[61]), "+f"(d[62]), "+f"(d[63])
          : "l"(a), "l"(b), "r"(accumulate), "n"(TRANSPOSE_A ? 1 : 0), "n"(TRANSPOSE_B ? 1 : 0));
    }
#endif
  }
  template <bool TRANSPOSE_A = false> static __device__ __forceinline__ void shared_first(float (&d)[64], uint64_t a, uint64_t b) {
#ifdef REMORA_EMULATE
    emu::wgmma<T, 128, TRANSPOSE_B, TRANSPOSE_A>(d, nullptr, a, b, 0);
#else
    if constexpr (__is_same(T, bf16_t)) {
      asm volatile(
          "{\n.reg .pred p;\nsetp.ne.b32 p, 0, 0;\n"
          "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, %64, %65, p, 1, 1, %66, %67;\n"
          "}\n"
          : "=f"(d[0]), "=f"(d[1]), "=f"(d[2]), "=f"(d[3]), "=f"(d[4]), "=f"(d[5]), "=f"(d[6]), "=f"(d[7]), "=f"(d[8]), "=f"(d[9]), "=f"(d[10]), "=f"(d[11]), "=f"(d[12]), "=f"(d[13]), "=f"(d[14]), "=f"(d[15]), "=f"(d[16]), "=f"(d[17]), "=f"(d[18]), "=f"(d[19]), "=f"(d[20]), "=f"(d[21]), "=f"(d[22]), "=f"(d[23]), "=f"(d[24]), "=f"(d[25]), "=f"(d[26]), "=f"(d[27]), "=f"(d[28]), "=f"(d[29]), "=f"(d[30]), "=f"(d[31]), "=f"(d[32]), "=f"(d[33]), "=f"(d[34]), "=f"(d[35]), "=f"(d[36]), "=f"(d[37]), "=f"(d[38]), "=f"(d[39]), "=f"(d[40]), "=f"(d[41]), "=f"(d[42]), "=f"(d[43]), "=f"(d[44]), "=f"(d[45]), "=f"(d[46]), "=f"(d[47]), "=f"(d[48]), "=f"(d[49]), "=f"(d[50]), "=f"(d[51]), "=f"(d[52]), "=f"(d[53]), "=f"(d[54]), "=f"(d[55]), "=f"(d[56]), "=f"(d[57]), "=f"(d[58]), "=f"(d[59]), "=f"(d[60]), "=f"(d[61]), "=f"(d[62]), "=f"(d[63])
          : "l"(a), "l"(b), "n"(TRANSPOSE_A ? 1 : 0), "n"(TRANSPOSE_B ? 1 : 0));
    } else {
      asm volatile(
          "{\n.reg .pred p;\nsetp.ne.b32 p, 0, 0;\n"
          "wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16 {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, %64, %65, p, 1, 1, %66, %67;\n"
          "}\n"
          : "=f"(d[0]), "=f"(d[1]), "=f"(d[2]), "=f"(d[3]), "=f"(d[4]), "=f"(d[5]), "=f"(d[6]), "=f"(d[7]), "=f"(d[8]), "=f"(d[9]), "=f"(d[10]), "=f"(d[11]), "=f"(d[12]), "=f"(d[13]), "=f"(d[14]), "=f"(d[15]), "=f"(d[16]), "=f"(d[17]), "=f"(d[18]), "=f"(d[19]), "=f"(d[20]), "=f"(d[21]), "=f"(d[22]), "=f"(d[23]), "=f"(d[24]), "=f"(d[25]), "=f"(d[26]), "=f"(d[27]), "=f"(d[28]), "=f"(d[29]), "=f"(d[30]), "=f"(d[31]), "=f"(d[32]), "=f"(d[33]), "=f"(d[34]), "=f"(d[35]), "=f"(d[36]), "=f"(d[37]), "=f"(d[38]), "=f"(d[39]), "=f"(d[40]), "=f"(d[41]), "=f"(d[42]), "=f"(d[43]), "=f"(d[44]), "=f"(d[45]), "=f"(d[46]), "=f"(d[47]), "=f"(d[48]), "=f"(d[49]), "=f"(d[50]), "=f"(d[51]), "=f"(d[52]), "=f"(d[53]), "=f"(d[54]), "=f"(d[55]), "=f"(d[56]), "=f"(d[57]), "=f"(d[58]), "=f"(d[59]), "=f"(d[60]), "=f"(d[61]), "=f"(d[62]), "=f"(d[63])
          : "l"(a), "l"(b), "n"(TRANSPOSE_A ? 1 : 0), "n"(TRANSPOSE_B ? 1 : 0));
    }
#endif
  }
  static __device__ __forceinline__ void registers(float (&d)[64], const uint32_t (&a)[4], uint64_t b, int accumulate) {
#ifdef REMORA_EMULATE
    emu::wgmma<T, 128, TRANSPOSE_B>(d, a, 0, b, accumulate);
#else
    if constexpr (__is_same(T, bf16_t)) {
      asm volatile(
          "{\n.reg .pred p;\nsetp.ne.b32 p, %69, 0;\n"
          "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, {%64, %65, %66, %67}, %68, p, 1, 1, %70;\n"
          "}\n"
          : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]), "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]), "+f"(d[16]), "+f"(d[17]), "+f"(d[18]), "+f"(d[19]), "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]), "+f"(d[24]), "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]), "+f"(d[30]), "+f"(d[31]), "+f"(d[32]), "+f"(d[33]), "+f"(d[34]), "+f"(d[35]), "+f"(d[36]), "+f"(d[37]), "+f"(d[38]), "+f"(d[39]), "+f"(d[40]), "+f"(d[41]), "+f"(d[42]), "+f"(d[43]), "+f"(d[44]), "+f"(d[45]), "+f"(d[46]), "+f"(d[47]), "+f"(d[48]), "+f"(d[49]), "+f"(d[50]), "+f"(d[51]), "+f"(d[52]), "+f"(d[53]), "+f"(d[54]), "+f"(d[55]), "+f"(d[56]), "+f"(d[57]), "+f"(d[58]), "+f"(d[59]), "+f"(d[60]), "+f"(d[61]), "+f"(d[62]), "+f"(d[63])
          : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(accumulate), "n"(TRANSPOSE_B ? 1 : 0));
    } else {
      asm volatile(
          "{\n.reg .pred p;\nsetp.ne.b32 p, %69, 0;\n"
          "wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16 {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, {%64, %65, %66, %67}, %68, p, 1, 1, %70;\n"
          "}\n"
          : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]), "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]), "+f"(d[16]), "+f"(d[17]), "+f"(d[18]), "+f"(d[19]), "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]), "+f"(d[24]), "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]), "+f"(d[30]), "+f"(d[31]), "+f"(d[32]), "+f"(d[33]), "+f"(d[34]), "+f"(d[35]), "+f"(d[36]), "+f"(d[37]), "+f"(d[38]), "+f"(d[39]), "+f"(d[40]), "+f"(d[41]), "+f"(d[42]), "+f"(d[43]), "+f"(d[44]), "+f"(d[45]), "+f"(d[46]), "+f"(d[47]), "+f"(d[48]), "+f"(d[49]), "+f"(d[50]), "+f"(d[51]), "+f"(d[52]), "+f"(d[53]), "+f"(d[54]), "+f"(d[55]), "+f"(d[56]), "+f"(d[57]), "+f"(d[58]), "+f"(d[59]), "+f"(d[60]), "+f"(d[61]), "+f"(d[62]), "+f"(d[63])
          : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(accumulate), "n"(TRANSPOSE_B ? 1 : 0));
    }
#endif
  }
};

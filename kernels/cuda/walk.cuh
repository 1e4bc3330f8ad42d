// What the parts of decoder_walk.cu share: what the host writes, where things lie, rows that blocks exchange, shares of rows.
#pragma once
#include "gate.cuh"
#include "hopper.cuh"
#include "linear_part.cuh"

#if defined(REMORA_EMULATE) || !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)

// ---- what the host writes: src/backend/cuda/ops/layers-step.ts, kernels/lab/check/check_walk.cpp ----
struct WalkPart {               // 40 bytes
  const uint8_t *data, *scales;  // NF4 [out, In]: codes; scales f32, or u8 when nested_scales is given (16-byte aligned too)
  const float *nested_scales, *nested_code;
  float nested_offset;
  int32_t reserved;
};
struct WalkLayer {   // 384 bytes
  WalkPart part[7];  // q, k, v, o, gate, up, down
  const float *bias;  // of q, k, v side by side; NULL: none
  const float *attention_norm, *mlp_norm, *q_norm, *k_norm;  // the last two may be NULL
  const float *rope;  // [positions, rotary / 2, 2]
  void *k_pages, *v_pages;
  int32_t window;
  int32_t reserved[9];
};

namespace {
constexpr int WALK_WARPS = 20, WALK_THREADS = WALK_WARPS * 32, FEEDERS = 4, WALK_BLOCK = WALK_THREADS + FEEDERS * 32, FRONT_STAGES = 2, WALK_STAGES = FRONT_STAGES + 4;  // WALK_WARPS multiply
constexpr int PIECE = 5120, UNIT = 512, UNITS = PIECE / UNIT, GROUP_ROWS = 8;
constexpr int CODE_ROW = PIECE / 2 + 32, SCALE_ROW = PIECE / 64 * 4 + 16, NESTED_BYTES = 128;
constexpr int SCALES_AT = GROUP_ROWS * CODE_ROW, NESTED_AT = SCALES_AT + GROUP_ROWS * SCALE_ROW, STAGE_BYTES = (NESTED_AT + NESTED_BYTES + 127) / 128 * 128;
// Shared memory, from its first byte, which has the address 1024: two stages, small things, the table at the address 65536, so that a PRMT makes whole
// addresses, four stages. The table has a gap of 128 bytes after every 128: x lies there, and what warps attend.
constexpr int SHARED_BASE = 1024, TABLE_AT = 65536 - SHARED_BASE, CODE_AT = FRONT_STAGES * STAGE_BYTES, LAYER_AT = CODE_AT + 3 * 1024,
              BARRIER_AT = LAYER_AT + 2 * static_cast<int>(sizeof(WalkLayer)), SQUARES_AT = BARRIER_AT + 256, FLAG_AT = SQUARES_AT + 2 * WALK_WARPS * 4, SHARE_AT = FLAG_AT + 16, SUMS_AT = (SHARE_AT + 4 * 16 + 127) / 128 * 128,
              SUMS_BYTES = TABLE_AT - SUMS_AT, WALK_SHARED = TABLE_AT + 65536 + (WALK_STAGES - FRONT_STAGES) * STAGE_BYTES;
__device__ __forceinline__ uint32_t stage_at(uint32_t slot) { return slot * STAGE_BYTES + (slot < FRONT_STAGES ? 0 : TABLE_AT + 65536 - FRONT_STAGES * STAGE_BYTES); }
// Of attention, where the sums lie in other phases.
constexpr int ATTEND_WARPS = 16, ATTEND_HEADS = 4, TILE_KEYS = 16, QUERY_AT = SUMS_AT, TURN_AT = QUERY_AT + 6 * 256, WEIGHT_AT = TURN_AT + 5 * 512,
              OLD_AT = WEIGHT_AT + ATTEND_WARPS * TILE_KEYS * 16, STATE_AT = OLD_AT + ATTEND_WARPS * 16, PLACE_AT = STATE_AT + ATTEND_WARPS * ATTEND_HEADS * 8, MOST_PLACES = 1000, ATTEND_BYTES = PLACE_AT + MOST_PLACES * 4 - SUMS_AT;
// The workspace: state, arrivals, exchanged rows, parts of attention.
constexpr int ARRIVALS_AT = 1024, ROWS_AT = 4096;
constexpr uint32_t NONE = 0xffffffffu;
// For the lab: what a walk without one of its parts takes.
constexpr int NO_PRODUCTS = 1, NO_STREAM = 2, NO_WAIT = 4;
static_assert(sizeof(WalkLayer) == 384 && WALK_BLOCK == 768 && WALK_SHARED == 224256 && SUMS_BYTES >= 13056, "kernels/lab/check/check_walk.cpp and layers-step.ts count on it");
static_assert(FEEDERS <= WALK_STAGES && WALK_STAGES <= 16 && ATTEND_BYTES <= SUMS_BYTES && ATTEND_WARPS < WALK_WARPS);

__device__ __forceinline__ uint8_t *gap(uint8_t *shared, int byte) { return shared + TABLE_AT + ((byte >> 7 << 8) | 128 | (byte & 127)); }
__device__ __forceinline__ uint4 load_now(const void *p) {
#ifdef REMORA_EMULATE
  return *static_cast<const uint4 *>(p);
#else
  uint4 v;
  asm volatile("ld.relaxed.gpu.global.v4.u32 {%0,%1,%2,%3}, [%4];" : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "l"(p) : "memory");
  return v;
#endif
}
__device__ __forceinline__ uint32_t load_word_now(const void *p) {
#ifdef REMORA_EMULATE
  return *static_cast<const uint32_t *>(p);
#else
  uint32_t v;
  asm volatile("ld.relaxed.gpu.global.u32 %0, [%1];" : "=r"(v) : "l"(p) : "memory");
  return v;
#endif
}
__device__ __forceinline__ void store_now(void *p, const uint4 &v) {
#ifdef REMORA_EMULATE
  *static_cast<uint4 *>(p) = v;
#else
  asm volatile("st.relaxed.gpu.global.v4.u32 [%0], {%1,%2,%3,%4};" ::"l"(p), "r"(v.x), "r"(v.y), "r"(v.z), "r"(v.w) : "memory");
#endif
}
// A pair of levels by its address.
__device__ __forceinline__ uint32_t load_pair(uint32_t address) {
  uint32_t v;
#ifdef REMORA_EMULATE
  memcpy(&v, emu::shared_pointer(address, 4), 4);
#else
  asm("ld.shared.u32 %0, [%1];" : "=r"(v) : "r"(address));
#endif
  return v;
}
// While again(). A block that never comes must not hold the card: after some seconds the launch fails.
template <class Again> __device__ __forceinline__ void spin(Again again) {
#ifdef REMORA_EMULATE
  while (again()) emu::remora_emulated_yield();
#else
  for (uint32_t turns = 0; again();)
    if (++turns >> 24) asm volatile("trap;");
#endif
}
// barrier_wait with a limit of four seconds.
__device__ __forceinline__ void ring_wait(uint32_t barrier, int parity) {
#ifdef REMORA_EMULATE
  barrier_wait(barrier, parity);
#else
  const auto is_done = [&] {
    uint32_t done;
    asm volatile("{\n.reg .pred p;\nmbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\nselp.u32 %0, 1, 0, p;\n}\n" : "=r"(done) : "r"(barrier), "r"(parity) : "memory");
    return done;
  };
  if (is_done()) return;
  const auto now = [] {
    uint64_t t;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(t));
    return t;
  };
  const uint64_t start = now();
  while (!is_done())
    if (now() - start > 4000000000ull) asm volatile("trap;");
#endif
}
__device__ __forceinline__ bool any_missing(const uint4 &v) { return v.x == NONE || v.y == NONE || v.z == NONE || v.w == NONE; }
// threadIdx.x, which the compiler does not know to be the same as before: what is made of it is made again in each phase, not kept in memory for all.
__device__ __forceinline__ int this_thread() {
  int tid = threadIdx.x;
#ifndef REMORA_EMULATE
  asm volatile("" : "+r"(tid));
#endif
  return tid;
}

// 65536 / i, rounded up: x / i = x PARTS_OF[i] >> 16 while x i < 65536.
__constant__ uint32_t PARTS_OF[21] = {0, 65536, 32768, 21846, 16384, 13108, 10923, 9363, 8192, 7282, 6554, 5958, 5462, 5042, 4682, 4370, 4096, 3856, 3641, 3450, 3277};
__device__ __forceinline__ int quotient(int x, int by) { return static_cast<int>(static_cast<uint32_t>(x) * PARTS_OF[by] >> 16); }

struct WalkShape {
  int C, F, H, K, D, rotary, page_size, blocks_per_sequence, gate;
  float eps, scale, softcap;
  __device__ __forceinline__ int columns(int phase) const { return phase == 1 ? H * D : phase == 3 ? F : C; }
};
// This block's rows in a phase (0 qkv, 1 o, 2 gate and up, 3 down), in groups of 8. With gate and up, the groups of one follow those of the other.
struct WalkShare {
  int begin, count, first, second;  // first, second: groups before k and v
  __device__ __forceinline__ void find(const WalkShape &s, int phase) {
    first = s.H * s.D / GROUP_ROWS, second = first + s.K * s.D / GROUP_ROWS;
    const int all = phase == 0 ? first + 2 * (second - first) : phase == 2 ? s.F / GROUP_ROWS : s.C / GROUP_ROWS;
    begin = static_cast<int>(static_cast<uint32_t>(all) * blockIdx.x / gridDim.x);
    count = (static_cast<int>(static_cast<uint32_t>(all) * (blockIdx.x + 1) / gridDim.x) - begin) * (phase == 2 ? 2 : 1);
  }
  // The part of group i, counted from the phase's first; row: its first row there.
  __device__ __forceinline__ int part_of(int phase, int i, int &row) const {
    if (phase == 2) {
      const bool up = i >= count / 2;
      row = (begin + i - (up ? count / 2 : 0)) * GROUP_ROWS;
      return up;
    }
    const int group = begin + i, part = phase == 0 ? (group >= first) + (group >= second) : 0;
    row = (group - (part == 0 ? 0 : part == 1 ? first : second)) * GROUP_ROWS;
    return part;
  }
};
__device__ __forceinline__ int first_part(int phase) { return phase == 0 ? 0 : phase == 1 ? 3 : phase == 2 ? 4 : 6; }

__device__ __forceinline__ int warp_total(int x) {
#ifdef REMORA_EMULATE
  for (int d = 16; d; d >>= 1) x += __shfl_xor_sync(0xffffffffu, x, d);
  return x;
#else
  return static_cast<int>(__reduce_add_sync(0xffffffffu, static_cast<unsigned int>(x)));
#endif
}

// The warps that multiply. MODE leaves parts out, for the lab.
template <class T, int D, int MODE> struct Walk {
  WalkShape shape;
  uint8_t *shared, *workspace;
  uint32_t stage;

  __device__ __forceinline__ uint4 row_piece(const T *p) {
    uint4 v = load_now(p);
    if (!(MODE & NO_WAIT) && any_missing(v)) spin([&] { return any_missing(v = load_now(p)); });
    return v;
  }
  __device__ __forceinline__ void wait() { named_barrier_wait(1, WALK_THREADS); }
  // The rows that blocks exchange: which 0 qkv, 1 m, 2 act, 3 h, 4 what was attended, each in two buffers.
  __device__ __forceinline__ T *rows(int which, uint32_t buffer) const {
    const int width = (shape.H + 2 * shape.K) * shape.D, inner = shape.H * shape.D;
    T *const all = reinterpret_cast<T *>(workspace + ROWS_AT);
    if (which == 0) return all + buffer * width;
    if (which == 4) return all + 2 * width + buffer * inner;
    return all + 2 * (width + inner) + (which == 1 ? buffer * shape.C : which == 2 ? 2 * shape.C + buffer * shape.F : 2 * (shape.C + shape.F) + buffer * shape.C);
  }

  // Rows of this block: act(norm(x) Wᵀ + bias) + residual. now: the buffers of this layer. first, last: the model's x and y. In walk_linear.cuh.
  __device__ void linear(int phase, const WalkLayer &layer, uint32_t now, const T *first, T *last);
  // Rotation, cache write and attention of this block's jobs: (key head, up to four of its query heads, part of the keys). In walk_attention.cuh.
  __device__ void attend(const WalkLayer &layer, uint32_t now, int sequence, int position, const int32_t *block_table);

 private:
  __device__ void read_head(const T *head, const float *norm, float *to, int lane);
  __device__ void clear(uint32_t now, int lane);
};
}  // namespace
#endif

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
constexpr int WALK_WARPS = 20, WALK_THREADS = WALK_WARPS * 32, UNIT = 512, GROUP_ROWS = 8;
// A warp's piece of work: the codes of GROUP_ROWS rows of W by UNIT columns, as two swizzled panels of 128 bytes a row. A warp has SLOTS of them in shared memory.
constexpr int PANEL_BYTES = GROUP_ROWS * 128, PIECE_BYTES = 2 * PANEL_BYTES, SLOTS = 3, RING_BYTES = SLOTS * PIECE_BYTES, MOST_PIECES = 40;
// Shared memory, from its first byte, which has the address 1024: rings of some warps, small things, the table at the address 65536, so that a PRMT makes
// whole addresses, the other rings, the rings of scales. The table has a gap of 128 bytes after every 128: x lies there, and what warps attend.
constexpr int SHARED_BASE = 1024, TABLE_AT = 65536 - SHARED_BASE, FRONT_RINGS = 6, MOST_NESTED = WALK_THREADS, MOST_PAGES = 512;
constexpr int CODE_AT = FRONT_RINGS * RING_BYTES, NESTED_AT = CODE_AT + 3 * 1024, LAYER_AT = NESTED_AT + MOST_NESTED * 4, SHARE_AT = LAYER_AT + 2 * static_cast<int>(sizeof(WalkLayer)), SHAPE_AT = SHARE_AT + 4 * 80,
              JOB_AT = SHAPE_AT + 80, EXCHANGED_AT = JOB_AT + 32, SQUARES_AT = EXCHANGED_AT + 48, PAGES_AT = SQUARES_AT + 2 * WALK_WARPS * 4, STEPS_AT = PAGES_AT + MOST_PAGES * 4, STARTS_AT = STEPS_AT + WALK_WARPS * 4,
              BARRIERS_AT = STARTS_AT + WALK_WARPS * 20, LISTS_AT = BARRIERS_AT + WALK_WARPS * SLOTS * 8, ADDED_AT = LISTS_AT + WALK_WARPS * MOST_PIECES * 8, SUMS_AT = (ADDED_AT + WALK_WARPS * 32 + 127) / 128 * 128, SUMS_BYTES = 10240;
constexpr int BACK_RINGS_AT = TABLE_AT + 65536, SCALES_AT = BACK_RINGS_AT + (WALK_WARPS - FRONT_RINGS) * RING_BYTES, SCALES_BYTES = GROUP_ROWS * UNIT / 64 * 4, WALK_SHARED = SCALES_AT + WALK_WARPS * SLOTS * SCALES_BYTES;
// Of attention, where the sums lie in other phases; with FLAG_AT a word.
constexpr int ATTEND_WARPS = WALK_WARPS - 4, ATTEND_HEADS = 4, TILE_KEYS = 16, QUERY_AT = SUMS_AT, STATE_AT = QUERY_AT + 6 * 256, FLAG_AT = STATE_AT + ATTEND_WARPS * ATTEND_HEADS * 8;
// The workspace: state, arrivals, exchanged rows, parts of attention.
constexpr int ARRIVALS_AT = 1024, ROWS_AT = 4096;
constexpr uint32_t NONE = 0xffffffffu;
// For the lab: what a walk without one of its parts takes.
constexpr int NO_PRODUCTS = 1, NO_STREAM = 2, NO_WAIT = 4;
static_assert(sizeof(WalkLayer) == 384 && SUMS_AT + SUMS_BYTES <= TABLE_AT && WALK_SHARED == 231424 && FLAG_AT + 4 <= SUMS_AT + SUMS_BYTES && LAYER_AT % 16 == 0 && BARRIERS_AT % 8 == 0 && RING_BYTES % 1024 == 0 && BACK_RINGS_AT % 1024 == 0);

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
// Eight bytes by their address in shared memory.
__device__ __forceinline__ uint2 load_two(uint32_t address) {
  uint2 v;
#ifdef REMORA_EMULATE
  memcpy(&v, emu::shared_pointer(address, 8), 8);
#else
  asm volatile("ld.shared.v2.u32 {%0,%1}, [%2];" : "=r"(v.x), "=r"(v.y) : "r"(address) : "memory");
#endif
  return v;
}
// 16 bits: an element of a row that blocks exchange; NONE cut off where it is not there.
__device__ __forceinline__ uint16_t load_half_now(const void *p) {
#ifdef REMORA_EMULATE
  return *static_cast<const uint16_t *>(p);
#else
  uint16_t v;
  asm volatile("ld.relaxed.gpu.global.u16 %0, [%1];" : "=h"(v) : "l"(p) : "memory");
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
__device__ __forceinline__ uint32_t this_thread() {
  uint32_t tid = threadIdx.x;
#ifndef REMORA_EMULATE
  asm volatile("" : "+r"(tid));
#endif
  return tid;
}

struct WalkShape {
  int C, F, H, K, D, rotary, page_bits, blocks_per_sequence, gate;
  float eps, scale, softcap;
  int sequence, position;  // of the token
  int jobs, most_parts;    // of attention: pairs of a key head and up to four of its query heads; parts of the keys that there are blocks for
  uint32_t turn;           // of the buffers in the first layer
  __device__ __forceinline__ int columns(int phase) const { return phase == 1 ? H * D : phase == 3 ? F : C; }
};
static_assert(sizeof(WalkShape) <= 80);
// What this block attends to, if it is among those that attend.
struct WalkJob {
  int pair, part, kv, head0, heads, is_first;  // is_first: of its key head's
  __device__ __forceinline__ void find(const WalkShape &s) {
    const int group = s.H / s.K, rounds = (group + ATTEND_HEADS - 1) / ATTEND_HEADS;
    pair = blockIdx.x % s.jobs, part = blockIdx.x / s.jobs, kv = pair / rounds;
    head0 = kv * group + pair % rounds * ATTEND_HEADS, heads = min(ATTEND_HEADS, (kv + 1) * group - head0), is_first = pair % rounds == 0;
  }
};
// The parts 0 … 6 of a layer, q, k, v, o, gate, up, down, and the phases they belong to: 0 qkv, 1 o, 2 gate and up, 3 down.
__device__ __forceinline__ int first_part(int phase) { return phase == 0 ? 0 : phase == 1 ? 3 : phase == 2 ? 4 : 6; }
__device__ __forceinline__ int part_count(int phase) { return phase == 0 ? 3 : phase == 2 ? 2 : 1; }

// This block's rows in a phase, in groups of 8. With gate and up, the groups of one follow those of the other.
struct WalkShare {
  int begin, count, first, second;  // first, second: groups before k and v
  int columns;                       // of W
  int row[3], rows[3];               // of each part: the first row here, how many
  int nested_from[3], nested_at[4];  // the first scale of scales of them, where it lies among those of all parts; the last: how many there are
  int reserved[2];
  __device__ __forceinline__ void find(const WalkShape &s, int phase) {
    first = s.H * s.D / GROUP_ROWS, second = first + s.K * s.D / GROUP_ROWS;
    const int all = phase == 0 ? first + 2 * (second - first) : phase == 2 ? s.F / GROUP_ROWS : s.C / GROUP_ROWS, blocks = s.columns(phase) / 64;
    columns = s.columns(phase);
    begin = static_cast<int>(static_cast<uint32_t>(all) * blockIdx.x / gridDim.x);
    const int end = static_cast<int>(static_cast<uint32_t>(all) * (blockIdx.x + 1) / gridDim.x);
    count = (end - begin) * (phase == 2 ? 2 : 1);
    int at = 0;
    for (int p = 0; p < 3; p++) {
      const int low = phase == 0 && p == 1 ? first : phase == 0 && p == 2 ? second : 0, high = phase == 0 && p == 0 ? first : phase == 0 && p == 1 ? second : all;
      row[p] = max(begin - low, 0) * GROUP_ROWS, rows[p] = p < part_count(phase) ? max(min(end, high) - max(begin, low), 0) * GROUP_ROWS : 0;
      nested_from[p] = static_cast<int>(static_cast<uint32_t>(row[p]) * blocks >> 8), nested_at[p] = at;
      if (rows[p]) at += static_cast<int>((static_cast<uint32_t>(row[p] + rows[p]) * blocks - 1) >> 8) - nested_from[p] + 1;
    }
    nested_at[3] = at;
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
static_assert(sizeof(WalkShare) == 80);

// A piece as a warp's list has it: its first row in the part; its part, its unit, where its sums lie.
struct WalkPiece {
  uint32_t row, rest;
  __device__ __forceinline__ uint32_t part() const { return rest & 7; }
  __device__ __forceinline__ uint32_t unit() const { return rest >> 3 & 31; }
  __device__ __forceinline__ uint32_t sums() const { return rest >> 8; }
};
struct WalkLayers {
  const WalkLayer *all;
  const TensorMap *maps;  // [count, 7]: of the parts' codes as 16-bit elements, [out, In / 4], boxes of 64 x GROUP_ROWS
  int count;
};
__device__ __forceinline__ WalkPiece *pieces_of(uint8_t *shared, uint32_t warp) { return reinterpret_cast<WalkPiece *>(shared + LISTS_AT) + warp * MOST_PIECES; }
// What the scales of a piece lie in: of up to SLOTS pieces in turn.
__device__ __forceinline__ uint8_t *scales_of(uint8_t *shared, uint32_t warp, uint32_t turn) { return shared + SCALES_AT + (warp * SLOTS + turn) * SCALES_BYTES; }
__device__ __forceinline__ uint8_t *ring_of(uint8_t *shared, uint32_t warp) { return shared + warp * RING_BYTES + (warp < FRONT_RINGS ? 0 : BACK_RINGS_AT - FRONT_RINGS * RING_BYTES); }

__device__ __forceinline__ const WalkLayer &layer_of(const uint8_t *shared, int layer) { return reinterpret_cast<const WalkLayer *>(shared + LAYER_AT)[layer & 1]; }
// The pieces of warp w in a phase: from [w][phase] to [w][phase + 1] of its list.
__device__ __forceinline__ uint32_t *starts_of(uint8_t *shared, uint32_t warp) { return reinterpret_cast<uint32_t *>(shared + STARTS_AT) + warp * 5; }
// A barrier for each slot of a warp: the piece is there.
__device__ __forceinline__ uint32_t barriers_of(uint8_t *shared, uint32_t warp) { return shared_address(shared + BARRIERS_AT) + warp * (SLOTS * 8); }
// Where a warp is. Read again wherever it is needed: kept in registers through the products it would lie in memory, and a load from there takes longer.
struct WalkStep {
  int layer, phase;
  uint32_t now;  // the buffers of this layer
  __device__ __forceinline__ explicit WalkStep(const uint8_t *shared) {
    const int step = reinterpret_cast<const volatile int *>(shared + STEPS_AT)[this_thread() / 32];
    layer = step / 4, phase = step % 4, now = (reinterpret_cast<const WalkShape *>(shared + SHAPE_AT)->turn + layer) & 1;
  }
  __device__ __forceinline__ int next() const { return layer * 4 + phase + 1; }
  static __device__ __forceinline__ void set(uint8_t *shared, int step) {
    __syncwarp();
    if (this_thread() % 32 == 0) reinterpret_cast<volatile int *>(shared + STEPS_AT)[this_thread() / 32] = step;
    __syncwarp();
  }
};
// The rows that blocks exchange, each in two buffers: 0 qkv, 1 m, 2 act, 3 h, 4 what was attended; and what follows them. Counted in elements of T.
constexpr int EXCHANGED = 5;
__device__ __forceinline__ int row_width(const WalkShape &s, int which) { return which == 0 ? (s.H + 2 * s.K) * s.D : which == 2 ? s.F : which == 4 ? s.H * s.D : s.C; }
__device__ __forceinline__ void find_row(const WalkShape &s, uint8_t *shared, int which) {
  int before = 0;
  for (int i = 0; i < which; i++) before += 2 * row_width(s, i);
  reinterpret_cast<int2 *>(shared + EXCHANGED_AT)[which] = make_int2(before, which < EXCHANGED ? row_width(s, which) : 0);
}
template <class T> __device__ __forceinline__ T *walk_row(const uint8_t *shared, uint8_t *workspace, int which, uint32_t buffer) {
  const int2 row = reinterpret_cast<const int2 *>(shared + EXCHANGED_AT)[which];
  return reinterpret_cast<T *>(workspace + ROWS_AT) + row.x + (buffer ? row.y : 0);
}
}  // namespace
#endif

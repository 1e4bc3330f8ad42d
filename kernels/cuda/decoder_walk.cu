// All layers of a decoder for one row from NF4 weights, in one launch (sm_90a only): what a token of one answer costs is then the reading of the weights.
// Plan. One block a multiprocessor, all resident. Four warps stream this block's rows of every linear, in the order in which they are used, through a
// ring in shared memory (bulk copies, mbarriers); they need nothing but addresses, so they never wait for the model: while the others exchange rows
// or attend, the ring fills. 20 warps multiply. A layer is five phases:
//   qkv = rms_norm(h) Wqkv + bias | rotation, cache write, attention | m = h + a Wo | act = gate(rms_norm(m) Wg) · (rms_norm(m) Wu) | h = m + act Wd
// Blocks meet without barriers: a row that blocks exchange lies in memory as NONE (every bit set, which no conversion to T makes) until its owner writes it, 8
// elements at once, and who needs it reads it until all of it is there. Each kind of row has two buffers, in turn by layer; once a layer
// each block clears its rows of those that everyone has read, which it knows because every phase needs all blocks of the phase before.
// A stage of the ring: 8 rows of W x up to PIECE columns, rows 32 bytes apart by banks, with their scales as they lie in memory. Unit u of 512 columns belongs to
// warps u, u + units, …, which keep x for it in registers and take the stages in turn. A byte becomes two levels by one PRMT and one load from a table of
// 256 pairs that every bank has a copy of (linear_vector.cu); products ride on mma.m16n8k16: rows g and g + 8 of its left operand are blocks 2d and
// 2d + 1 (64 columns) of row g, the columns of its right one are the 8 blocks of x. After four steps d the lane (g, t) owns the sums of blocks 2t and
// 2t + 1 of row g, whose scales lie side by side.
// An item (4,096 codes, 128 a lane): 64 PRMT, 64 + 14 LDS, 16 HMMA, about 250 instructions in the disassembly, 108 passes of shared memory with the ring's
// own writes.
// Bytes: W once, 0.52 an element. Limit: memory, 35 µs a layer of Nemo 12B at 4 TB/s; shared memory alone would take 28 at 1.98 GHz.
// Beside it stand five exchanges of about 1 µs, x and sums around them another, attention about 3: predicted 40 µs a layer where the ring hides what it can.
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

// ---------------------------------------------------------------- the stream
// By four warps, which take the stages in turn (a copy of its own for each row takes a warp about 50 cycles, a stage 17): lanes 0 … 7 copy the rows'
// codes, 8 … 15 their scales, 16 the scales of the scales.
template <int MODE> __device__ void walk_stream(const WalkLayer *layers, int layer_count, const WalkShape &shape, uint8_t *shared, uint32_t feeder) {
  const int lane = threadIdx.x % 32, r = lane % 8;
  const uint32_t ring = shared_address(shared), full = shared_address(shared + BARRIER_AT), empty = full + 128;
  const uint64_t policy = read_once_policy();
  uint32_t stage = 0;
  for (int l = 0; l < layer_count; l++) {
    if (lane < 3 && l + 1 < layer_count) prefetch_l2(reinterpret_cast<const uint8_t *>(layers + l + 1) + lane * 128);
    for (int phase = 0; phase < 4; phase++) {
      const WalkShare share = reinterpret_cast<const WalkShare *>(shared + SHARE_AT)[phase];
      const int In = shape.columns(phase), blocks = In / 64;
      for (int from = 0; from < In; from += PIECE) {
        const int columns = min(PIECE, In - from);
        for (int i = 0; i < share.count; i++, stage++) {
          if (stage % FEEDERS != feeder) continue;
          int row;
          const WalkPart *part = layers[l].part + first_part(phase) + share.part_of(phase, i, row);
          const bool nested = __ldg(reinterpret_cast<const uint64_t *>(&part->nested_scales));
          const uint32_t slot = stage % WALK_STAGES, base = ring + stage_at(slot);
          const uint8_t *source = nullptr;
          uint32_t target = base;
          int bytes = 0;
          if (lane < 8) {
            source = reinterpret_cast<const uint8_t *>(__ldg(reinterpret_cast<const uint64_t *>(&part->data))) + static_cast<int64_t>(row + r) * (In / 2) + from / 2;
            target = base + r * CODE_ROW, bytes = columns / 2;
          } else if (lane < 16) {
            const int64_t unit = nested ? 1 : 4, at = (static_cast<int64_t>(row + r) * blocks + from / 64) * unit;
            source = reinterpret_cast<const uint8_t *>(__ldg(reinterpret_cast<const uint64_t *>(&part->scales))) + (at & ~15ll);
            target = base + SCALES_AT + r * SCALE_ROW, bytes = static_cast<int>(((at & 15) + columns / 64 * unit + 15) & ~15ll);
          } else if (lane == 16 && nested) {
            const int64_t low = ((static_cast<int64_t>(row) * blocks + from / 64) >> 8) & ~3ll, high = (static_cast<int64_t>(row + 7) * blocks + (from + columns) / 64 - 1) >> 8;
            source = reinterpret_cast<const uint8_t *>(__ldg(reinterpret_cast<const uint64_t *>(&part->nested_scales))) + low * 4;
            target = base + NESTED_AT, bytes = static_cast<int>((high + 4 - low) / 4) * 16;
          }
          const int total = warp_total(bytes);
          ring_wait(empty + slot * 8, (stage / WALK_STAGES & 1) ^ 1);
          if (lane == 0) {
            if (MODE & NO_STREAM) barrier_arrive(full + slot * 8);
            else barrier_expect(full + slot * 8, total);
          }
          __syncwarp();
          if (bytes && !(MODE & NO_STREAM)) copy_bulk_once(target, source, bytes, full + slot * 8, policy);
        }
      }
    }
  }
}

// ---------------------------------------------------------------- the rest
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

  // Rows of this block: act(norm(x) Wᵀ + bias) + residual. now: the buffers of this layer. first, last: the model's x and y.
  __device__ void linear(int phase, const WalkLayer &layer, uint32_t now, const T *first, T *last) {
    const WalkShare share = reinterpret_cast<const WalkShare *>(shared + SHARE_AT)[phase];
    const int In = shape.columns(phase), blocks = In / 64, all_units = (In + UNIT - 1) / UNIT, tid = this_thread(), lane = tid % 32, warp = tid / 32, g = lane / 4, t = lane % 4;
    const WalkPart *const part = layer.part + first_part(phase);
    const int parts = phase == 0 ? 3 : phase == 2 ? 2 : 1, outputs = phase == 2 ? share.count / 2 : share.count;
    float *const sums = reinterpret_cast<float *>(shared + SUMS_AT), *const squares = reinterpret_cast<float *>(shared + SQUARES_AT) + phase / 2 * WALK_WARPS;

    // ---- before x is there ----
    const T *const x = phase == 0 ? (first ? first : rows(3, now ^ 1)) : phase == 1 ? rows(4, now) : rows(phase - 1, now);
    const bool exchanged = phase || !first;
    const float *const norm = phase == 0 ? layer.attention_norm : phase == 2 ? layer.mlp_norm : nullptr;
    float code[3];
#pragma unroll
    for (int p = 0; p < 3; p++) code[p] = p < parts && part[p].nested_scales && tid < 256 ? __ldg(part[p].nested_code + tid) : 0.0f;
    // What joins the sum of row g of group i.
    const auto added_of = [&](int i) {
      const int at = (share.begin + i) * GROUP_ROWS + g;
      const T *const residual = phase == 1 ? (first ? first : rows(3, now ^ 1)) : phase == 3 ? rows(1, now) : nullptr;
      float v = phase == 0 && layer.bias ? layer.bias[at] : 0.0f;
      if (residual) {
        const uint32_t word = load_word_now(residual + (at & ~1));
        v += to_float(T{static_cast<uint16_t>(at & 1 ? word >> 16 : word)});
      }
      return v;
    };
    float added = phase != 2 && warp < outputs ? added_of(warp) : 0.0f;

    // ---- x, times the norm's weight, in the order of the products' lanes ----
    constexpr int LOADS = WALK_WARPS < 20 ? 4 : 3;
    float sum = 0;
    for (int c0 = tid * 8; c0 < all_units * UNIT; c0 += LOADS * WALK_THREADS * 8) {
      uint4 v[LOADS];
#pragma unroll
      for (int j = 0; j < LOADS; j++) {
        const int c = c0 + j * WALK_THREADS * 8;
        v[j] = c < In ? load_now(x + c) : make_uint4(0, 0, 0, 0);
      }
#pragma unroll
      for (int j = 0; j < LOADS; j++) {
        const int c = c0 + j * WALK_THREADS * 8;
        if (c >= all_units * UNIT) break;
        float w[8];
        if (norm && c < In) load8<true>(norm + c, 8, w);
        if (c < In && exchanged && !(MODE & NO_WAIT) && any_missing(v[j])) spin([&] { return any_missing(v[j] = load_now(x + c)); });
        if (norm && c < In) {
          float e[8];
          unpack8<T>(v[j], e);
#pragma unroll
          for (int i = 0; i < 8; i++) sum += e[i] * e[i], e[i] *= w[i];
          v[j] = pack8<T>(e);
        }
        *reinterpret_cast<uint4 *>(gap(shared, c * 2)) = v[j];
      }
    }
    if (tid < 256)
#pragma unroll
      for (int p = 0; p < 3; p++) reinterpret_cast<float *>(shared + CODE_AT)[p * 256 + tid] = code[p];
    if (norm) {
      sum = warp_sum(sum);
      if (lane == 0) squares[warp] = sum;
    }
    wait();

    // ---- the products ----
    const bool nested = part[0].nested_scales;  // the parts are alike
    const uint32_t full = shared_address(shared + BARRIER_AT), empty = full + 128, lane_byte = lane * 4 | 0x10000;
    for (int piece = 0; piece * PIECE < In; piece++, stage += share.count) {
      const int from = piece * PIECE, columns = min(PIECE, In - from), units = (columns + UNIT - 1) / UNIT, teams = quotient(WALK_WARPS, units), team = quotient(warp, units), unit = warp - team * units, before = piece * share.count;
      int turn = team < teams ? team - (before - quotient(before, teams) * teams) : -1;  // stages before the warp's next
      if (team < teams && turn < 0) turn += teams;
      uint32_t xr[8];
      const int x_at = (piece * UNITS + unit) * UNIT * 2 + lane * 32;
#pragma unroll
      for (int h = 0; h < 2; h++) {
        const uint4 v = *reinterpret_cast<const uint4 *>(gap(shared, x_at + h * 16));
        xr[4 * h] = v.x, xr[4 * h + 1] = v.y, xr[4 * h + 2] = v.z, xr[4 * h + 3] = v.w;
      }
      // The lane's two blocks, from the piece's first; beyond the row its last two, which x makes 0.
      const int block = min(unit * (UNIT / 64) + 2 * t, columns / 64 - 2);
      // Every warp waits for every stage, in order, and gives it back: a barrier tells one lap of the ring from the next, not from the one after.
      for (int i = 0; i < share.count; i++, turn--) {
        const uint32_t now = stage + i, slot = now % WALK_STAGES;
        const uint8_t *const base = shared + stage_at(slot);
        ring_wait(full + slot * 8, now / WALK_STAGES & 1);
        if (turn || (MODE & NO_PRODUCTS)) {
          __syncwarp();
          if (lane == 0) barrier_arrive(empty + slot * 8);
          if ((MODE & NO_PRODUCTS) && t == 0 && turn == 0) sums[((piece * UNITS + unit) * share.count + i) * GROUP_ROWS + g] = 0;
          if ((MODE & NO_PRODUCTS) && turn == 0) turn = teams;
          continue;
        }
        turn = teams;
        uint2 code[4][2];
        const uint8_t *const row_codes = base + g * CODE_ROW + unit * (UNIT / 2) + t * 8;
#pragma unroll
        for (int d = 0; d < 4; d++)
#pragma unroll
          for (int h = 0; h < 2; h++) code[d][h] = *reinterpret_cast<const uint2 *>(row_codes + d * 64 + h * 32);
        int row;
        const int p = share.part_of(phase, i, row);
        // Scales as they lie there: the lane's two codes and what they are multiplied by, or the two themselves.
        const uint32_t row_block = static_cast<uint32_t>(row + g) * blocks + from / 64;  // the row's first in this piece
        const uint8_t *const row_scales = base + SCALES_AT + g * SCALE_ROW;
        float2 scale;
        uint32_t two = 0;
        if (nested) {
          two = *reinterpret_cast<const uint16_t *>(row_scales + (row_block & 15) + block);
          const uint32_t low = (static_cast<uint32_t>(row) * blocks + from / 64) >> 8 & ~3u;
          scale.x = scale.y = reinterpret_cast<const float *>(base + NESTED_AT)[((row_block + block) >> 8) - low];
        } else {
          scale = *reinterpret_cast<const float2 *>(row_scales + (row_block * 4 & 15) + block * 4);
        }
        __syncwarp();
        if (lane == 0) barrier_arrive(empty + slot * 8);
        float mine[2] = {};
#pragma unroll
        for (int d = 0; d < 4; d++) {
          float product[4] = {};
#pragma unroll
          for (int h = 0; h < 4; h++) {  // bytes 2h and 2h + 1
            uint32_t a[4];
#pragma unroll
            for (int j = 0; j < 4; j++) {
              const uint32_t word = h < 2 ? code[d][j % 2].x : code[d][j % 2].y;
              a[j] = load_pair(__byte_perm(word, lane_byte, 0x7604 | (h % 2 * 2 + j / 2) << 4));
            }
            mma_16x8x16<T>(product, a, xr[2 * h], xr[2 * h + 1]);
          }
          if (d == t) mine[0] = product[0], mine[1] = product[3];
        }
        if (nested) {
          const float *const table = reinterpret_cast<const float *>(shared + CODE_AT) + p * 256;
          const float add = part[p].nested_offset;
          scale = make_float2(__fadd_rn(__fmul_rn(table[two & 255], scale.x), add), __fadd_rn(__fmul_rn(table[two >> 8], scale.y), add));
        }
        float total = scale.x * mine[0] + scale.y * mine[1];
        total += __shfl_xor_sync(0xffffffffu, total, 1);
        total += __shfl_xor_sync(0xffffffffu, total, 2);
        if (t == 0) sums[((piece * UNITS + unit) * share.count + i) * GROUP_ROWS + g] = total;
      }
    }
    wait();

    // ---- a warp a group: the sums of its units ----
    float rstd = 1;
    if (phase % 2 == 0) {
      float squared = 0;
#pragma unroll
      for (int w = 0; w < WALK_WARPS; w++) squared += squares[w];
      rstd = 1.0f / sqrtf(squared / static_cast<float>(In) + shape.eps);
    }
    const auto sum_of = [&](int i) {
      float v = 0;
      for (int u = t; u < all_units; u += 4) v += sums[(u * share.count + i) * GROUP_ROWS + g];
      v += __shfl_xor_sync(0xffffffffu, v, 1);
      v += __shfl_xor_sync(0xffffffffu, v, 2);
      return v * rstd;
    };
    for (int i = warp; i < outputs; i += WALK_WARPS) {
      float v = sum_of(i);
      if (phase == 2) v = gate_value(v, shape.gate) * sum_of(i + outputs);
      else v += i == warp ? added : added_of(i);
      const uint32_t bits = from_float<T>(v).bits, pair = bits | __shfl_down_sync(0xffffffffu, bits, 4) << 16;
      const uint4 eight = make_uint4(__shfl_sync(0xffffffffu, pair, 0), __shfl_sync(0xffffffffu, pair, 8), __shfl_sync(0xffffffffu, pair, 16), __shfl_sync(0xffffffffu, pair, 24));
      const int at = (share.begin + i) * GROUP_ROWS;
      if (lane == 0) store_now((last ? last : rows(phase, now)) + at, eight);
    }
  }

  // A head of qkv in f32, after its norm; lane: elements 2 lane, 2 lane + 1, and 64 further.
  __device__ __forceinline__ void read_head(const T *head, const float *norm, float *to, int lane) {
    constexpr int WORDS = D / 64;
    float squares = 0;
    uint32_t words[WORDS];
#pragma unroll
    for (int j = 0; j < WORDS; j++) words[j] = load_word_now(head + 2 * lane + 64 * j);
#pragma unroll
    for (int j = 0; j < WORDS; j++) {
      const int i = lane + 32 * j;
      if (!(MODE & NO_WAIT) && words[j] == NONE) spin([&] { return (words[j] = load_word_now(head + 2 * i)) == NONE; });
      const float2 two = unpack2<T>(words[j]);
      squares += two.x * two.x + two.y * two.y;
      *reinterpret_cast<float2 *>(to + 2 * i) = two;
    }
    if (norm) {
      const float r = 1.0f / sqrtf(warp_sum(squares) / static_cast<float>(D) + shape.eps);
      for (int i = lane; i < D / 2; i += 32) to[2 * i] *= r * norm[2 * i], to[2 * i + 1] *= r * norm[2 * i + 1];
    }
    __syncwarp();
  }

  // What everyone has read becomes NONE again, by one warp: all rows of the layer before but h, and the h before that. The fence comes before this block's
  // next rows, which everyone needs before the cleared buffers' turn.
  __device__ __forceinline__ void clear(uint32_t now, int lane) {
    for (int phase = 0; phase < 4; phase++) {
      const WalkShare share = reinterpret_cast<const WalkShare *>(shared + SHARE_AT)[phase];
      const int groups = phase == 2 ? share.count / 2 : share.count;
      for (int i = lane; i < groups; i += 32) {
        const int at = (share.begin + i) * GROUP_ROWS;
        store_now(rows(phase, phase == 3 ? now : now ^ 1) + at, make_uint4(NONE, NONE, NONE, NONE));
        if (phase == 0 && share.begin + i < share.first) store_now(rows(4, now ^ 1) + at, make_uint4(NONE, NONE, NONE, NONE));
      }
    }
    __threadfence();
  }

  // Rotation, cache write and attention of this block's jobs: (key head, up to four of its query heads, part of the keys).
  __device__ void attend(const WalkLayer &layer, uint32_t now, int sequence, int position, const int32_t *block_table) {
    constexpr int STEPS = D / 32, WIDTH = D / 8, KEYS = 32 / WIDTH;
    const int tid = this_thread(), lane = tid % 32, warp = tid / 32, g = lane / 4, t = lane % 4, H = shape.H, K = shape.K, group = H / K, rounds = (group + ATTEND_HEADS - 1) / ATTEND_HEADS, jobs = K * rounds, half = shape.rotary / 2, page_bits = __ffs(shape.page_size) - 1;
    const int first = layer.window > 0 ? max(0, position + 1 - layer.window) : 0, keys = sequence < 0 ? 0 : position + 1 - first;
    const int parts = max(1, min((keys + ATTEND_WARPS * TILE_KEYS - 1) / (ATTEND_WARPS * TILE_KEYS), static_cast<int>(gridDim.x) / jobs));
    if (static_cast<int>(blockIdx.x) >= jobs * parts) {
      if (warp == WALK_WARPS - 1) clear(now, lane);
      return;
    }
    T *const query = reinterpret_cast<T *>(shared + QUERY_AT);  // [4, D] queries, [D] the new key, [D] the new value
    float *const turn = reinterpret_cast<float *>(shared + TURN_AT);
    float4 *const weights = reinterpret_cast<float4 *>(shared + WEIGHT_AT) + warp % ATTEND_WARPS * TILE_KEYS, *const olds = reinterpret_cast<float4 *>(shared + OLD_AT) + warp % ATTEND_WARPS;
    float2 *const states = reinterpret_cast<float2 *>(shared + STATE_AT);
    uint32_t *const places = reinterpret_cast<uint32_t *>(shared + PLACE_AT);
    T *const k_pages = static_cast<T *>(layer.k_pages), *const v_pages = static_cast<T *>(layer.v_pages);
    const int32_t *const table = block_table + static_cast<int64_t>(max(sequence, 0)) * shape.blocks_per_sequence;
    wait();  // the sums of the phase before have been read
    for (int job = blockIdx.x; job < jobs * parts; job += gridDim.x) {
      const int part = job / jobs, pair = job % jobs, kv = pair / rounds, head0 = kv * group + pair % rounds * ATTEND_HEADS, heads = min(ATTEND_HEADS, (kv + 1) * group - head0);
      const int begin = first + static_cast<int>(static_cast<uint32_t>(keys) * part / parts), end = first + static_cast<int>(static_cast<uint32_t>(keys) * (part + 1) / parts);
      const bool has_new = keys && end == position + 1;
      // Where a key lies: found once, as far as there is room.
      const auto found = [&](int key) { return static_cast<uint32_t>(table[key >> page_bits]) << page_bits | (key & ((1 << page_bits) - 1)); };
      const auto slot_of = [&](int key) { return static_cast<int64_t>((key - begin < MOST_PLACES ? places[key - begin] : found(key)) * K + kv) * D; };

      // ---- before q, k and v are there: angles, and old keys come into L2 ----
      float2 angles[D / 32];  // of the lane's elements, once more for the second half
      {
        const float2 *const angle = reinterpret_cast<const float2 *>(layer.rope + static_cast<int64_t>(position) * shape.rotary);
#pragma unroll
        for (int j = 0; j < D / 32; j++) {
          const int i = lane + 32 * j, pair = i < half ? i : i - half;
          angles[j] = warp < 5 && pair < half ? angle[pair] : make_float2(1, 0);
        }
      }
      for (int i = tid; i < end - begin; i += WALK_THREADS) {
        const uint32_t place = found(begin + i);
        if (i < MOST_PLACES) places[i] = place;
        const int64_t at = static_cast<int64_t>(place * K + kv) * D;
#pragma unroll
        for (int line = 0; line < D; line += 64) prefetch_l2(k_pages + at + line), prefetch_l2(v_pages + at + line);
      }
      // ---- a warp a head ----
      if (warp < heads || (warp == 4 && has_new)) {
        const bool is_key = warp == 4;
        float *const v = turn + warp * D;
        read_head(rows(0, now) + (is_key ? H + kv : head0 + warp) * D, is_key ? layer.k_norm : layer.q_norm, v, lane);
#pragma unroll
        for (int j = 0; j < D / 32; j++) {
          const int i = lane + 32 * j;
          float e = v[i];
          if (i < half) e = e * angles[j].x - v[i + half] * angles[j].y;
          else if (i < 2 * half) e = e * angles[j].x + v[i - half] * angles[j].y;
          query[warp * D + i] = from_float<T>(e);
        }
        __syncwarp();
        if (is_key && head0 == kv * group && lane < WIDTH) reinterpret_cast<uint4 *>(k_pages + static_cast<int64_t>(found(position) * K + kv) * D)[lane] = reinterpret_cast<const uint4 *>(query + 4 * D)[lane];
      } else if (warp == 5 && has_new && lane < WIDTH) {
        const uint4 v = row_piece(rows(0, now) + (H + K + kv) * D + lane * 8);
        reinterpret_cast<uint4 *>(query + 5 * D)[lane] = v;
        if (head0 == kv * group) reinterpret_cast<uint4 *>(v_pages + static_cast<int64_t>(found(position) * K + kv) * D)[lane] = v;
      }
      wait();

      // ---- tiles of 16 keys; scores by the tensor cores: rows are keys, columns heads ----
      if (warp < ATTEND_WARPS) {
        float top[2] = {-REMORA_INFINITY, -REMORA_INFINITY}, sum[2] = {}, acc[ATTEND_HEADS][8] = {};
        const int sub = lane / WIDTH, column = lane % WIDTH * 8;
        for (int tile = begin + warp * TILE_KEYS; tile < end; tile += ATTEND_WARPS * TILE_KEYS) {
          float c[4] = {};
          {
            const int low = min(tile + g, end - 1), high = min(tile + g + 8, end - 1);
            const uint4 *const a_row = reinterpret_cast<const uint4 *>(low == position ? query + 4 * D : k_pages + slot_of(low)) + t * STEPS;
            const uint4 *const b_row = reinterpret_cast<const uint4 *>(high == position ? query + 4 * D : k_pages + slot_of(high)) + t * STEPS;
#pragma unroll
            for (int s = 0; s < STEPS; s += 2) {
              const uint4 a[2] = {a_row[s], a_row[s + 1]}, b[2] = {b_row[s], b_row[s + 1]};
#pragma unroll
              for (int i = 0; i < 2; i++) {
                const uint4 q = g < heads ? reinterpret_cast<const uint4 *>(query + g * D)[t * STEPS + s + i] : make_uint4(0, 0, 0, 0);
                const uint32_t even[4] = {a[i].x, b[i].x, a[i].y, b[i].y}, odd[4] = {a[i].z, b[i].z, a[i].w, b[i].w};
                mma_16x8x16<T>(c, even, q.x, q.y);
                mma_16x8x16<T>(c, odd, q.z, q.w);
              }
            }
          }
          float old[2];
#pragma unroll
          for (int i = 0; i < 4; i++) {
            c[i] *= shape.scale;
            if (shape.softcap > 0) c[i] = shape.softcap * tanhf(c[i] / shape.softcap);
            if (tile + g + i / 2 * 8 >= end) c[i] = -REMORA_INFINITY;
          }
#pragma unroll
          for (int h = 0; h < 2; h++) {
            float best = fmaxf(c[h], c[h + 2]);
#pragma unroll
            for (int d = 4; d < 32; d <<= 1) best = fmaxf(best, __shfl_xor_sync(0xffffffffu, best, d));
            best = fmaxf(best, top[h]);
            old[h] = __expf(top[h] - best), top[h] = best;
            c[h] = __expf(c[h] - best), c[h + 2] = __expf(c[h + 2] - best);
            sum[h] = sum[h] * old[h] + c[h] + c[h + 2];
          }
          if (t < 2) {
            reinterpret_cast<float2 *>(weights + g)[t] = make_float2(c[0], c[1]);
            reinterpret_cast<float2 *>(weights + g + 8)[t] = make_float2(c[2], c[3]);
            if (g == 0) reinterpret_cast<float2 *>(olds)[t] = make_float2(old[0], old[1]);
          }
          __syncwarp();
          const float4 factor = *olds;
#pragma unroll
          for (int i = 0; i < 8; i++) acc[0][i] *= factor.x, acc[1][i] *= factor.y, acc[2][i] *= factor.z, acc[3][i] *= factor.w;
#pragma unroll 4
          for (int i = 0; i < TILE_KEYS / KEYS; i++) {
            const int key = min(tile + i * KEYS + sub, end - 1);
            const uint4 piece = *reinterpret_cast<const uint4 *>((key == position ? query + 5 * D : v_pages + slot_of(key)) + column);
            const float4 w = weights[i * KEYS + sub];
            float e[8];
            unpack8<T>(piece, e);
#pragma unroll
            for (int j = 0; j < 8; j++) acc[0][j] += w.x * e[j], acc[1][j] += w.y * e[j], acc[2][j] += w.z * e[j], acc[3][j] += w.w * e[j];
          }
          __syncwarp();
        }
#pragma unroll
        for (int h = 0; h < 2; h++)
#pragma unroll
          for (int d = 4; d < 32; d <<= 1) sum[h] += __shfl_xor_sync(0xffffffffu, sum[h], d);
        if (g == 0 && t < 2) states[warp * ATTEND_HEADS + 2 * t] = make_float2(top[0], sum[0]), states[warp * ATTEND_HEADS + 2 * t + 1] = make_float2(top[1], sum[1]);
#pragma unroll
        for (int h = 0; h < ATTEND_HEADS; h++) {
#pragma unroll
          for (int d = WIDTH; d < 32; d <<= 1)
#pragma unroll
            for (int i = 0; i < 8; i++) acc[h][i] += __shfl_xor_sync(0xffffffffu, acc[h][i], d);
          if (lane < WIDTH) {
            float4 *const to = reinterpret_cast<float4 *>(gap(shared, ((warp * ATTEND_HEADS + h) * D + column) * 4));
            to[0] = make_float4(acc[h][0], acc[h][1], acc[h][2], acc[h][3]), to[1] = make_float4(acc[h][4], acc[h][5], acc[h][6], acc[h][7]);
          }
        }
      } else if (warp == WALK_WARPS - 1 && job == static_cast<int>(blockIdx.x)) {
        clear(now, lane);
      }
      wait();

      // ---- the warps' keys together, then the parts': the last block of a pair that comes adds them, in order ----
      const auto write = [&](int i, float v) {  // by whole warps: element i of the pair's heads
        const uint32_t bits = from_float<T>(v).bits, two = bits | __shfl_down_sync(0xffffffffu, bits, 1) << 16;
        uint4 eight = make_uint4(two, 0, 0, 0);
        eight.y = __shfl_down_sync(0xffffffffu, two, 2), eight.z = __shfl_down_sync(0xffffffffu, two, 4), eight.w = __shfl_down_sync(0xffffffffu, two, 6);
        if (lane % 8 == 0) store_now(rows(4, now) + head0 * D + i, eight);
      };
      float *const partial = reinterpret_cast<float *>(rows(3, 2)), *const own = partial + static_cast<int64_t>(pair * parts + part) * ATTEND_HEADS * (D + 2);
      for (int i = tid; i < heads * D; i += WALK_THREADS) {
        const int h = i / D, d = i % D;
        float top = -REMORA_INFINITY, sum = 0, value = 0;
#pragma unroll
        for (int w = 0; w < ATTEND_WARPS; w++) top = fmaxf(top, states[w * ATTEND_HEADS + h].x);
#pragma unroll 4
        for (int w = 0; w < ATTEND_WARPS; w++) {
          const float2 state = states[w * ATTEND_HEADS + h];
          const float factor = state.x == -REMORA_INFINITY ? 0.0f : __expf(state.x - top);
          sum += factor * state.y;
          value += factor * *reinterpret_cast<const float *>(gap(shared, ((w * ATTEND_HEADS + h) * D + d) * 4));
        }
        if (parts == 1) write(i, sum > 0 ? value / sum : 0.0f);
        else {
          own[h * (D + 2) + d] = value;
          if (d == 0) own[h * (D + 2) + D] = top, own[h * (D + 2) + D + 1] = sum;
        }
      }
      if (parts > 1) {
        volatile int *const is_last = reinterpret_cast<volatile int *>(shared + FLAG_AT);
        __threadfence();
        wait();
        if (tid == 0) *is_last = atomicInc(reinterpret_cast<unsigned int *>(workspace + ARRIVALS_AT) + pair, parts - 1) == static_cast<unsigned int>(parts - 1);
        wait();
        if (*is_last) {
          __threadfence();
          for (int i = tid; i < heads * D; i += WALK_THREADS) {
            const float *const from = partial + static_cast<int64_t>(pair * parts) * ATTEND_HEADS * (D + 2) + i / D * (D + 2);
            float top = -REMORA_INFINITY, sum = 0, value = 0;
#pragma unroll 4
            for (int s = 0; s < parts; s++) top = fmaxf(top, __ldcg(from + s * ATTEND_HEADS * (D + 2) + D));
#pragma unroll 4
            for (int s = 0; s < parts; s++) {
              const float *const one = from + s * ATTEND_HEADS * (D + 2);
              const float factor = __expf(__ldcg(one + D) - top);
              sum += factor * __ldcg(one + D + 1), value += factor * __ldcg(one + i % D);
            }
            write(i, value / sum);
          }
        }
      }
      wait();  // the gaps and the queries are free
    }
  }
};

template <class T, int D, int MODE>
__device__ __forceinline__ void decoder_walk(const WalkLayer *layers, int layer_count, const T *x, T *y, uint8_t *workspace, const int32_t *sequences, const int32_t *positions,
                                             const int32_t *block_table, const WalkShape &shape) {
  DYNAMIC_SHARED(shared);
  const int tid = threadIdx.x;
#ifndef REMORA_EMULATE
  if (shared_address(shared) != SHARED_BASE) asm volatile("trap;");
#endif
  const uint32_t full = shared_address(shared + BARRIER_AT), empty = full + 128;
  if (tid < WALK_STAGES) barrier_init(full + tid * 8, 1), barrier_init(empty + tid * 8, WALK_WARPS);
  barrier_init_fence();
  if (tid < 4) reinterpret_cast<WalkShare *>(shared + SHARE_AT)[tid].find(shape, tid);
  for (int i = tid; i < 2048; i += WALK_BLOCK) {
    const uint32_t pair = pack2<T>(NF4_LEVELS[i >> 7], NF4_LEVELS[i >> 3 & 15]);
    reinterpret_cast<uint4 *>(shared + TABLE_AT)[i / 8 * 16 + i % 8] = make_uint4(pair, pair, pair, pair);
  }
  if (tid < static_cast<int>(sizeof(WalkLayer) / 4)) reinterpret_cast<uint32_t *>(shared + LAYER_AT)[tid] = reinterpret_cast<const uint32_t *>(layers)[tid];
  __syncthreads();
  if (tid >= WALK_THREADS) {
    walk_stream<MODE>(layers, layer_count, shape, shared, (tid - WALK_THREADS) / 32);
    return;
  }
  wait_for_previous_kernel();
  Walk<T, D, MODE> walk{shape, shared, workspace, 0};
  const int sequence = sequences[0], position = positions[0];
  uint32_t *const state = reinterpret_cast<uint32_t *>(workspace);
  const uint32_t base = load_word_now(state);
  for (int l = 0; l < layer_count; l++) {
    const WalkLayer &layer = reinterpret_cast<const WalkLayer *>(shared + LAYER_AT)[l & 1], &next = reinterpret_cast<const WalkLayer *>(shared + LAYER_AT)[(l + 1) & 1];
    const uint32_t now = (base + l) & 1;
    const bool last = l + 1 == layer_count;
#pragma unroll 1
    for (int phase = 0; phase < 4; phase++) {
      if (phase == 1) {
        if (!last && tid < static_cast<int>(sizeof(WalkLayer) / 16))
          copy_async_16(shared_address(shared + LAYER_AT) + ((l + 1) & 1) * sizeof(WalkLayer) + tid * 16, reinterpret_cast<const uint8_t *>(layers + l + 1) + tid * 16, true);
        copy_async_commit();
        walk.attend(layer, now, sequence, position, block_table);
      }
      if (phase == 2) copy_async_wait<0>();  // the next layer's addresses; the barriers of this phase show them to all
      if (phase == 3 && !last)  // the next layer's norms come into L2, a line a block
        for (int i = blockIdx.x + tid * static_cast<int>(gridDim.x); i < shape.C / 16; i += WALK_THREADS * gridDim.x) prefetch_l2((i & 1 ? next.mlp_norm : next.attention_norm) + i / 2 * 32);
      walk.linear(phase, layer, now, l ? nullptr : x, last && phase == 3 ? y : nullptr);
    }
  }
  // Everyone has read it: everyone's rows of the last act are here.
  if (blockIdx.x == 0 && tid == 0) *state = (base + layer_count) & 1;
}
}  // namespace

// y [C] = all layers of x [C] for the token at positions[0] of sequences[0]; keys and values go into the pages. x and y differ.
// C, F, H · D, K · D multiples of 128, none over 16384; rotary a multiple of 2, at most D; page_size a power of two; parts of a linear alike: nested scales or not. gate as in linear_vector.cu.
// workspace: 4,096 bytes of 0, then f32-sized scratch: rows of T [2, (H + 2K) D + H D + 2 C + F] with every bit set, then max(grid, jobs) · 4 · (D + 2) f32,
// jobs = K · ceil(H / K / 4) <= 512. Each launch leaves it ready for the next; launches that share one must not overlap.
// launch: grid G <= multiprocessors and at most C / 8, F / 8, (H + 2K) D / 8; every block must be resident; block 768; dynamic shared 224256.
// Per linear 32 · groups · ceil(In / 512) <= 13056 bytes of sums, groups = ceil(rows / 8 / G) (gate|up: twice those of gate).
#define DECODER_WALK(name, DIM, MODE, T)                                                                                                    \
  extern "C" __global__ void __launch_bounds__(768, 1) decoder_walk_##name(                                                                          \
      const WalkLayer *layers, int layer_count, const T *x, T *y, uint8_t *workspace, const int32_t *sequences, const int32_t *positions, \
      const int32_t *block_table, int C, int F, int H, int K, int rotary, int page_size, int blocks_per_sequence, int gate, float eps, \
      float scale, float softcap) {                                                                                                   \
    decoder_walk<T, DIM, MODE>(layers, layer_count, x, y, workspace, sequences, positions, block_table,                                     \
                          WalkShape{C, F, H, K, DIM, rotary, page_size, blocks_per_sequence, gate, eps, scale, softcap});                \
  }
#ifndef REMORA_VARIANTS
DECODER_WALK(d64_bf16, 64, 0, bf16_t)
DECODER_WALK(d128_bf16, 128, 0, bf16_t)
#endif
#endif

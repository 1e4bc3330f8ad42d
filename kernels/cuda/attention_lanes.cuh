// Attention of one row over cached keys by lanes, for 16-bit heads of whole pieces of 8 elements: in a block of 128, DP / 8 lanes share a key, 16
// bytes each, and serve up to four query heads of its key head. AHEAD keys a lane are under way; no barrier before the end, so that a short context
// waits for one trip to memory and not for a dozen barriers. attention_paged.cu and attention_step.cu are made of it.
#pragma once
#include "ptx.cuh"

// Where the keys of one sequence and key head lie.
template <class T> struct Pages {
  const int32_t *table;  // of the sequence
  const T *k, *v;
  int page_size, K, D, kv;
  __device__ __forceinline__ int64_t at(int key) const { return ((static_cast<int64_t>(table[key / page_size]) * page_size + key % page_size) * K + kv) * D; }
};

template <class T, int DP, int AHEAD> struct AttentionLanes {
  static constexpr int HEADS = 4, WIDTH = DP / 8, KEYS = 128 / WIDTH, STEPS = AHEAD, TILE = KEYS * AHEAD;  // lanes of a key; keys at once, steps and keys of a tile
  struct Shared {
    float outs[4][HEADS][DP];
    float2 states[4][HEADS];
  };
  float q[HEADS][8], out[HEADS][8], top[HEADS], sum[HEADS];
  uint4 k[AHEAD], v[AHEAD];

  __device__ __forceinline__ AttentionLanes() {
#pragma unroll
    for (int h = 0; h < HEADS; h++) {
      top[h] = -REMORA_INFINITY, sum[h] = 0;
#pragma unroll
      for (int i = 0; i < 8; i++) q[h][i] = out[h][i] = 0;
    }
  }

  // The lane's key in step a of a tile.
  static __device__ __forceinline__ int key_of(int base, int a) { return base + a * KEYS + static_cast<int>(threadIdx.x) / WIDTH; }

  // Keys [base, min(base + TILE, end)); zeros beyond.
  __device__ __forceinline__ void load(const Pages<T> &pages, int base, int end) {
    const int column = threadIdx.x % WIDTH * 8;
#pragma unroll
    for (int a = 0; a < AHEAD; a++) {
      k[a] = v[a] = make_uint4(0, 0, 0, 0);
      if (key_of(base, a) < end && column < pages.D) {
        const int64_t at = pages.at(key_of(base, a)) + column;
        k[a] = *reinterpret_cast<const uint4 *>(pages.k + at);
        v[a] = *reinterpret_cast<const uint4 *>(pages.v + at);
      }
    }
  }

  // The loaded tile joins what came before.
  __device__ __forceinline__ void take(int base, int end, float softcap) {
    float score[HEADS][AHEAD];
#pragma unroll
    for (int a = 0; a < AHEAD; a++) {
      float e[8];
      unpack8<T>(k[a], e);
#pragma unroll
      for (int h = 0; h < HEADS; h++) {
        float s = 0;
#pragma unroll
        for (int i = 0; i < 8; i++) s += q[h][i] * e[i];
#pragma unroll
        for (int d = WIDTH / 2; d; d >>= 1) s += __shfl_xor_sync(0xffffffffu, s, d);
        if (softcap > 0) s = softcap * tanhf(s / softcap);
        score[h][a] = key_of(base, a) < end ? s : -REMORA_INFINITY;
      }
    }
#pragma unroll
    for (int h = 0; h < HEADS; h++) {
      float best = top[h];
#pragma unroll
      for (int a = 0; a < AHEAD; a++) best = fmaxf(best, score[h][a]);
      const float from = best == -REMORA_INFINITY ? 0.0f : best, old = __expf(top[h] - from);
      top[h] = best;
      sum[h] *= old;
#pragma unroll
      for (int i = 0; i < 8; i++) out[h][i] *= old;
#pragma unroll
      for (int a = 0; a < AHEAD; a++) {
        score[h][a] = __expf(score[h][a] - from);
        sum[h] += score[h][a];
      }
    }
#pragma unroll
    for (int a = 0; a < AHEAD; a++) {
      float e[8];
      unpack8<T>(v[a], e);
#pragma unroll
      for (int h = 0; h < HEADS; h++)
#pragma unroll
        for (int i = 0; i < 8; i++) out[h][i] += score[h][a] * e[i];
    }
  }

  // The keys of one warp are added; the warps leave theirs side by side. Ends with a barrier.
  __device__ __forceinline__ void leave(Shared &shared) {
    const int warp = threadIdx.x / 32, piece = threadIdx.x % WIDTH;
#pragma unroll
    for (int h = 0; h < HEADS; h++) {
#pragma unroll
      for (int d = WIDTH; d < 32; d <<= 1) {
        const float other = __shfl_xor_sync(0xffffffffu, top[h], d), best = fmaxf(top[h], other), from = best == -REMORA_INFINITY ? 0.0f : best;
        const float mine = __expf(top[h] - from), its = __expf(other - from);
        top[h] = best;
        sum[h] = sum[h] * mine + __shfl_xor_sync(0xffffffffu, sum[h], d) * its;
#pragma unroll
        for (int i = 0; i < 8; i++) out[h][i] = out[h][i] * mine + __shfl_xor_sync(0xffffffffu, out[h][i], d) * its;
      }
      if (threadIdx.x % 32 < WIDTH) {
#pragma unroll
        for (int i = 0; i < 8; i++) shared.outs[warp][h][piece * 8 + i] = out[h][i];
        if (piece == 0) shared.states[warp][h] = make_float2(top[h], sum[h]);
      }
    }
    __syncthreads();
  }

  // Element d of head h over all keys of the block, not yet divided by `sum`; `top` is what its exponents were taken from.
  static __device__ __forceinline__ float value(const Shared &shared, int h, int d, float &top, float &sum) {
    top = shared.states[0][h].x, sum = 0;
    float value = 0;
#pragma unroll
    for (int w = 1; w < 4; w++) top = fmaxf(top, shared.states[w][h].x);
#pragma unroll
    for (int w = 0; w < 4; w++) {
      const float factor = __expf(shared.states[w][h].x - top);
      sum += factor * shared.states[w][h].y;
      value += factor * shared.outs[w][h][d];
    }
    return value;
  }
};

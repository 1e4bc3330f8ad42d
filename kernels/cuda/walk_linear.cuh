// decoder_walk.cu's linears: x from the rows that blocks exchange, products from the ring, sums to rows.
#pragma once
#include "walk.cuh"

#if defined(REMORA_EMULATE) || !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)

namespace {
template <class T, int D, int MODE> __device__ inline void Walk<T, D, MODE>::linear(int phase, const WalkLayer &layer, uint32_t now, const T *first, T *last) {
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
}  // namespace
#endif

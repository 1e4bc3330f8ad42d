// decoder_walk.cu's linears: x from the rows that blocks exchange, products of the warps' pieces, sums to rows.
#pragma once
#include "walk_stream.cuh"

#if defined(REMORA_EMULATE) || !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)

namespace {
// ---- before x is there: what makes scales of codes, what joins the sums, the scales of the first two pieces, all on their way; waited for with x ----
// What joins the sums of a phase: biases in f32, or the rows that were there before in T. NULL: nothing. first: the model's x.
template <class T> __device__ __forceinline__ const uint8_t *added_to(const uint8_t *shared, uint8_t *workspace, const WalkStep &step, const T *first) {
  if (step.phase == 2) return nullptr;
  if (step.phase == 0) return reinterpret_cast<const uint8_t *>(layer_of(shared, step.layer).bias);
  return reinterpret_cast<const uint8_t *>(step.phase == 3 ? walk_row<T>(shared, workspace, 1, step.now) : step.layer ? walk_row<T>(shared, workspace, 3, step.now ^ 1) : first);
}
// The scales of piece i of the warp, if this phase has it.
__device__ __forceinline__ void ask_for_scales(uint8_t *shared, const WalkStep &step, uint32_t warp, uint32_t i) {
  if (i < starts_of(shared, warp)[step.phase + 1]) {
    const WalkPiece piece = pieces_of(shared, warp)[i];
    const WalkPart &part = layer_of(shared, step.layer).part[piece.part()];
    copy_scales(scales_of(shared, warp, i % SLOTS), part.scales, part.nested_scales, piece, reinterpret_cast<const WalkShare *>(shared + SHARE_AT)[step.phase].columns / 64, this_thread() % 32);
  }
  copy_async_commit();
}
template <class T> __device__ __forceinline__ void walk_prepare(uint8_t *shared, uint8_t *workspace, const T *first) {
  const WalkStep step(shared);
  const WalkShare &share = reinterpret_cast<const WalkShare *>(shared + SHARE_AT)[step.phase];
  const WalkPart *const part = layer_of(shared, step.layer).part + first_part(step.phase);
  const int tid = static_cast<int>(this_thread()), warp = tid / 32, lane = tid % 32;
  if (part[0].nested_scales) {  // the parts are alike
    if (tid < 256)
#pragma unroll 1
      for (int p = 0; p < part_count(step.phase); p++) copy_async_4(shared_address(shared + CODE_AT + (p * 256 + tid) * 4), part[p].nested_code + tid, true);
    if (tid < share.nested_at[3]) {
      const int p = (tid >= share.nested_at[1]) + (tid >= share.nested_at[2]);
      copy_async_4(shared_address(shared + NESTED_AT + tid * 4), part[p].nested_scales + share.nested_from[p] + tid - share.nested_at[p], true);
    }
  }
  // What joins the sums of the warp's first group.
  const uint8_t *const added = added_to<T>(shared, workspace, step, first);
  const int row_bytes = step.phase == 0 ? 4 : 2;
  if (added && warp < share.count && lane * 4 < GROUP_ROWS * row_bytes)
    copy_async_4(shared_address(shared + ADDED_AT + warp * 32 + lane * 4), added + (share.begin + warp) * GROUP_ROWS * row_bytes + lane * 4, true);
  const uint32_t at = starts_of(shared, warp)[step.phase];
  ask_for_scales(shared, step, warp, at), ask_for_scales(shared, step, warp, at + 1);
}

// ---- x, times the norm's weight, as soon as all of it is there. first: the model's x ----
template <class T, int MODE> __device__ __forceinline__ void walk_x(uint8_t *shared, uint8_t *workspace, const T *first) {
  const WalkStep step(shared);
  const WalkLayer &layer = layer_of(shared, step.layer);
  const int In = reinterpret_cast<const WalkShare *>(shared + SHARE_AT)[step.phase].columns, all = (In + UNIT - 1) / UNIT * UNIT;
  const bool exchanged = step.phase || step.layer;
  const T *const x = !exchanged ? first : walk_row<T>(shared, workspace, step.phase == 0 ? 3 : step.phase == 1 ? 4 : step.phase - 1, step.now ^ (step.phase == 0));
  const float *const norm = step.phase == 0 ? layer.attention_norm : step.phase == 2 ? layer.mlp_norm : nullptr;
  const auto wait_for = [&](uint4 &v, int c) {
    if (exchanged && !(MODE & NO_WAIT) && any_missing(v)) spin([&] { return any_missing(v = load_now(x + c)); });
  };
  constexpr int STRIDE = WALK_THREADS * 8;
  if (norm) {
    float sum = 0;
#pragma unroll 1
    for (int c = this_thread() * 8; c < all; c += STRIDE) {
      uint4 v = make_uint4(0, 0, 0, 0);
      if (c < In) {
        float w[8], e[8];
        load8<true>(norm + c, 8, w);
        v = load_now(x + c);
        wait_for(v, c);
        unpack8<T>(v, e);
#pragma unroll
        for (int i = 0; i < 8; i++) sum += e[i] * e[i], e[i] *= w[i];
        v = pack8<T>(e);
      }
      *reinterpret_cast<uint4 *>(gap(shared, c * 2)) = v;
    }
    sum = warp_sum(sum);
    if (this_thread() % 32 == 0) reinterpret_cast<float *>(shared + SQUARES_AT)[step.phase / 2 * WALK_WARPS + this_thread() / 32] = sum;
  } else {
    constexpr int LOADS = 3;
#pragma unroll 1
    for (int from = this_thread() * 8; from < all; from += LOADS * STRIDE) {
      uint4 v[LOADS];
#pragma unroll
      for (int j = 0; j < LOADS; j++) v[j] = from + j * STRIDE < In ? load_now(x + from + j * STRIDE) : make_uint4(0, 0, 0, 0);
#pragma unroll
      for (int j = 0; j < LOADS; j++) {
        const int c = from + j * STRIDE;
        if (c >= all) break;
        if (c < In) wait_for(v[j], c);
        *reinterpret_cast<uint4 *>(gap(shared, c * 2)) = v[j];
      }
    }
  }
  copy_async_wait<1>();
  __syncthreads();
}

// ---- the products of the warp's pieces ----
template <class T, int MODE> __device__ __forceinline__ void walk_products(uint8_t *shared, const WalkLayers &layers) {
  const WalkStep step(shared);
  const WalkShare &share = reinterpret_cast<const WalkShare *>(shared + SHARE_AT)[step.phase];
  const uint32_t tid = this_thread(), lane = tid % 32, warp = tid / 32, g = lane / 4, t = lane % 4, blocks = share.columns / 64, lane_byte = lane * 4 | 0x10000;
  const WalkPart *const parts = layer_of(shared, step.layer).part;
  const bool nested = parts[first_part(step.phase)].nested_scales;
  const WalkPiece *const list = pieces_of(shared, warp);
  const uint32_t end = starts_of(shared, warp)[step.phase + 1];
  uint32_t at = starts_of(shared, warp)[step.phase], taken = step.layer * starts_of(shared, warp)[4] + at;  // taken: pieces that the warp had before
  // Of the lane's two blocks of a piece, 2t and 2t + 1 of row g; beyond the row its last two, which x makes 0.
  const auto scale_of = [&](const WalkPiece &piece, const uint8_t *there) {
    const uint32_t before = piece.unit() * (UNIT / 64), block = min(2 * t, blocks - 2 - before), row_first = (piece.row + g) * blocks + before;
    if (!nested) return *reinterpret_cast<const float2 *>(there + g * 32 + block * 4);
    const uint32_t two = *reinterpret_cast<const uint16_t *>(there + g * 16 + (row_first & 3) + block), p = piece.part() - first_part(step.phase);
    const float *const table = reinterpret_cast<const float *>(shared + CODE_AT) + p * 256;
    const float by = reinterpret_cast<const float *>(shared + NESTED_AT)[share.nested_at[p] + static_cast<int>((row_first + block) >> 8) - share.nested_from[p]], add = parts[piece.part()].nested_offset;
    return make_float2(__fadd_rn(__fmul_rn(table[two & 255], by), add), __fadd_rn(__fmul_rn(table[two >> 8], by), add));
  };
  uint32_t xr[8];
#pragma unroll 1
  for (uint32_t of = ~0u; at < end; at++, taken++) {
    const WalkPiece piece = list[at];
    if (piece.unit() != of) {
      of = piece.unit();
#pragma unroll
      for (int h = 0; h < 2; h++) {
        const uint4 v = *reinterpret_cast<const uint4 *>(gap(shared, static_cast<int>(of * UNIT * 2 + lane * 32 + h * 16)));
        xr[4 * h] = v.x, xr[4 * h + 1] = v.y, xr[4 * h + 2] = v.z, xr[4 * h + 3] = v.w;
      }
    }
    const uint32_t slot = taken % SLOTS, full = barriers_of(shared, warp) + slot * 8;
    // Of row g, 16 bytes lie 16 g away by exclusive or; so that four rows meet in no bank, odd rows take the steps two by two in the other order.
    const uint32_t here = shared_address(ring_of(shared, warp) + slot * PIECE_BYTES + g * 128) + (t * 8 ^ g << 4 ^ (g & 1) << 6);
    ring_wait(full, taken / SLOTS & 1);
    uint2 code[4][2];
#pragma unroll
    for (int d = 0; d < 4; d++)
#pragma unroll
      for (int h = 0; h < 2; h++) code[d][h] = load_two((here ^ (d % 2 * 64 | h * 32)) + d / 2 * PANEL_BYTES);
    __syncwarp();
    if (lane == 0) copy_piece<MODE>(layers, shared, warp, slot, step.layer, at + SLOTS);
    ask_for_scales(shared, step, warp, at + 2);

    float mine[2] = {};
    if (!(MODE & NO_PRODUCTS)) {
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
        if (d == static_cast<int>(t ^ (g & 1))) mine[0] = product[0], mine[1] = product[3];
      }
    }
    copy_async_wait<2>();
    __syncwarp();
    const float2 scale = scale_of(piece, scales_of(shared, warp, at % SLOTS));
    float total = scale.x * mine[0] + scale.y * mine[1];
    total += __shfl_xor_sync(0xffffffffu, total, 1);
    total += __shfl_xor_sync(0xffffffffu, total, 2);
    if (t == 0) reinterpret_cast<float *>(shared + SUMS_AT)[piece.sums() * GROUP_ROWS + g] = total;
  }
}

// ---- the sums of the units' products to rows: a warp a group. first, last: the model's x and y ----
template <class T> __device__ __forceinline__ void walk_publish(uint8_t *shared, uint8_t *workspace, int layer_count, const T *first, T *last) {
  const WalkStep step(shared);
  const WalkShape &shape = *reinterpret_cast<const WalkShape *>(shared + SHAPE_AT);
  const WalkShare &share = reinterpret_cast<const WalkShare *>(shared + SHARE_AT)[step.phase];
  const float *const sums = reinterpret_cast<const float *>(shared + SUMS_AT), *const squares = reinterpret_cast<const float *>(shared + SQUARES_AT) + step.phase / 2 * WALK_WARPS;
  const uint32_t tid = this_thread(), lane = tid % 32, warp = tid / 32, g = lane / 4, t = lane % 4;
  const uint32_t count = share.count, outputs = step.phase == 2 ? count / 2 : count, units = (share.columns + UNIT - 1) / UNIT;
  float rstd = 1;
  if (step.phase % 2 == 0) rstd = rsqrtf(warp_sum(lane < WALK_WARPS ? squares[lane] : 0.0f) / static_cast<float>(share.columns) + shape.eps);
  __syncthreads();
  const auto sum_of = [&](uint32_t i) {
    float v = 0;
#pragma unroll 1
    for (uint32_t u = t; u < units; u += 4) v += sums[(u * count + i) * GROUP_ROWS + g];
    v += __shfl_xor_sync(0xffffffffu, v, 1);
    v += __shfl_xor_sync(0xffffffffu, v, 2);
    return v * rstd;
  };
  if (step.layer + 1 != layer_count || step.phase != 3) last = walk_row<T>(shared, workspace, step.phase, step.now);
  const uint8_t *const added = added_to<T>(shared, workspace, step, first);
#pragma unroll 1
  for (uint32_t i = warp; i < outputs; i += WALK_WARPS) {
    float v = sum_of(i);
    if (step.phase == 2) v = gate_value(v, shape.gate) * sum_of(i + outputs);
    if (added) {
      const uint32_t row_bytes = step.phase == 0 ? 4 : 2;
      const uint8_t *const from = i == warp ? shared + ADDED_AT + warp * 32 + g * row_bytes : added + ((share.begin + i) * GROUP_ROWS + g) * row_bytes;
      v += step.phase == 0 ? *reinterpret_cast<const float *>(from) : to_float(T{*reinterpret_cast<const uint16_t *>(from)});
    }
    const uint32_t bits = from_float<T>(v).bits, pair = bits | __shfl_down_sync(0xffffffffu, bits, 4) << 16;
    const uint4 eight = make_uint4(__shfl_sync(0xffffffffu, pair, 0), __shfl_sync(0xffffffffu, pair, 8), __shfl_sync(0xffffffffu, pair, 16), __shfl_sync(0xffffffffu, pair, 24));
    if (lane == 0) store_now(last + (share.begin + i) * GROUP_ROWS, eight);
  }
}
}  // namespace
#endif

// decoder_walk.cu's stream of weights: each warp has a list of pieces, the same in every layer, and a ring for them, which it fills itself as it empties it.
// That needs nothing but addresses, so the ring is full when what blocks exchange arrives. Copies by the copy engine, because a load waits for every earlier
// cp.async of its multiprocessor: 12,500 cycles behind 120 KB of them, 1,900 behind as many bytes from the engine (an H100).
#pragma once
#include "walk.cuh"

#if defined(REMORA_EMULATE) || !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)

namespace {
// Pieces of a phase are ordered by their columns first, their rows second, and a warp has a range of them: so it seldom
// changes its columns of x.
__device__ __forceinline__ void write_list(uint8_t *shared, uint32_t warp, uint32_t lane) {
  WalkPiece *const list = pieces_of(shared, warp);
  uint32_t pieces = 0;
#pragma unroll 1
  for (int phase = 0; phase < 4; phase++) {
    const WalkShare &share = reinterpret_cast<const WalkShare *>(shared + SHARE_AT)[phase];
    const uint32_t In = share.columns, all = share.count * ((In + UNIT - 1) / UNIT), from = all * warp / WALK_WARPS, to = all * (warp + 1) / WALK_WARPS;
#pragma unroll 1
    for (uint32_t j = from + lane; j < to; j += 32) {
      const uint32_t unit = j / share.count;
      int row;
      const uint32_t part = first_part(phase) + share.part_of(phase, j - unit * share.count, row);
      list[pieces + j - from] = {static_cast<uint32_t>(row), part | unit << 3 | j << 8};
    }
    if (lane == 0) starts_of(shared, warp)[phase] = pieces;
    pieces += to - from;
  }
  if (lane == 0) starts_of(shared, warp)[4] = pieces;
}

// By one lane: a piece of the warp into a slot. next: its place in the list, counted on from that of `layer`.
template <int MODE> __device__ __forceinline__ void copy_piece(const WalkLayers &layers, uint8_t *shared, uint32_t warp, uint32_t slot, int layer, uint32_t next) {
  const uint32_t pieces = starts_of(shared, warp)[4], full = barriers_of(shared, warp) + slot * 8;
  for (; next >= pieces && layer < layers.count; layer++) next -= pieces;
  if (layer >= layers.count) return;
  if (MODE & NO_STREAM) {
    barrier_arrive(full);
    return;
  }
  const WalkPiece piece = pieces_of(shared, warp)[next];
  const uint32_t to = shared_address(ring_of(shared, warp)) + slot * PIECE_BYTES;
  const TensorMap *const map = layers.maps + static_cast<uint32_t>(layer * 7 + piece.part());
  barrier_expect(full, PIECE_BYTES);
#pragma unroll
  for (int panel = 0; panel < 2; panel++) copy_tensor_once(to + panel * PANEL_BYTES, map, static_cast<int>(piece.unit() * (UNIT / 4) + panel * 64), static_cast<int>(piece.row), full, read_once_policy());
}

// A piece's scales, row by row: from the 4 bytes that its first block's code lies in, 16 bytes a row; or 32 bytes a row of f32.
__device__ __forceinline__ void copy_scales(uint8_t *to, const uint8_t *scales, bool nested, const WalkPiece &piece, uint32_t blocks, uint32_t lane) {
  const uint32_t row = lane % 8, first = (piece.row + row) * blocks + piece.unit() * (UNIT / 64), count = min(UNIT / 64, blocks - piece.unit() * (UNIT / 64));
  const uint32_t target = shared_address(to) + row * (nested ? 16 : 32);
  if (nested) {
    const uint32_t word = (first & ~3u) + lane / 8 * 4;
    if (lane < 24 && word < first + count) copy_async_4(target + lane / 8 * 4, scales + word, true);
  } else {
#pragma unroll
    for (uint32_t i = lane / 8; i < 8; i += 4)
      if (i < count) copy_async_4(target + i * 4, scales + static_cast<uint64_t>(first + i) * 4, true);
  }
}

// The scales of this block's rows in a phase come into L2, long before their turn: behind what the rings have asked for they would come late.
__device__ __forceinline__ void prefetch_scales(const uint8_t *shared, const WalkLayer &layer, int phase) {
  const WalkShare &share = reinterpret_cast<const WalkShare *>(shared + SHARE_AT)[phase];
  const WalkPart *const part = layer.part + first_part(phase);
  const uint32_t row_bytes = share.columns / 64 * (part->nested_scales ? 1 : 4);
#pragma unroll 1
  for (int p = 0; p < part_count(phase); p++) {
    const uint8_t *const from = static_cast<const uint8_t *>(part[p].scales) + static_cast<uint64_t>(share.row[p]) * row_bytes;
    for (uint32_t line = this_thread(); line * 128 < share.rows[p] * row_bytes; line += WALK_THREADS) prefetch_l2(from + line * 128);
  }
}
}  // namespace
#endif

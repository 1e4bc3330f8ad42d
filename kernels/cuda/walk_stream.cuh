// decoder_walk.cu's stream of weights.
#pragma once
#include "walk.cuh"

#if defined(REMORA_EMULATE) || !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)

namespace {
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
}  // namespace
#endif

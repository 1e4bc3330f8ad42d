// One token of each of several sequences (asking): the rotation of q and k, the write of k and v into the paged cache, and attention over the pages, in
// one launch. Only for rows of different sequences: no row may need a key that another row of the launch writes.
// Plan: a block of 128 owns (row, key head, split of `split_keys` keys), by lanes as in attention_lanes.cuh. The keys that are already in the pages are
// loaded before the wait for the kernel that makes q, k and v. Each block rotates its query heads for itself; the block whose split holds the new key
// takes it from qkv, not from the page that it writes. Where a row has several splits each leaves its part in global memory, and the last one to
// arrive adds them, in order, so that results do not depend on who that is; it finds out by a counter that wraps to 0 for the next launch.
// Bytes: k and v pages once per row and key head, the parts once. Limit: latency at short contexts (about five dependent trips to L2), else memory.
#include "attention_lanes.cuh"

// Columns [column, column + 8) of a head after the rotation, in f32 that the dtype holds (rope.cu stores them so).
// half: columns of either half of the rotated part; table_row f32 [half, 2] = cos, sin.
template <class T> struct Rotation {
  float cosine[8], sine[8];  // sine with the sign of the lane's half
  int partner;               // column of the other half; < 0 in the part that is not rotated
  __device__ __forceinline__ Rotation(const float *table_row, int column, int half) {
    partner = column < half ? column + half : column < 2 * half ? column - half : -1;
    if (partner < 0) return;
    float t[16];
    load8<true>(table_row + 2 * min(column, partner), 8, t);
    load8<true>(table_row + 2 * min(column, partner) + 8, 8, t + 8);
#pragma unroll
    for (int i = 0; i < 8; i++) cosine[i] = t[2 * i], sine[i] = column < half ? -t[2 * i + 1] : t[2 * i + 1];
  }
  __device__ __forceinline__ void read(const T *head, int column, float v[8]) const {
    load8<true>(head + column, 8, v);
    if (partner < 0) return;
    float other[8];
    load8<true>(head + partner, 8, other);
#pragma unroll
    for (int i = 0; i < 8; i++) v[i] = to_float(from_float<T>(v[i] * cosine[i] + other[i] * sine[i]));
  }
};

template <class T, int DP>
__device__ void attention_step(const T *qkv, const float *rope, const int32_t *sequences, const int32_t *positions, const int32_t *block_table, T *k_pages,
                               T *v_pages, T *out, float *partial, unsigned int *arrivals, int H, int K, int D, int rotary, int page_size,
                               int blocks_per_sequence, int split_keys, float scale, int window, float softcap) {
  using Lanes = AttentionLanes<T, DP, (DP == 64 ? 4 : 8)>;
  __shared__ typename Lanes::Shared shared;
  __shared__ bool is_last;
  const int thread = threadIdx.x, column = thread % Lanes::WIDTH * 8, group = H / K, rounds = (group + Lanes::HEADS - 1) / Lanes::HEADS;
  const int64_t n = blockIdx.x;
  const int kv = blockIdx.y / rounds, head0 = kv * group + blockIdx.y % rounds * Lanes::HEADS;
  const int heads = min(Lanes::HEADS, (kv + 1) * group - head0), split = blockIdx.z, splits = gridDim.z;
  float2 *const partial_sums = reinterpret_cast<float2 *>(partial + static_cast<int64_t>(gridDim.x) * H * splits * D);

  // ---- before q, k and v are there ----
  const int sequence = sequences[n], position = positions[n];
  if (sequence < 0) {  // a padding row is zero
    wait_for_previous_kernel();
    let_next_kernel_start();
    for (int i = thread; i < heads * D && split == 0; i += 128) out[(n * H + head0) * D + i] = from_float<T>(0.0f);
    return;
  }
  const int first = window > 0 ? max(0, position + 1 - window) : 0;
  const int begin = max(first, split * split_keys), end = min(position + 1, (split + 1) * split_keys), old = min(position, end);
  if (begin >= end) return;  // without waiting: the blocks that have keys wait
  const Pages<T> pages{block_table + static_cast<int64_t>(sequence) * blocks_per_sequence, k_pages, v_pages, page_size, K, D, kv};
  Lanes lanes;
  lanes.load(pages, begin, old);
  const Rotation<T> rotation(rope + static_cast<int64_t>(position) * rotary, column, rotary / 2);
  wait_for_previous_kernel();
  let_next_kernel_start();

  // ---- the row's queries, its key and value ----
  const T *row = qkv + n * (H + 2 * K) * D;
  uint4 new_k = make_uint4(0, 0, 0, 0), new_v = new_k;
  if (column < D) {
#pragma unroll
    for (int h = 0; h < Lanes::HEADS; h++) {
      if (h < heads) rotation.read(row + (head0 + h) * D, column, lanes.q[h]);
#pragma unroll
      for (int i = 0; i < 8; i++) lanes.q[h][i] *= scale;
    }
    if (end > position) {
      float k[8];
      rotation.read(row + (H + kv) * D, column, k);
      new_k = pack8<T>(k);
      new_v = *reinterpret_cast<const uint4 *>(row + (H + K + kv) * D + column);
      if (thread < Lanes::WIDTH && head0 == kv * group) {
        const int64_t at = pages.at(position) + column;
        *reinterpret_cast<uint4 *>(k_pages + at) = new_k;
        *reinterpret_cast<uint4 *>(v_pages + at) = new_v;
      }
    }
  }

  for (int base = begin; base < end; base += Lanes::TILE) {
    if (base > begin) lanes.load(pages, base, old);
#pragma unroll
    for (int a = 0; a < Lanes::STEPS; a++)
      if (Lanes::key_of(base, a) == position) lanes.k[a] = new_k, lanes.v[a] = new_v;
    lanes.take(base, end, softcap);
  }
  lanes.leave(shared);

  // ---- the splits together ----
  const int from = first / split_keys, parts = position / split_keys + 1 - from;
  for (int i = thread; i < heads * D; i += 128) {
    const int h = i / D, d = i % D;
    float top, sum;
    const float value = Lanes::value(shared, h, d, top, sum);
    const int64_t at = (n * H + head0 + h) * splits + split;
    if (parts == 1) out[(n * H + head0 + h) * D + d] = from_float<T>(value / sum);
    else {
      partial[at * D + d] = value;
      if (d == 0) partial_sums[at] = make_float2(top, sum);
    }
  }
  if (parts == 1) return;
  __threadfence();
  __syncthreads();
  if (thread == 0) is_last = atomicInc(arrivals + n * gridDim.y + blockIdx.y, parts - 1) == static_cast<unsigned int>(parts - 1);
  __syncthreads();
  if (!is_last) return;
  __threadfence();
  for (int i = thread; i < heads * D / 4; i += 128) {
    const int h = i / (D / 4), d = i % (D / 4) * 4;
    const int64_t at = (n * H + head0 + h) * splits + from;
    float top = -REMORA_INFINITY, sum = 0;
    float4 total = make_float4(0, 0, 0, 0);
#pragma unroll 8
    for (int s = 0; s < parts; s++) top = fmaxf(top, __ldcg(partial_sums + at + s).x);
#pragma unroll 8
    for (int s = 0; s < parts; s++) {
      const float2 state = __ldcg(partial_sums + at + s);
      const float4 value = __ldcg(reinterpret_cast<const float4 *>(partial + (at + s) * D + d));
      const float factor = __expf(state.x - top);
      sum += factor * state.y;
      total.x += factor * value.x, total.y += factor * value.y, total.z += factor * value.z, total.w += factor * value.w;
    }
    *reinterpret_cast<uint2 *>(out + (n * H + head0 + h) * D + d) = make_uint2(pack2<T>(total.x / sum, total.y / sum), pack2<T>(total.z / sum, total.w / sum));
  }
}

// launch: grid (N, K · ceil(H / K / 4), splits), block 128. splits · split_keys must cover the longest position. D <= DP, a multiple of 8; rotary a
// multiple of 16, at most D; rows of different sequences; qkv, rope, pages and out 16-byte aligned. rope f32 [positions, rotary / 2, 2]. partial is
// scratch, f32 [N, H, splits, D + 2]. arrivals u32 [N, grid y] must be 0 before the first launch; each leaves it so.
#define ATTENTION_STEP(DP, suffix, T)                                                                                                  \
  extern "C" __global__ void __launch_bounds__(128) attention_step_d##DP##_##suffix(                                                   \
      const T *qkv, const float *rope, const int32_t *sequences, const int32_t *positions, const int32_t *block_table, T *k_pages, T *v_pages, T *out, \
      float *partial, unsigned int *arrivals, int H, int K, int D, int rotary, int page_size, int blocks_per_sequence, int split_keys, float scale, \
      int window, float softcap) {                                                                                                    \
    attention_step<T, DP>(qkv, rope, sequences, positions, block_table, k_pages, v_pages, out, partial, arrivals, H, K, D, rotary, page_size, \
                          blocks_per_sequence, split_keys, scale, window, softcap);                                                   \
  }
ATTENTION_STEP(64, bf16, bf16_t)
ATTENTION_STEP(128, bf16, bf16_t)
ATTENTION_STEP(256, bf16, bf16_t)
ATTENTION_STEP(64, f16, f16_t)
ATTENTION_STEP(128, f16, f16_t)
ATTENTION_STEP(256, f16, f16_t)

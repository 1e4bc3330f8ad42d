// Sampling on the device: repetition penalty, temperature, top-k, top-p, min-p, one draw (remora.h fixes the order).
// Plan: one block of 1,024 owns a row. Probabilities are fixed-point integers (2^32 for the best token), so sums are exact and do not
// depend on their order. top-k and top-p find their last survivor by radix descent over the ordered bits of the logits, 8 bits a pass,
// with a histogram in shared memory; among equal logits the lowest ids survive. The draw walks ids in order through a block scan.
// Bytes: about 12 passes over V floats of one row, from L2 (greedy: 2). Limit: one multiprocessor's L2 bandwidth, about 5 µs a pass at
// V = 131,072.
#include "common.cuh"

__device__ __forceinline__ uint32_t ordered_bits(float x) {  // ascending like the floats; -0 as 0
  const uint32_t u = __float_as_uint(x + 0.0f);
  return u & 0x80000000u ? ~u : u | 0x80000000u;
}
__device__ __forceinline__ float from_ordered(uint32_t u) { return __uint_as_float(u & 0x80000000u ? u & 0x7fffffffu : ~u); }

// Inclusive scan of one value a thread over the block of 1,024, in thread order; returns the sum before this thread.
__device__ __forceinline__ uint64_t block_scan(uint64_t x, uint64_t *scratch, uint64_t &total) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  uint64_t s = x;
#pragma unroll
  for (int d = 1; d < 32; d <<= 1) {
    const uint64_t other = __shfl_up_sync(0xffffffffu, s, d);
    if (lane >= d) s += other;
  }
  __syncthreads();
  if (lane == 31) scratch[warp] = s;
  __syncthreads();
  uint64_t before = 0;
  total = 0;
  for (int w = 0; w < 32; w++) {
    if (w < warp) before += scratch[w];
    total += scratch[w];
  }
  __syncthreads();
  return before + s - x;
}

// launch: grid B, block 1024. scratch f32 [B, V] (the penalized logits). logprobs may be 0. See remora_sample.
extern "C" __global__ void __launch_bounds__(1024)
    sample_block_per_row(const float *logits_all, const float *params_all, const uint64_t *seeds, const int32_t *steps, const int32_t *history_all,
                         const int32_t *history_length, float *scratch_all, int32_t *ids, float *logprobs, int64_t V, int64_t history_stride) {
  __shared__ float floats[32];
  __shared__ uint64_t longs[32];
  __shared__ unsigned long long histogram[256];
  __shared__ int chosen_bin, winner;
  __shared__ unsigned long long above;
  const int64_t b = blockIdx.x;
  const int thread = threadIdx.x;
  const float *logits = logits_all + b * V, *params = params_all + b * 5;
  float *z = scratch_all + b * V;
  const float temperature = params[0], top_p = params[2], min_p = params[3], penalty = params[4];
  const int64_t top_k = static_cast<int64_t>(params[1]);

  // The unmodified softmax, for the reported probability.
  float top = -REMORA_INFINITY, sum = 0;
  for (int64_t i = thread; i < V; i += 1024) {
    const float x = logits[i];
    z[i] = x;
    if (x > top) {
      sum *= __expf(top - x);
      top = x;
    }
    sum += __expf(x - top);
  }
  const float plain_top = block_max<1024>(top, floats);
  sum = block_sum<1024>(top == -REMORA_INFINITY ? 0.0f : sum * __expf(top - plain_top), floats);
  const float lse = plain_top + logf(sum);
  __syncthreads();
  if (penalty != 1.0f) {
    const int32_t *history = history_all + b * history_stride;
    const int length = history_length[b];
    for (int i = thread; i < length; i += 1024) {
      const int id = history[i];
      if (id >= 0 && id < V) z[id] = logits[id] > 0 ? logits[id] / penalty : logits[id] * penalty;
    }
    __syncthreads();
  }
  // The best penalized logit, lowest id.
  top = -REMORA_INFINITY;
  int best = 0x7fffffff;
  for (int64_t i = thread; i < V; i += 1024)
    if (z[i] > top) top = z[i], best = static_cast<int>(i);
  const float maximum = block_max<1024>(top, floats);
  if (thread == 0) winner = 0x7fffffff;
  __syncthreads();
  if (top == maximum && best != 0x7fffffff) atomicMin(&winner, best);
  __syncthreads();
  best = winner == 0x7fffffff ? 0 : winner;
  if (temperature <= 0) {
    if (thread == 0) {
      ids[b] = best;
      if (logprobs) logprobs[b] = logits[best] - lse;
    }
    return;
  }

  const float inverse = 1.0f / temperature;
  const auto weight = [&](float x) -> uint64_t {  // probability relative to the best, times 2^32
    return static_cast<uint64_t>(static_cast<double>(expf((x - maximum) * inverse)) * 4294967296.0 + 0.5);
  };
  // Survivors: ordered bits > cut, or equal to it and id <= cut_id.
  uint32_t cut = 0;
  int cut_id = 0x7fffffff;
  // mode 0: top-k by counting, mode 1: top-p by mass
  for (int mode = 0; mode < 2; mode++) {
    if (mode == 0 && (top_k <= 0 || top_k >= V)) continue;
    if (mode == 1 && top_p >= 1.0f) continue;
    uint64_t wanted = static_cast<uint64_t>(top_k);
    if (mode == 1) {
      uint64_t mine = 0, total;
      for (int64_t i = thread; i < V; i += 1024) {
        const uint32_t key = ordered_bits(z[i]);
        if (key > cut || (key == cut && i <= cut_id)) mine += weight(z[i]);
      }
      block_scan(mine, longs, total);
      wanted = static_cast<uint64_t>(ceil(static_cast<double>(total) * static_cast<double>(top_p)));
      if (wanted < 1) wanted = 1;
    }
    // Find the largest key such that those at or above it reach `wanted`.
    uint32_t prefix = 0, mask = 0;
    uint64_t reached = 0;  // by keys above the prefix
    for (int shift = 24; shift >= 0; shift -= 8) {
      if (thread < 256) histogram[thread] = 0;
      __syncthreads();
      for (int64_t i = thread; i < V; i += 1024) {
        const uint32_t key = ordered_bits(z[i]);
        if ((key & mask) == prefix && (key > cut || (key == cut && i <= cut_id)))
          atomicAdd(&histogram[key >> shift & 255], static_cast<unsigned long long>(mode == 0 ? 1 : weight(z[i])));
      }
      __syncthreads();
      if (thread == 0) {
        uint64_t total = reached;
        int bin = 255, lowest = -1;
        for (; bin >= 0; bin--) {
          if (histogram[bin]) lowest = bin;
          if (histogram[bin] && total + histogram[bin] >= wanted) break;
          total += histogram[bin];
        }
        if (bin < 0) {  // rounding left the total short: take the lowest that exists
          bin = lowest < 0 ? 0 : lowest;
          total -= histogram[bin];
        }
        chosen_bin = bin;
        above = total;
      }
      __syncthreads();
      prefix |= static_cast<uint32_t>(chosen_bin) << shift;
      mask |= 255u << shift;
      reached = above;
      __syncthreads();
    }
    // Of the equal ones the lowest ids, as many as are still wanted.
    const uint64_t each = mode == 0 ? 1 : weight(from_ordered(prefix));
    uint64_t count = each ? (wanted - reached + each - 1) / each : 1;
    if (wanted <= reached) count = 1;
    const int64_t chunk = (V + 1023) / 1024, begin = thread * chunk, end = begin + chunk < V ? begin + chunk : V;
    uint64_t mine = 0, total;
    for (int64_t i = begin; i < end; i++) mine += ordered_bits(z[i]) == prefix && !(prefix == cut && i > cut_id) ? 1 : 0;
    uint64_t before = block_scan(mine, longs, total);
    if (thread == 0) winner = 0x7fffffff;
    __syncthreads();
    if (before < count && before + mine >= count)
      for (int64_t i = begin; i < end; i++)
        if (ordered_bits(z[i]) == prefix && ++before == count) winner = static_cast<int>(i);
    __syncthreads();
    cut_id = prefix == cut ? min(cut_id, winner) : winner;
    cut = prefix;
    __syncthreads();
  }
  const uint64_t least = min_p > 0 ? static_cast<uint64_t>(static_cast<double>(min_p) * 4294967296.0) : 0;
  const auto survives = [&](int64_t i, uint64_t &w) {
    const uint32_t key = ordered_bits(z[i]);
    if (!(key > cut || (key == cut && i <= cut_id))) return false;
    w = weight(z[i]);
    return w >= least;
  };
  const int64_t chunk = (V + 1023) / 1024, begin = thread * chunk, end = begin + chunk < V ? begin + chunk : V;
  uint64_t mine = 0, total, w;
  for (int64_t i = begin; i < end; i++)
    if (survives(i, w)) mine += w;
  const uint64_t before = block_scan(mine, longs, total);
  // u · total, u = bits / 2^24, rounded down: running > u · total exactly when running > this
  const uint64_t u = random_bits(seeds[b], static_cast<uint64_t>(static_cast<int64_t>(steps[b]))) >> 8;
  const uint64_t target = (total >> 24) * u + ((total & 0xffffff) * u >> 24);
  if (thread == 0) winner = best;
  __syncthreads();
  if (mine && before <= target && before + mine > target) {
    uint64_t running = before;
    for (int64_t i = begin; i < end; i++)
      if (survives(i, w) && (running += w) > target) {
        winner = static_cast<int>(i);
        break;
      }
  }
  __syncthreads();
  if (thread == 0) {
    ids[b] = winner;
    if (logprobs) logprobs[b] = logits[winner] - lse;
  }
}

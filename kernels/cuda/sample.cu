// Sampling on the device: repetition penalty, temperature, top-k, top-p, min-p, one draw (remora.h fixes the order).
// Probabilities are fixed-point integers (2^32 for the best token), so sums are exact and do not depend on their order; tokens whose probability
// rounds to 0 can neither be drawn nor change a sum, so nobody counts them. Plan, three launches:
//   slices      many blocks a row, a slice of V each: penalized logits, softmax and best token of the slice
//   histogram   the same slices: count and mass of the row by distance from the best logit, in 2,048 bins of 0.011 (scaled by 1 / temperature)
//   choose      one block a row: the bin in which top-k ends, its tokens gathered and searched by radix descent over the ordered bits of the logits,
//               then over ids among equal logits (the lowest survive); the same for top-p; then the draw, which walks ids in order: 32 regions,
//               32 parts of the region, tokens of the part
// Bytes: a row three times in slices and histogram; choose reads it once a limit and once for the draw (from L2, about 5 µs each at V = 131,072).
#include "common.cuh"

constexpr int BINS = 2048, GATHERED = 2048;

// What `slices` leaves of a slice.
struct Slice {
  float plain_top, plain_sum;  // of the unmodified softmax: largest logit, sum of exp(logit - largest)
  uint64_t best;               // ordered bits of the best penalized logit, then ~id: the largest is the best token of lowest id
};

__device__ __forceinline__ uint32_t ordered_bits(float x) {  // ascending like the floats; -0 as 0
  const uint32_t u = __float_as_uint(x + 0.0f);
  return u & 0x80000000u ? ~u : u | 0x80000000u;
}
__device__ __forceinline__ float from_ordered(uint32_t u) { return __uint_as_float(u & 0x80000000u ? u & 0x7fffffffu : ~u); }

template <int THREADS> __device__ __forceinline__ uint64_t block_largest(uint64_t x, uint64_t *scratch) {
#pragma unroll
  for (int d = 16; d; d >>= 1) {
    const uint64_t other = __shfl_xor_sync(0xffffffffu, x, d);
    x = other > x ? other : x;
  }
  __syncthreads();
  if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = x;
  __syncthreads();
  uint64_t largest = scratch[0];
  for (int w = 1; w < THREADS / 32; w++) largest = scratch[w] > largest ? scratch[w] : largest;
  return largest;
}

// The whole row from its slices, in order.
struct Row {
  float lse, maximum;
  int best;
};
__device__ __forceinline__ Row read_row(const Slice *slices, int count) {
  float top = -REMORA_INFINITY, sum = 0;
  uint64_t best = 0;
  for (int i = 0; i < count; i++) {
    const Slice s = slices[i];
    const float larger = fmaxf(top, s.plain_top);
    if (larger > -REMORA_INFINITY) sum = sum * __expf(top - larger) + s.plain_sum * __expf(s.plain_top - larger);
    top = larger;
    best = s.best > best ? s.best : best;
  }
  return {top + logf(sum), from_ordered(static_cast<uint32_t>(best >> 32)), static_cast<int>(~static_cast<uint32_t>(best))};
}

// Probability relative to the best, times 2^32.
__device__ __forceinline__ uint64_t weight_of(float x, float maximum, float inverse) {
  return static_cast<uint64_t>(static_cast<double>(expf((x - maximum) * inverse)) * 4294967296.0 + 0.5);
}
// Weights are 0 from 22.9 on.
__device__ __forceinline__ int bin_of(float x, float maximum, float inverse) {
  const float bin = (maximum - x) * inverse * (BINS / 23.0f);
  return bin < BINS - 1 ? static_cast<int>(bin) : BINS - 1;
}
__device__ __forceinline__ bool needs_histogram(const float *params, int64_t V) {
  return params[0] > 0 && ((params[1] > 0 && params[1] < static_cast<float>(V)) || params[2] < 1.0f);
}

// launch: grid (slices, B), block 256. z f32 [B, V], parts Slice [B, slices] (16 bytes each), masses u64 [B, 2048] and counts i32 [B, 2048] (set to 0)
// are scratch of the three launches.
extern "C" __global__ void __launch_bounds__(256)
    sample_slices(const float *logits_all, const float *params_all, const int32_t *history_all, const int32_t *history_length, float *z_all, Slice *parts,
                  unsigned long long *masses, int *counts, int64_t V, int64_t history_stride) {
  follow_previous_kernel();
  __shared__ float floats[8];
  __shared__ uint64_t longs[8];
  const int64_t b = blockIdx.y, slice = (V + gridDim.x - 1) / gridDim.x, begin = slice * blockIdx.x, end = begin + slice < V ? begin + slice : V;
  const float *logits = logits_all + b * V;
  float *z = z_all + b * V;
  for (int i = blockIdx.x * 256 + threadIdx.x; i < BINS; i += gridDim.x * 256) masses[b * BINS + i] = 0, counts[b * BINS + i] = 0;
  float top = -REMORA_INFINITY, sum = 0;
  for (int64_t i = begin + threadIdx.x; i < end; i += 256) {
    const float x = logits[i];
    z[i] = x;
    if (x > top) {
      sum *= __expf(top - x);
      top = x;
    }
    sum += __expf(x - top);
  }
  const float plain_top = block_max<256>(top, floats);
  sum = block_sum<256>(top == -REMORA_INFINITY ? 0.0f : sum * __expf(top - plain_top), floats);
  __syncthreads();
  const float penalty = params_all[b * 5 + 4];
  if (penalty != 1.0f) {
    const int32_t *history = history_all + b * history_stride;
    const int length = history_length[b];
    for (int i = threadIdx.x; i < length; i += 256) {
      const int id = history[i];
      if (id >= begin && id < end) z[id] = logits[id] > 0 ? logits[id] / penalty : logits[id] * penalty;
    }
    __syncthreads();
  }
  uint64_t best = 0;
  for (int64_t i = begin + threadIdx.x; i < end; i += 256) {
    const uint64_t key = static_cast<uint64_t>(ordered_bits(z[i])) << 32 | static_cast<uint32_t>(~static_cast<uint32_t>(i));
    best = key > best ? key : best;
  }
  best = block_largest<256>(best, longs);
  if (threadIdx.x == 0) parts[b * gridDim.x + blockIdx.x] = {plain_top, sum, best};
}

// launch: grid (slices, B), block 256. Nothing for rows that need no histogram.
extern "C" __global__ void __launch_bounds__(256)
    sample_histogram(const float *params_all, const float *z_all, const Slice *parts, unsigned long long *masses, int *counts, int64_t V) {
  follow_previous_kernel();
  __shared__ unsigned long long mass[BINS];
  __shared__ int count[BINS];
  const int64_t b = blockIdx.y, slice = (V + gridDim.x - 1) / gridDim.x, begin = slice * blockIdx.x, end = begin + slice < V ? begin + slice : V;
  const float *params = params_all + b * 5, *z = z_all + b * V;
  if (!needs_histogram(params, V)) return;
  for (int i = threadIdx.x; i < BINS; i += 256) mass[i] = 0, count[i] = 0;
  const float maximum = read_row(parts + b * gridDim.x, gridDim.x).maximum, inverse = 1.0f / params[0];
  __syncthreads();
  for (int64_t i = begin + threadIdx.x; i < end; i += 256) {
    const float x = z[i];
    const uint64_t w = weight_of(x, maximum, inverse);
    if (w == 0) continue;
    const int bin = bin_of(x, maximum, inverse);
    atomicAdd(&mass[bin], static_cast<unsigned long long>(w));
    atomicAdd(&count[bin], 1);
  }
  __syncthreads();
  for (int i = threadIdx.x; i < BINS; i += 256) {
    if (count[i] == 0) continue;
    atomicAdd(&masses[b * BINS + i], mass[i]);
    atomicAdd(&counts[b * BINS + i], count[i]);
  }
}

// Sum of the values of the threads before this one, of a block of 1,024.
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

struct Chooser {
  uint64_t longs[32];
  unsigned long long histogram[BINS];
  uint32_t keys[GATHERED];
  int ids[GATHERED];
  int chosen, gathered, winner;
  uint64_t above;
};

// The first of BINS bins, in order, at which the running sum of value(bin) reaches `wanted`, and the sum before it; when none does, the last
// bin that has a value (-1 when none has).
template <class Value> __device__ __forceinline__ int find_bin(Chooser &s, uint64_t wanted, uint64_t &above, Value value) {
  const int first = threadIdx.x * 2;
  const uint64_t a = value(first), b = value(first + 1);
  if (threadIdx.x == 0) s.chosen = -1, s.winner = -1;
  uint64_t total;
  const uint64_t before = block_scan(a + b, s.longs, total);
  if (before < wanted && before + a + b >= wanted) {
    const bool second = before + a < wanted;
    s.chosen = first + (second ? 1 : 0);
    s.above = before + (second ? a : 0);
  }
  if (total < wanted && a + b > 0) atomicMax(&s.winner, b > 0 ? first + 1 : first);
  __syncthreads();
  if (s.chosen < 0 && s.winner >= 0 && s.winner / 2 == static_cast<int>(threadIdx.x)) s.above = before + (s.winner & 1 ? a : 0);
  __syncthreads();
  above = s.above;
  const int found = s.chosen < 0 ? s.winner : s.chosen;
  __syncthreads();
  return found;
}

// The largest 32-bit key such that the weights of those at or above it reach `wanted`; `reached` by those above. each(use) calls
// use(key, weight) for every token that takes part.
template <class Each> __device__ __forceinline__ uint32_t descend(Chooser &s, uint64_t wanted, uint64_t &reached, Each each) {
  uint32_t prefix = 0, mask = 0;
  reached = 0;
  for (int shift = 22; shift >= 0; shift -= 11) {  // 10, 11 and 11 bits
    for (int i = threadIdx.x; i < BINS; i += 1024) s.histogram[i] = 0;
    __syncthreads();
    each([&](uint32_t key, uint64_t weight) {
      if ((key & mask) == prefix) atomicAdd(&s.histogram[BINS - 1 - (key >> shift & (BINS - 1))], static_cast<unsigned long long>(weight));
    });
    __syncthreads();
    uint64_t above;
    const int bin = BINS - 1 - find_bin(s, wanted - reached, above, [&](int i) { return static_cast<uint64_t>(s.histogram[i]); });
    prefix |= static_cast<uint32_t>(bin & (BINS - 1)) << shift;
    mask |= static_cast<uint32_t>(BINS - 1) << shift;
    reached += above;
  }
  return prefix;
}

// launch: grid B, block 1024. seeds u64 [B], steps i32 [B]; logprobs may be 0. See remora_sample.
extern "C" __global__ void __launch_bounds__(1024)
    sample_choose(const float *logits_all, const float *params_all, const uint64_t *seeds, const int32_t *steps, const float *z_all, const Slice *parts,
                  const unsigned long long *masses_all, const int *counts_all, int32_t *ids, float *logprobs, int64_t V, int slices) {
  follow_previous_kernel();
  __shared__ Chooser s;
  const int64_t b = blockIdx.x;
  const int thread = threadIdx.x, lane = thread % 32, warp = thread / 32;
  const float *logits = logits_all + b * V, *params = params_all + b * 5, *z = z_all + b * V;
  const unsigned long long *masses = masses_all + b * BINS;
  const int *counts = counts_all + b * BINS;
  const float temperature = params[0], top_p = params[2], min_p = params[3];
  const int64_t top_k = static_cast<int64_t>(params[1]);
  const Row row = read_row(parts + b * slices, slices);
  const auto finish = [&](int id) {
    ids[b] = id;
    if (logprobs) logprobs[b] = logits[id] - row.lse;
  };
  if (temperature <= 0) {
    if (thread == 0) finish(row.best);
    return;
  }
  const float maximum = row.maximum, inverse = 1.0f / temperature;
  const auto weight = [&](float x) { return weight_of(x, maximum, inverse); };

  // Survivors: ordered bits > cut, or equal to it and id <= cut_id. Both lie in bin `limit`, of which `limit_mass` survives.
  uint32_t cut = 0;
  int cut_id = 0x7fffffff, limit = BINS - 1;
  uint64_t limit_mass = masses[BINS - 1];
  const auto inside = [&](uint32_t key, int id) { return key > cut || (key == cut && id <= cut_id); };
  int open_bin = -1;
  const auto open = [&](int bin) {  // gathers its tokens, when they fit
    if (open_bin == bin) return;
    open_bin = bin;
    if (thread == 0) s.gathered = 0;
    __syncthreads();
    if (counts[bin] <= GATHERED)
      for (int64_t i = thread; i < V; i += 1024) {
        const float x = z[i];
        if (weight(x) == 0 || bin_of(x, maximum, inverse) != bin) continue;
        const int at = atomicAdd(&s.gathered, 1);
        s.keys[at] = ordered_bits(x), s.ids[at] = static_cast<int>(i);
      }
    __syncthreads();
  };
  // use(key, id) for every survivor of the open bin
  const auto each = [&](auto use) {
    if (counts[open_bin] <= GATHERED) {
      for (int i = thread; i < s.gathered; i += 1024)
        if (inside(s.keys[i], s.ids[i])) use(s.keys[i], s.ids[i]);
    } else {
      for (int64_t i = thread; i < V; i += 1024) {
        const float x = z[i];
        if (weight(x) > 0 && bin_of(x, maximum, inverse) == open_bin && inside(ordered_bits(x), static_cast<int>(i))) use(ordered_bits(x), static_cast<int>(i));
      }
    }
  };
  // Moves the cut to the token of the open bin at which `wanted` is reached, by counting or by mass.
  const auto cut_at = [&](uint64_t wanted, bool by_mass) {
    uint64_t reached, unused;
    const uint32_t key = descend(s, wanted, reached, [&](auto use) { each([&](uint32_t k, int) { use(k, by_mass ? weight(from_ordered(k)) : 1); }); });
    const uint64_t one = by_mass ? weight(from_ordered(key)) : 1;
    const uint64_t equals = wanted > reached && one ? (wanted - reached + one - 1) / one : 1;
    const uint32_t last = descend(s, equals, unused, [&](auto use) {
      each([&](uint32_t k, int id) {
        if (k == key) use(~static_cast<uint32_t>(id), 1);
      });
    });
    cut = key, cut_id = static_cast<int>(~last), limit = open_bin;
    uint64_t mine = 0;
    each([&](uint32_t k, int) { mine += weight(from_ordered(k)); });
    block_scan(mine, s.longs, limit_mass);
  };
  const auto surviving_mass = [&](int bin) -> uint64_t { return bin < limit ? masses[bin] : bin == limit ? limit_mass : 0; };
  if (top_k > 0 && top_k < V) {
    uint64_t above;
    const int bin = find_bin(s, static_cast<uint64_t>(top_k), above, [&](int i) { return static_cast<uint64_t>(counts[i]); });
    open(bin);
    cut_at(static_cast<uint64_t>(top_k) - above, false);
  }
  if (top_p < 1.0f) {
    uint64_t total, above;
    block_scan(surviving_mass(2 * thread) + surviving_mass(2 * thread + 1), s.longs, total);
    uint64_t wanted = static_cast<uint64_t>(ceil(static_cast<double>(total) * static_cast<double>(top_p)));
    if (wanted < 1) wanted = 1;
    const int bin = find_bin(s, wanted, above, surviving_mass);
    open(bin);
    cut_at(wanted - above, true);
  }

  const uint64_t least = min_p > 0 ? static_cast<uint64_t>(static_cast<double>(min_p) * 4294967296.0) : 0;
  const auto drawn = [&](int64_t i) -> uint64_t {  // weight of token i in the draw
    if (!inside(ordered_bits(z[i]), static_cast<int>(i))) return 0;
    const uint64_t w = weight(z[i]);
    return w >= least ? w : 0;
  };
  // u · total, u = bits / 2^24, rounded down: running > u · total exactly when running > this
  const uint64_t u = random_bits(seeds[b], static_cast<uint64_t>(static_cast<int64_t>(steps[b]))) >> 8;
  uint64_t target = 0;
  int64_t begin = 0, end = V;
  for (int level = 0; level < 2; level++) {  // each warp sums one of 32 parts of [begin, end); the part with the target is the next range
    const int64_t part = (end - begin + 31) / 32, from = begin + warp * part, to = from + part < end ? from + part : end;
    uint64_t sum = 0;
    for (int64_t i = from + lane; i < to; i += 32) sum += drawn(i);
#pragma unroll
    for (int d = 16; d; d >>= 1) sum += __shfl_xor_sync(0xffffffffu, sum, d);
    __syncthreads();
    if (lane == 0) s.longs[warp] = sum;
    __syncthreads();
    if (level == 0) {
      uint64_t total = 0;
      for (int w = 0; w < 32; w++) total += s.longs[w];
      if (total == 0) {  // min-p above 1
        if (thread == 0) finish(row.best);
        return;
      }
      target = (total >> 24) * u + ((total & 0xffffff) * u >> 24);
    }
    int chosen = 0;
    while (chosen < 31 && target >= s.longs[chosen]) target -= s.longs[chosen++];
    begin += chosen * part;
    end = begin + part < end ? begin + part : end;
  }
  if (warp > 0) return;
  for (int64_t base = begin; base < end; base += 32) {
    uint64_t running = base + lane < end ? drawn(base + lane) : 0;
#pragma unroll
    for (int d = 1; d < 32; d <<= 1) {
      const uint64_t other = __shfl_up_sync(0xffffffffu, running, d);
      if (lane >= d) running += other;
    }
    // The first lane whose running sum passes the target.
    int first = running > target ? lane : 32;
#pragma unroll
    for (int d = 16; d; d >>= 1) first = min(first, __shfl_xor_sync(0xffffffffu, first, d));
    if (first < 32) {
      if (lane == 0) finish(static_cast<int>(base + first));
      return;
    }
    target -= __shfl_sync(0xffffffffu, running, 31);
  }
}

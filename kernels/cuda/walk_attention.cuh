// decoder_walk.cu's attention: old keys come into registers before q, k and v are there; three warps turn the heads, sixteen attend tiles of 16 keys by the
// tensor cores, what they found is added up.
#pragma once
#include "walk.cuh"

#if defined(REMORA_EMULATE) || !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)

namespace {
// What everyone has read becomes NONE again, by one warp: all rows of the layer before but h, and the h before that. The fence comes before this block's
// next rows, which everyone needs before the cleared buffers' turn.
template <class T> __device__ __forceinline__ void walk_clear(const uint8_t *shared, uint8_t *workspace, uint32_t now, int lane) {
  const auto rows = [&](int which, uint32_t buffer) { return walk_row<T>(shared, workspace, which, buffer); };
#pragma unroll 1
  for (int phase = 0; phase < 4; phase++) {
    const WalkShare &share = reinterpret_cast<const WalkShare *>(shared + SHARE_AT)[phase];
    const int groups = phase == 2 ? share.count / 2 : share.count;
#pragma unroll 1
    for (int i = lane; i < groups; i += 32) {
      const int at = (share.begin + i) * GROUP_ROWS;
      store_now(rows(phase, phase == 3 ? now : now ^ 1) + at, make_uint4(NONE, NONE, NONE, NONE));
      if (phase == 0 && share.begin + i < share.first) store_now(rows(4, now ^ 1) + at, make_uint4(NONE, NONE, NONE, NONE));
    }
  }
  __threadfence();
}

// One head of q or k, or two side by side, after norm and rotation. A lane has the elements i and i + rotary / 2 of pairs i = lane, lane + 32; what is not
// rotated follows in twos.
template <class T, int D, int MODE> __device__ __forceinline__ void turn(const WalkShape &shape, const T *heads, int count, const float *norm, const float2 *angle, T *to, int lane) {
  constexpr int PAIRS = D / 64;
  const int half = shape.rotary / 2;
  float2 e[2][PAIRS], angles[PAIRS];
  const auto low = [&](int j) { return lane + 32 * j < half ? lane + 32 * j : 2 * (lane + 32 * j); };
  const auto high = [&](int j) { return lane + 32 * j < half ? lane + 32 * j + half : 2 * (lane + 32 * j) + 1; };
#pragma unroll
  for (int j = 0; j < PAIRS; j++) angles[j] = lane + 32 * j < half ? angle[lane + 32 * j] : make_float2(1, 0);
  const auto read = [&] {
    bool missing = false;
#pragma unroll
    for (int h = 0; h < 2; h++)
#pragma unroll
      for (int j = 0; j < PAIRS; j++) {
        const T *const from = heads + (h < count ? h : 0) * D;
        const uint16_t a = load_half_now(from + low(j)), b = load_half_now(from + high(j));
        missing |= a == 0xffff || b == 0xffff;
        e[h][j] = make_float2(to_float(T{a}), to_float(T{b}));
      }
    return missing && !(MODE & NO_WAIT);
  };
  spin(read);
#pragma unroll
  for (int h = 0; h < 2; h++) {
    if (h >= count) break;
    float r = 1;
    if (norm) {
      float squares = 0;
#pragma unroll
      for (int j = 0; j < PAIRS; j++) squares += e[h][j].x * e[h][j].x + e[h][j].y * e[h][j].y;
      r = 1.0f / sqrtf(warp_sum(squares) / static_cast<float>(D) + shape.eps);
    }
#pragma unroll
    for (int j = 0; j < PAIRS; j++) {
      if (norm) e[h][j].x *= r * norm[low(j)], e[h][j].y *= r * norm[high(j)];
      to[h * D + low(j)] = from_float<T>(e[h][j].x * angles[j].x - e[h][j].y * angles[j].y);
      to[h * D + high(j)] = from_float<T>(e[h][j].y * angles[j].x + e[h][j].x * angles[j].y);
    }
  }
  __syncwarp();
}

// How many parts the keys have in this layer, and how many keys a part but the last.
struct WalkKeys {
  int first, count, a_part, parts;
  __device__ __forceinline__ WalkKeys(const WalkShape &shape, int window) {
    constexpr int TOGETHER = ATTEND_WARPS * TILE_KEYS;
    first = window > 0 ? max(0, shape.position + 1 - window) : 0, count = shape.sequence < 0 ? 0 : shape.position + 1 - first;
    a_part = count > shape.most_parts * TOGETHER ? (count + shape.most_parts - 1) / shape.most_parts : TOGETHER;
    parts = count > shape.most_parts * TOGETHER ? shape.most_parts : max(1, (count + TOGETHER - 1) / TOGETHER);
  }
};

// Rotation, cache write and attention of this block's job: (a key head, up to four of its query heads, a part of the keys).
template <class T, int D, int MODE>
__device__ __forceinline__ void walk_attend(uint8_t *shared, uint8_t *workspace, const WalkLayer &layer, uint32_t now, const WalkKeys &keys, const int32_t *block_table) {
  const WalkShape &shape = *reinterpret_cast<const WalkShape *>(shared + SHAPE_AT);
  const auto rows = [&](int which, uint32_t buffer) { return walk_row<T>(shared, workspace, which, buffer); };
  constexpr int STEPS = D / 32, OCTETS = D / 64;
  const int tid = static_cast<int>(this_thread()), lane = tid % 32, warp = tid / 32, g = lane / 4, t = lane % 4, K = shape.K, position = shape.position;
  const WalkJob &job = *reinterpret_cast<const WalkJob *>(shared + JOB_AT);
  const int kv = job.kv, heads = job.heads, begin = keys.first + job.part * keys.a_part, end = min(begin + keys.a_part, keys.first + keys.count);
  const bool has_new = keys.count && end == position + 1;
  __syncthreads();  // the sums have been read
  T *const query = reinterpret_cast<T *>(shared + QUERY_AT);  // [4, D] queries, [D] the new key, [D] the new value
  float2 *const states = reinterpret_cast<float2 *>(shared + STATE_AT);
  uint4 *const k_pages = static_cast<uint4 *>(layer.k_pages), *const v_pages = static_cast<uint4 *>(layer.v_pages);
  // What warps sum, [warp, head, D] f32 in the gaps: in each octet of dims the pairs change places with the dims and the head, so that neither its stores nor
  // the loads of who adds them meet in a bank.
  const auto swap_of = [](int h, int d) { return (d >> 5 & 1) << 3 ^ (h >> 1 & 1) << 4; };
  // Where a key lies, in pieces of 16 bytes.
  const auto place_of = [&](int key) {
    const int page_bits = shape.page_bits, entry = key >> page_bits;
    const int32_t page = entry < MOST_PAGES ? reinterpret_cast<const int32_t *>(shared + PAGES_AT)[entry] : block_table[static_cast<int64_t>(shape.sequence) * shape.blocks_per_sequence + entry];
    return static_cast<uint32_t>((page << page_bits | (key & ((1 << page_bits) - 1))) * K + kv) * (D / 8);
  };
  // A tile: of keys g and g + 8 the dims 8t … 8t + 7 of each 32, of the values 2t, 2t + 1, 2t + 8, 2t + 9 the dims 8g … 8g + 7 of each 64.
  uint4 k[2][STEPS], v[4][OCTETS];
  const auto value_row = [&](int i) { return 2 * t + i % 2 + i / 2 * 8; };
  const auto load_keys = [&](uint32_t place) {
#pragma unroll
    for (int h = 0; h < 2; h++) {
      const uint4 *const from = k_pages + __shfl_sync(0xffffffffu, place, g + 8 * h) + t;
#pragma unroll
      for (int s = 0; s < STEPS; s++) k[h][s] = __ldcg(from + 4 * s);
    }
  };
  const auto load_values = [&](uint32_t place) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
      const uint4 *const from = v_pages + __shfl_sync(0xffffffffu, place, value_row(i)) + g;
#pragma unroll
      for (int o = 0; o < OCTETS; o++) v[i][o] = __ldcg(from + 8 * o);
    }
  };
  int tile = begin + warp * TILE_KEYS;
  if (warp < ATTEND_WARPS && tile < end) {
    // Scores: rows are heads, columns keys; then they are the columns of a product whose rows are dims of the values.
    float top = -REMORA_INFINITY, sum = 0;  // of head g
#pragma unroll 1
    for (bool again = false; tile < end; tile += ATTEND_WARPS * TILE_KEYS, again = true) {
      const uint32_t place = place_of(min(tile + lane % TILE_KEYS, end - 1));
      load_keys(place);
      prefetch_l2(v_pages + place + lane / TILE_KEYS * (D / 16));  // the values come into L2 meanwhile
      if (!again) __syncthreads();  // q, k and v are here
#pragma unroll
      for (int h = 0; h < 2; h++)
        if (min(tile + g + 8 * h, end - 1) == position)
#pragma unroll
          for (int s = 0; s < STEPS; s++) k[h][s] = reinterpret_cast<const uint4 *>(query + 4 * D)[4 * s + t];
      float c[2][4] = {}, score[4];
#pragma unroll
      for (int s = 0; s < STEPS; s++) {
        const uint4 q = g < heads ? reinterpret_cast<const uint4 *>(query + g * D)[4 * s + t] : make_uint4(0, 0, 0, 0);
        const uint32_t even[4] = {q.x, 0, q.y, 0}, odd[4] = {q.z, 0, q.w, 0};
#pragma unroll
        for (int h = 0; h < 2; h++) mma_16x8x16<T>(c[h], even, k[h][s].x, k[h][s].y), mma_16x8x16<T>(c[h], odd, k[h][s].z, k[h][s].w);
      }
      load_values(place);
#pragma unroll
      for (int i = 0; i < 4; i++)
        if (min(tile + value_row(i), end - 1) == position)
#pragma unroll
          for (int o = 0; o < OCTETS; o++) v[i][o] = reinterpret_cast<const uint4 *>(query + 5 * D)[8 * o + g];
      float best = top;
#pragma unroll
      for (int i = 0; i < 4; i++) {
        score[i] = c[i / 2][i % 2] * shape.scale;
        if (shape.softcap > 0) score[i] = shape.softcap * tanh_exp(score[i] / shape.softcap);
        if (tile + value_row(i) >= end) score[i] = -REMORA_INFINITY;
        best = fmaxf(best, score[i]);
      }
      best = fmaxf(best, __shfl_xor_sync(0xffffffffu, best, 1));
      best = fmaxf(best, __shfl_xor_sync(0xffffffffu, best, 2));
      const float old = __expf(top - best);
      top = best, sum *= old;
      // Weights as two numbers of T each, so that none is rounded.
      uint32_t large[2], small[2];
#pragma unroll
      for (int i = 0; i < 2; i++) {
        const float a = __expf(score[2 * i] - best), b = __expf(score[2 * i + 1] - best);
        sum += a + b;
        large[i] = pack2<T>(a, b);
        const float2 there = unpack2<T>(large[i]);
        small[i] = pack2<T>(a - there.x, b - there.y);
      }
      const float factor[2] = {__shfl_sync(0xffffffffu, old, 8 * t % 32), __shfl_sync(0xffffffffu, old, (8 * t + 4) % 32)};  // of heads 2t and 2t + 1
      uint8_t *const mine = gap(shared, ((warp * ATTEND_HEADS + 2 * t) * D + 8 * g) * 4);
#pragma unroll
      for (int o = 0; o < OCTETS; o++) {
        const auto word = [&](int i, int j) { return j == 0 ? v[i][o].x : j == 1 ? v[i][o].y : j == 2 ? v[i][o].z : v[i][o].w; };
#pragma unroll
        for (int j = 0; j < 4; j++) {
          const uint32_t a[4] = {__byte_perm(word(0, j), word(1, j), 0x5410), __byte_perm(word(0, j), word(1, j), 0x7632), __byte_perm(word(2, j), word(3, j), 0x5410), __byte_perm(word(2, j), word(3, j), 0x7632)};
          float product[4] = {};
          mma_16x8x16<T>(product, a, large[0], large[1]);
          mma_16x8x16<T>(product, a, small[0], small[1]);
#pragma unroll
          for (int h = 0; h < 2; h++)
            if (t < 2) {
              float2 *const place = reinterpret_cast<float2 *>(mine + h * (D * 8) + o * 512 + (8 * j ^ swap_of(2 * t, 8 * g))), before = again ? *place : make_float2(0, 0);
              *place = make_float2(before.x * factor[h] + product[h], before.y * factor[h] + product[2 + h]);
            }
        }
      }
    }
    sum += __shfl_xor_sync(0xffffffffu, sum, 1);
    sum += __shfl_xor_sync(0xffffffffu, sum, 2);
    if (t == 0 && g < ATTEND_HEADS) states[this_thread() / 32 * ATTEND_HEADS + g] = make_float2(top, sum);
  } else {
    const int turning = warp - ATTEND_WARPS - 1;
    const float2 *const angle = reinterpret_cast<const float2 *>(layer.rope + static_cast<int64_t>(position) * shape.rotary);
    if ((turning == 0 || turning == 1) && 2 * turning < heads) {
      turn<T, D, MODE>(shape, rows(0, now) + (job.head0 + 2 * turning) * D, heads - 2 * turning, layer.q_norm, angle, query + 2 * turning * D, lane);
    } else if (turning == 2 && has_new) {
      const bool writes = job.is_first && lane < D / 8;
      const T *const from = rows(0, now) + (shape.H + K + kv) * D + lane % (D / 8) * 8;
      uint4 value = load_now(from);
      turn<T, D, MODE>(shape, rows(0, now) + (shape.H + kv) * D, 1, layer.k_norm, angle, query + 4 * D, lane);
      if (!(MODE & NO_WAIT) && any_missing(value)) spin([&] { return any_missing(value = load_now(from)); });
      if (lane < D / 8) reinterpret_cast<uint4 *>(query + 5 * D)[lane] = value;
      if (writes) {
        const uint32_t place = place_of(position) + lane;
        v_pages[place] = value, k_pages[place] = reinterpret_cast<const uint4 *>(query + 4 * D)[lane];
      }
    }
    __syncthreads();
    if (this_thread() / 32 == ATTEND_WARPS) walk_clear<T>(shared, workspace, now, lane);
  }
  __syncthreads();

  // ---- the warps' keys together, then the parts': the last block of a pair that comes adds them, in order ----
  const int warps = min(ATTEND_WARPS, (end - begin + TILE_KEYS - 1) / TILE_KEYS);
  const auto write = [&](int i, float v) {  // by whole warps: element i of the pair's heads
    const uint32_t bits = from_float<T>(v).bits, two = bits | __shfl_down_sync(0xffffffffu, bits, 1) << 16;
    uint4 eight = make_uint4(two, 0, 0, 0);
    eight.y = __shfl_down_sync(0xffffffffu, two, 2), eight.z = __shfl_down_sync(0xffffffffu, two, 4), eight.w = __shfl_down_sync(0xffffffffu, two, 6);
    if (lane % 8 == 0) store_now(rows(4, now) + job.head0 * D + i, eight);
  };
  float *const partial = reinterpret_cast<float *>(rows(EXCHANGED, 0)), *const own = partial + static_cast<int64_t>(job.pair * keys.parts + job.part) * ATTEND_HEADS * (D + 2);
#pragma unroll 1
  for (int i = tid; i < heads * D; i += WALK_THREADS) {
    const int h = i / D, d = i % D;
    float top = -REMORA_INFINITY, sum = 0, value = 0;
#pragma unroll 4
    for (int w = 0; w < warps; w++) top = fmaxf(top, states[w * ATTEND_HEADS + h].x);
#pragma unroll 4
    for (int w = 0; w < warps; w++) {
      const float2 state = states[w * ATTEND_HEADS + h];
      const float factor = __expf(state.x - top);
      sum += factor * state.y, value += factor * *reinterpret_cast<const float *>(gap(shared, (w * ATTEND_HEADS + h) * D * 4 + (d * 4 ^ swap_of(h, d))));
    }
    if (keys.parts == 1) write(i, sum > 0 ? value / sum : 0.0f);
    else {
      own[h * (D + 2) + d] = value;
      if (d == 0) own[h * (D + 2) + D] = top, own[h * (D + 2) + D + 1] = sum;
    }
  }
  if (keys.parts > 1) {
    volatile int *const is_last = reinterpret_cast<volatile int *>(shared + FLAG_AT);
    __threadfence();
    __syncthreads();
    if (tid == 0) *is_last = atomicInc(reinterpret_cast<unsigned int *>(workspace + ARRIVALS_AT) + job.pair, keys.parts - 1) == static_cast<unsigned int>(keys.parts - 1);
    __syncthreads();
    if (*is_last) {
      __threadfence();
#pragma unroll 1
      for (int i = tid; i < heads * D; i += WALK_THREADS) {
        const float *const from = partial + static_cast<int64_t>(job.pair * keys.parts) * ATTEND_HEADS * (D + 2) + i / D * (D + 2);
        float top = -REMORA_INFINITY, sum = 0, value = 0;
#pragma unroll 4
        for (int s = 0; s < keys.parts; s++) top = fmaxf(top, __ldcg(from + s * ATTEND_HEADS * (D + 2) + D));
#pragma unroll 4
        for (int s = 0; s < keys.parts; s++) {
          const float *const one = from + s * ATTEND_HEADS * (D + 2);
          const float factor = __expf(__ldcg(one + D) - top);
          sum += factor * __ldcg(one + D + 1), value += factor * __ldcg(one + i % D);
        }
        write(i, value / sum);
      }
    }
  }
  __syncthreads();  // the gaps and the queries are free
}

template <class T, int D, int MODE> __device__ __forceinline__ void walk_attend_or_clear(uint8_t *shared, uint8_t *workspace, const int32_t *block_table) {
  const WalkStep step(shared);
  const WalkShape &shape = *reinterpret_cast<const WalkShape *>(shared + SHAPE_AT);
  const WalkLayer &layer = layer_of(shared, step.layer);
  const WalkKeys keys(shape, layer.window);
  if (static_cast<int>(blockIdx.x) < shape.jobs * keys.parts) walk_attend<T, D, MODE>(shared, workspace, layer, step.now, keys, block_table);
  else if (this_thread() / 32 == WALK_WARPS - 1) walk_clear<T>(shared, workspace, step.now, this_thread() % 32);
}
}  // namespace
#endif

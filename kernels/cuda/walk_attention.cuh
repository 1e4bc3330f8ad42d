// decoder_walk.cu's attention: a warp turns each head of q and k, sixteen attend tiles of 16 keys, what they found is added up.
#pragma once
#include "walk.cuh"

#if defined(REMORA_EMULATE) || !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)

namespace {
// A head of qkv in f32, after its norm; lane: elements 2 lane, 2 lane + 1, and 64 further.
template <class T, int D, int MODE> __device__ __forceinline__ void Walk<T, D, MODE>::read_head(const T *head, const float *norm, float *to, int lane) {
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
template <class T, int D, int MODE> __device__ __forceinline__ void Walk<T, D, MODE>::clear(uint32_t now, int lane) {
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

template <class T, int D, int MODE> __device__ inline void Walk<T, D, MODE>::attend(const WalkLayer &layer, uint32_t now, int sequence, int position, const int32_t *block_table) {
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
}  // namespace
#endif

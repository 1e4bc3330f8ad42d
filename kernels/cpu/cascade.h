// The f32 sum of an array in the order in which PyTorch adds on an x86 CPU, for means that must equal its own to the bit.
// Source: aten/src/ATen/native/cpu/SumKernel.cpp (cascade_sum) and TensorIteratorReduce.cpp (two_pass_reduction) of PyTorch 2.13.
#pragma once
#include "isa.h"

namespace remora::REMORA_ISA {

// Four vectors of LANES running sums side by side. Each is a cascade of four levels: after 2^power additions a level goes into the one above.
template <int LANES>
static inline float cascade_sum_lanes(const float *x, int64_t count) {
  constexpr int SUMS = 4 * LANES, LEVELS = 4;
  const int64_t vectors = count / LANES, rows = vectors / 4;
  int power = 0;
  while ((int64_t{1} << power) < rows) power++;
  power = power / LEVELS > 4 ? power / LEVELS : 4;
  const int64_t step = int64_t{1} << power;
  float level[LEVELS][SUMS] = {};
  int64_t row = 0;
  while (row + step <= rows) {
    for (const int64_t end = row + step; row < end; row++)
      for (int k = 0; k < SUMS; k++) level[0][k] += x[row * SUMS + k];
    for (int l = 1; l < LEVELS; l++) {
      for (int k = 0; k < SUMS; k++) {
        level[l][k] += level[l - 1][k];
        level[l - 1][k] = 0.0f;
      }
      if ((row & ((step - 1) << (l * power))) != 0) break;
    }
  }
  for (; row < rows; row++)
    for (int k = 0; k < SUMS; k++) level[0][k] += x[row * SUMS + k];
  for (int l = 1; l < LEVELS; l++)
    for (int k = 0; k < SUMS; k++) level[0][k] += level[l][k];
  for (int64_t v = 4 * rows; v < vectors; v++)
    for (int k = 0; k < LANES; k++) level[0][k] += x[v * LANES + k];
  for (int v = 1; v < 4; v++)
    for (int k = 0; k < LANES; k++) level[0][k] += level[0][v * LANES + k];
  float total = 0.0f;
  for (int64_t i = vectors * LANES; i < count; i++) total += x[i];
  for (int k = 0; k < LANES; k++) total += level[0][k];
  return total;
}
static inline float cascade_sum_serial(const float *x, int64_t count) {
  return count < 8 ? cascade_sum_lanes<1>(x, count) : cascade_sum_lanes<8>(x, count);
}

// From GRAIN values on, each of as many threads as the context has adds up a stretch, and their sums are added up the same way.
static inline float cascade_sum(remora_context *ctx, const float *x, int64_t count) {
  constexpr int64_t GRAIN = 32768;
  const int64_t threads = thread_count(ctx);
  if (count < GRAIN || threads == 1) return cascade_sum_serial(x, count);
  float *sums = static_cast<float *>(scratch(ctx, 0, threads * 4));
  if (sums == nullptr) return __builtin_nanf("");
  const int64_t most = (count + GRAIN - 1) / GRAIN, parts = threads < most ? threads : most, length = (count + parts - 1) / parts;
  parallel_for(ctx, threads, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t p = begin; p < end; p++) {
      const int64_t from = p * length, left = count - from;
      sums[p] = left <= 0 ? 0.0f : cascade_sum_serial(x + from, left < length ? left : length);
    }
  });
  return cascade_sum_serial(sums, threads);
}

}  // namespace remora::REMORA_ISA

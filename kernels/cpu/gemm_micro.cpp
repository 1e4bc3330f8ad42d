// Micro-kernels: a tile of up to MR rows × NR columns of f32 sums held in registers while a panel of A and a tile of B stream past.
// Limit: the multiply-add units. Per step 2 vectors of B and `rows` broadcasts of A are loaded for 2·rows multiply-adds.
#include "gemm.h"

namespace remora::REMORA_ISA {
namespace {

constexpr int PREFETCH_STEPS = 32;  // of A; a few lines ahead, and beyond the end into the next panel (measured: +2%)

template <Kind KIND>
REMORA_INLINE V multiply_add(V a, V b, V sum) {
#if REMORA_IS_AVX512_BF16
  if constexpr (KIND == Kind::BF16) return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
#endif
  return fma(a, b, sum);
}

template <Kind KIND, int ROWS, int VECTORS>
void micro(const Segment *segments, int count, float *c, bool accumulate) {
  V sum[ROWS][VECTORS];
#pragma GCC unroll 16
  for (int i = 0; i < ROWS; i++) {
#pragma GCC unroll 2
    for (int v = 0; v < VECTORS; v++) sum[i][v] = accumulate ? load(c + i * NR + v * W) : zero();
  }
  int64_t ahead = ROWS * PREFETCH_STEPS;
  // Kept in a register: folded into the addresses, it makes every load of the loop three bytes longer, and AVX2 may then wait for instructions
  // (measured alone on Zen 4: 73 instead of 105 GFLOP/s).
  __asm__("" : "+r"(ahead));
  for (const Segment *segment = segments; segment < segments + count; segment++) {
    const float *a = segment->a, *b = segment->b;
    for (int64_t k = segment->steps; k > 0; k--, a += ROWS, b += NR) {
      __builtin_prefetch(a + ahead);
      V column[VECTORS];
#pragma GCC unroll 2
      for (int v = 0; v < VECTORS; v++) column[v] = load(b + v * W);
#pragma GCC unroll 16
      for (int i = 0; i < ROWS; i++) {
        const V row = splat(a[i]);
#pragma GCC unroll 2
        for (int v = 0; v < VECTORS; v++) sum[i][v] = multiply_add<KIND>(row, column[v], sum[i][v]);
      }
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < ROWS; i++) {
#pragma GCC unroll 2
    for (int v = 0; v < VECTORS; v++) store(c + i * NR + v * W, sum[i][v]);
  }
}

using Micro = void (*)(const Segment *, int, float *, bool);
template <Kind KIND, int VECTORS>
struct Table {
  static constexpr Micro OF_ROWS[15] = {
      nullptr,
      micro<KIND, 1, VECTORS>,
      micro<KIND, 2, VECTORS>,
      micro<KIND, 3, VECTORS>,
      micro<KIND, 4, VECTORS>,
#if REMORA_LEVEL >= 2
      micro<KIND, 5, VECTORS>,
      micro<KIND, 6, VECTORS>,
#if !REMORA_IS_AVX2
      micro<KIND, 7, VECTORS>,
      micro<KIND, 8, VECTORS>,
      micro<KIND, 9, VECTORS>,
      micro<KIND, 10, VECTORS>,
      micro<KIND, 11, VECTORS>,
      micro<KIND, 12, VECTORS>,
#if REMORA_IS_AVX512
      micro<KIND, 13, VECTORS>,
      micro<KIND, 14, VECTORS>,
#endif
#endif
#endif
  };
};

}  // namespace

void micro_kernel(Kind kind, int rows, int vectors, const Segment *segments, int count, float *c, bool accumulate) {
#if REMORA_IS_AVX512_BF16
  if (kind == Kind::BF16) {
    (vectors == 1 ? Table<Kind::BF16, 1>::OF_ROWS : Table<Kind::BF16, 2>::OF_ROWS)[rows](segments, count, c, accumulate);
    return;
  }
#endif
  (void)kind;
  (vectors == 1 ? Table<Kind::F32, 1>::OF_ROWS : Table<Kind::F32, 2>::OF_ROWS)[rows](segments, count, c, accumulate);
}

}  // namespace remora::REMORA_ISA

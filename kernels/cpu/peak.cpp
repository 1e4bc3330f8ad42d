// remora_measure_peak: the highest multiply-add rate by registers alone, the ceiling against which products are measured.
#include <time.h>

#include "isa.h"

namespace remora::REMORA_ISA {
namespace {

// Independent sums: more than the latency times the throughput of any multiply-add unit, and few enough to stay in registers.
#if REMORA_IS_AVX512
constexpr int SUMS = 24;
#elif REMORA_IS_NEON
constexpr int SUMS = 24;
#else
constexpr int SUMS = 12;
#endif
constexpr int REPEATS = 20000;

REMORA_INLINE V keep_in_register(V x) {  // so that the loop is neither folded nor moved to memory
#if REMORA_LEVEL >= 4
  __asm__ volatile("" : "+v"(x));
#elif defined(__x86_64__)
  __asm__ volatile("" : "+x"(x));
#elif defined(__aarch64__)
  __asm__ volatile("" : "+w"(x));
#endif
  return x;
}

template <bool PAIRS>
void burn() {
  V sum[SUMS], a = splat(0.0f), b = splat(0.0f);
  for (int i = 0; i < SUMS; i++) sum[i] = zero();
  for (int r = 0; r < REPEATS; r++) {
    a = keep_in_register(a);
    b = keep_in_register(b);
#pragma GCC unroll 24
    for (int i = 0; i < SUMS; i++) {
#if REMORA_IS_AVX512_BF16
      if constexpr (PAIRS) {
        sum[i] = _mm512_dpbf16_ps(sum[i], (__m512bh)a, (__m512bh)b);
        continue;
      }
#endif
      sum[i] = fma(a, b, sum[i]);
    }
  }
  for (int i = 0; i < SUMS; i++) keep_in_register(sum[i]);
}

double seconds_now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

}  // namespace

int32_t measure_peak(remora_context *ctx, double *gflops, int32_t kind, double seconds) {
  if (gflops == nullptr) return fail(ctx, REMORA_STATUS_ARGUMENT, "measure_peak: the result pointer is NULL");
  if (kind != REMORA_F32 && kind != REMORA_BF16) return fail(ctx, REMORA_STATUS_DTYPE, "measure_peak: expected f32 or bf16 (0, 1), found %d", kind);
  const bool pairs = REMORA_IS_AVX512_BF16 && kind == REMORA_BF16;
  const double operations = 2.0 * SUMS * W * REPEATS * (pairs ? 2 : 1) * thread_count(ctx);
  double best = 0;
  const double end = seconds_now() + seconds;
  do {  // the best short stretch: the rate of the processor, not of what else runs on it
    const double start = seconds_now();
    parallel_threads(ctx, [&](int) {
#if REMORA_IS_AVX512_BF16
      if (pairs) return burn<true>();
#endif
      burn<false>();
    });
    const double rate = operations / (seconds_now() - start);
    if (rate > best) best = rate;
  } while (seconds_now() < end);
  *gflops = best * 1e-9;
  return REMORA_OK;
}

void fill_peak(Kernels &k) { k.measure_peak = measure_peak; }

}  // namespace remora::REMORA_ISA

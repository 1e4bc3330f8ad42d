// build: once
// Run-time choice of the ISA, by cpuid (which also answers correctly under valgrind, whose processor has no AVX-512) and REMORA_CPU.
#include "dispatch.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "families.h"  // made by scripts/build-kernels.mjs: REMORA_ISA_LIST, REMORA_HAS_REFERENCE
#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__linux__)
#include <sched.h>
#endif
#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#else
#include <unistd.h>
#endif

namespace remora {

#define REMORA_DECLARE_TABLE(isa) extern const Kernels *kernels_##isa();
REMORA_ISA_LIST(REMORA_DECLARE_TABLE)
#undef REMORA_DECLARE_TABLE
#if REMORA_HAS_REFERENCE
extern const Kernels *kernels_reference();
#endif

namespace {

struct Entry {
  int32_t isa;
  const char *name;     // value of REMORA_CPU
  const char *symbol;   // name of the table, as in REMORA_ISA_LIST
};
// From slow to fast: best_isa() takes the last one available.
constexpr Entry ENTRIES[] = {
    {REMORA_ISA_REFERENCE, "reference", "reference"}, {REMORA_ISA_SCALAR, "scalar", "scalar"},
    {REMORA_ISA_NEON, "neon", "neon"},                {REMORA_ISA_AVX2, "avx2", "avx2"},
    {REMORA_ISA_AVX512, "avx512", "avx512"},          {REMORA_ISA_AVX512_BF16, "avx512-bf16", "avx512_bf16"},
};

#if defined(__x86_64__)
// Asked of the processor itself: __builtin_cpu_supports reads a table of the compiler's run-time library, which not every compiler fills.
struct X64Features {
  bool avx2, avx512, bf16;

  X64Features() : avx2(false), avx512(false), bf16(false) {
    unsigned a, b, c, d, eax7, ebx7, ecx7, edx7;
    if (__get_cpuid(1, &a, &b, &c, &d) == 0 || !has(c, 27)) return;  // bit 27: the system saves wide registers and xgetbv says which
    unsigned low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    if (__get_cpuid_count(7, 0, &eax7, &ebx7, &ecx7, &edx7) == 0) return;
    // fma, avx, f16c; avx2; the system saves xmm and ymm
    avx2 = has(c, 12) && has(c, 28) && has(c, 29) && has(ebx7, 5) && (low & 0x06) == 0x06;
    // f, dq, bw, vl; the system saves the masks and both halves of zmm
    avx512 = avx2 && has(ebx7, 16) && has(ebx7, 17) && has(ebx7, 30) && has(ebx7, 31) && (low & 0xE6) == 0xE6;
    if (avx512 && eax7 >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0) bf16 = has(a, 5);
  }
  static bool has(unsigned word, int bit) { return ((word >> bit) & 1u) != 0; }
};
#endif

bool machine_runs(int32_t isa) {
#if defined(__x86_64__)
  const X64Features machine;
  if (isa == REMORA_ISA_AVX2) return machine.avx2;
  if (isa == REMORA_ISA_AVX512) return machine.avx512;
  if (isa == REMORA_ISA_AVX512_BF16) return machine.bf16;
#elif defined(__aarch64__)
  if (isa == REMORA_ISA_NEON) return true;  // part of the base architecture
#endif
  return isa == REMORA_ISA_REFERENCE || isa == REMORA_ISA_SCALAR;
}

const Kernels *table(const Entry &entry) {
#define REMORA_MATCH(isa) \
  if (std::strcmp(entry.symbol, #isa) == 0) return kernels_##isa();
  REMORA_ISA_LIST(REMORA_MATCH)
#undef REMORA_MATCH
#if REMORA_HAS_REFERENCE
  if (entry.isa == REMORA_ISA_REFERENCE) return kernels_reference();
#endif
  return nullptr;
}

#if defined(__linux__)
// Whole cores of a control group (v2) quota, or 0 when there is none.
int quota_cores() {
  FILE *file = std::fopen("/sys/fs/cgroup/cpu.max", "r");
  if (file == nullptr) return 0;
  long long quota = 0, period = 0;
  const int fields = std::fscanf(file, "%lld %lld", &quota, &period);  // "max 100000" reads no field
  std::fclose(file);
  return fields == 2 && quota > 0 && period > 0 ? static_cast<int>((quota + period - 1) / period) : 0;
}
#endif

}  // namespace

const Kernels *kernels_for(int32_t isa) {
  for (const Entry &entry : ENTRIES) {
    if (entry.isa == isa) return machine_runs(isa) ? table(entry) : nullptr;
  }
  return nullptr;
}

int32_t best_isa() {
  int32_t best = REMORA_ISA_SCALAR;
  for (const Entry &entry : ENTRIES) {
    if (entry.isa != REMORA_ISA_REFERENCE && kernels_for(entry.isa) != nullptr) best = entry.isa;
  }
  return best;
}

int32_t resolve_isa(int32_t isa) {
  if (isa != REMORA_ISA_AUTO) return isa;
  const char *wanted = std::getenv("REMORA_CPU");
  if (wanted == nullptr || *wanted == '\0') return best_isa();
  for (const Entry &entry : ENTRIES) {
    if (std::strcmp(entry.name, wanted) == 0) return entry.isa;
  }
  return -1;
}

int available_cores() {
#if defined(_WIN32)
  int cores = static_cast<int>(GetActiveProcessorCount(ALL_PROCESSOR_GROUPS));
#else
  int cores = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
#endif
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) cores = CPU_COUNT(&set);
  const int quota = quota_cores();
  if (quota > 0 && quota < cores) cores = quota;
#endif
  return cores > 0 ? cores : 1;
}

}  // namespace remora

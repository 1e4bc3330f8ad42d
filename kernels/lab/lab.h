// Small tools of the kernel lab: random data, number formats, an f64 oracle's helpers, and timing on a machine that others use too.
#pragma once
#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "../include/remora.h"

namespace lab {

inline uint32_t random_state = 12345;
inline uint32_t random_word() {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 17;
  return random_state ^= random_state << 5;
}
inline float random_value() { return static_cast<float>(static_cast<int32_t>(random_word() >> 8)) * (2.0f / 16777216.0f) - 1.0f; }

inline uint16_t to_bf16(float f) {
  uint32_t u;
  memcpy(&u, &f, 4);
  return static_cast<uint16_t>((u + 0x7FFFu + ((u >> 16) & 1u)) >> 16);
}
inline float from_bf16(uint16_t b) {
  const uint32_t u = static_cast<uint32_t>(b) << 16;
  float f;
  memcpy(&f, &u, 4);
  return f;
}
#if defined(__aarch64__)
typedef __fp16 Half;  // g++ 12 has no _Float16 in C++ there
#else
typedef _Float16 Half;
#endif
inline uint16_t to_f16(float f) {
  const Half h = static_cast<Half>(f);
  uint16_t b;
  memcpy(&b, &h, 2);
  return b;
}
inline float from_f16(uint16_t b) {
  Half h;
  memcpy(&h, &b, 2);
  return static_cast<float>(h);
}

// An array of activations in one of the three dtypes, readable as f64 whatever it holds. Memory as the runtime gives it: 64-byte aligned,
// huge pages advised.
class Array {
 public:
  Array(int64_t count, int32_t dtype) : dtype(dtype), count_(count), memory_(remora_allocate(count * (dtype == REMORA_F32 ? 4 : 2))) {
    remora_fill_zero(memory_, count * (dtype == REMORA_F32 ? 4 : 2));
  }
  Array(Array &&other) noexcept : dtype(other.dtype), count_(other.count_), memory_(other.memory_) { other.memory_ = nullptr; }
  Array &operator=(Array &&other) noexcept {
    std::swap(dtype, other.dtype);
    std::swap(count_, other.count_);
    std::swap(memory_, other.memory_);
    return *this;
  }
  ~Array() { remora_release(memory_, 0); }
  void set(int64_t i, float v) {
    if (dtype == REMORA_F32) static_cast<float *>(memory_)[i] = v;
    else static_cast<uint16_t *>(memory_)[i] = dtype == REMORA_BF16 ? to_bf16(v) : to_f16(v);
  }
  double at(int64_t i) const {
    if (dtype == REMORA_F32) return static_cast<float *>(memory_)[i];
    const uint16_t bits = static_cast<uint16_t *>(memory_)[i];
    return dtype == REMORA_BF16 ? from_bf16(bits) : from_f16(bits);
  }
  int64_t count() const { return count_; }
  void *data() const { return memory_; }
  void randomize(float scale = 1.0f) {
    for (int64_t i = 0; i < count_; i++) set(i, random_value() * scale);
  }
  void poison() {
    for (int64_t i = 0; i < count_; i++) set(i, NAN);
  }

  int32_t dtype;

 private:
  int64_t count_;
  void *memory_;
};

// Root of Σ(difference²)/Σ(expected²); NaN counts as infinitely wrong.
struct Difference {
  double error = 0, size = 0, worst = 0;
  void add(double found, double expected) {
    if (!(std::fabs(found) < 1e30)) error += 1e60;
    else error += (found - expected) * (found - expected), worst = std::max(worst, std::fabs(found - expected));
    size += expected * expected;
  }
  double relative() const { return std::sqrt(error / (size + 1e-30)); }
};

inline double now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}
// Processor time of all threads: other processes do not count in it.
inline double cpu_time() {
  timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

struct Timing {
  double wall, cpu;  // seconds, medians; cpu is the sum over threads
};
template <class F>
Timing time_it(const F &f, double budget = 0.4, int fewest = 5) {
  f();
  std::vector<double> wall, cpu;
  for (double total = 0; total < budget || static_cast<int>(wall.size()) < fewest;) {
    const double w = now(), c = cpu_time();
    f();
    wall.push_back(now() - w);
    cpu.push_back(cpu_time() - c);
    total += wall.back();
  }
  std::sort(wall.begin(), wall.end());
  std::sort(cpu.begin(), cpu.end());
  return {wall[wall.size() / 2], cpu[cpu.size() / 2]};
}

struct IsaName {
  int32_t isa;
  const char *name;
};
constexpr IsaName ISAS[] = {{REMORA_ISA_AVX512_BF16, "avx512-bf16"}, {REMORA_ISA_AVX512, "avx512"}, {REMORA_ISA_AVX2, "avx2"},
                            {REMORA_ISA_NEON, "neon"},               {REMORA_ISA_SCALAR, "scalar"}};

}  // namespace lab

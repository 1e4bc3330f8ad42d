// Checks and timings of the CUDA kernels: arrays with guards and poison, comparison with kernels/reference, the result table.
// A case gives its outputs and a function that uploads what it changes and launches; it is run twice, the bits must be equal (but where it says
// that its sums have no fixed order).
#pragma once
#include <cmath>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>
#include "../../cpu/kernels.h"
#include "device.h"

namespace check {
constexpr int F32 = REMORA_F32, BF16 = REMORA_BF16, F16 = REMORA_F16, U8 = 100, I32 = 101, F64 = 102;
inline size_t bytes_of(int dtype) { return dtype == F32 || dtype == I32 ? 4 : dtype == U8 ? 1 : dtype == F64 ? 8 : 2; }
inline const char *suffix(int dtype) { return dtype == F32 ? "f32" : dtype == BF16 ? "bf16" : "f16"; }

extern const remora::Kernels reference;  // reference_table.cpp
remora_context *reference_context();

double get(const void *array, int64_t i, int dtype);
void put(void *array, int64_t i, int dtype, double value);

// Host copy and device copy of one array; 256 guard bytes before and after on the device.
struct Array {
  int dtype = F32;
  int64_t count = 0;
  std::vector<uint8_t> host;
  uint8_t *memory = nullptr;
  Array() = default;
  Array(int dtype, int64_t count);
  ~Array();
  Array(Array &&other) noexcept;
  Array &operator=(Array &&other) noexcept;
  Array(const Array &) = delete;
  template <class T = void> T *dev() const { return reinterpret_cast<T *>(memory + 256); }
  template <class T = void> T *ptr() { return reinterpret_cast<T *>(host.data()); }
  template <class T = void> const T *ptr() const { return reinterpret_cast<const T *>(host.data()); }
  double at(int64_t i) const { return get(host.data(), i, dtype); }
  void push();    // host → device
  void poison();  // device ← 0xff (NaN)
  void pull();    // device → host; fails the program when a guard was overwritten
};
uint64_t next_random();
double uniform(double low, double high);
double normal();
Array random_array(int dtype, int64_t count, double deviation = 1.0);
Array uniform_array(int dtype, int64_t count, double low, double high);
Array int_array(const std::vector<int32_t> &values);
Array byte_array(int64_t count);
inline Array empty_array(int dtype, int64_t count) { return Array(dtype, count); }

struct Output {
  Array *got;
  Array *want;       // computed by the reference, same dtype and count
  double tolerance;  // on ‖got − want‖ / ‖want‖ (0: equal bits)
};
bool selected(const std::string &name);
// `prepare` restores inputs that the kernel changes and poisons outputs; `run` launches.
void check_case(const std::string &name, const std::vector<Output> &outputs, const std::function<void()> &prepare, const std::function<void()> &run, bool fixed_order = true);
void report(const std::string &name, bool good, const std::string &detail);

extern bool benchmarking;
// Adds a row to the timing table: bytes moved and floating-point operations of one call.
void bench(const std::string &name, double bytes, double operations, const std::function<void()> &run, int inner = 4);
// The same for a step captured in a graph (device_time_step); `run` is the whole step.
void bench_step(const std::string &name, double bytes, const std::function<void()> &run, bool early);
double tolerance_of(int dtype, double f32 = 2e-6, double bf16 = 4e-3, double f16 = 6e-4);

struct Family {
  const char *name;
  void (*check)();
  void (*bench)();
};
extern const Family families[];
extern const int family_count;
}  // namespace check

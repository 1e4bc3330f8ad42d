// What a kernel may use of its context: parallel loops, scratch memory and error text.
// A context owns a persistent thread pool (workers spin about 50 µs, then park) and its scratch; kernels allocate nothing else.
//
// Everything inline here has internal linkage on purpose: this header is compiled once per ISA, and a shared inline function
// would let the linker keep the copy made with AVX-512 and call it from the AVX2 kernels.
#pragma once
#include <cmath>
#include <cstdint>
#include "kernels.h"

namespace remora {

// A borrowed callable: two pointers, no allocation. The callee must not keep it after the call.
template <class Signature>
class FunctionRef;
template <class... Args>
class FunctionRef<void(Args...)> {
 public:
  template <class F>
  FunctionRef(const F &function)
      : object_(&function), call_([](const void *object, Args... args) { (*static_cast<const F *>(object))(args...); }) {}
  void operator()(Args... args) const { call_(object_, args...); }

 private:
  const void *object_;
  void (*call_)(const void *, Args...);
};

// Runs body(begin, end, thread) over [0, count) in pieces of at least `grain`, taken from an atomic queue. Which thread runs a piece varies;
// the piece bounds do not (they depend on count, grain and the thread count only), so results that are combined per piece are deterministic.
// Not from inside another parallel body.
void parallel_for(remora_context *ctx, int64_t count, int64_t grain, FunctionRef<void(int64_t begin, int64_t end, int thread)> body);
// Runs body(thread) once on each thread of the context at the same time (for kernels with phases of their own).
void parallel_threads(remora_context *ctx, FunctionRef<void(int thread)> body);

int thread_count(const remora_context *ctx);

// Scratch shared by the call, and scratch of one thread; 64-byte aligned, contents undefined, valid until the next op on the context.
// `slot` (0 … 7) separates arrays that live at the same time. Grows and is kept. nullptr when memory is refused.
// scratch() is for the calling thread outside parallel bodies; thread_scratch(thread) for that thread inside them.
void *scratch(remora_context *ctx, int slot, int64_t bytes);
void *thread_scratch(remora_context *ctx, int thread, int slot, int64_t bytes);

// Writes the message (printf style) to the context and returns status.
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
int32_t fail(remora_context *ctx, int32_t status, const char *format, ...);

// Counter-based random numbers: the same on every ISA and device. Used by dropout, random and sample.
//   hash(seed, index) -> 32 uniform bits: splitmix64 of (seed + index · 0x9E3779B97F4A7C15), upper half.
static inline uint32_t random_bits(uint64_t seed, uint64_t index) {
  uint64_t z = seed + (index + 1) * 0x9E3779B97F4A7C15ull;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return static_cast<uint32_t>((z ^ (z >> 31)) >> 32);
}
static inline float random_uniform(uint64_t seed, uint64_t index) {  // [0, 1)
  return static_cast<float>(random_bits(seed, index) >> 8) * (1.0f / 16777216.0f);
}
// Standard normal by Box and Muller from the uniforms 2·index and 2·index + 1, in f64 so that libraries agree after rounding to f32.
static inline float random_normal(uint64_t seed, uint64_t index) {
  const double u = 1.0 - static_cast<double>(random_uniform(seed, 2 * index));  // (0, 1]
  const double angle = 6.283185307179586476925 * static_cast<double>(random_uniform(seed, 2 * index + 1));
  return static_cast<float>(std::sqrt(-2.0 * std::log(u)) * std::cos(angle));
}

}  // namespace remora

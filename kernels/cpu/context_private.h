// What a context is made of. Only context.cpp and api.cpp look inside; kernels use context.h.
#pragma once
#include <atomic>

#include "context.h"
#include "thread_pool.h"

namespace remora {
constexpr int SCRATCH_SLOTS = 8;
struct Scratch {
  void *memory = nullptr;
  int64_t bytes = 0;
};
struct alignas(64) ThreadScratch {
  Scratch slots[SCRATCH_SLOTS];
};
}  // namespace remora

struct remora_context {
  remora_context(const remora::Kernels *kernels, int32_t isa, int threads) : kernels(kernels), isa(isa), pool(threads) {}
  ~remora_context();

  const remora::Kernels *kernels;
  int32_t isa;
  char error[512] = "";
  remora::Scratch shared[remora::SCRATCH_SLOTS];
  remora::ThreadScratch *of_thread = nullptr;  // [pool.size()]
  std::atomic<int64_t> scratch_bytes{0};
  remora::ThreadPool pool;  // last: its workers stop before the scratch goes
};

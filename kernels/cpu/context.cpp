// build: once
// The context: one kernel table, one thread pool, growing scratch blocks, one error text.
#include "context.h"

#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <new>

#include "context_private.h"
#include "dispatch.h"
#include "memory.h"

namespace remora {
namespace {

constexpr int PIECES_PER_THREAD = 8;  // enough for the queue to even out a busy core, few enough to cost nothing
constexpr int MAX_THREADS = 1024;

// Grows by at least half so that slowly growing sizes (a cache during decoding) do not reallocate at each call.
void *grow(remora_context *ctx, Scratch &block, int64_t bytes) {
  if (bytes <= block.bytes) return block.memory;
  int64_t wanted = block.bytes + block.bytes / 2;
  if (wanted < bytes) wanted = bytes;
  if (wanted < 4096) wanted = 4096;
  release_aligned(block.memory);
  ctx->scratch_bytes.fetch_sub(block.bytes);
  block.bytes = 0;
  block.memory = allocate_aligned(wanted);
  if (block.memory == nullptr && wanted > bytes) block.memory = allocate_aligned(wanted = bytes);
  if (block.memory == nullptr) return nullptr;
  block.bytes = wanted;
  ctx->scratch_bytes.fetch_add(wanted);
  return block.memory;
}

}  // namespace

void parallel_threads(remora_context *ctx, FunctionRef<void(int)> body) { ctx->pool.run(body); }

void parallel_for(remora_context *ctx, int64_t count, int64_t grain, FunctionRef<void(int64_t, int64_t, int)> body) {
  if (count <= 0) return;
  int64_t pieces = count / (grain > 0 ? grain : 1);
  const int64_t most = static_cast<int64_t>(ctx->pool.size()) * PIECES_PER_THREAD;
  if (pieces > most) pieces = most;
  if (pieces <= 1 || ctx->pool.size() == 1) {
    if (pieces < 1) pieces = 1;
    // The same pieces as with more threads would be pointless here, but a fixed split costs nothing and keeps one rule.
    for (int64_t p = 0; p < pieces; p++) body(count * p / pieces, count * (p + 1) / pieces, 0);
    return;
  }
  std::atomic<int64_t> next{0};
  ctx->pool.run([&](int thread) {
    for (int64_t p; (p = next.fetch_add(1, std::memory_order_relaxed)) < pieces;) {
      body(count * p / pieces, count * (p + 1) / pieces, thread);
    }
  });
}

int thread_count(const remora_context *ctx) { return ctx->pool.size(); }

void *scratch(remora_context *ctx, int slot, int64_t bytes) { return grow(ctx, ctx->shared[slot], bytes); }

void *thread_scratch(remora_context *ctx, int thread, int slot, int64_t bytes) {
  return grow(ctx, ctx->of_thread[thread].slots[slot], bytes);
}

int32_t fail(remora_context *ctx, int32_t status, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(ctx->error, sizeof(ctx->error), format, arguments);
  va_end(arguments);
  return status;
}

}  // namespace remora

remora_context::~remora_context() {
  for (remora::Scratch &block : shared) remora::release_aligned(block.memory);
  for (int t = 0; of_thread != nullptr && t < pool.size(); t++) {
    for (remora::Scratch &block : of_thread[t].slots) remora::release_aligned(block.memory);
  }
  remora::release_aligned(of_thread);
}

extern "C" {

remora_context *remora_context_create(int32_t isa, int32_t threads) {
  using namespace remora;
  isa = resolve_isa(isa);
  const Kernels *kernels = kernels_for(isa);
  if (kernels == nullptr || threads < 0 || threads > MAX_THREADS) return nullptr;
  if (threads == 0) threads = available_cores();
  if (isa == REMORA_ISA_REFERENCE) threads = 1;
  // allocate_aligned and placement: operator new would need a C++ run-time library
  void *memory = allocate_aligned(sizeof(remora_context));
  if (memory == nullptr) return nullptr;
  auto *ctx = new (memory) remora_context(kernels, isa, threads);
  const int workers = ctx->pool.size();
  ctx->of_thread = static_cast<ThreadScratch *>(allocate_aligned(static_cast<int64_t>(workers) * sizeof(ThreadScratch)));
  if (ctx->of_thread == nullptr) {
    remora_context_destroy(ctx);
    return nullptr;
  }
  for (int t = 0; t < workers; t++) new (&ctx->of_thread[t]) ThreadScratch;
  return ctx;
}

void remora_context_destroy(remora_context *ctx) {
  if (ctx == nullptr) return;
  ctx->~remora_context();
  remora::release_aligned(ctx);
}

int32_t remora_context_isa(const remora_context *ctx) { return ctx == nullptr ? -1 : ctx->isa; }

int32_t remora_context_threads(const remora_context *ctx) { return ctx == nullptr ? 0 : ctx->pool.size(); }

int64_t remora_context_scratch_bytes(const remora_context *ctx) { return ctx == nullptr ? 0 : ctx->scratch_bytes.load(); }

const char *remora_context_error(const remora_context *ctx) { return ctx == nullptr ? "" : ctx->error; }

int32_t remora_abi_version(void) { return REMORA_ABI_VERSION; }

int32_t remora_best_isa(void) { return remora::best_isa(); }

int32_t remora_isa_available(int32_t isa) { return remora::kernels_for(isa) != nullptr ? 1 : 0; }

}  // extern "C"

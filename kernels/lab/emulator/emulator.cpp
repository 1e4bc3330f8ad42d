// The emulator's scheduler: fibers, barriers' bookkeeping, pending asynchronous copies, and the entry the check program calls.
#define REMORA_EMULATOR_CORE
#include "emulator.h"
#undef __shared__
#include <stdlib.h>
#include <sys/mman.h>
#include <algorithm>
#include <functional>
#include <vector>

namespace emu {
Machine remora_emulated_machine;
namespace {
struct Copy { uint32_t target; const void *source; uint32_t bytes, valid; };
struct Addition { float *target; uint32_t source, bytes; };
struct Fiber {
  void *sp;
  uint8_t *stack;
  Dim3 thread;
  bool done;
  std::vector<std::vector<Copy>> groups;
  std::vector<Copy> open;
  std::vector<Addition> additions;
};
constexpr size_t kStackBytes = 256 << 10;
// A block that has begun. One runs after the other, but when no thread of those that have begun can go on, the next begins beside them: a kernel whose
// blocks wait for each other needs all of them.
struct Block {
  Fiber fibers[kMaxThreads];
  uint8_t *shared_memory;
  Machine machine;  // while another block runs
  uint64_t last;    // its progress after its last turn
};
std::vector<Block *> pool;
Fiber *fibers;  // of the running block
void *scheduler_sp;
const std::function<void()> *body;
int running;
}  // namespace
}  // namespace emu

extern "C" void remora_emulated_switch(void **save, void *load);
asm(R"(
.text
.globl remora_emulated_switch
.type remora_emulated_switch,@function
remora_emulated_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
)");

namespace emu {
extern "C" void remora_emulated_yield() { remora_emulated_switch(&fibers[running].sp, scheduler_sp); }
extern "C" void remora_emulated_fail(const char *message) {
  const Machine &m = machine();
  fprintf(stderr, "emulator: %s: block (%u,%u,%u) thread %d\n", message, m.block.x, m.block.y, m.block.z, m.linear);
  abort();
}
static void fiber_main() {
  (*body)();
  Fiber &f = fibers[running];
  if (!f.additions.empty()) remora_emulated_fail("a thread returned before its bulk additions had read shared memory");
  f.done = true;
  machine().live--;
  machine().progress++;
  remora_emulated_yield();
}
extern "C" void remora_emulated_copy_async(uint32_t target, const void *source, uint32_t bytes, uint32_t valid) {
  if (target % bytes) remora_emulated_fail("cp.async target misaligned");
  if (valid && reinterpret_cast<uintptr_t>(source) % bytes) remora_emulated_fail("cp.async source misaligned");
  memset(shared_pointer(target, bytes), 0xff, bytes);  // NaN until waited for
  fibers[running].open.push_back({target, source, bytes, valid});
}
extern "C" void remora_emulated_copy_commit() {
  Fiber &f = fibers[running];
  f.groups.push_back(f.open);
  f.open.clear();
}
extern "C" void remora_emulated_copy_wait(int groups_left) {
  Fiber &f = fibers[running];
  while (static_cast<int>(f.groups.size()) > groups_left) {
    for (const Copy &c : f.groups.front()) {
      uint8_t *t = shared_pointer(c.target, c.bytes);
      if (c.valid) memcpy(t, c.source, c.valid);
      memset(t + c.valid, 0, c.bytes - c.valid);
    }
    f.groups.erase(f.groups.begin());
  }
}
extern "C" void remora_emulated_bulk_add(float *target, uint32_t source, uint32_t bytes) {
  if (source % 16 || bytes % 16 || reinterpret_cast<uintptr_t>(target) % 16) remora_emulated_fail("bulk addition misaligned");
  fibers[running].additions.push_back({target, source, bytes});
}
extern "C" void remora_emulated_bulk_add_wait() {
  for (const Addition &a : fibers[running].additions) {
    const float *source = reinterpret_cast<const float *>(shared_pointer(a.source, a.bytes));
    for (uint32_t i = 0; i < a.bytes / 4; i++) a.target[i] += source[i];
  }
  fibers[running].additions.clear();
}

// Runs one launch to its end. `call` runs the kernel for the thread the machine currently names.
extern "C" __attribute__((visibility("default"))) void remora_emulated_launch(uint32_t gx, uint32_t gy, uint32_t gz, uint32_t threads,
                                                                              uint32_t shared, void (*call)(void *), void *context) {
  if (threads == 0 || threads > kMaxThreads || shared > kSharedBytes - 1024) remora_emulated_fail("bad launch");
  const std::function<void()> f = [&] { call(context); };
  body = &f;
  Machine &m = machine();
  uint64_t begun = 0;
  const uint64_t blocks = static_cast<uint64_t>(gx) * gy * gz;
  std::vector<Block *> active;
  const auto begin = [&] {
    if (active.size() == pool.size()) {
      Block *made = new Block;
      made->shared_memory = static_cast<uint8_t *>(aligned_alloc(1024, kSharedBytes));
      for (Fiber &fiber : made->fibers) fiber.stack = static_cast<uint8_t *>(mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
      pool.push_back(made);
    }
    Block *block = *std::find_if(pool.begin(), pool.end(), [&](Block *b) { return std::find(active.begin(), active.end(), b) == active.end(); });
    active.push_back(block);
    Machine &its = block->machine;
    memset(&its, 0, sizeof its);
    its.grid_dim = {gx, gy, gz};
    its.block_dim = {threads, 1, 1};
    its.block = {static_cast<uint32_t>(begun % gx), static_cast<uint32_t>(begun / gx % gy), static_cast<uint32_t>(begun / gx / gy)};
    its.shared = block->shared_memory;
    its.shared_bytes = shared;
    its.live = static_cast<int>(threads);
    block->last = 0;
    begun++;
    memset(block->shared_memory, 0xff, kSharedBytes);  // NaN
    for (uint32_t t = 0; t < threads; t++) {
      Fiber &fiber = block->fibers[t];
      fiber.thread = {t, 0, 0};
      fiber.done = false;
      fiber.groups.clear();
      fiber.open.clear();
      fiber.additions.clear();
      void **top = reinterpret_cast<void **>(fiber.stack + kStackBytes) - 1;  // at entry rsp is 8 modulo 16
      *--top = reinterpret_cast<void *>(&fiber_main);
      top -= 6;
      memset(top, 0, 48);
      fiber.sp = top;
    }
  };
  int idle = 0;
  while (begun < blocks || !active.empty()) {
    if (active.empty()) begin(), idle = 0;
    bool moved = false;
    for (size_t i = 0; i < active.size(); i++) {
      Block &block = *active[i];
      fibers = block.fibers;
      m = block.machine;
      for (uint32_t t = 0; t < threads; t++) {
        if (fibers[t].done) continue;
        running = static_cast<int>(t);
        m.thread = fibers[t].thread;
        m.linear = running;
        remora_emulated_switch(&scheduler_sp, fibers[t].sp);
      }
      moved = moved || m.progress != block.last;
      block.last = m.progress;
      block.machine = m;
      if (m.live == 0) active.erase(active.begin() + static_cast<long>(i--)), moved = true;
    }
    if (moved) {
      idle = 0;
    } else if (++idle > 64) {
      if (begun == blocks) remora_emulated_fail("deadlock: no thread can go on");
      begin(), idle = 0;
    }
  }
}
}  // namespace emu

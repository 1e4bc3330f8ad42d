// The device of the check program without a GPU: kernels compiled for the emulator into one shared library.
#include <dlfcn.h>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include "device.h"

namespace check {
static void *library;
using Launch = void (*)(uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, void (*)(void *), void *);
static Launch run_launch;

void device_open(const std::string &images) {
  library = dlopen(images.c_str(), RTLD_NOW);
  if (!library) {
    std::fprintf(stderr, "FAILED: %s\n", dlerror());
    std::exit(1);
  }
  run_launch = reinterpret_cast<Launch>(dlsym(library, "remora_emulated_launch"));
}
void device_close() {}
bool device_is_emulated() { return true; }
std::string device_name() { return "emulator"; }
int device_multiprocessors() { return 3; }
void *device_allocate(size_t bytes) { return std::aligned_alloc(256, (bytes + 511) / 256 * 256); }
void device_release(void *p) { std::free(p); }
void device_write(void *t, const void *s, size_t n) { std::memcpy(t, s, n); }
void device_read(void *t, const void *s, size_t n) { std::memcpy(t, s, n); }
void device_fill(void *t, uint8_t b, size_t n) { std::memset(t, b, n); }
void device_zero(void *t, size_t n) { std::memset(t, 0, n); }
void device_wait(const char *) {}
void *device_host_pinned(size_t bytes, void **address) { return *address = device_allocate(bytes); }
bool device_has(const char *kernel) { return dlsym(library, kernel) != nullptr; }
void launch_raw(const char *kernel, Grid grid, uint32_t threads, uint32_t shared, void **args, const size_t *, int, void (*call)(void *, void **)) {
  void *f = dlsym(library, kernel);
  if (!f) {
    std::fprintf(stderr, "FAILED: no kernel %s in the emulated library\n", kernel);
    std::exit(1);
  }
  struct Context {
    void *f;
    void **args;
    void (*call)(void *, void **);
  } context{f, args, call};
  run_launch(grid.x, grid.y, grid.z, threads, shared,
             [](void *p) {
               const auto *c = static_cast<Context *>(p);
               c->call(c->f, c->args);
             },
             &context);
}
double device_time(void (*)(void *), void *, int, int) { return -1; }
double device_time_step(void (*)(void *), void *, int, bool) { return -1; }
TensorMap tensor_map(const void *base, int, uint64_t columns, uint64_t rows, uint64_t row_bytes, uint32_t box_columns, uint32_t box_rows) {
  TensorMap map{};
  map.opaque[0] = reinterpret_cast<uint64_t>(base);
  map.opaque[1] = columns;
  map.opaque[2] = rows;
  map.opaque[3] = row_bytes;
  map.opaque[4] = box_columns;
  map.opaque[5] = box_rows;
  return map;
}
}  // namespace check

// The machine under test: the CUDA driver (device_cuda.cpp) or the emulator (device_emulated.cpp), behind a few functions.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace check {
struct Grid {
  uint32_t x = 1, y = 1, z = 1;
};
void device_open(const std::string &images);  // folder of images (CUDA) or path of the emulated library
void device_close();
bool device_is_emulated();
std::string device_name();
int device_multiprocessors();
void *device_allocate(size_t bytes);
void device_release(void *memory);
void device_write(void *target, const void *source, size_t bytes);
void device_read(void *target, const void *source, size_t bytes);
void device_fill(void *target, uint8_t byte, size_t bytes);
void device_zero(void *target, size_t bytes);  // enqueued, like a launch
void device_wait(const char *what);
void *device_host_pinned(size_t bytes, void **device_address);
bool device_has(const char *kernel);
// Median milliseconds of `run` over `repeats` timings of `inner` calls each, by events; -1 on the emulator.
double device_time(void (*run)(void *), void *context, int repeats, int inner);
// The same of one graph captured from `run`, as the product launches a step; early: each of its kernels may start before the one ahead of it has ended.
double device_time_step(void (*run)(void *), void *context, int repeats, bool early);

// Arguments by address, as cuLaunchKernel takes them; `sizes` are compared with the kernel's own.
void launch_raw(const char *kernel, Grid grid, uint32_t threads, uint32_t shared, void **args, const size_t *sizes, int count,
                void (*call)(void *function, void **args));
template <class... A> void launch_typed(const char *kernel, Grid grid, uint32_t threads, uint32_t shared, A... args) {
  void *pointers[] = {&args...};
  const size_t sizes[] = {sizeof(A)...};
  launch_raw(kernel, grid, threads, shared, pointers, sizes, sizeof...(A), [](void *function, void **p) {
    int i = 0;
    // braces: evaluated left to right
    struct Caller {
      void (*f)(A...);
      Caller(void *function, A &...a) : f(reinterpret_cast<void (*)(A...)>(function)) { f(a...); }
    };
    Caller caller{function, *static_cast<A *>(p[i++])...};
  });
}
template <class T> T argument(T x) { return x; }
inline void *argument(std::nullptr_t) { return nullptr; }
template <class... A> void launch(const char *kernel, Grid grid, uint32_t threads, uint32_t shared, A... args) {
  launch_typed(kernel, grid, threads, shared, argument(args)...);
}
// A 2-D tensor map over rows of `columns` 16-bit elements, box of box_columns x box_rows, 128-byte swizzle, zeros outside.
struct alignas(64) TensorMap {
  uint64_t opaque[16];
};
TensorMap tensor_map(const void *base, int dtype, uint64_t columns, uint64_t rows, uint64_t row_bytes, uint32_t box_columns, uint32_t box_rows);
}  // namespace check

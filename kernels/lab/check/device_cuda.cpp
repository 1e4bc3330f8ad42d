// The device of the check program: the CUDA driver, loaded like the product loads it (images made by scripts/build-cuda.mjs).
#include <cuda.h>
#include <dlfcn.h>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include "device.h"

// The driver is opened at run time, so that the program builds where there is no driver. Names are those that cuda.h maps to (…_v2).
#define NAME_OF(x) #x
#define DRIVER(function)                                                                              \
  template <class... A> static CUresult call_##function(A... args) {                                  \
    static const auto f = reinterpret_cast<decltype(&function)>(find_driver_function(NAME_OF(function))); \
    return f(args...);                                                                                \
  }
namespace check {
static void *find_driver_function(const char *name) {
  static void *library = dlopen("libcuda.so.1", RTLD_NOW);
  void *f = library ? dlsym(library, name) : nullptr;
  if (f) return f;
  std::fprintf(stderr, "FAILED: %s: %s\n", name, dlerror());
  std::exit(1);
}
DRIVER(cuCtxSetCurrent)
DRIVER(cuCtxSynchronize)
DRIVER(cuDeviceGet)
DRIVER(cuDeviceGetAttribute)
DRIVER(cuDeviceGetName)
DRIVER(cuDevicePrimaryCtxRetain)
DRIVER(cuEventCreate)
DRIVER(cuEventDestroy)
DRIVER(cuEventElapsedTime)
DRIVER(cuEventRecord)
DRIVER(cuEventSynchronize)
DRIVER(cuFuncGetParamInfo)
DRIVER(cuFuncSetAttribute)
DRIVER(cuGetErrorString)
DRIVER(cuGraphDestroy)
DRIVER(cuGraphExecDestroy)
DRIVER(cuGraphInstantiateWithFlags)
DRIVER(cuGraphLaunch)
DRIVER(cuInit)
DRIVER(cuLaunchKernel)
DRIVER(cuLaunchKernelEx)
DRIVER(cuMemAlloc)
DRIVER(cuMemFree)
DRIVER(cuMemHostAlloc)
DRIVER(cuMemHostGetDevicePointer)
DRIVER(cuMemcpyDtoH)
DRIVER(cuMemcpyHtoD)
DRIVER(cuMemsetD8)
DRIVER(cuMemsetD8Async)
DRIVER(cuModuleGetFunction)
DRIVER(cuModuleLoadData)
DRIVER(cuStreamBeginCapture)
DRIVER(cuStreamCreate)
DRIVER(cuStreamEndCapture)
DRIVER(cuStreamSynchronize)
DRIVER(cuTensorMapEncodeTiled)
static CUcontext context;
static CUstream stream;
static CUdevice device;
static bool launches_early;
static std::vector<CUmodule> modules;
static std::map<std::string, CUfunction> functions;

static void need(CUresult status, const char *what) {
  if (status == CUDA_SUCCESS) return;
  const char *text = "?";
  call_cuGetErrorString(status, &text);
  std::fprintf(stderr, "FAILED: %s: %s\n", what, text);
  std::exit(1);
}
void device_open(const std::string &images) {
  need(call_cuInit(0), "cuInit");
  need(call_cuDeviceGet(&device, 0), "cuDeviceGet");
  need(call_cuDevicePrimaryCtxRetain(&context, device), "context");
  need(call_cuCtxSetCurrent(context), "cuCtxSetCurrent");
  need(call_cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), "cuStreamCreate");
  for (const auto &entry : std::filesystem::directory_iterator(images)) {
    const std::string suffix = entry.path().extension().string();
    if (suffix != ".fatbin" && suffix != ".cubin") continue;
    std::ifstream in(entry.path(), std::ios::binary);
    std::vector<char> bytes((std::istreambuf_iterator<char>(in)), {});
    bytes.push_back(0);
    CUmodule module;
    need(call_cuModuleLoadData(&module, bytes.data()), entry.path().c_str());
    modules.push_back(module);
  }
}
void device_close() {}
bool device_is_emulated() { return false; }
std::string device_name() {
  char name[128];
  call_cuDeviceGetName(name, sizeof name, device);
  return name;
}
int device_multiprocessors() {
  int n;
  call_cuDeviceGetAttribute(&n, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, device);
  return n;
}
void *device_allocate(size_t bytes) {
  CUdeviceptr p;
  need(call_cuMemAlloc(&p, bytes ? bytes : 1), "cuMemAlloc");
  return reinterpret_cast<void *>(p);
}
void device_release(void *p) { need(call_cuMemFree(reinterpret_cast<CUdeviceptr>(p)), "cuMemFree"); }
void device_write(void *t, const void *s, size_t n) {
  need(call_cuStreamSynchronize(stream), "before upload");
  need(call_cuMemcpyHtoD(reinterpret_cast<CUdeviceptr>(t), s, n), "upload");
}
void device_read(void *t, const void *s, size_t n) {
  need(call_cuStreamSynchronize(stream), "before download");
  need(call_cuMemcpyDtoH(t, reinterpret_cast<CUdeviceptr>(s), n), "download");
}
void device_fill(void *t, uint8_t b, size_t n) {
  need(call_cuStreamSynchronize(stream), "before fill");
  need(call_cuMemsetD8(reinterpret_cast<CUdeviceptr>(t), b, n), "fill");
  need(call_cuCtxSynchronize(), "fill");
}
void device_zero(void *t, size_t n) { need(call_cuMemsetD8Async(reinterpret_cast<CUdeviceptr>(t), 0, n, stream), "zero"); }
void device_wait(const char *what) { need(call_cuStreamSynchronize(stream), what); }
void *device_host_pinned(size_t bytes, void **device_address) {
  void *host;
  need(call_cuMemHostAlloc(&host, bytes, CU_MEMHOSTALLOC_DEVICEMAP), "cuMemHostAlloc");
  CUdeviceptr p;
  need(call_cuMemHostGetDevicePointer(&p, host, 0), "cuMemHostGetDevicePointer");
  *device_address = reinterpret_cast<void *>(p);
  return host;
}
static CUfunction find(const char *kernel) {
  const auto known = functions.find(kernel);
  if (known != functions.end()) return known->second;
  for (CUmodule module : modules) {
    CUfunction f;
    if (call_cuModuleGetFunction(&f, module, kernel) != CUDA_SUCCESS) continue;
    functions[kernel] = f;
    return f;
  }
  return nullptr;
}
bool device_has(const char *kernel) { return find(kernel) != nullptr; }
void launch_raw(const char *kernel, Grid grid, uint32_t threads, uint32_t shared, void **args, const size_t *sizes, int count, void (*)(void *, void **)) {
  CUfunction f = find(kernel);
  if (!f) {
    std::fprintf(stderr, "FAILED: no kernel %s in the images\n", kernel);
    std::exit(1);
  }
  for (int i = 0; i <= count; i++) {
    size_t offset, size;
    const CUresult status = call_cuFuncGetParamInfo(f, i, &offset, &size);
    if (i < count ? status != CUDA_SUCCESS || size != sizes[i] : status == CUDA_SUCCESS) {
      std::fprintf(stderr, "FAILED: %s: parameter %d has %zu bytes, the caller gives %zu\n", kernel, i, status == CUDA_SUCCESS ? size : 0, i < count ? sizes[i] : 0);
      std::exit(1);
    }
  }
  if (shared > 48 << 10) need(call_cuFuncSetAttribute(f, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, static_cast<int>(shared)), kernel);
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  if (launches_early) {
    CUlaunchAttribute early{};
    early.id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION, early.value.programmaticStreamSerializationAllowed = 1;
    CUlaunchConfig config{};
    config.gridDimX = grid.x, config.gridDimY = grid.y, config.gridDimZ = grid.z, config.blockDimX = threads, config.blockDimY = config.blockDimZ = 1;
    config.sharedMemBytes = shared, config.hStream = stream, config.attrs = &early, config.numAttrs = 1;
    need(call_cuLaunchKernelEx(&config, f, args, nullptr), kernel);
    return;
  }
  need(call_cuLaunchKernel(f, grid.x, grid.y, grid.z, threads, 1, 1, shared, stream, args, nullptr), kernel);
}
static double median_time(const std::function<void()> &run, int repeats, int inner) {
  CUevent a, b;
  need(call_cuEventCreate(&a, 0), "event");
  need(call_cuEventCreate(&b, 0), "event");
  for (int i = 0; i < 3; i++) run();
  std::vector<float> times;
  for (int r = 0; r < repeats; r++) {
    need(call_cuEventRecord(a, stream), "record");
    for (int i = 0; i < inner; i++) run();
    need(call_cuEventRecord(b, stream), "record");
    need(call_cuEventSynchronize(b), "timed kernels");
    float ms;
    need(call_cuEventElapsedTime(&ms, a, b), "elapsed");
    times.push_back(ms / static_cast<float>(inner));
  }
  call_cuEventDestroy(a);
  call_cuEventDestroy(b);
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}
double device_time(void (*run)(void *), void *data, int repeats, int inner) {
  return median_time([&] { run(data); }, repeats, inner);
}
double device_time_step(void (*run)(void *), void *data, int repeats, bool early) {
  run(data);  // what a capture does not allow is done by now
  CUgraph graph;
  CUgraphExec step;
  need(call_cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED), "capture");
  launches_early = early;
  run(data);
  launches_early = false;
  need(call_cuStreamEndCapture(stream, &graph), "end of capture");
  need(call_cuGraphInstantiateWithFlags(&step, graph, 0), "graph");
  const double ms = median_time([&] { need(call_cuGraphLaunch(step, stream), "graph"); }, repeats, 1);
  call_cuGraphExecDestroy(step);
  call_cuGraphDestroy(graph);
  return ms;
}
TensorMap tensor_map(const void *base, int dtype, uint64_t columns, uint64_t rows, uint64_t row_bytes, uint32_t box_columns, uint32_t box_rows) {
  TensorMap map;
  static_assert(sizeof map == sizeof(CUtensorMap));
  const cuuint64_t sizes[] = {columns, rows}, strides[] = {row_bytes};
  const cuuint32_t box[] = {box_columns, box_rows}, steps[] = {1, 1};
  need(call_cuTensorMapEncodeTiled(reinterpret_cast<CUtensorMap *>(&map), dtype == 1 ? CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 : CU_TENSOR_MAP_DATA_TYPE_FLOAT16, 2,
                              const_cast<void *>(base), sizes, strides, box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                              CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE),
       "cuTensorMapEncodeTiled");
  return map;
}
}  // namespace check

// The parts of the CUDA driver and of cuBLASLt that remora calls, over the emulator: with it the whole CUDA backend runs on a computer without
// a GPU, so that launches, parameters, grids, scratch and graphs are tested before a card is rented. One library plays both parts.
// Streams run at once; a stream that captures keeps its work as a list, which a graph launch runs. Memory is the host's, filled with 0xFF.
// kernel_list.h (made by scripts/build-cuda-emulator.mjs) names every kernel with its parameter types: p pointer, i 32, l 64 bits, f float.
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <vector>
#include "kernel_list.h"

#define API extern "C" __attribute__((visibility("default")))
extern "C" void remora_emulated_launch(uint32_t gx, uint32_t gy, uint32_t gz, uint32_t threads, uint32_t shared, void (*call)(void *), void *context);

namespace {
enum { SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NOT_FOUND = 500, STREAM_CAPTURE_UNSUPPORTED = 900, STREAM_CAPTURE_INVALIDATED = 901 };
using Work = std::function<void()>;
using Graph = std::vector<Work>;
struct Stream { Graph *capturing = nullptr; };
std::map<uint64_t, size_t> allocations;
size_t allocated, limit = 16ull << 30;

void enqueue(uint64_t stream, Work work) {
  auto *s = reinterpret_cast<Stream *>(stream);
  if (s && s->capturing) s->capturing->push_back(std::move(work));
  else work();
}
bool capturing(uint64_t stream) { return stream && reinterpret_cast<Stream *>(stream)->capturing; }
double now_ms() { return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// x86-64 System V: integers and floats have registers of their own, so one call fits every kernel: 6 integers and 8 floats in registers, the
// rest of the integers on the stack in order.
// Tensor maps come first and lie on the stack, before the integers that do.
struct alignas(64) Map { uint64_t words[16]; };
struct Call {
  void *function;
  uint64_t ints[24];
  float floats[8];
  Map maps[3];
  int map_count;
};
template <class... M> void call_with(const Call &c, M... maps) {
  const uint64_t *i = c.ints;
  const float *f = c.floats;
  reinterpret_cast<void (*)(M..., uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, float, float, float, float, float, float, float, float, uint64_t, uint64_t,
                            uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t)>(c.function)(
      maps..., i[0], i[1], i[2], i[3], i[4], i[5], f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7], i[6], i[7], i[8], i[9], i[10], i[11], i[12], i[13], i[14], i[15], i[16],
      i[17]);
}
void call_kernel(void *context) {
  const Call &c = *static_cast<Call *>(context);
  if (c.map_count == 0) call_with(c);
  else if (c.map_count == 1) call_with(c, c.maps[0]);
  else if (c.map_count == 2) call_with(c, c.maps[0], c.maps[1]);
  else call_with(c, c.maps[0], c.maps[1], c.maps[2]);
}
}  // namespace

API int cuInit(unsigned) {
  if (const char *text = getenv("REMORA_EMULATED_MEMORY")) limit = strtoull(text, nullptr, 10);
  return SUCCESS;
}
API int cuDriverGetVersion(int *v) { return *v = 13000, SUCCESS; }
API int cuGetErrorName(int status, const char **name) {
  static const std::map<int, const char *> names = {{0, "CUDA_SUCCESS"}, {1, "CUDA_ERROR_INVALID_VALUE"}, {2, "CUDA_ERROR_OUT_OF_MEMORY"}, {500, "CUDA_ERROR_NOT_FOUND"},
                                                   {900, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"}, {901, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED"}};
  const auto found = names.find(status);
  *name = found == names.end() ? nullptr : found->second;
  return found == names.end() ? INVALID_VALUE : SUCCESS;
}
API int cuGetErrorString(int, const char **text) { return *text = "the emulated driver refused", SUCCESS; }
API int cuDeviceGetCount(int *n) { return *n = 1, SUCCESS; }
API int cuDeviceGet(int *d, int ordinal) { return *d = ordinal, ordinal == 0 ? SUCCESS : 101; }
API int cuDeviceGetName(char *name, int length, int) { return snprintf(name, length, "emulated card"), SUCCESS; }
API int cuDeviceTotalMem_v2(size_t *bytes, int) { return *bytes = limit, SUCCESS; }
API int cuDeviceGetAttribute(int *value, int attribute, int) {
  *value = attribute == 16 ? 4 : attribute == 75 ? (getenv("REMORA_EMULATED_SM") ? atoi(getenv("REMORA_EMULATED_SM")) / 10 : 8) : attribute == 97 ? 232448 : 0;
  return SUCCESS;
}
API int cuDevicePrimaryCtxRetain(uint64_t *c, int) { return *c = 1, SUCCESS; }
API int cuDevicePrimaryCtxRelease_v2(int) { return SUCCESS; }
API int cuCtxSetCurrent(uint64_t) { return SUCCESS; }
API int cuMemGetInfo_v2(size_t *free, size_t *total) { return *free = limit - allocated, *total = limit, SUCCESS; }
API int cuMemAlloc_v2(uint64_t *p, size_t bytes) {
  if (bytes == 0) return INVALID_VALUE;
  if (allocated + bytes > limit) return OUT_OF_MEMORY;
  void *memory = aligned_alloc(512, (bytes + 511) / 512 * 512);
  memset(memory, 0xff, bytes);
  allocations[*p = reinterpret_cast<uint64_t>(memory)] = bytes;
  allocated += bytes;
  return SUCCESS;
}
API int cuMemFree_v2(uint64_t p) {
  const auto found = allocations.find(p);
  if (found == allocations.end()) return INVALID_VALUE;
  allocated -= found->second;
  allocations.erase(found);
  return free(reinterpret_cast<void *>(p)), SUCCESS;
}
static std::map<uint64_t, size_t> pinned;
API int cuMemHostAlloc(uint64_t *p, size_t bytes, unsigned) {
  pinned[*p = reinterpret_cast<uint64_t>(aligned_alloc(4096, (bytes + 4095) / 4096 * 4096))] = bytes;
  return SUCCESS;
}
API int cuMemFreeHost(uint64_t p) { return pinned.erase(p) ? (free(reinterpret_cast<void *>(p)), SUCCESS) : INVALID_VALUE; }
static bool inside_of(const std::map<uint64_t, size_t> &known, uint64_t p, size_t bytes) {
  auto after = known.upper_bound(p);
  if (after == known.begin()) return false;
  --after;
  return p + bytes <= after->first + after->second;
}
static bool inside(uint64_t p, size_t bytes) { return inside_of(allocations, p, bytes); }
static int copy(uint64_t t, uint64_t s, size_t n, uint64_t stream) {
  return enqueue(stream, [=] { memmove(reinterpret_cast<void *>(t), reinterpret_cast<void *>(s), n); }), SUCCESS;
}
API int cuMemcpyHtoDAsync_v2(uint64_t t, uint64_t s, size_t n, uint64_t stream) { return inside(t, n) ? copy(t, s, n, stream) : INVALID_VALUE; }
API int cuMemcpyDtoHAsync_v2(uint64_t t, uint64_t s, size_t n, uint64_t stream) { return inside(s, n) ? copy(t, s, n, stream) : INVALID_VALUE; }
API int cuMemcpyDtoDAsync_v2(uint64_t t, uint64_t s, size_t n, uint64_t stream) { return inside(t, n) && inside(s, n) ? copy(t, s, n, stream) : INVALID_VALUE; }
API int cuMemcpyAsync(uint64_t t, uint64_t s, size_t n, uint64_t stream) {
  return (inside(t, n) || inside_of(pinned, t, n)) && (inside(s, n) || inside_of(pinned, s, n)) ? copy(t, s, n, stream) : INVALID_VALUE;
}
API int cuMemsetD8Async(uint64_t t, unsigned char v, size_t n, uint64_t stream) {
  if (!inside(t, n)) return INVALID_VALUE;
  return enqueue(stream, [=] { memset(reinterpret_cast<void *>(t), v, n); }), SUCCESS;
}
API int cuStreamCreate(uint64_t *s, unsigned) { return *s = reinterpret_cast<uint64_t>(new Stream), SUCCESS; }
API int cuStreamDestroy_v2(uint64_t s) { return delete reinterpret_cast<Stream *>(s), SUCCESS; }
API int cuStreamSynchronize(uint64_t s) { return capturing(s) ? STREAM_CAPTURE_UNSUPPORTED : SUCCESS; }
API int cuStreamWaitEvent(uint64_t, uint64_t, unsigned) { return SUCCESS; }
API int cuStreamBeginCapture_v2(uint64_t s, int) { return reinterpret_cast<Stream *>(s)->capturing = new Graph, SUCCESS; }
API int cuStreamEndCapture(uint64_t s, uint64_t *graph) {
  auto *stream = reinterpret_cast<Stream *>(s);
  *graph = reinterpret_cast<uint64_t>(stream->capturing);
  stream->capturing = nullptr;
  return SUCCESS;
}
API int cuGraphInstantiateWithFlags(uint64_t *e, uint64_t graph, uint64_t) { return *e = reinterpret_cast<uint64_t>(new Graph(*reinterpret_cast<Graph *>(graph))), SUCCESS; }
API int cuGraphGetNodes(uint64_t graph, uint64_t, size_t *count) { return *count = reinterpret_cast<Graph *>(graph)->size(), SUCCESS; }
API int cuGraphLaunch(uint64_t e, uint64_t) {
  for (const Work &work : *reinterpret_cast<Graph *>(e)) work();
  return SUCCESS;
}
API int cuGraphExecDestroy(uint64_t e) { return delete reinterpret_cast<Graph *>(e), SUCCESS; }
API int cuGraphDestroy(uint64_t g) { return delete reinterpret_cast<Graph *>(g), SUCCESS; }
API int cuEventCreate(uint64_t *e, unsigned) { return *e = reinterpret_cast<uint64_t>(new double(0)), SUCCESS; }
API int cuEventRecord(uint64_t e, uint64_t) { return *reinterpret_cast<double *>(e) = now_ms(), SUCCESS; }
API int cuEventSynchronize(uint64_t) { return SUCCESS; }
API int cuEventElapsedTime(float *ms, uint64_t a, uint64_t b) {
  return *ms = static_cast<float>(*reinterpret_cast<double *>(b) - *reinterpret_cast<double *>(a)), SUCCESS;
}
API int cuEventDestroy_v2(uint64_t e) { return delete reinterpret_cast<double *>(e), SUCCESS; }
API int cuModuleLoadData(uint64_t *m, const void *) { return *m = 1, SUCCESS; }
API int cuModuleUnload(uint64_t) { return SUCCESS; }
API int cuModuleGetFunction(uint64_t *f, uint64_t, const char *name) {
  for (const Kernel &kernel : kernel_list)
    if (!strcmp(kernel.name, name)) return *f = reinterpret_cast<uint64_t>(&kernel), SUCCESS;
  return NOT_FOUND;
}
static std::map<uint64_t, unsigned> shared_allowed;
static unsigned shared_limit(const Kernel &kernel) {
  const auto found = shared_allowed.find(reinterpret_cast<uint64_t>(&kernel));
  return found == shared_allowed.end() ? 48 << 10 : found->second;
}
API int cuFuncSetAttribute(uint64_t f, int attribute, int value) {
  if (attribute == 8) shared_allowed[f] = static_cast<unsigned>(value);
  return SUCCESS;
}
API int cuTensorMapEncodeTiled(uint64_t *map, int dtype, unsigned rank, uint64_t address, const uint64_t *sizes, const uint64_t *strides, const uint32_t *box, const uint32_t *,
                               int, int swizzle, int, int) {
  if (rank != 2 || swizzle != 3 || (dtype != 6 && dtype != 9) || address % 16 || strides[0] % 16 || reinterpret_cast<uint64_t>(map) % 64) return INVALID_VALUE;
  const uint64_t words[] = {address, sizes[0], sizes[1], strides[0], box[0], box[1]};
  return memcpy(map, words, sizeof words), SUCCESS;
}
// Only `params`: in a packed buffer (`extra`) parameters lie where the compiler put them, which is not one after the other (sm_90 starts a leading
// tensor map at byte 48), and what this table knows are types alone.
API int cuLaunchKernel(uint64_t f, unsigned gx, unsigned gy, unsigned gz, unsigned threads, unsigned, unsigned, unsigned shared, uint64_t stream, void **params, void **extra) {
  const Kernel &kernel = *reinterpret_cast<const Kernel *>(f);
  if (gx == 0 || gy == 0 || gz == 0 || gy > 65535 || gz > 65535 || threads != kernel.threads || shared > shared_limit(kernel)) {
    fprintf(stderr, "emulated driver: %s: grid (%u, %u, %u), block %u of %u, %u bytes of shared memory\n", kernel.name, gx, gy, gz, threads, kernel.threads, shared);
    return INVALID_VALUE;
  }
  if (!params || extra) {
    fprintf(stderr, "emulated driver: %s: parameters must come one by one\n", kernel.name);
    return INVALID_VALUE;
  }
  Call call{kernel.function, {}, {}, {}, 0};
  int ints = 0, floats = 0;
  for (const char *type = kernel.types; *type; type++, params++) {
    const size_t alignment = *type == 'm' ? 64 : *type == 'p' || *type == 'l' ? 8 : 4;
    if (reinterpret_cast<uint64_t>(*params) % alignment) {
      fprintf(stderr, "emulated driver: %s: parameter %d is not aligned to %zu\n", kernel.name, static_cast<int>(type - kernel.types), alignment);
      return INVALID_VALUE;
    }
    if (*type == 'm') memcpy(&call.maps[call.map_count++], *params, 128);
    else if (*type == 'f') memcpy(&call.floats[floats++], *params, 4);
    else if (*type == 'i') {
      int32_t value;
      memcpy(&value, *params, 4);
      call.ints[ints++] = static_cast<uint64_t>(static_cast<int64_t>(value));
    } else memcpy(&call.ints[ints++], *params, 8);
  }
  if (floats > 8 || ints > 18) return INVALID_VALUE;
  enqueue(stream, [=]() mutable { remora_emulated_launch(gx, gy, gz, threads, shared, call_kernel, &call); });
  return SUCCESS;
}
// A CUlaunchConfig of one attribute, as cuda.h lays it out: 6 starts early, 2 has all blocks on the card at once. Work runs in order here, so neither changes anything.
API int cuLaunchKernelEx(const unsigned *config, uint64_t f, void **params, void **extra) {
  const auto *words = reinterpret_cast<const uint64_t *>(config);
  const auto *attribute = reinterpret_cast<const int *>(words[5]);
  if (config[12] != 1 || (attribute[0] != 6 && attribute[0] != 2) || attribute[2] != 1) {
    fprintf(stderr, "emulated driver: only programmatic stream serialization and cooperative launches are known, each as the one attribute\n");
    return INVALID_VALUE;
  }
  return cuLaunchKernel(f, config[0], config[1], config[2], config[3], config[4], config[5], config[6], words[4], params, extra);
}

// ---- cuBLASLt: column-major products as its manual defines them ----
namespace {
// scale_mode 3 is one f32 for each row of op(A) and each column of op(B).
struct Descriptor { int transposed[2] = {0, 0}, scale_mode[2] = {0, 0}; uint64_t scale[2] = {0, 0}; };
struct Layout { int type; uint64_t rows, cols; int64_t ld; };
constexpr int E4M3 = 28;
int type_bytes(int type) { return type == 0 ? 4 : type == E4M3 ? 1 : 2; }
float read_e4m3(uint8_t code) {
  const int exponent = (code >> 3) & 15, fraction = code & 7;
  const float size = exponent == 15 && fraction == 7 ? NAN : exponent == 0 ? std::ldexp(fraction, -9) : std::ldexp(8 + fraction, exponent - 10);
  return code & 0x80 ? -size : size;
}
float read(const void *p, int64_t i, int type) {
  if (type == 0) return static_cast<const float *>(p)[i];
  if (type == E4M3) return read_e4m3(static_cast<const uint8_t *>(p)[i]);
  const uint16_t bits = static_cast<const uint16_t *>(p)[i];
  if (type == 14) {
    const uint32_t u = static_cast<uint32_t>(bits) << 16;
    float f;
    return memcpy(&f, &u, 4), f;
  }
  _Float16 h;
  return memcpy(&h, &bits, 2), static_cast<float>(h);
}
void write(void *p, int64_t i, int type, float x) {
  if (type == 0) static_cast<float *>(p)[i] = x;
  else if (type == 14) {
    uint32_t u;
    memcpy(&u, &x, 4);
    static_cast<uint16_t *>(p)[i] = std::isnan(x) ? 0x7fff : static_cast<uint16_t>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
  } else {
    const _Float16 h = static_cast<_Float16>(x);
    memcpy(static_cast<uint16_t *>(p) + i, &h, 2);
  }
}
}  // namespace
API size_t cublasLtGetVersion() { return 130000; }
API const char *cublasLtGetStatusName(int status) { return status == 15 ? "CUBLAS_STATUS_NOT_SUPPORTED" : "CUBLAS_STATUS_INVALID_VALUE"; }
API int cublasLtCreate(uint64_t *h) { return *h = 1, 0; }
API int cublasLtDestroy(uint64_t) { return 0; }
API int cublasLtMatmulDescCreate(uint64_t *d, int compute, int scale) { return *d = reinterpret_cast<uint64_t>(new Descriptor), compute == 68 && scale == 0 ? 0 : 7; }
API int cublasLtMatmulDescDestroy(uint64_t d) { return delete reinterpret_cast<Descriptor *>(d), 0; }
API int cublasLtMatmulDescSetAttribute(uint64_t d, int attribute, const int *value, size_t bytes) {
  auto *desc = reinterpret_cast<Descriptor *>(d);
  if (attribute == 3 || attribute == 4) return desc->transposed[attribute - 3] = *value, bytes == 4 ? 0 : 7;
  if (attribute == 31 || attribute == 32) return desc->scale_mode[attribute - 31] = *value, bytes == 4 ? 0 : 7;
  if (attribute == 25) return bytes == 1 ? 0 : 7;
  if ((attribute == 17 || attribute == 18) && bytes == 8) return memcpy(&desc->scale[attribute - 17], value, 8), 0;
  return 7;
}
API int cublasLtMatrixLayoutCreate(uint64_t *l, int type, uint64_t rows, uint64_t cols, int64_t ld) {
  return *l = reinterpret_cast<uint64_t>(new Layout{type, rows, cols, ld}), ld >= static_cast<int64_t>(rows) ? 0 : 7;
}
API int cublasLtMatrixLayoutDestroy(uint64_t l) { return delete reinterpret_cast<Layout *>(l), 0; }
API int cublasLtMatmulPreferenceCreate(uint64_t *p) { return *p = 1, 0; }
API int cublasLtMatmulPreferenceDestroy(uint64_t) { return 0; }
API int cublasLtMatmulPreferenceSetAttribute(uint64_t, int attribute, const void *, size_t bytes) { return attribute == 1 ? (bytes == 8 ? 0 : 7) : (bytes == 4 ? 0 : 7); }
API int cublasLtMatmulAlgoGetHeuristic(uint64_t, uint64_t d, uint64_t a, uint64_t b, uint64_t c, uint64_t, uint64_t, int, void *, int *found) {
  const auto *desc = reinterpret_cast<Descriptor *>(d);
  const auto *A = reinterpret_cast<Layout *>(a), *B = reinterpret_cast<Layout *>(b), *C = reinterpret_cast<Layout *>(c);
  const uint64_t m = desc->transposed[0] ? A->cols : A->rows, ka = desc->transposed[0] ? A->rows : A->cols;
  const uint64_t n = desc->transposed[1] ? B->rows : B->cols, kb = desc->transposed[1] ? B->cols : B->rows;
  *found = m == C->rows && n == C->cols && ka == kb && A->type == B->type && (C->type == A->type || C->type == 0 || A->type == E4M3);
  if (A->type == E4M3) {
    // What cuBLAS 12.9 asks of 8-bit operands on sm_90: both along the sum, 16-byte rows, and here both scale vectors.
    const bool along = desc->transposed[0] == 1 && desc->transposed[1] == 0 && A->ld % 16 == 0 && B->ld % 16 == 0 && ka % 16 == 0 && m % 16 == 0;
    const bool scaled = desc->scale_mode[0] == 3 && desc->scale_mode[1] == 3 && inside(desc->scale[0], 4 * m) && inside(desc->scale[1], 4 * n);
    if (!along || !scaled || C->type == E4M3) *found = 0;
  }
  return *found ? 0 : 15;
}
API int cublasLtMatmulAlgoConfigGetAttribute(const void *, int, uint32_t *value, size_t, size_t *written) { return *value = 0, *written = 4, 0; }
API int cublasLtMatmul(uint64_t, uint64_t d, const float *alpha_pointer, uint64_t a, uint64_t al, uint64_t b, uint64_t bl, const float *beta_pointer, uint64_t, uint64_t, uint64_t out,
                       uint64_t cl, const void *, uint64_t, size_t, uint64_t stream) {
  const Descriptor desc = *reinterpret_cast<Descriptor *>(d);
  const Layout A = *reinterpret_cast<Layout *>(al), B = *reinterpret_cast<Layout *>(bl), C = *reinterpret_cast<Layout *>(cl);
  const float alpha = *alpha_pointer, beta = *beta_pointer;
  const auto size = [](const Layout &l) { return ((l.cols - 1) * l.ld + l.rows) * type_bytes(l.type); };
  // REMORA_EMULATED_ADD=rounded: a product that adds to C is rounded to C's type before the addition, as the cards' losses suggest that cuBLASLt does it.
  const char *add = getenv("REMORA_EMULATED_ADD");
  const bool rounds_first = add && !strcmp(add, "rounded");
  if (!inside(a, size(A)) || !inside(b, size(B)) || !inside(out, size(C))) return 7;
  if (A.type == E4M3 && beta != 0 && getenv("REMORA_EMULATED_FP8_BETA") && *getenv("REMORA_EMULATED_FP8_BETA") == '0') return 15;
  if (A.type == E4M3 && ((a | b | out) % 16 || !inside(desc.scale[0], 4 * C.rows) || !inside(desc.scale[1], 4 * C.cols))) return 7;
  enqueue(stream, [=] {
    const uint64_t m = C.rows, n = C.cols, k = desc.transposed[0] ? A.rows : A.cols;
    std::vector<float> left(m * k), row(m);  // left[l, i]
    for (uint64_t l = 0; l < k; l++)
      for (uint64_t i = 0; i < m; i++) left[l * m + i] = read(reinterpret_cast<void *>(a), desc.transposed[0] ? i * A.ld + l : l * A.ld + i, A.type);
    for (uint64_t j = 0; j < n; j++) {
      std::fill(row.begin(), row.end(), 0.0f);
      for (uint64_t l = 0; l < k; l++) {
        const float x = read(reinterpret_cast<void *>(b), desc.transposed[1] ? l * B.ld + j : j * B.ld + l, B.type);
        const float *v = &left[l * m];
        for (uint64_t i = 0; i < m; i++) row[i] += v[i] * x;
      }
      void *target = reinterpret_cast<void *>(out);
      if (A.type == E4M3) {
        const auto *rows = reinterpret_cast<const float *>(desc.scale[0]), *columns = reinterpret_cast<const float *>(desc.scale[1]);
        for (uint64_t i = 0; i < m; i++) row[i] *= rows[i] * columns[j];
      }
      for (uint64_t i = 0; i < m; i++) {
        const int64_t at = j * C.ld + i;
        if (beta == 0) write(target, at, C.type, alpha * row[i]);
        else if (rounds_first) {
          const float old = read(target, at, C.type);
          write(target, at, C.type, alpha * row[i]);
          write(target, at, C.type, read(target, at, C.type) + beta * old);
        } else write(target, at, C.type, alpha * row[i] + beta * read(target, at, C.type));
      }
    }
  });
  return 0;
}

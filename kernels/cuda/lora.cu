// Packing of LoRA's many small matrices in one launch.
#include "common.cuh"

// One matrix to copy, 48 bytes in device memory: target[r · target_stride + c] = scale · source[r · source_stride + c], or source[c · source_stride + r].
struct PackEntry {
  const float *source;    // 0
  void *target;           // 8
  int32_t rows, cols;     // 16  of the target
  int32_t source_stride;  // 24
  int32_t target_stride;  // 28
  int32_t transpose;      // 32
  float scale;            // 36
  int32_t reserved[2];    // 40
};
// launch: grid (blocks for each entry, e.g. 16; entries), block 256. f32 masters to compute copies of all adapters of a model at once.
#define PACK_MATRICES(suffix, T)                                                                                                       \
  extern "C" __global__ void __launch_bounds__(256) pack_matrices_##suffix(const PackEntry *entries) {                                 \
    const PackEntry e = entries[blockIdx.y];                                                                                          \
    T *target = static_cast<T *>(e.target);                                                                                           \
    const int64_t count = static_cast<int64_t>(e.rows) * e.cols;                                                                      \
    for (int64_t i = grid_start(); i < count; i += grid_step()) {                                                                     \
      const int64_t r = i / e.cols, c = i - r * e.cols;                                                                               \
      target[r * e.target_stride + c] = from_float<T>(e.scale * e.source[e.transpose ? c * e.source_stride + r : r * e.source_stride + c]); \
    }                                                                                                                                 \
  }
REMORA_FOR_ACTIVATIONS(PACK_MATRICES)

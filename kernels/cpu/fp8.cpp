// Weights to E4M3: codes and one scale a row. Rounding of activations is in fp8.h, decoding in decode.cpp.
#include "fp8.h"

namespace remora::REMORA_ISA {

static int32_t fp8_encode(remora_context *ctx, const void *x, uint8_t *codes, float *scales, int64_t rows, int64_t cols, int32_t dtype) {
  return dispatch_dtype(ctx, dtype, [&](auto tag) {
    using T = decltype(tag);
    parallel_for(ctx, rows, grain_for(cols), [&](int64_t begin, int64_t end, int) {
      for (int64_t r = begin; r < end; r++) {
        const T *row = static_cast<const T *>(x) + r * cols;
        scales[r] = e4m3_row_scale<T>(row, nullptr, cols);
        const float inverse = 1.0f / scales[r];
        for (int64_t c = 0; c < cols; c++) codes[r * cols + c] = e4m3_code(e4m3_rounded(to_float(row[c]) * inverse));
      }
    });
    return REMORA_OK;
  });
}

void fill_fp8(Kernels &k) { k.fp8_encode = fp8_encode; }

}  // namespace remora::REMORA_ISA

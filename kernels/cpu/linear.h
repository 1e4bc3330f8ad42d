// Shared by the linear family: sizes of a group of parts, and the matrix-vector path.
#pragma once
#include "gemm_products.h"

namespace remora::REMORA_ISA {

// Rows up to which a group goes through gemv.cpp; beyond, packing pays (measured: sooner with the bf16 kernel, which multiplies twice as fast).
REMORA_INLINE int64_t gemv_rows(Kind kind) { return kind == Kind::BF16 ? 4 : 8; }

struct Group {
  int64_t in = 0, out = 0, rank = 0;  // In, ΣOut, ΣR
  Group(const remora_linear_part *parts, int32_t count) : in(parts[0].weight.cols) {
    for (int32_t p = 0; p < count; p++) {
      out += parts[p].weight.rows;
      rank += parts[p].rank;
    }
  }
};

// linear_forward for few rows: reads each weight once, without packing. Same arguments.
int32_t gemv_forward(remora_context *ctx, const remora_linear_part *parts, int32_t part_count, const float *bias, const void *x, void *y,
                     void *xa, int64_t N, int32_t dtype, float dropout, const uint64_t *seed);

}  // namespace remora::REMORA_ISA

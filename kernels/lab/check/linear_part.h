// LinearPart of kernels/cuda/linear_part.cuh, as the check program writes it.
#pragma once
#include <cstdint>

namespace check {
struct LinearPart {
  void *data, *scales, *nested_scales, *nested_code, *lora_a, *lora_b;
  int32_t out, out_begin, rank, xa_begin;
  float scale, nested_offset;
  int32_t reserved[2];
};
}  // namespace check

// The table of kernels: one function pointer per op of remora.h, with exactly the header's signature.
// Each ISA (and kernels/reference) fills one table; a context points at the table of its ISA and api.cpp forwards through it.
#pragma once
#include "../include/remora.h"

// clang-format off
#define REMORA_KERNEL_LIST(X) \
  X(measure_peak) \
  X(convert) X(add) X(sum) X(random) X(gather_rows) \
  X(rms_norm_forward) X(rms_norm_backward) X(rms_norm_apply) X(layer_norm_forward) \
  X(linear_forward) X(linear_backward_input) X(lora_backward) X(linear_backward_weight) \
  X(rope_forward) X(rope_backward) \
  X(attention_forward) X(attention_backward) X(cache_write) X(attention_paged) \
  X(gated_forward) X(gated_backward) X(gelu_forward) \
  X(embedding_forward) X(embedding_backward) X(head_loss) \
  X(gradient_norm) X(adamw) X(adamw_8bit) \
  X(nf4_encode) X(nf4_nest) X(fp8_encode) X(weight_decode) X(gguf_encode) \
  X(merge_rows) X(merge_rows_nf4) \
  X(sample)
// clang-format on

namespace remora {
struct Kernels {
#define REMORA_DECLARE(name) decltype(&remora_##name) name;
  REMORA_KERNEL_LIST(REMORA_DECLARE)
#undef REMORA_DECLARE
};
}  // namespace remora

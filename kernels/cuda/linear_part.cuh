// What the kernels for few rows share: the levels of NF4 and the table that describes a group of linears.
#pragma once
#include "ptx.cuh"

#if defined(REMORA_EMULATE) || !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
#define IF_BF16(x) x
#else
#define IF_BF16(x)
#endif

__constant__ float NF4_LEVELS[16] = {-1.0f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f, -0.18477343022823334f,
                                     -0.09105003625154495f, 0.0f, 0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f, 0.33791524171829224f,
                                     0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1.0f};

// One part of a group in device memory, 80 bytes; the host writes it once.
struct LinearPart {
  const void *data;            // 0   codes u8 [out, In / 2], or elements [out, In]
  const void *scales;          // 8   NF4: f32, or u8 when nested_scales is given
  const float *nested_scales;  // 16
  const float *nested_code;    // 24
  const float *lora_a;         // 32  f32 [rank, In]
  const float *lora_b;         // 40  f32 [out, rank]
  int32_t out;                 // 48  rows of W
  int32_t out_begin;           // 52  first column of y
  int32_t rank;                // 56  0: no adapter
  int32_t xa_begin;            // 60  first column of xa
  float scale;                 // 64  alpha / rank
  float nested_offset;         // 68
  int32_t reserved[2];         // 72
};

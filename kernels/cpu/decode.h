// Decoding of weights: any stretch of a row of any format, into f32 or bf16 scratch. This is what the matrix products pack from, so a
// quantized weight never exists whole.
#pragma once
#include "isa.h"

namespace remora::REMORA_ISA {

// Elements that share one block of the format: 1 (F32, BF16, F16), 64 (NF4), 32 (Q8_0 … Q5_1) or 256 (K formats); 0 for an unknown format.
int64_t format_block(int32_t format);
// Bytes of one row of `cols` elements (cols a multiple of the block).
int64_t format_row_bytes(int32_t format, int64_t cols);

// out[i] = w[row, col + i] for i in [0, count). col and count are multiples of the format's block; nothing is checked here.
// bf16 and f16 round to nearest even once, from the f32 product.
void decode_segment(const remora_weight &w, int64_t row, int64_t col, int64_t count, float *out);
void decode_segment(const remora_weight &w, int64_t row, int64_t col, int64_t count, bf16_t *out);
void decode_segment(const remora_weight &w, int64_t row, int64_t col, int64_t count, f16_t *out);

// f32 scale of block `index` of an NF4 weight (blocks of 64 in row-major order), nested or not.
float nf4_absmax(const remora_weight &w, int64_t index);
// The 16 values of NF4 (QLoRA, arXiv:2305.14314, appendix E; the same f32 numbers as bitsandbytes).
extern const float NF4_VALUES[16];

}  // namespace remora::REMORA_ISA

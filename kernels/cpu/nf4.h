// NF4 encoding of rows that another kernel has just made.
#pragma once
#include "decode.h"

namespace remora::REMORA_ISA {

// What finds the code of a value scaled to [−1, 1]: the number of the 15 midpoints between neighbouring levels that lie below it.
struct Nf4Coder {
  Nf4Coder();
  float midpoints[15];
#if REMORA_IS_AVX512
  // [−1, 1] in 32 cells, narrower than any two midpoints are apart: a cell holds one midpoint or none, so one comparison decides.
  static int cell_of(float scaled) { return static_cast<int>(__builtin_fmaf(scaled, 15.5f, 15.5f)); }
  alignas(64) float threshold[32];  // the midpoint in the cell, infinity where there is none
  alignas(64) int32_t below[32];    // midpoints in the cells before
#endif
};

// NF4 of x[0 … 64·blocks) rounded to T: equals remora_nf4_encode of the rounded values to the bit.
template <class T>
void nf4_encode_rounded(const Nf4Coder &coder, const float *x, int64_t blocks, uint8_t *codes, float *absmax);

}  // namespace remora::REMORA_ISA

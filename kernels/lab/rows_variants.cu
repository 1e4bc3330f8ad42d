// The kernels of linear_rows.cu with other shares of a tile: m rows of 16 a warp, w groups of warps along the rows of W; wide: copies of codes ask
// L2 for 256 bytes; split: warps need not begin a unit together. The check program checks them and times them beside those that ship.
#define REMORA_VARIANTS
#include "../cuda/linear_rows.cu"

LINEAR_ROWS(rows8_m4w2_bf16, 1, 4, 2, 7, false, false, bf16_t)
LINEAR_ROWS(rows8_m4w4_bf16, 1, 4, 4, 3, false, false, bf16_t)
LINEAR_ROWS(rows8_m2w2_bf16, 1, 2, 2, 7, false, false, bf16_t)
LINEAR_ROWS(rows16_m2w4_bf16, 2, 2, 4, 6, false, false, bf16_t)
LINEAR_ROWS(rows32_m2w4_bf16, 4, 2, 4, 4, false, false, bf16_t)
LINEAR_ROWS(rows32_m2w2_bf16, 4, 2, 2, 6, false, false, bf16_t)
LINEAR_ROWS(rows64_m2w4_bf16, 8, 2, 4, 3, false, false, bf16_t)
LINEAR_ROWS(rows64_m2w2_bf16, 8, 2, 2, 3, false, false, bf16_t)
LINEAR_ROWS(rows8_wide_bf16, 1, 2, 4, 7, true, false, bf16_t)
LINEAR_ROWS(rows32_wide_bf16, 4, 4, 2, 4, true, false, bf16_t)
LINEAR_ROWS(rows64_wide_bf16, 8, 4, 2, 3, true, false, bf16_t)
LINEAR_ROWS(rows8_split_bf16, 1, 2, 4, 7, false, true, bf16_t)
LINEAR_ROWS(rows8_m4w2split_bf16, 1, 4, 2, 7, false, true, bf16_t)
LINEAR_ROWS(rows16_split_bf16, 2, 4, 2, 6, false, true, bf16_t)
LINEAR_ROWS(rows32_split_bf16, 4, 4, 2, 4, false, true, bf16_t)

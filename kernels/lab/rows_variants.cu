// The kernels of linear_rows.cu with other shares of a tile: m rows of 16 a warp, w groups of warps along the rows of W; split: warps need not begin a unit
// together. The check program checks them and times them beside those that ship.
#define REMORA_VARIANTS
#include "../cuda/linear_rows.cu"

LINEAR_ROWS(rows8_m4w2_bf16, 1, 4, 2, 4, false, bf16_t)
LINEAR_ROWS(rows8_split_bf16, 1, 2, 4, 6, true, bf16_t)
LINEAR_ROWS(rows8_m4w2split_bf16, 1, 4, 2, 6, true, bf16_t)
LINEAR_ROWS(rows16_split_bf16, 2, 4, 2, 5, true, bf16_t)
LINEAR_ROWS(rows32_split_bf16, 4, 4, 2, 4, true, bf16_t)
LINEAR_ROWS(rows32_m2w2split_bf16, 4, 2, 2, 4, true, bf16_t)

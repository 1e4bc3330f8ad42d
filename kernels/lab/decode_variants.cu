// The kernels of linear_decode.cu and linear_vector.cu with other numbers of warps a block, blocks a multiprocessor and chunks under way; build.sh makes an image of it for
// the check program, which times all of them in one call on the card.
#define REMORA_VARIANTS
#include "../cuda/linear_decode.cu"
#include "../cuda/linear_vector.cu"

#define VARIANT(W, B, D)                                                                                                               \
  extern "C" __global__ void __launch_bounds__(W * 32, B) linear_stream_nf4_nested_w##W##b##B##d##D(                                   \
      const LinearPart *parts, int part_count, const float *bias, const bf16_t *x, const float *xa, bf16_t *y, int N, int In, int y_stride, int ranks) { \
    linear_stream<bf16_t, Nf4Rows<bf16_t, true>, true, W, D>(parts, part_count, bias, x, xa, y, N, In, y_stride, ranks);               \
  }                                                                                                                                    \
  extern "C" __global__ void __launch_bounds__(W * 32, B) linear_stream_dense_w##W##b##B##d##D(                                        \
      const LinearPart *parts, int part_count, const float *bias, const bf16_t *x, const float *xa, bf16_t *y, int N, int In, int y_stride, int ranks) { \
    linear_stream<bf16_t, DenseRows<bf16_t>, false, W, D>(parts, part_count, bias, x, xa, y, N, In, y_stride, ranks);                  \
  }
VARIANT(24, 1, 1)
VARIANT(24, 1, 3)
VARIANT(16, 1, 2)
VARIANT(20, 1, 2)
VARIANT(16, 2, 2)
VARIANT(12, 2, 2)

// Warps, pairs of rows in a group: two groups a warp.
LINEAR_VECTOR(w16g4, 1, 16, 1, 1, 4, bf16_t)
LINEAR_VECTOR(w16g6, 1, 16, 1, 1, 6, bf16_t)
LINEAR_VECTOR(w20g3, 1, 20, 1, 1, 3, bf16_t)
LINEAR_VECTOR(w24g2, 1, 24, 1, 1, 2, bf16_t)
LINEAR_VECTOR(w24g3, 1, 24, 1, 1, 3, bf16_t)
LINEAR_VECTOR(w32g1, 1, 32, 1, 1, 1, bf16_t)
LINEAR_VECTOR(w32g2, 1, 32, 1, 1, 2, bf16_t)

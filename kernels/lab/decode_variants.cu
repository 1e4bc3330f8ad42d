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

// Warps, blocks a multiprocessor, units of 512 columns an item, items under way.
LINEAR_VECTOR(w16d4, 1, 16, 1, 1, 4, bf16_t)
LINEAR_VECTOR(w16d8, 1, 16, 1, 1, 8, bf16_t)
LINEAR_VECTOR(w24d2, 1, 24, 1, 1, 2, bf16_t)
LINEAR_VECTOR(w32d2, 1, 32, 1, 1, 2, bf16_t)
LINEAR_VECTOR(w16u2d4, 1, 16, 1, 2, 4, bf16_t)
LINEAR_VECTOR(w12b2d4, 1, 12, 2, 1, 4, bf16_t)

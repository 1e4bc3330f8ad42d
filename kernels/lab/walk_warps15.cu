// decoder_walk with fewer and larger warps: 15 that multiply, 104 registers each; stages of 8 rows x 2,560 columns, eleven of them.
#define REMORA_VARIANTS
#define REMORA_WALK 15, 2560, 3, 8
#define REMORA_WALK_BLOCK 608
#include "../cuda/decoder_walk.cu"

#if defined(REMORA_EMULATE) || !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
DECODER_WALK(w15_d64, 64, 0, bf16_t)
DECODER_WALK(w15_d128, 128, 0, bf16_t)
DECODER_WALK(w15_without_products, 128, NO_PRODUCTS, bf16_t)
DECODER_WALK(w15_without_stream, 128, NO_STREAM, bf16_t)
DECODER_WALK(w15_stream_alone, 128, (NO_PRODUCTS | NO_WAIT), bf16_t)
DECODER_WALK(w15_products_alone, 128, (NO_STREAM | NO_WAIT), bf16_t)
DECODER_WALK(w15_exchange_alone, 128, (NO_PRODUCTS | NO_STREAM), bf16_t)
#endif

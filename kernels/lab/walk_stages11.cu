// decoder_walk with stages of 8 rows x 2,560 columns, eleven of them: four teams of five warps.
#define REMORA_VARIANTS
#define REMORA_WALK 20, 2560, 3, 8
#define REMORA_WALK_BLOCK 768
#include "../cuda/decoder_walk.cu"

#if defined(REMORA_EMULATE) || !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
DECODER_WALK(s11_d64, 64, 0, bf16_t)
DECODER_WALK(s11_d128, 128, 0, bf16_t)
DECODER_WALK(s11_stream_alone, 128, (NO_PRODUCTS | NO_WAIT), bf16_t)
DECODER_WALK(s11_products_alone, 128, (NO_STREAM | NO_WAIT), bf16_t)
#endif

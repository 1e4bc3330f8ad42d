// decoder_walk without one of its parts, for the check program's --bench: where the time of a layer goes. Their results mean nothing.
#define REMORA_VARIANTS
#include "../cuda/decoder_walk.cu"

#if defined(REMORA_EMULATE) || !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
DECODER_WALK(without_products, 128, NO_PRODUCTS, bf16_t)                  // the stream, exchanges, attention
DECODER_WALK(without_stream, 128, NO_STREAM, bf16_t)                      // products of what lies in the ring, exchanges, attention
DECODER_WALK(stream_alone, 128, (NO_PRODUCTS | NO_WAIT), bf16_t)          // nobody waits for rows
DECODER_WALK(products_alone, 128, (NO_STREAM | NO_WAIT), bf16_t)
DECODER_WALK(exchange_alone, 128, (NO_PRODUCTS | NO_STREAM), bf16_t)      // and attention
DECODER_WALK(nothing_alone, 128, (NO_PRODUCTS | NO_STREAM | NO_WAIT), bf16_t)  // what is left: barriers of a block, x, sums, attention
#endif

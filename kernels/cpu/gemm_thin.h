// Products with few rows on the left, over a right side that is dense and read as it lies: LoRA's gradients.
#pragma once
#include "gemm_products.h"

namespace remora::REMORA_ISA {

// True where thin_product is the faster form of transposed_product: few panels on the left, a dense right side without dropout.
bool is_thin(const TransposedProduct &product);
// transposed_product without packing the right side. Same result up to rounding, same determinism.
int32_t thin_product(const TransposedProduct &product, const PackedRows &a, const Block *blocks, int block_count, FinishTile finish);

}  // namespace remora::REMORA_ISA

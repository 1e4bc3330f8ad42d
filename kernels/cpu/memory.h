// Large aligned blocks and mapped files, on each platform.
#pragma once
#include <cstdint>

namespace remora {

// 64-byte aligned; 2 MiB aligned with huge pages advised from 2 MiB on, because a step reuses large buffers and the TLB misses of small
// pages cost more than the kernels' cache misses. Contents undefined. nullptr when refused.
void *allocate_aligned(int64_t bytes);
void release_aligned(void *memory);

}  // namespace remora

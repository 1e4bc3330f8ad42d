// The kernel of attention_hopper_one_pass.cu otherwise: what it costs to add dQ (vector reductions from registers, and none at all: its dQ is then wrong,
// and what is left is the walk). An image of it beside the others lets the check program time them.
#define REMORA_VARIANTS
#include "../cuda/attention_hopper_one_pass.cu"

#if defined(REMORA_EMULATE) || !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)

#ifndef REMORA_EMULATE
struct VectorSums {
  const int lane = threadIdx.x % 32;
  __device__ __forceinline__ VectorSums(uint8_t *, uint32_t, uint32_t, int) {}
  __device__ __forceinline__ void add(const float (&dq)[32], int panel, float *target) const {
    float *const place = target + panel * 1024 + lane * 4;
#pragma unroll
    for (int j = 0; j < 8; j++)
      asm volatile("red.global.add.v4.f32 [%0], {%1, %2, %3, %4};" ::"l"(place + j * 128), "f"(dq[j * 4]), "f"(dq[j * 4 + 1]), "f"(dq[j * 4 + 2]), "f"(dq[j * 4 + 3]) : "memory");
  }
  __device__ void finish() const {}
};
struct NoSums {
  __device__ NoSums(uint8_t *, uint32_t, uint32_t, int) {}
  __device__ void add(const float (&)[32], int, float *) const {}
  __device__ void finish() const {}
};

ONE_PASS(vector_d128_bf16, 128, bf16_t, VectorSums)
ONE_PASS(unadded_d128_bf16, 128, bf16_t, NoSums)
#endif
#endif

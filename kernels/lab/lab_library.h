// A kernel library opened by name: its functions as members, so that a program can hold several builds at once (compare_builds.cpp).
#pragma once
#include <dlfcn.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <vector>

#include "../include/remora.h"

namespace lab {

#define LAB_FUNCTIONS(X)                                                                                                                        \
  X(context_create) X(context_destroy) X(convert) X(linear_forward) X(linear_backward_input) X(lora_backward) X(linear_backward_weight)        \
  X(attention_forward) X(attention_backward) X(attention_paged) X(rms_norm_forward) X(rms_norm_backward) X(gated_forward) X(gated_backward)    \
  X(rope_forward) X(adamw) X(gradient_norm) X(sample) X(nf4_encode) X(head_loss)

struct Library {
#define LAB_MEMBER(name) decltype(&remora_##name) name = nullptr;
  LAB_FUNCTIONS(LAB_MEMBER)
#undef LAB_MEMBER

  // False when the library cannot be loaded or lacks a function; dlerror() then says why.
  bool open(const char *path) {
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) return false;
    bool all = true;
#define LAB_FIND(name) all &= (name = reinterpret_cast<decltype(name)>(dlsym(handle, "remora_" #name))) != nullptr;
    LAB_FUNCTIONS(LAB_FIND)
#undef LAB_FIND
    return all;
  }
};

inline uint32_t random_word() {
  static uint32_t state = 2463534242u;
  state ^= state << 13;
  state ^= state >> 17;
  return state ^= state << 5;
}
inline void fill(std::vector<float> &values, float scale = 1) {
  for (float &x : values) x = scale * (static_cast<float>(random_word() >> 8) * 0x1p-23f - 1);
}

struct IsaName {
  int32_t isa;
  const char *name;
};
constexpr IsaName ISAS[] = {{REMORA_ISA_AVX512_BF16, "avx512-bf16"}, {REMORA_ISA_AVX512, "avx512"}, {REMORA_ISA_AVX2, "avx2"},
                            {REMORA_ISA_NEON, "neon"},               {REMORA_ISA_SCALAR, "scalar"}};

}  // namespace lab

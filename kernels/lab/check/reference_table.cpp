// kernels/reference as a table, with the little of a context that it needs.
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include "../../cpu/context.h"
#include "harness.h"

struct remora_context {
  void *slots[8] = {};
  int64_t bytes[8] = {};
};
namespace remora {
void *scratch(remora_context *ctx, int slot, int64_t bytes) {
  if (ctx->bytes[slot] < bytes) {
    std::free(ctx->slots[slot]);
    ctx->slots[slot] = std::malloc(bytes);
    ctx->bytes[slot] = bytes;
  }
  return ctx->slots[slot];
}
int32_t fail(remora_context *, int32_t status, const char *format, ...) {
  va_list list;
  va_start(list, format);
  std::vfprintf(stderr, format, list);
  va_end(list);
  std::fprintf(stderr, "\nFAILED: the reference refused (status %d)\n", status);
  std::exit(1);
}
namespace reference {
void fill_activation(Kernels &);
void fill_attention(Kernels &);
void fill_elementwise(Kernels &);
void fill_embedding(Kernels &);
void fill_linear(Kernels &);
void fill_norm(Kernels &);
void fill_optimizer(Kernels &);
void fill_rope(Kernels &);
void fill_sampling(Kernels &);
void fill_weights(Kernels &);
}  // namespace reference
}  // namespace remora
namespace check {
static remora::Kernels make() {
  using namespace remora::reference;
  remora::Kernels k{};
  fill_activation(k);
  fill_attention(k);
  fill_elementwise(k);
  fill_embedding(k);
  fill_linear(k);
  fill_norm(k);
  fill_optimizer(k);
  fill_rope(k);
  fill_sampling(k);
  fill_weights(k);
  return k;
}
const remora::Kernels reference = make();
remora_context *reference_context() {
  static remora_context context;
  return &context;
}
}  // namespace check

// Times attention (GFLOP/s) and the memory-bound ops (GB/s beside a plain copy of the same size class), by processor time so that other work on
// the machine counts little:
//   g++ -O2 -std=c++17 kernels/lab/ops_time.cpp -o time build/libremora.so -Wl,-rpath,$PWD/build && ./time [threads]
#include "lab.h"

using namespace lab;

namespace {

constexpr int64_t BYTES = int64_t{64} << 20;
int threads = 1;

struct Buffers {
  char *a, *b, *c, *d;
  explicit Buffers(remora_context *ctx) {
    char **all[4] = {&a, &b, &c, &d};
    std::vector<float> values(BYTES / 4);
    for (float &v : values) v = random_value();
    for (char **one : all) {
      *one = static_cast<char *>(remora_allocate(BYTES));
      remora_convert(ctx, values.data(), *one, BYTES / 4, REMORA_F32, REMORA_BF16);  // bf16 numbers in the first half: small enough for every op
    }
  }
  ~Buffers() {
    for (char *one : {a, b, c, d}) remora_release(one, BYTES);
  }
};

template <class F>
void bandwidth(const char *name, double bytes, F &&f) {
  const double seconds = time_it(f).cpu / threads;
  printf("  %-28s %8.3f ms  %6.1f GB/s\n", name, seconds * 1e3, bytes / seconds * 1e-9);
}

void attention(remora_context *ctx, const char *label, int64_t N, int64_t segments, int64_t H, int64_t K, int64_t D, int32_t dtype, double peak) {
  const int64_t size = dtype == REMORA_F32 ? 4 : 2, width = (H + 2 * K) * D;
  std::vector<char> qkv(N * width * size), out(N * H * D * size), d_out(out.size()), d_qkv(qkv.size());
  std::vector<float> values(N * width), lse(N * H);
  for (float &v : values) v = 1.7f * random_value();
  remora_convert(ctx, values.data(), qkv.data(), N * width, REMORA_F32, dtype);
  remora_convert(ctx, values.data(), d_out.data(), N * H * D, REMORA_F32, dtype);
  std::vector<int32_t> start(N), end(N);
  const int64_t length = N / segments;
  for (int64_t n = 0; n < N; n++) {
    start[n] = static_cast<int32_t>(n / length * length);
    end[n] = static_cast<int32_t>(n / length * length + length);
  }
  const float scale = 1 / std::sqrt(static_cast<float>(D));
  const double pairs = static_cast<double>(segments * H) * static_cast<double>(length * (length + 1)) / 2;
  const double forward = time_it([&] {
    remora_attention_forward(ctx, qkv.data(), start.data(), end.data(), out.data(), lse.data(), N, H, K, D, dtype, scale, 1, 0, 0);
  }).cpu / threads;
  const double backward = time_it([&] {
    remora_attention_backward(ctx, qkv.data(), start.data(), end.data(), out.data(), lse.data(), d_out.data(), d_qkv.data(), N, H, K, D, dtype, scale, 1, 0, 0);
  }).cpu / threads;
  const double f = 4e-9 * static_cast<double>(D) * pairs / forward, b = 10e-9 * static_cast<double>(D) * pairs / backward;
  printf("  attention %-26s forward %7.2f ms %5.0f GFLOP/s %3.0f%%   backward %7.2f ms %5.0f GFLOP/s %3.0f%%\n", label, forward * 1e3, f, 100 * f / peak,
         backward * 1e3, b, 100 * b / peak);
}

}  // namespace

int main(int count, char **arguments) {
  if (count > 1) threads = atoi(arguments[1]);
  for (const IsaName &isa : ISAS) {
    if (!remora_isa_available(isa.isa)) continue;
    remora_context *ctx = remora_context_create(isa.isa, threads);
    double f32 = 0, bf16 = 0;
    remora_measure_peak(ctx, &f32, REMORA_F32, 0.3);
    remora_measure_peak(ctx, &bf16, REMORA_BF16, 0.3);
    printf("%s, %d threads, peak f32 %.0f bf16 %.0f GFLOP/s\n", isa.name, threads, f32, bf16);
    attention(ctx, "4x512 H9 K3 D64 bf16", 2048, 4, 9, 3, 64, REMORA_BF16, bf16);
    attention(ctx, "4x512 H9 K3 D64 f32", 2048, 4, 9, 3, 64, REMORA_F32, f32);
    attention(ctx, "2x512 H16 K8 D128 bf16", 1024, 2, 16, 8, 128, REMORA_BF16, bf16);
    attention(ctx, "2x512 H4 K1 D256 bf16", 1024, 2, 4, 1, 256, REMORA_BF16, bf16);

    Buffers m(ctx);
    const int64_t N = 2048, C = 576, F = 1536, P = 4000000;
    std::vector<float> weight(C, 1.0f), rstd(N, 1.0f), table(512 * 64, 0.5f), gradients(P, 0.01f), params(P), state_m(P), state_v(P);
    std::vector<int32_t> positions(N);
    for (int64_t n = 0; n < N; n++) positions[n] = static_cast<int32_t>(n % 512);
    const float hyper[8] = {1e-3f, 0.9f, 0.999f, 1e-8f, 0.01f, 0.1f, 0.001f, 0}, clip[1] = {1};
    const double act = 2.0 * static_cast<double>(N * C), wide = 2.0 * static_cast<double>(N * F);
    const double one = time_it([&] { remora_copy(m.c, m.a, BYTES / 2); }).cpu;
    printf("  %-28s %8.3f ms  %6.1f GB/s (one thread)\n", "copy of 32 MiB", one * 1e3, static_cast<double>(BYTES) / one * 1e-9);
    bandwidth("rms_norm_forward + residual", 4 * act,
              [&] { remora_rms_norm_forward(ctx, m.a, m.b, weight.data(), m.c, m.d, rstd.data(), N, C, REMORA_BF16, 1e-5f); });
    bandwidth("rms_norm_backward", 4 * act,
              [&] { remora_rms_norm_backward(ctx, m.a, weight.data(), rstd.data(), m.b, m.c, m.c, nullptr, N, C, REMORA_BF16); });
    bandwidth("gated_forward", 3 * wide, [&] { remora_gated_forward(ctx, m.a, m.c, N, F, REMORA_BF16, 0); });
    bandwidth("gated_backward", 5 * wide, [&] { remora_gated_backward(ctx, m.a, m.b, m.c, N, F, REMORA_BF16, 0); });
    bandwidth("rope_forward", 2.0 * 2 * N * 12 * 64, [&] {
      remora_rope_forward(ctx, m.c, nullptr, nullptr, table.data(), positions.data(), m.c, N, 9, 3, 64, 64, REMORA_BF16, 0);
    });
    bandwidth("adamw", 28.0 * P, [&] {
      remora_adamw(ctx, gradients.data(), hyper, clip, params.data(), state_m.data(), state_v.data(), nullptr, P, REMORA_F32);
    });
    std::vector<uint8_t> codes_m(P), codes_v(P);
    std::vector<float> scales_m(P / 256 + 1), scales_v(P / 256 + 1);
    bandwidth("adamw_8bit", 16.0 * P, [&] {
      remora_adamw_8bit(ctx, gradients.data(), hyper, clip, params.data(), codes_m.data(), codes_v.data(), scales_m.data(), scales_v.data(), nullptr, P, REMORA_F32);
    });
    float norm[2];
    bandwidth("gradient_norm", 4.0 * P, [&] { remora_gradient_norm(ctx, gradients.data(), norm, P, 1); });
    remora_context_destroy(ctx);
  }
}

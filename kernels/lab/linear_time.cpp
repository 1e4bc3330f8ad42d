// Times the linear family. For each shape: forward and d_x in f32 and bf16 activations, with bf16, f32 and NF4 weights, and the same with an
// adapter of rank 16, as GFLOP/s per thread-second of processor time (so that other processes do not count) and as the share of the peak
// measured in the same moment. Run linear_check first.
//   g++ -O2 -std=c++17 kernels/lab/linear_time.cpp -o time build/libremora.so -Wl,-rpath,$PWD/build && ./time avx512-bf16 2
#include "lab.h"

using namespace lab;

namespace {

struct Shape {
  const char *name;
  int64_t N, out, in;
};
const Shape SHAPES[] = {
    {"smollm2-135m/qkv", 2048, 960, 576},    {"smollm2-135m/o", 2048, 576, 576},      {"smollm2-135m/gate_up", 2048, 3072, 576},
    {"smollm2-135m/down", 2048, 576, 1536},  {"qwen3-0.6b/qkv", 512, 4096, 1024},     {"llama-3.2-1b/down", 512, 2048, 8192},
    {"nemo-12b/q", 512, 4096, 5120},
};

double peak(remora_context *ctx, int32_t kind) {
  double rate = 0;
  remora_measure_peak(ctx, &rate, kind, 0.05);
  return rate / remora_context_threads(ctx);
}

}  // namespace

int main(int argc, char **argv) {
  const char *wanted = argc > 1 ? argv[1] : "avx512-bf16";
  const int threads = argc > 2 ? atoi(argv[2]) : 1;
  const int64_t only = argc > 3 ? atoi(argv[3]) : -1;
  int32_t isa = -1;
  for (const IsaName &name : ISAS) {
    if (!strcmp(name.name, wanted)) isa = name.isa;
  }
  remora_context *ctx = remora_context_create(isa, threads);
  if (ctx == nullptr) return printf("no context for %s\n", wanted), 1;
  printf("%s, %d threads; GFLOP/s a thread (share of the peak), forward | d_x | lora: forward | d_x | lora_backward ms\n", wanted, threads);
  for (size_t s = 0; s < sizeof(SHAPES) / sizeof(*SHAPES); s++) {
    if (only >= 0 && static_cast<int64_t>(s) != only) continue;
    const Shape &shape = SHAPES[s];
    const int64_t N = shape.N, in = shape.in, out = shape.out, R = 16;
    for (int act : {REMORA_BF16, REMORA_F32}) {
      Array x(N * in, act), y(N * out, act), dx(N * in, act), xa(N * R, act), db(N * R, act);
      x.randomize();
      y.randomize();
      std::vector<float> a(R * in, 0.01f), b(out * R, 0.01f), ga(R * in), gb(out * R);
      for (int format : {REMORA_BF16, REMORA_F32, REMORA_NF4}) {
        Array w(out * in, format == REMORA_BF16 ? REMORA_BF16 : REMORA_F32);
        std::vector<uint8_t> codes(out * in / 2);
        std::vector<float> scales(out * in / 64, 0.1f);
        if (format == REMORA_NF4) {
          for (uint8_t &c : codes) c = static_cast<uint8_t>(random_word() >> 9);
        } else {
          w.randomize(0.1f);
        }
        remora_linear_part part{};
        part.weight = remora_weight{format, 0, out, in, format == REMORA_NF4 ? static_cast<void *>(codes.data()) : w.data(), scales.data(), nullptr, nullptr, 0, 0};
        remora_linear_part adapted = part;
        adapted.lora_a = a.data();
        adapted.lora_b = b.data();
        adapted.lora_a_grad = ga.data();
        adapted.lora_b_grad = gb.data();
        adapted.rank = R;
        adapted.scale = 2;
        const double flop = 2.0 * N * in * out, low = 2.0 * N * R * (in + out);
        const double top = peak(ctx, act == REMORA_BF16 && isa == REMORA_ISA_AVX512_BF16 ? REMORA_BF16 : REMORA_F32) * 1e9;
        const auto rate = [&](double operations, const auto &f) {
          const Timing t = time_it(f, 0.25);
          printf(" %6.1f (%3.0f%%)", operations / t.cpu / 1e9, 100 * operations / t.cpu / top);
          fflush(stdout);
        };
        printf("%-22s act %s w %-4s peak %5.1f |", shape.name, act == REMORA_BF16 ? "bf16" : "f32 ", format == REMORA_NF4 ? "nf4" : format == REMORA_BF16 ? "bf16" : "f32", top / 1e9);
        rate(flop, [&] { remora_linear_forward(ctx, &part, 1, nullptr, x.data(), y.data(), nullptr, N, act, 0, nullptr); });
        rate(flop, [&] { remora_linear_backward_input(ctx, &part, 1, y.data(), dx.data(), nullptr, N, act, 0, nullptr); });
        printf(" |");
        rate(flop + low, [&] { remora_linear_forward(ctx, &adapted, 1, nullptr, x.data(), y.data(), xa.data(), N, act, 0, nullptr); });
        rate(flop + low, [&] { remora_linear_backward_input(ctx, &adapted, 1, y.data(), dx.data(), db.data(), N, act, 0, nullptr); });
        rate(low, [&] { remora_lora_backward(ctx, &adapted, 1, x.data(), xa.data(), y.data(), db.data(), N, act, 0, nullptr); });
        printf("\n");
      }
    }
  }
  remora_context_destroy(ctx);
}

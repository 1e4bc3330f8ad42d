// Checks head_loss of every ISA against plain f64 loops, then times it at two vocabularies.
//   g++ -O2 -std=c++17 kernels/lab/head_check.cpp -o head build/libremora.so -Wl,-rpath,$PWD/build && ./head [isa threads]
#include "lab.h"

using namespace lab;

namespace {

int failures = 0, checks = 0;

void expect(const char *what, double error, double tolerance, const char *isa, int32_t dtype, int64_t N, int64_t C, int64_t V) {
  checks++;
  if (error <= tolerance) return;
  failures++;
  printf("FAIL %-10s %s dtype %d N %ld C %ld V %ld: %.2e\n", what, isa, dtype, (long)N, (long)C, (long)V, error);
}

void check(int64_t N, int64_t C, int64_t V, int32_t dtype, float softcap, int64_t chunk) {
  Array h(N * C, dtype), w(V * C, dtype == REMORA_F32 ? REMORA_F32 : REMORA_BF16);
  h.randomize();
  w.randomize(0.4f);
  std::vector<int32_t> targets(N);
  for (int64_t n = 0; n < N; n++) targets[n] = n % 5 == 3 ? -1 : static_cast<int32_t>(random_word() % V);
  const float scale = 0.37f;
  std::vector<double> loss(N), dh(N * C), dw(V * C), logits(V);
  std::vector<int32_t> top(N, -1);
  for (int64_t n = 0; n < N; n++) {
    if (targets[n] < 0) continue;
    double m = -1e300, sum = 0;
    for (int64_t v = 0; v < V; v++) {
      double s = 0;
      for (int64_t c = 0; c < C; c++) s += h.at(n * C + c) * w.at(v * C + c);
      logits[v] = softcap > 0 ? softcap * std::tanh(s / softcap) : s;
      if (logits[v] > m) m = logits[v], top[n] = static_cast<int32_t>(v);
    }
    for (double l : logits) sum += std::exp(l - m);
    loss[n] = std::log(sum) + m - logits[targets[n]];
    for (int64_t v = 0; v < V; v++) {
      double g = std::exp(logits[v] - m) / sum - (v == targets[n]);
      if (softcap > 0) g *= 1 - (logits[v] / softcap) * (logits[v] / softcap);
      g *= scale;
      for (int64_t c = 0; c < C; c++) {
        dh[n * C + c] += g * w.at(v * C + c);
        dw[v * C + c] += g * h.at(n * C + c);
      }
    }
  }
  const remora_weight head{w.dtype, 0, V, C, w.data(), nullptr, nullptr, nullptr, 0, 0};
  for (const IsaName &isa : ISAS) {
    if (!remora_isa_available(isa.isa)) continue;
    remora_context *ctx = remora_context_create(isa.isa, 2);
    for (int repeat = 0; repeat < 2; repeat++) {
      std::vector<float> row_loss(N, NAN), grad(V * C, 0.5f);
      Array d_h(N * C, dtype);
      d_h.poison();
      std::vector<int32_t> top1(N, -77);
      if (remora_head_loss(ctx, h.data(), &head, targets.data(), &scale, row_loss.data(), d_h.data(), grad.data(), top1.data(), N, dtype, chunk, softcap)) {
        printf("%s\n", remora_context_error(ctx));
        failures++;
      }
      Difference a, b, c;
      int wrong = 0;
      for (int64_t n = 0; n < N; n++) a.add(row_loss[n], loss[n]), wrong += top1[n] != top[n];
      for (int64_t i = 0; i < N * C; i++) b.add(d_h.at(i), dh[i]);
      for (int64_t i = 0; i < V * C; i++) c.add(grad[i] - 0.5, dw[i]);
      const double loose = dtype == REMORA_F32 ? 5e-6 : 5e-3;
      expect("loss", a.relative(), 2e-6, isa.name, dtype, N, C, V);
      // With one word every gradient is 0 and only rounding is left: no relative error of that.
      const auto error = [](const Difference &d) { return d.worst <= 1e-6 ? 0 : d.relative(); };
      expect("d_h", error(b), loose, isa.name, dtype, N, C, V);
      expect("head_grad", error(c), dtype == REMORA_F32 ? 1e-5 : loose, isa.name, dtype, N, C, V);
      expect("top1", wrong, 0, isa.name, dtype, N, C, V);
    }
    remora_context_destroy(ctx);
  }
}

void time_head(remora_context *ctx, int64_t N, int64_t C, int64_t V, int64_t chunk) {
  Array h(N * C, REMORA_BF16), w(V * C, REMORA_BF16), d_h(N * C, REMORA_BF16);
  h.randomize();
  w.randomize(0.1f);
  std::vector<int32_t> targets(N), top(N);
  for (int64_t n = 0; n < N; n++) targets[n] = static_cast<int32_t>(random_word() % V);
  std::vector<float> loss(N);
  const float scale = 1.0f;
  const remora_weight head{REMORA_BF16, 0, V, C, w.data(), nullptr, nullptr, nullptr, 0, 0};
  double top_rate = 0;
  remora_measure_peak(ctx, &top_rate, REMORA_BF16, 0.1);
  top_rate /= remora_context_threads(ctx);
  for (int backward = 0; backward < 2; backward++) {
    const Timing t = time_it([&] { remora_head_loss(ctx, h.data(), &head, targets.data(), &scale, loss.data(), backward ? d_h.data() : nullptr, nullptr, top.data(), N, REMORA_BF16, chunk, 0); }, 0.5, 3);
    const double rate = 2.0 * N * C * V * (backward ? 2 : 1) / t.cpu / 1e9;
    printf("head N %ld C %ld V %ld chunk %ld %s: %.1f GFLOP/s a thread (%.0f%% of %.1f), wall %.0f ms, scratch %.0f MB\n", (long)N, (long)C, (long)V, (long)chunk,
           backward ? "loss + d_h" : "loss      ", rate, 100 * rate / top_rate, top_rate, t.wall * 1e3, remora_context_scratch_bytes(ctx) / 1e6);
  }
}

}  // namespace

int main(int argc, char **argv) {
  for (int32_t dtype : {REMORA_F32, REMORA_BF16, REMORA_F16}) {
    for (float softcap : {0.0f, 5.0f}) {
      check(1, 7, 31, dtype, softcap, 4);
      check(7, 33, 1, dtype, softcap, 2);
      check(33, 64, 600, dtype, softcap, 10);
      check(40, 31, 2057, dtype, softcap, 64);
      check(5, 16, 17000, dtype, softcap, 64);
    }
  }
  printf("%d checks, %d failures\n", checks, failures);
  if (argc > 2) {
    int32_t isa = -1;
    for (const IsaName &name : ISAS) {
      if (!strcmp(name.name, argv[1])) isa = name.isa;
    }
    remora_context *ctx = remora_context_create(isa, atoi(argv[2]));
    time_head(ctx, 512, 576, 49152, 256);
    time_head(ctx, 256, 640, 262144, 128);
    remora_context_destroy(ctx);
  }
  return failures > 0;
}

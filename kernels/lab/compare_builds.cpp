// Compares two builds of the kernel library (two compilers, two commits) by time: both are loaded into one process and every op runs on them in
// turn, one thread, so that a busy machine slows both alike. Prints the median over the pairs of time(B) / time(A), by processor time; above 1
// means that B is slower.
//   g++ -O2 -std=c++17 kernels/lab/compare_builds.cpp -o compare -ldl && ./compare A/libremora.so B/libremora.so [isa names…]
#include <dlfcn.h>

#include "lab_library.h"

using namespace lab;

namespace {

double processor_time() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

Library libraries[2];
remora_context *contexts[2];
double product = 1;  // of all ratios, for the geometric mean
int ratios = 0;

template <class F>
void compare(const char *name, const F &f) {
  std::vector<double> pairs, first;
  for (int b = 0; b < 2; b++) f(libraries[b], contexts[b]);
  double once = processor_time();
  f(libraries[0], contexts[0]);
  once = processor_time() - once;
  const int calls = once < 2e-3 ? static_cast<int>(2e-3 / (once + 1e-9)) + 1 : 1;  // at least about 2 ms a sample
  for (int i = 0; i < 21; i++) {
    double seconds[2];
    for (int k = 0; k < 2; k++) {
      const int b = (i + k) % 2;  // who goes first alternates too
      const double start = processor_time();
      for (int c = 0; c < calls; c++) f(libraries[b], contexts[b]);
      seconds[b] = (processor_time() - start) / calls;
    }
    pairs.push_back(seconds[1] / seconds[0]);
    first.push_back(seconds[0]);
  }
  std::sort(pairs.begin(), pairs.end());
  std::sort(first.begin(), first.end());
  product *= pairs[10];
  ratios++;
  printf("  %-34s %9.3f ms  ratio %5.3f  (%.3f … %.3f)%s\n", name, first[10] * 1e3, pairs[10], pairs[5], pairs[15], pairs[10] > 1.03 ? "  SLOWER" : "");
  fflush(stdout);
}

void products(int32_t act, const char *act_name) {
  const int64_t N = 512, in = 576, out = 1536, R = 16;
  std::vector<float> values(N * out), a(R * in, 0.01f), b(out * R, 0.01f), ga(R * in), gb(out * R);
  std::vector<float> weights(out * in), scales(out * in / 64, 0.1f), d_w(out * in);
  std::vector<uint16_t> dense(out * in);
  std::vector<uint8_t> codes(out * in / 2), x(N * in * 4), y(N * out * 4), dx(N * in * 4), xa(N * R * 4), db(N * R * 4);
  fill(values);
  fill(weights, 0.1f);
  for (uint8_t &c : codes) c = static_cast<uint8_t>(random_word() >> 9);
  Library &any = libraries[0];
  any.convert(contexts[0], values.data(), x.data(), N * in, REMORA_F32, act);
  any.convert(contexts[0], values.data(), y.data(), N * out, REMORA_F32, act);
  any.convert(contexts[0], weights.data(), dense.data(), out * in, REMORA_F32, REMORA_BF16);
  char name[64];
  for (int32_t format : {REMORA_BF16, REMORA_F32, REMORA_NF4}) {
    const char *format_name = format == REMORA_BF16 ? "bf16" : format == REMORA_F32 ? "f32" : "nf4";
    void *data = format == REMORA_BF16 ? static_cast<void *>(dense.data()) : format == REMORA_F32 ? static_cast<void *>(weights.data()) : codes.data();
    remora_linear_part part{};
    part.weight = remora_weight{format, 0, out, in, data, format == REMORA_NF4 ? scales.data() : nullptr, nullptr, nullptr, 0, 0};
    part.lora_a = a.data(), part.lora_b = b.data(), part.lora_a_grad = ga.data(), part.lora_b_grad = gb.data(), part.rank = R, part.scale = 2;
    snprintf(name, sizeof(name), "linear forward, act %s w %s", act_name, format_name);
    compare(name, [&](Library &l, remora_context *c) { l.linear_forward(c, &part, 1, nullptr, x.data(), y.data(), xa.data(), N, act, 0, nullptr); });
    snprintf(name, sizeof(name), "linear d_x, act %s w %s", act_name, format_name);
    compare(name, [&](Library &l, remora_context *c) { l.linear_backward_input(c, &part, 1, y.data(), dx.data(), db.data(), N, act, 0, nullptr); });
    snprintf(name, sizeof(name), "one row, act %s w %s", act_name, format_name);
    compare(name, [&](Library &l, remora_context *c) { l.linear_forward(c, &part, 1, nullptr, x.data(), y.data(), xa.data(), 1, act, 0, nullptr); });
    if (format == REMORA_BF16) {
      snprintf(name, sizeof(name), "lora backward, act %s", act_name);
      compare(name, [&](Library &l, remora_context *c) { l.lora_backward(c, &part, 1, x.data(), xa.data(), y.data(), db.data(), N, act, 0, nullptr); });
    }
  }
  snprintf(name, sizeof(name), "linear d_w, act %s", act_name);
  compare(name, [&](Library &l, remora_context *c) { l.linear_backward_weight(c, x.data(), y.data(), d_w.data(), nullptr, N, in, out, out, 0, act); });
}

void attention(int32_t act, const char *act_name, int64_t D) {
  const int64_t N = 512, H = 4, K = 2, width = (H + 2 * K) * D, page = 16;
  std::vector<float> values(N * width), lse(N * H);
  std::vector<uint8_t> qkv(N * width * 4), out(N * H * D * 4), d_out(N * H * D * 4), d_qkv(qkv.size()), k_pages(N * K * D * 4), v_pages(N * K * D * 4);
  std::vector<int32_t> start(N, 0), end(N, static_cast<int32_t>(N)), table(N / page), sequences(1, 0), positions(1, static_cast<int32_t>(N - 1));
  for (size_t i = 0; i < table.size(); i++) table[i] = static_cast<int32_t>(i);
  fill(values, 1.7f);
  Library &any = libraries[0];
  any.convert(contexts[0], values.data(), qkv.data(), N * width, REMORA_F32, act);
  any.convert(contexts[0], values.data(), d_out.data(), N * H * D, REMORA_F32, act);
  any.convert(contexts[0], values.data(), k_pages.data(), N * K * D, REMORA_F32, act);
  any.convert(contexts[0], values.data(), v_pages.data(), N * K * D, REMORA_F32, act);
  char name[64];
  const float scale = 0.1f;
  snprintf(name, sizeof(name), "attention forward, D%d %s", static_cast<int>(D), act_name);
  compare(name, [&](Library &l, remora_context *c) {
    l.attention_forward(c, qkv.data(), start.data(), end.data(), out.data(), lse.data(), N, H, K, D, act, scale, 1, 0, 0);
  });
  snprintf(name, sizeof(name), "attention backward, D%d %s", static_cast<int>(D), act_name);
  compare(name, [&](Library &l, remora_context *c) {
    l.attention_backward(c, qkv.data(), start.data(), end.data(), out.data(), lse.data(), d_out.data(), d_qkv.data(), N, H, K, D, act, scale, 1, 0, 0);
  });
  snprintf(name, sizeof(name), "attention paged, D%d %s", static_cast<int>(D), act_name);
  compare(name, [&](Library &l, remora_context *c) {
    l.attention_paged(c, qkv.data(), sequences.data(), positions.data(), table.data(), k_pages.data(), v_pages.data(), out.data(), 1, H, K, D, page,
                      N / page, act, scale, 0, 0);
  });
}

void rows() {
  const int64_t N = 512, C = 576, F = 1536, P = 1 << 18, V = 49152;
  std::vector<float> values(N * 2 * F), weight(C, 1.0f), rstd(N, 1.0f), table(N * 64, 0.5f), gradients(P, 0.01f), params(P, 0.1f), m(P), v(P), logits(V);
  std::vector<uint8_t> x(N * 2 * F * 2), y(N * 2 * F * 2), z(N * 2 * F * 2);
  std::vector<int32_t> positions(N);
  for (int64_t n = 0; n < N; n++) positions[n] = static_cast<int32_t>(n);
  fill(values);
  fill(logits, 4);
  libraries[0].convert(contexts[0], values.data(), x.data(), N * 2 * F, REMORA_F32, REMORA_BF16);
  const float hyper[8] = {1e-5f, 0.9f, 0.999f, 1e-8f, 0.01f, 0.1f, 0.001f, 0}, clip[1] = {1}, sampling[5] = {0.7f, 50, 0.9f, 0.05f, 1.1f};
  const uint64_t seed = 1;
  const int32_t step = 0, history = 5, history_length = 1;
  int32_t id;
  float logprob, norm[2];
  compare("rms norm forward bf16", [&](Library &l, remora_context *c) {
    l.rms_norm_forward(c, x.data(), nullptr, weight.data(), nullptr, y.data(), rstd.data(), N, C, REMORA_BF16, 1e-5f);
  });
  compare("rms norm backward bf16", [&](Library &l, remora_context *c) {
    l.rms_norm_backward(c, x.data(), weight.data(), rstd.data(), x.data(), nullptr, y.data(), nullptr, N, C, REMORA_BF16);
  });
  compare("gated forward bf16", [&](Library &l, remora_context *c) { l.gated_forward(c, x.data(), y.data(), N, F, REMORA_BF16, 0); });
  compare("gated backward bf16", [&](Library &l, remora_context *c) { l.gated_backward(c, x.data(), x.data(), z.data(), N, F, REMORA_BF16, 0); });
  compare("rope forward bf16", [&](Library &l, remora_context *c) {
    l.rope_forward(c, x.data(), nullptr, nullptr, table.data(), positions.data(), y.data(), N, 9, 3, 64, 64, REMORA_BF16, 0);
  });
  compare("adamw", [&](Library &l, remora_context *c) {
    l.adamw(c, gradients.data(), hyper, clip, params.data(), m.data(), v.data(), nullptr, P, REMORA_F32);
  });
  compare("gradient norm", [&](Library &l, remora_context *c) { l.gradient_norm(c, gradients.data(), norm, P, 1); });
  compare("sample", [&](Library &l, remora_context *c) {
    l.sample(c, logits.data(), sampling, &seed, &step, &history, &history_length, &id, &logprob, 1, V, 1);
  });
  std::vector<uint8_t> codes(P / 2);
  std::vector<float> absmax(P / 64);
  compare("nf4 encode", [&](Library &l, remora_context *c) { l.nf4_encode(c, values.data(), codes.data(), absmax.data(), P, REMORA_F32); });
  const int64_t head_rows = 64, vocabulary = 4096;
  std::vector<uint16_t> head(vocabulary * C);
  std::vector<int32_t> targets(head_rows, 7);
  std::vector<float> losses(head_rows);
  const float one = 1;
  libraries[0].convert(contexts[0], values.data(), head.data(), std::min<int64_t>(N * 2 * F, vocabulary * C), REMORA_F32, REMORA_BF16);
  const remora_weight weight_of_head{REMORA_BF16, 0, vocabulary, C, head.data(), nullptr, nullptr, nullptr, 0, 0};
  compare("head and loss bf16", [&](Library &l, remora_context *c) {
    l.head_loss(c, x.data(), &weight_of_head, targets.data(), &one, losses.data(), y.data(), nullptr, nullptr, head_rows, REMORA_BF16, head_rows, 0);
  });
}

}  // namespace

int main(int count, char **arguments) {
  if (count < 3) return printf("usage: compare <library A> <library B> [isa…]\n"), 2;
  for (int b = 0; b < 2; b++) {
    if (!libraries[b].open(arguments[1 + b])) return printf("%s\n", dlerror()), 1;
  }
  for (const IsaName &isa : ISAS) {
    bool wanted = count == 3;
    for (int i = 3; i < count; i++) wanted |= strcmp(arguments[i], isa.name) == 0;
    if (!wanted) continue;
    for (int b = 0; b < 2; b++) contexts[b] = libraries[b].context_create(isa.isa, 1);
    if (contexts[0] == nullptr || contexts[1] == nullptr) continue;
    printf("%s: time of %s over time of %s\n", isa.name, arguments[2], arguments[1]);
    product = 1, ratios = 0;
    products(REMORA_BF16, "bf16");
    products(REMORA_F32, "f32");
    for (int64_t D : {64, 128}) attention(REMORA_BF16, "bf16", D);
    attention(REMORA_F32, "f32", 64);
    rows();
    printf("  geometric mean %.3f\n", std::pow(product, 1.0 / ratios));
    for (int b = 0; b < 2; b++) libraries[b].context_destroy(contexts[b]);
  }
}

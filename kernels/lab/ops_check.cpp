// Checks every op but the linear family and the head (linear_check.cpp, head_check.cpp) on every ISA of this machine against kernels/reference:
// odd sizes, every activation dtype, poisoned outputs, one and two threads, each call twice with equal bits. Native, so that it also runs where
// Node does not, for instance the NEON build under an emulator:
//   g++ -O2 -std=c++17 kernels/lab/ops_check.cpp -o check build/libremora.so -Wl,-rpath,$PWD/build && ./check
#include <functional>

#include "lab.h"

using namespace lab;

namespace {

// An array of one of the three dtypes that can be copied, so that every context gets the same start.
struct Values {
  int32_t dtype;
  std::vector<float> f;
  std::vector<uint16_t> h;
  Values(int64_t count, int32_t dtype) : dtype(dtype), f(dtype == REMORA_F32 ? count : 0), h(dtype == REMORA_F32 ? 0 : count) {}
  void set(int64_t i, float v) {
    if (dtype == REMORA_F32) f[i] = v;
    else h[i] = dtype == REMORA_BF16 ? to_bf16(v) : to_f16(v);
  }
  double at(int64_t i) const {
    if (dtype == REMORA_F32) return f[i];
    return dtype == REMORA_BF16 ? from_bf16(h[i]) : from_f16(h[i]);
  }
  int64_t count() const { return static_cast<int64_t>(f.size() + h.size()); }
  void *data() { return dtype == REMORA_F32 ? static_cast<void *>(f.data()) : h.data(); }
  const void *data() const { return dtype == REMORA_F32 ? static_cast<const void *>(f.data()) : h.data(); }
  void randomize(float scale) {
    for (int64_t i = 0; i < count(); i++) set(i, random_value() * scale);
  }
  void poison() {
    for (int64_t i = 0; i < count(); i++) set(i, NAN);
  }
};

int failures = 0, checks = 0;
remora_context *reference;

struct Device {
  remora_context *ctx;
  const char *name;
};
std::vector<Device> devices;

// Runs `call` on the reference and on every device; the outputs it is given start as NaN, or as `outputs` when keep is set.
void check(const char *name, const std::vector<Values> &outputs, double tolerance, bool keep, const std::function<int32_t(remora_context *, std::vector<Values> &)> &call) {
  const auto run = [&](remora_context *ctx) {
    std::vector<Values> result = outputs;
    if (!keep)
      for (Values &a : result) a.poison();
    const int32_t status = call(ctx, result);
    if (status != REMORA_OK) printf("FAIL %s: status %d, %s\n", name, status, remora_context_error(ctx)), failures++;
    return result;
  };
  const std::vector<Values> expected = run(reference);
  for (const Device &device : devices) {
    const std::vector<Values> found = run(device.ctx), again = run(device.ctx);
    for (size_t k = 0; k < found.size(); k++) {
      Difference difference;
      bool same = true;
      for (int64_t i = 0; i < found[k].count(); i++) {
        difference.add(found[k].at(i), expected[k].at(i));
        same &= found[k].at(i) == again[k].at(i);
      }
      checks++;
      if (!(difference.relative() <= tolerance || difference.worst <= 1e-6) || !same) {
        failures++;
        printf("FAIL %s[%zu] on %s: error %.3g, worst %.3g, tolerance %.3g%s\n", name, k, device.name, difference.relative(), difference.worst, tolerance,
               same ? "" : ", two runs differ");
      }
    }
  }
}

double tolerance(int32_t dtype, double factor = 1) { return factor * (dtype == REMORA_F32 ? 3e-6 : dtype == REMORA_BF16 ? 5e-3 : 7e-4); }

Values random_array(int64_t count, int32_t dtype, float scale = 1) {
  Values a(count, dtype);
  a.randomize(scale);
  return a;
}

void check_rows(int32_t dtype, int64_t N, int64_t C) {
  const Values x = random_array(N * C, dtype, 2), r = random_array(N * C, dtype), g = random_array(N * C, dtype), weight = random_array(C, REMORA_F32);
  const Values act(N * C, dtype), bias = random_array(C, REMORA_F32);
  Values rstd(N, REMORA_F32);
  for (int64_t n = 0; n < N; n++) rstd.f[n] = 0.7f + 0.1f * static_cast<float>(n % 5);
  const auto f = [](const Values &a) { return static_cast<const float *>(a.data()); };
  const auto out = [](Values &a) { return static_cast<float *>(a.data()); };
  check("rms_norm_forward", {act, act, rstd}, tolerance(dtype), false, [&](remora_context *ctx, std::vector<Values> &o) {
    return remora_rms_norm_forward(ctx, x.data(), r.data(), f(weight), o[0].data(), o[1].data(), out(o[2]), N, C, dtype, 1e-5f);
  });
  check("rms_norm_backward", {act, weight}, tolerance(dtype, 2), true, [&](remora_context *ctx, std::vector<Values> &o) {
    return remora_rms_norm_backward(ctx, x.data(), f(weight), f(rstd), g.data(), r.data(), o[0].data(), out(o[1]), N, C, dtype);
  });
  check("rms_norm_apply", {act}, tolerance(dtype), false, [&](remora_context *ctx, std::vector<Values> &o) {
    return remora_rms_norm_apply(ctx, x.data(), f(weight), f(rstd), o[0].data(), N, C, dtype);
  });
  check("layer_norm_forward", {act}, tolerance(dtype, 4), false, [&](remora_context *ctx, std::vector<Values> &o) {
    return remora_layer_norm_forward(ctx, x.data(), r.data(), f(weight), f(bias), o[0].data(), N, C, dtype, 1e-5f);
  });
  const Values gate_up = random_array(2 * N * C, dtype, 6);
  for (int32_t kind : {0, 1}) {
    check("gated_forward", {act}, tolerance(dtype, 2), false, [&](remora_context *ctx, std::vector<Values> &o) {
      return remora_gated_forward(ctx, gate_up.data(), o[0].data(), N, C, dtype, kind);
    });
    check("gated_backward", {gate_up}, tolerance(dtype, 2), false, [&](remora_context *ctx, std::vector<Values> &o) {
      return remora_gated_backward(ctx, gate_up.data(), g.data(), o[0].data(), N, C, dtype, kind);
    });
    check("gelu_forward", {act}, tolerance(dtype, 2), false, [&](remora_context *ctx, std::vector<Values> &o) {
      return remora_gelu_forward(ctx, gate_up.data(), o[0].data(), N * C, dtype, kind);
    });
  }
  for (int32_t target : {REMORA_F32, REMORA_BF16, REMORA_F16}) {
    check("convert", {Values(N * C, target)}, 0, false,
          [&](remora_context *ctx, std::vector<Values> &o) { return remora_convert(ctx, x.data(), o[0].data(), N * C, dtype, target); });
  }
  check("add", {g}, tolerance(dtype), true, [&](remora_context *ctx, std::vector<Values> &o) { return remora_add(ctx, x.data(), o[0].data(), N * C, dtype, 0.37f); });
  std::vector<int32_t> ids;
  for (int i = 0; i < 50; i++) ids.push_back(static_cast<int32_t>(random_word() % (N + 1)) - 1);
  check("gather_rows", {Values(50 * C, dtype)}, 0, false,
        [&](remora_context *ctx, std::vector<Values> &o) { return remora_gather_rows(ctx, x.data(), ids.data(), o[0].data(), 50, C, dtype); });
  remora_weight table{};
  table.format = dtype, table.rows = N, table.cols = C, table.data = x.data();
  check("embedding_forward", {Values(50 * C, dtype)}, tolerance(dtype), false,
        [&](remora_context *ctx, std::vector<Values> &o) { return remora_embedding_forward(ctx, &table, ids.data(), o[0].data(), 50, dtype, 1.7f); });
  const Values d_y = random_array(50 * C, dtype);
  check("embedding_backward", {random_array(N * C, REMORA_F32)}, tolerance(REMORA_F32), true, [&](remora_context *ctx, std::vector<Values> &o) {
    return remora_embedding_backward(ctx, ids.data(), d_y.data(), out(o[0]), 50, C, N, dtype, 0.5f);
  });
}

void check_rope(int32_t dtype, int64_t N, int64_t H, int64_t K, int64_t D, int64_t rotary, bool norms) {
  const int64_t count = N * (H + 2 * K) * D;
  const Values qkv = random_array(count, dtype), g = random_array(count, dtype), q = random_array(D, REMORA_F32), k = random_array(D, REMORA_F32);
  const Values table = random_array(100 * rotary, REMORA_F32);
  std::vector<int32_t> positions;
  for (int64_t n = 0; n < N; n++) positions.push_back(static_cast<int32_t>(random_word() % 100));
  const float *qn = norms ? q.f.data() : nullptr, *kn = norms ? k.f.data() : nullptr;
  check("rope_forward", {qkv}, tolerance(dtype), false, [&](remora_context *ctx, std::vector<Values> &o) {
    return remora_rope_forward(ctx, qkv.data(), qn, kn, table.f.data(), positions.data(), o[0].data(), N, H, K, D, rotary, dtype, 1e-6f);
  });
  check("rope_backward", {qkv, q, k}, tolerance(dtype, 2), true, [&](remora_context *ctx, std::vector<Values> &o) {
    return remora_rope_backward(ctx, qkv.data(), qn, kn, table.f.data(), positions.data(), g.data(), o[0].data(), norms ? o[1].f.data() : nullptr,
                                norms ? o[2].f.data() : nullptr, N, H, K, D, rotary, dtype, 1e-6f);
  });
}

void check_attention(int32_t dtype, int64_t N, int64_t H, int64_t K, int64_t D, int32_t causal, int64_t window, float softcap, std::vector<int64_t> cuts) {
  const Values qkv = random_array(N * (H + 2 * K) * D, dtype, 1.5f), g = random_array(N * H * D, dtype);
  std::vector<int32_t> start(N), end(N);
  cuts.push_back(N);
  for (int64_t n = 0, s = 0, at = 0; n < N; n++) {
    if (n == cuts[at]) s = cuts[at++];
    start[n] = static_cast<int32_t>(s);
    end[n] = static_cast<int32_t>(cuts[at]);
    if (at > 1 && cuts[at] == N) end[n] = start[n];  // the last of three or more segments is padding
  }
  const float scale = 1.2f / std::sqrt(static_cast<float>(D));
  std::vector<Values> kept;
  check("attention_forward", {Values(N * H * D, dtype)}, tolerance(dtype, 2), false, [&](remora_context *ctx, std::vector<Values> &o) {
    return remora_attention_forward(ctx, qkv.data(), start.data(), end.data(), o[0].data(), nullptr, N, H, K, D, dtype, scale, causal, window, softcap);
  });
  check("attention_backward", {qkv}, tolerance(dtype, 4), false, [&](remora_context *ctx, std::vector<Values> &o) {
    Values forward(N * H * D, dtype);
    std::vector<float> lse(N * H);
    remora_attention_forward(ctx, qkv.data(), start.data(), end.data(), forward.data(), lse.data(), N, H, K, D, dtype, scale, causal, window, softcap);
    return remora_attention_backward(ctx, qkv.data(), start.data(), end.data(), forward.data(), lse.data(), g.data(), o[0].data(), N, H, K, D, dtype, scale,
                                     causal, window, softcap);
  });
}

void check_paged(int32_t dtype, int64_t H, int64_t K, int64_t D, int64_t page_size, int64_t window, int64_t length) {
  const int64_t B = 2, blocks = (length + page_size - 1) / page_size, pages = B * blocks;
  std::vector<int32_t> table, sequences = {1, -1, 0}, positions = {static_cast<int32_t>(length - 1), 0, 0};
  for (int64_t p = 0; p < pages; p++) table.push_back(static_cast<int32_t>(pages - 1 - p));
  for (int32_t i = 3; i < 3 + length / 2; i++) sequences.push_back(0), positions.push_back(i);
  const int64_t N = static_cast<int64_t>(sequences.size());
  const Values qkv = random_array(N * (H + 2 * K) * D, dtype), k = random_array(pages * page_size * K * D, dtype), v = random_array(pages * page_size * K * D, dtype);
  check("cache_write", {k, v}, 0, true, [&](remora_context *ctx, std::vector<Values> &o) {
    return remora_cache_write(ctx, qkv.data(), sequences.data(), positions.data(), table.data(), o[0].data(), o[1].data(), N, H, K, D, page_size, blocks, dtype);
  });
  for (int64_t rows : {int64_t{1}, N})
    check("attention_paged", {Values(rows * H * D, dtype)}, tolerance(dtype, 2), false, [&](remora_context *ctx, std::vector<Values> &o) {
      return remora_attention_paged(ctx, qkv.data(), sequences.data(), positions.data(), table.data(), k.data(), v.data(), o[0].data(), rows, H, K, D, page_size,
                                    blocks, dtype, 0.13f, window, 0);
    });
}

void check_numbers(int64_t count) {
  const Values g = random_array(count, REMORA_F32), p = random_array(count, REMORA_F32), m = random_array(count, REMORA_F32, 0.1f);
  Values v = random_array(count, REMORA_F32, 0.1f);
  for (float &x : v.f) x = x * x;
  const float hyper[8] = {3e-3f, 0.9f, 0.999f, 1e-8f, 0.1f, 0.271f, 0.002997f, 0}, clip[1] = {0.5f};
  check("gradient_norm", {Values(2, REMORA_F32)}, 1e-6, false,
        [&](remora_context *ctx, std::vector<Values> &o) { return remora_gradient_norm(ctx, g.f.data(), o[0].f.data(), count, 1.0f); });
  check("sum", {Values(1, REMORA_F32)}, 1e-5, false, [&](remora_context *ctx, std::vector<Values> &o) { return remora_sum(ctx, g.f.data(), o[0].f.data(), count); });
  for (int32_t normal : {0, 1})
    check("random", {Values(count, REMORA_F32)}, 0, false,
          [&](remora_context *ctx, std::vector<Values> &o) { return remora_random(ctx, o[0].f.data(), count, 77, 0.3f, normal); });
  check("adamw", {p, m, v, Values(count, REMORA_BF16)}, 4e-3, true, [&](remora_context *ctx, std::vector<Values> &o) {
    return remora_adamw(ctx, g.f.data(), hyper, clip, o[0].f.data(), o[1].f.data(), o[2].f.data(), o[3].data(), count, REMORA_BF16);
  });
  check("adamw_8bit", {p}, 1e-4, true, [&](remora_context *ctx, std::vector<Values> &o) {
    std::vector<uint8_t> m8(count, 127), v8(count, 0);
    std::vector<float> ms(count / 256 + 1), vs(count / 256 + 1);
    int32_t status = 0;
    for (int step = 0; step < 3; step++)
      status |= remora_adamw_8bit(ctx, g.f.data(), hyper, clip, o[0].f.data(), m8.data(), v8.data(), ms.data(), vs.data(), nullptr, count, REMORA_F32);
    return status;
  });
  for (int32_t dtype : {REMORA_F32, REMORA_BF16, REMORA_F16}) {
    Values x = random_array(count, dtype, dtype == REMORA_F16 ? 1.0f : 1e-3f);
    for (int64_t i = 0; i < count && i < 200; i++) x.set(i, i < 64 ? 0.0f : static_cast<float>(x.at(i)) * 1e-36f);
    const int64_t bytes = (count + 1) / 2, blocks = (count + 63) / 64;
    check("nf4_encode", {Values(bytes, REMORA_F32), Values(blocks, REMORA_F32)}, 0, false, [&](remora_context *ctx, std::vector<Values> &o) {
      std::vector<uint8_t> codes(bytes);
      const int32_t status = remora_nf4_encode(ctx, x.data(), codes.data(), o[1].f.data(), count, dtype);
      for (int64_t i = 0; i < bytes; i++) o[0].f[i] = codes[i];
      return status;
    });
  }
}

void check_decode() {
  const int block_bytes[8] = {34, 18, 20, 22, 24, 144, 176, 210};
  for (int32_t format = REMORA_Q8_0; format <= REMORA_Q6_K; format++) {
    const int64_t rows = 5, cols = 768, size = block_bytes[format - REMORA_Q8_0], blocks = rows * cols / (format >= REMORA_Q4_K ? 256 : 32);
    std::vector<uint8_t> data(blocks * size);
    for (uint8_t &byte : data) byte = static_cast<uint8_t>(random_word() >> 13);
    for (int64_t b = 0; b < blocks; b++) {  // scales that are numbers
      const uint16_t d = to_f16(random_value()), e = to_f16(random_value());
      memcpy(&data[b * size + (format == REMORA_Q6_K ? 208 : 0)], &d, 2);
      if (format == REMORA_Q4_1 || format == REMORA_Q5_1 || format == REMORA_Q4_K || format == REMORA_Q5_K) memcpy(&data[b * size + 2], &e, 2);
    }
    remora_weight w{};
    w.format = format, w.rows = rows, w.cols = cols, w.data = data.data();
    for (int32_t dtype : {REMORA_F32, REMORA_BF16, REMORA_F16})
      check("weight_decode", {Values(3 * cols, dtype)}, tolerance(dtype, 0.3), false,
            [&](remora_context *ctx, std::vector<Values> &o) { return remora_weight_decode(ctx, &w, o[0].data(), 1, 3, dtype); });
  }
}

void check_sample(int64_t vocabulary) {
  const int64_t B = 6;
  const Values logits = random_array(B * vocabulary, REMORA_F32, 12);
  const float params[B * 5] = {0, 0, 1, 0, 1, 0.8f, 40, 0.9f, 0, 1, 1, 0, 0.7f, 0, 1.2f, 1.3f, 0, 1, 0.05f, 1, 1, 5, 1, 0, 1, 0.7f, 0, 1, 0, 1};
  const uint64_t seeds[B] = {1, 2, 3, 4, 5, 6};
  const int32_t steps[B] = {0, 1, 2, 3, 4, 5}, lengths[B] = {0, 0, 3, 0, 2, 0};
  std::vector<int32_t> history(B * 4);
  for (int32_t &id : history) id = static_cast<int32_t>(random_word() % vocabulary);
  check("sample", {Values(B, REMORA_F32), Values(B, REMORA_F32)}, 1e-5, false, [&](remora_context *ctx, std::vector<Values> &o) {
    int32_t ids[B];
    const int32_t status = remora_sample(ctx, logits.f.data(), params, seeds, steps, history.data(), lengths, ids, o[1].f.data(), B, vocabulary, 4);
    for (int64_t b = 0; b < B; b++) o[0].f[b] = static_cast<float>(ids[b]);
    return status;
  });
}

}  // namespace

int main() {
  reference = remora_context_create(REMORA_ISA_REFERENCE, 1);
  for (const IsaName &isa : ISAS)
    if (remora_isa_available(isa.isa))
      for (int threads : {1, 2}) devices.push_back({remora_context_create(isa.isa, threads), isa.name});
  for (int32_t dtype : {REMORA_F32, REMORA_BF16, REMORA_F16}) {
    for (auto [N, C] : {std::pair<int64_t, int64_t>{1, 1}, {31, 257}, {257, 31}, {3, 576}}) check_rows(dtype, N, C);
    check_rope(dtype, 33, 3, 1, 64, 64, false);
    check_rope(dtype, 31, 2, 2, 80, 32, true);
    check_rope(dtype, 1, 1, 1, 31, 30, true);
    check_attention(dtype, 1, 1, 1, 1, 1, 0, 0, {});
    check_attention(dtype, 31, 4, 2, 80, 1, 0, 3, {});
    check_attention(dtype, 257, 9, 3, 64, 1, 0, 0, {64, 200});
    check_attention(dtype, 130, 2, 1, 32, 0, 20, 0, {50});
    check_attention(dtype, 150, 3, 3, 128, 1, 40, 0, {});
    check_attention(dtype, 70, 2, 2, 7, 0, 0, 0, {20, 31, 60});
    check_paged(dtype, 4, 2, 64, 16, 0, 100);
    check_paged(dtype, 3, 1, 80, 7, 30, 90);
    check_paged(dtype, 2, 1, 32, 16, 0, 1300);
  }
  for (int64_t count : {1, 31, 257, 10007}) check_numbers(count);
  check_decode();
  for (int64_t vocabulary : {1, 31, 5000}) check_sample(vocabulary);
  printf("%d comparisons on %zu contexts, %d failures\n", checks, devices.size(), failures);
  return failures == 0 ? 0 : 1;
}

// Products of one to four rows with what rides along (norm, adapters, bias, residual, gate) against the reference's separate ops; then the shapes of
// Nemo 12B timed, with the variants of kernels/lab/decode_variants.cu where their image was built.
#include <algorithm>
#include "harness.h"
#include "nf4_group.h"

namespace check {
static int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
static uint32_t vector_shared(const std::vector<int> &outs, int64_t In, int rows, int64_t shares) {
  int64_t pairs = 0;
  for (int out : outs) pairs += ceil_div(ceil_div(out, shares), 2);
  const int64_t chunks = ceil_div(In, 512);
  return static_cast<uint32_t>(65536 + rows * chunks * 1024 + pairs * (In / 64 * 8 + chunks * 64 * rows + 8));
}
static uint32_t vector_threads(int rows) { return rows == 1 ? 768 : 512; }

struct VectorCase {
  const char *label;
  std::vector<int> outs, ranks;
  bool norm, residual, bias;
  int gate;
};
void check_linear_vector() {
  remora_context *ctx = reference_context();
  const std::vector<VectorCase> cases = {
      {"plain", {40, 16, 7}, {0, 0, 0}, false, false, false, -1},
      {"norm, bias, adapters", {40, 1, 9, 33}, {4, 0, 9, 1}, true, false, true, -1},
      {"residual", {37}, {3}, false, true, false, -1},
      {"norm, SiLU", {53, 53}, {0, 0}, true, false, false, 0},
      {"GELU, adapters, bias", {18, 18}, {2, 5}, false, false, true, 1},
  };
  for (int dtype : {BF16, F16})
    for (bool nested : {false, true})
      for (int64_t N : {1, 2, 3, 4})
        for (int64_t In : {64, 320, 1152, 2560, 14336})
          for (const VectorCase &c : cases) {
            if (N == 3 && In != 320) continue;
            if (In == 14336 && (N > 1 || dtype != BF16 || !c.residual)) continue;  // as much as a share of the down projection of Nemo 12B
            Nf4Group group(c.outs, c.ranks, In, nested);
            const int total = group.total, ranks = group.ranks, part_count = static_cast<int>(c.outs.size());
            const int width = c.gate >= 0 ? c.outs[0] : total;
            Array x = random_array(dtype, N * In), bias = random_array(F32, total), norm = uniform_array(F32, In, 0.5, 1.5), residual = random_array(dtype, N * width);
            Array normed(dtype, N * In), linear(dtype, N * total), y(dtype, N * width), want(dtype, N * width), xa(F32, N * ranks + 1), want_xa(dtype, N * ranks + 1);
            if (c.norm) reference.rms_norm_forward(ctx, x.ptr(), nullptr, norm.ptr<float>(), nullptr, normed.ptr(), nullptr, N, In, dtype, 1e-5f);
            normed.push();
            Array &input = c.norm ? normed : x;
            reference.linear_forward(ctx, group.parts.data(), part_count, c.bias ? bias.ptr<float>() : nullptr, input.ptr(), linear.ptr(), want_xa.ptr(), N, dtype, 0, nullptr);
            if (c.gate >= 0) reference.gated_forward(ctx, linear.ptr(), want.ptr(), N, width, dtype, c.gate);
            else
              for (int64_t i = 0; i < N * width; i++) put(want.ptr(), i, dtype, linear.at(i) + (c.residual ? residual.at(i) : 0));
            const int rows = N == 1 ? 1 : N == 2 ? 2 : 4;
            const std::string k = "linear_vector_nf4_rows" + std::to_string(rows) + "_" + suffix(dtype);
            // The reference rounds gate and up before it multiplies them, the kernel does not: a third of the drawings of numbers passed 6e-3, the worst of 64 was 8e-3.
            const double tolerance = tolerance_of(dtype, 0, c.gate >= 0 ? 1e-2 : 6e-3, 1e-3);
            for (const auto &[shares, grid] : {std::pair<int, uint32_t>{3, 3}, {5, 2}, {1, 1}})
              check_case(k + (nested ? " nested" : "") + " N" + std::to_string(N) + " In" + std::to_string(In) + " shares" + std::to_string(shares) + " " + c.label,
                         {{&y, &want, tolerance}}, [&] { y.poison(), xa.poison(); }, [&] {
                           if (ranks)
                             launch((std::string("lora_down_block_per_rank_") + suffix(dtype)).c_str(), {static_cast<uint32_t>(ranks)}, 128, 0, group.table.dev(), part_count, input.dev(), xa.dev(), static_cast<int>(N), static_cast<int>(In), ranks);
                           launch(k.c_str(), {grid}, vector_threads(rows), vector_shared(c.outs, In, rows, shares), group.table.dev(), part_count, c.bias ? bias.dev() : nullptr, x.dev(), c.norm ? norm.dev() : nullptr, 1e-5f, xa.dev(),
                                  c.residual ? residual.dev() : nullptr, y.dev(), static_cast<int>(N), static_cast<int>(In), width, ranks, c.gate, shares, group.table.dev(), part_count, static_cast<int>(In), shares);
                         });
          }
}

struct VectorVariant {
  const char *name;
  uint32_t threads, blocks;
};
static const VectorVariant variants[] = {{"w16g4", 512, 1}, {"w16g6", 512, 1}, {"w20g3", 640, 1}, {"w24g2", 768, 1}, {"w24g3", 768, 1}, {"w32g1", 1024, 1}, {"w32g2", 1024, 1}};

// The linears of one layer of Nemo 12B, one after the other in a graph, LAYERS of them: what a kernel costs among its neighbors. Their 140 MB do not stay in L2.
static void bench_layer(uint32_t multiprocessors) {
  if (device_is_emulated()) return;
  constexpr int LAYERS = 8;
  struct Linear {
    std::vector<int> outs;
    int In;
    bool norm, residual;
    int gate;
  };
  const std::vector<Linear> layer = {{{4096, 1024, 1024}, 5120, true, false, -1}, {{5120}, 4096, false, true, -1}, {{14336, 14336}, 5120, true, false, 0}, {{5120}, 14336, false, true, -1}};
  std::vector<Array> keep, tables, outputs;
  keep.reserve(64);
  Array x = random_array(BF16, 14336), norm = uniform_array(F32, 5120, 0.5, 1.5), residual = random_array(BF16, 5120), code = uniform_array(F32, 256, -1, 1);
  double bytes = 0;
  for (const Linear &l : layer) {
    std::vector<LinearPart> parts(l.outs.size());
    int begin = 0;
    for (size_t p = 0; p < parts.size(); p++) {
      const int64_t count = static_cast<int64_t>(l.outs[p]) * l.In;
      keep.push_back(byte_array(count / 2)), parts[p].data = keep.back().dev();
      keep.push_back(byte_array(count / 64)), parts[p].scales = keep.back().dev();
      keep.push_back(uniform_array(F32, count / 64 / 256 + 1, 0.01, 0.1)), parts[p].nested_scales = keep.back().dev();
      parts[p].nested_code = code.dev(), parts[p].nested_offset = 0.13f, parts[p].out = l.outs[p], parts[p].out_begin = begin;
      begin += l.outs[p];
      bytes += static_cast<double>(count) * (0.5 + 1.0 / 64 + 1.0 / 4096);
    }
    tables.push_back(Array(U8, static_cast<int64_t>(80 * parts.size())));
    std::memcpy(tables.back().host.data(), parts.data(), 80 * parts.size()), tables.back().push();
    outputs.push_back(Array(BF16, begin));
  }
  const char *const kernel = "linear_vector_nf4_rows1_bf16";
  if (!device_has(kernel)) return;
  const auto shares_of = [&](const Linear &l) {
    int64_t shares = multiprocessors;
    while (vector_shared(l.outs, l.In, 1, shares) > 220000) shares += multiprocessors;
    return static_cast<int>(shares);
  };
  const std::function<void()> run = [&] {
    for (size_t i = 0; i < layer.size() * LAYERS; i++) {
      const size_t at = i % layer.size(), then = (i + 1) % layer.size();
      const Linear &l = layer[at], &n = layer[then];
      const int shares = shares_of(l);
      launch(kernel, {multiprocessors}, vector_threads(1), vector_shared(l.outs, l.In, 1, shares), tables[at].dev(), static_cast<int>(l.outs.size()), nullptr, x.dev(), l.norm ? norm.dev() : nullptr, 1e-5f, nullptr,
             l.residual ? residual.dev() : nullptr, outputs[at].dev(), 1, l.In, l.outs[0], 0, l.gate, shares, tables[then].dev(), static_cast<int>(n.outs.size()), n.In, shares_of(n));
    }
  };
  // Started early or one after the other: the same bits.
  const std::string name = std::string("layer x") + std::to_string(LAYERS) + " " + kernel;
  if (!selected(name)) return;
  std::vector<std::vector<uint8_t>> plain;
  for (const bool early : {false, true}) {
    for (Array &y : outputs) y.poison();
    bench_step(name + (early ? " early" : ""), bytes * LAYERS, run, early);
    for (Array &y : outputs) y.pull();
    if (!early)
      for (Array &y : outputs) plain.push_back(y.host);
    else {
      bool same = true;
      for (size_t i = 0; i < outputs.size(); i++) same = same && outputs[i].host == plain[i];
      report(name + " early equals one after the other", same, "");
    }
  }
}
void bench_linear_vector() {
  struct Shape {
    const char *name;
    std::vector<int> outs;
    int64_t in;
    bool norm, residual;
    int gate;
  };
  const uint32_t multiprocessors = static_cast<uint32_t>(device_multiprocessors());
  bench_layer(multiprocessors);
  for (const Shape &s : {Shape{"qkv 6144x5120", {4096, 1024, 1024}, 5120, false, false, -1}, Shape{"norm+qkv", {4096, 1024, 1024}, 5120, true, false, -1}, Shape{"o 5120x4096", {5120}, 4096, false, false, -1},
                         Shape{"o+residual", {5120}, 4096, false, true, -1}, Shape{"gate_up 28672x5120", {14336, 14336}, 5120, false, false, -1}, Shape{"norm+gate_up+SiLU", {14336, 14336}, 5120, true, false, 0},
                         Shape{"down 5120x14336", {5120}, 14336, false, false, -1}, Shape{"down+residual", {5120}, 14336, false, true, -1}}) {
    int64_t out = 0;
    for (int o : s.outs) out += o;
    const int64_t count = out * s.in;
    // More than the second-level cache between two uses of the same weights.
    const int copies = static_cast<int>(std::max<int64_t>(2, 400000000 / count + 1));
    Array scales = byte_array(count / 64), nested = uniform_array(F32, count / 64 / 256 + 1, 0.01, 0.1), code = uniform_array(F32, 256, -1, 1), x = random_array(BF16, 4 * s.in), norm = uniform_array(F32, s.in, 0.5, 1.5),
          residual = random_array(BF16, 4 * out), y(BF16, 4 * out);
    std::vector<Array> data, tables;
    const Array noise = byte_array(1000003);
    for (int i = 0; i < copies; i++) {
      Array codes(U8, count / 2);
      for (size_t at = 0; at < codes.host.size(); at += noise.host.size()) std::memcpy(codes.host.data() + at, noise.host.data(), std::min(noise.host.size(), codes.host.size() - at));
      codes.push();
      data.push_back(std::move(codes));
      std::vector<LinearPart> parts(s.outs.size());
      int begin = 0;
      for (size_t p = 0; p < parts.size(); p++) {
        parts[p].data = data[i].dev<uint8_t>() + begin * s.in / 2, parts[p].scales = scales.dev<uint8_t>() + begin * s.in / 64, parts[p].nested_scales = nested.dev(), parts[p].nested_code = code.dev();
        parts[p].out = s.outs[p], parts[p].out_begin = begin;
        begin += s.outs[p];
      }
      tables.push_back(Array(U8, static_cast<int64_t>(80 * parts.size())));
      std::memcpy(tables[i].host.data(), parts.data(), 80 * parts.size()), tables[i].push();
    }
    int i = 0;
    const auto time = [&](const std::string &kernel, int N, int rows, uint32_t threads, uint32_t per) {
      if (!device_has(kernel.c_str())) return;
      int64_t shares = static_cast<int64_t>(multiprocessors) * per;
      while (vector_shared(s.outs, s.in, rows, shares) > 226000 / per) shares += static_cast<int64_t>(multiprocessors) * per;
      bench(kernel + " N" + std::to_string(N) + " " + s.name, count * (0.5 + 1.0 / 64 + 1.0 / 4096), 2.0 * count * N, [&] {
        i = (i + 1) % copies;
        launch(kernel.c_str(), {multiprocessors * per}, threads, vector_shared(s.outs, s.in, rows, shares), tables[i].dev(), static_cast<int>(s.outs.size()), nullptr, x.dev(), s.norm ? norm.dev() : nullptr, 1e-5f, nullptr,
               s.residual ? residual.dev() : nullptr, y.dev(), N, static_cast<int>(s.in), static_cast<int>(s.gate >= 0 ? s.outs[0] : out), 0, s.gate, static_cast<int>(shares), nullptr, 0, 0, 0);
      }, 2 * copies);
    };
    time("linear_vector_nf4_rows1_bf16", 1, 1, vector_threads(1), 1);
    time("linear_vector_nf4_rows2_bf16", 2, 2, vector_threads(2), 1);
    time("linear_vector_nf4_rows4_bf16", 4, 4, vector_threads(4), 1);
    if (!s.norm && !s.residual)
      for (const VectorVariant &v : variants) time(std::string("linear_vector_nf4_") + v.name, 1, 1, v.threads, v.blocks);
  }
}
}  // namespace check

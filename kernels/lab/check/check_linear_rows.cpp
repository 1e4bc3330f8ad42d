// Products of 5 to 64 rows from NF4 codes (bias and adapters included) against the reference; then the shapes of Nemo 12B timed.
#include <algorithm>
#include "harness.h"
#include "nf4_group.h"

namespace check {
struct RowsKernel {
  const char *name;  // without its dtype
  int rows, tile;
  uint32_t threads;
  uint32_t slots;
  uint32_t shared() const { return 65536 + slots * static_cast<uint32_t>(tile * 144 + rows * 512); }
};
static const RowsKernel kernels[] = {
    {"linear_rows_nf4_rows8", 8, 128, 512, 4},
    {"linear_rows_nf4_rows16", 16, 128, 256, 3},
    {"linear_rows_nf4_rows32", 32, 128, 256, 2},
    {"linear_rows_nf4_rows64", 64, 64, 256, 3},
};

struct RowsCase {
  const char *label;
  std::vector<int> outs, ranks;
  bool bias;
};
void check_linear_rows() {
  remora_context *ctx = reference_context();
  const std::vector<RowsCase> cases = {
      {"plain", {130}, {0}, false},
      {"three parts, bias, adapters", {140, 1, 33}, {4, 0, 9}, true},
      {"four parts", {64, 128, 7, 300}, {0, 0, 0, 0}, false},
  };
  for (const RowsKernel &kernel : kernels)
    for (int dtype : {BF16, F16}) {
      const std::string k = std::string(kernel.name) + "_" + suffix(dtype);
      if (!device_has(k.c_str())) continue;
      for (bool nested : {false, true})
        for (int64_t N : {kernel.rows, kernel.rows - 3})
          for (int64_t In : {64, 320, 512, 1152, 2560})
            for (const RowsCase &c : cases) {
              if (In == 2560 && (&c != &cases[0] || N != kernel.rows)) continue;
              Nf4Group group(c.outs, c.ranks, In, nested);
              const int total = group.total, ranks = group.ranks, part_count = static_cast<int>(c.outs.size());
              int tiles = 0;
              for (int out : c.outs) tiles += (out + kernel.tile - 1) / kernel.tile;
              Array x = random_array(dtype, N * In), bias = random_array(F32, total), y(dtype, N * total), want(dtype, N * total), xa(F32, N * ranks + 1), want_xa(dtype, N * ranks + 1);
              Array arrivals = int_array(std::vector<int32_t>(tiles, 0));
              reference.linear_forward(ctx, group.parts.data(), part_count, c.bias ? bias.ptr<float>() : nullptr, x.ptr(), want.ptr(), want_xa.ptr(), N, dtype, 0, nullptr);
              // What `lora_down_block_per_rank` would write: scale · x Aᵀ, of as many rows as there are.
              for (int p = 0, at = 0; p < part_count; at += c.ranks[p], p++)
                for (int64_t n = 0; n < N; n++)
                  for (int r = 0; r < c.ranks[p]; r++) {
                    double sum = 0;
                    for (int64_t i = 0; i < In; i++) sum += x.at(n * In + i) * group.parts[p].lora_a[r * In + i];
                    xa.ptr<float>()[n * ranks + at + r] = static_cast<float>(2 * sum);
                  }
              xa.push();
              const int units = static_cast<int>(tiles * ((In + 255) / 256));
              const double tolerance = tolerance_of(dtype, 0, 6e-3, 1e-3);
              for (int grid : {1, 3, 7, units}) {
                if (grid > units || (grid == 7 && N == kernel.rows)) continue;
                Array partial(F32, static_cast<int64_t>(2) * grid * kernel.tile * kernel.rows);
                check_case(k + (nested ? " nested" : "") + " N" + std::to_string(N) + " In" + std::to_string(In) + " grid" + std::to_string(grid) + " " + c.label, {{&y, &want, tolerance}},
                           [&] { y.poison(), partial.poison(); }, [&] {
                             launch(k.c_str(), {static_cast<uint32_t>(grid)}, kernel.threads, kernel.shared(), group.table.dev(), part_count, c.bias ? bias.dev() : nullptr, x.dev(), ranks ? xa.dev() : nullptr, y.dev(), partial.dev(),
                                    arrivals.dev(), static_cast<int>(N), static_cast<int>(In), total, ranks);
                           });
              }
            }
    }
}

// The linears of Nemo 12B by themselves, and those of one layer one after the other in a graph, LAYERS of them.
void bench_linear_rows() {
  struct Shape {
    const char *name;
    std::vector<int> outs;
    int64_t in;
  };
  const std::vector<Shape> shapes = {{"qkv 6144x5120", {4096, 1024, 1024}, 5120}, {"o 5120x4096", {5120}, 4096}, {"gate_up 28672x5120", {14336, 14336}, 5120}, {"down 5120x14336", {5120}, 14336}};
  constexpr int COPIES = 4;  // of a layer: 4 · 140 MB do not stay in L2
  const uint32_t multiprocessors = static_cast<uint32_t>(device_multiprocessors());
  const Array noise = byte_array(1000003);
  Array x = random_array(BF16, 64 * 14336), y(BF16, 64 * 28672), code = uniform_array(F32, 256, -1, 1), partial(F32, static_cast<int64_t>(2) * multiprocessors * 128 * 64), arrivals = int_array(std::vector<int32_t>(1024, 0));
  std::vector<Array> keep;
  keep.reserve(256);
  std::vector<Array> tables;  // [COPIES, shapes]
  double layer_bytes = 0;
  for (int copy = 0; copy < COPIES; copy++)
    for (const Shape &s : shapes) {
      std::vector<LinearPart> parts(s.outs.size());
      int begin = 0;
      for (size_t p = 0; p < parts.size(); p++) {
        const int64_t count = s.outs[p] * s.in;
        Array codes(U8, count / 2);
        for (size_t at = 0; at < codes.host.size(); at += noise.host.size()) std::memcpy(codes.host.data() + at, noise.host.data(), std::min(noise.host.size(), codes.host.size() - at));
        codes.push();
        keep.push_back(std::move(codes)), parts[p].data = keep.back().dev();
        keep.push_back(byte_array(count / 64)), parts[p].scales = keep.back().dev();
        keep.push_back(uniform_array(F32, count / 64 / 256 + 1, 0.01, 0.1)), parts[p].nested_scales = keep.back().dev();
        parts[p].nested_code = code.dev(), parts[p].nested_offset = 0.13f, parts[p].out = s.outs[p], parts[p].out_begin = begin;
        begin += s.outs[p];
        if (copy == 0) layer_bytes += static_cast<double>(count) * (0.5 + 1.0 / 64 + 1.0 / 4096);
      }
      tables.push_back(Array(U8, static_cast<int64_t>(80 * parts.size())));
      std::memcpy(tables.back().host.data(), parts.data(), 80 * parts.size()), tables.back().push();
    }
  for (const RowsKernel &kernel : kernels) {
    const std::string k = std::string(kernel.name) + "_bf16";
    if (!device_has(k.c_str())) continue;
    const auto run = [&](int copy, size_t shape) {
      const Shape &s = shapes[shape];
      uint32_t units = 0;
      int total = 0;
      for (int out : s.outs) units += static_cast<uint32_t>((out + kernel.tile - 1) / kernel.tile * ((s.in + 255) / 256)), total += out;
      launch(k.c_str(), {std::min(units, multiprocessors)}, kernel.threads, kernel.shared(), tables[copy * shapes.size() + shape].dev(), static_cast<int>(s.outs.size()), nullptr, x.dev(), nullptr, y.dev(), partial.dev(),
             arrivals.dev(), kernel.rows, static_cast<int>(s.in), total, 0);
    };
    const auto bytes_of = [&](const Shape &s) {
      double sum = 0;
      for (int out : s.outs) sum += static_cast<double>(out) * s.in * (0.5 + 1.0 / 64 + 1.0 / 4096);
      return sum;
    };
    int copy = 0;
    for (size_t i = 0; i < shapes.size(); i++)
      bench(k + " " + shapes[i].name, bytes_of(shapes[i]), bytes_of(shapes[i]) / (0.5 + 1.0 / 64 + 1.0 / 4096) * 2 * kernel.rows, [&] {
        copy = (copy + 1) % COPIES;
        run(copy, i);
      }, 2 * COPIES);
    if (device_is_emulated()) continue;
    const std::string name = "layer x" + std::to_string(COPIES) + " " + k;
    if (!selected(name)) continue;
    for (const bool early : {false, true})
      bench_step(name + (early ? " early" : ""), layer_bytes * COPIES, [&] {
        for (int c = 0; c < COPIES; c++)
          for (size_t i = 0; i < shapes.size(); i++) run(c, i);
      }, early);
  }
}
}  // namespace check

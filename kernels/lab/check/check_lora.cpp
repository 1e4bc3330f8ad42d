// Packing, dropout and the thin products of LoRA's backward pass.
#include <algorithm>
#include "../../cpu/context.h"
#include "harness.h"

namespace check {
struct PackEntry {  // kernels/cuda/lora.cu
  const void *source;
  void *target;
  int32_t rows, cols, source_stride, target_stride, transpose;
  float scale;
  int32_t reserved[2];
};
static std::string named(const char *kernel, int dtype) { return std::string(kernel) + "_" + suffix(dtype); }

// y += xa Bᵀ rounded at random: near the sum, equal to y where B is zero, and on average right where each share is a small part of y's unit.
static void check_lora_add() {
  struct Shape { int N, Out, R; };
  for (int dtype : {BF16, F16}) {
    const auto run = [&](const Shape &s, Array &xa, Array &b, Array &y) {
      launch(named("lora_add", dtype).c_str(), {static_cast<uint32_t>((s.Out + 63) / 64), static_cast<uint32_t>((s.N + 255) / 256)}, 128, 25600, xa.dev(), b.dev(), y.dev(), static_cast<int64_t>(s.N), s.Out, s.R);
    };
    for (const Shape s : {Shape{1, 8, 2}, Shape{70, 136, 16}, Shape{33, 256, 48}, Shape{130, 40, 22}, Shape{600, 72, 80}, Shape{260, 64, 146}})
      for (const bool zero : {false, true}) {
        Array xa = random_array(dtype, s.N * s.R), b = random_array(dtype, s.Out * s.R, zero ? 0 : 0.3), start = random_array(dtype, s.N * s.Out), y(dtype, s.N * s.Out), want(dtype, s.N * s.Out);
        for (int n = 0; n < s.N; n++)
          for (int o = 0; o < s.Out; o++) {
            double sum = start.at(n * s.Out + o);
            for (int r = 0; r < s.R; r++) sum += xa.at(n * s.R + r) * b.at(o * s.R + r);
            put(want.ptr(), n * s.Out + o, dtype, sum);
          }
        check_case(named("lora_add", dtype) + " N" + std::to_string(s.N) + " Out" + std::to_string(s.Out) + " R" + std::to_string(s.R) + (zero ? " B zero" : ""), {{&y, &want, zero ? 0 : tolerance_of(dtype, 0, 6e-3, 8e-4)}},
                   [&] { std::memcpy(y.host.data(), start.host.data(), start.host.size()), y.push(); }, [&] { run(s, xa, b, y); });
      }
    const Shape s{256, 256, 2};
    const double unit = dtype == BF16 ? 1.0 / 128 : 1.0 / 1024, share = unit / 8;  // of numbers from 1 to 2: to nearest it would never arrive
    Array xa(dtype, s.N * s.R), b(dtype, s.Out * s.R), y = uniform_array(dtype, s.N * s.Out, 1.01, 1.9);
    for (int i = 0; i < s.N * s.R; i++) put(xa.ptr(), i, dtype, 0.5);
    for (int i = 0; i < s.Out * s.R; i++) put(b.ptr(), i, dtype, share);
    xa.push(), b.push();
    double before = 0, after = 0;
    for (int64_t i = 0; i < y.count; i++) before += y.at(i);
    run(s, xa, b, y);
    device_wait("lora_add");
    y.pull();
    for (int64_t i = 0; i < y.count; i++) after += y.at(i);
    const double arrived = (after - before) / (share * static_cast<double>(y.count));
    if (selected(named("lora_add", dtype))) report(named("lora_add", dtype) + " an eighth of a unit arrives on average", std::fabs(arrived - 1) < 0.05, " " + std::to_string(arrived));
  }
}

void check_lora() {
  check_lora_add();
  for (int dtype : {F32, BF16, F16}) {
    Array a = random_array(F32, 7 * 300), b = random_array(F32, 90 * 5), ta(dtype, 7 * 300), tb(dtype, 90 * 12), tc(dtype, 5 * 90), wa(dtype, 7 * 300), wb(dtype, 90 * 12), wc(dtype, 5 * 90), table(U8, 3 * 48);
    const PackEntry entries[3] = {{a.dev(), ta.dev(), 7, 300, 300, 300, 0, 1.0f, {}}, {b.dev(), tb.dev<uint8_t>() + 3 * bytes_of(dtype), 90, 5, 5, 12, 0, 0.5f, {}}, {b.dev(), tc.dev(), 5, 90, 5, 90, 1, 2.0f, {}}};
    static_assert(sizeof entries == 144);
    std::memcpy(table.host.data(), entries, sizeof entries), table.push();
    std::memset(wb.host.data(), 0, wb.host.size());
    for (int i = 0; i < 2100; i++) put(wa.ptr(), i, dtype, a.at(i));
    for (int r = 0; r < 90; r++)
      for (int c = 0; c < 5; c++) put(wb.ptr(), r * 12 + 3 + c, dtype, 0.5 * b.at(r * 5 + c)), put(wc.ptr(), c * 90 + r, dtype, 2 * b.at(r * 5 + c));
    check_case(named("pack_matrices", dtype), {{&ta, &wa, 0}, {&tb, &wb, 0}, {&tc, &wc, 0}}, [&] { ta.poison(), tc.poison(), std::memset(tb.host.data(), 0, tb.host.size()), tb.push(); },
               [&] { launch(named("pack_matrices", dtype).c_str(), {3, 3}, 256, 0, table.dev()); });
    for (int64_t count : {1, 77, 5001})
      for (const bool in_place : {false, true}) {
        Array x = random_array(dtype, count), y(dtype, count), want(dtype, count), seed(F64, 1);
        seed.ptr<uint64_t>()[0] = 991, seed.push();
        for (int64_t i = 0; i < count; i++) put(want.ptr(), i, dtype, remora::random_uniform(991, static_cast<uint64_t>(i)) >= 0.3f ? x.at(i) : 0.0);  // the factor 1 / (1 - p) is the products' work
        check_case(named("dropout", dtype) + " " + std::to_string(count) + (in_place ? " in place" : ""), {{&y, &want, tolerance_of(dtype)}},
                   [&] {
                     y.poison();
                     if (in_place) std::memcpy(y.host.data(), x.host.data(), x.host.size()), y.push();
                   },
                   [&] { launch(named("dropout", dtype).c_str(), {static_cast<uint32_t>((count + 2047) / 2048)}, 256, 0, in_place ? y.dev() : x.dev(), y.dev(), count, seed.dev(), 0.3f); });
      }
  }
  struct Shape { int N, R, C, extra; };
  for (int dtype : {BF16, F16})
    for (const Shape s : {Shape{1, 16, 64, 0}, Shape{300, 16, 256, 0}, Shape{257, 48, 200, 8}, Shape{100, 5, 131, 3}, Shape{90, 70, 96, 0}}) {
      const int thin_stride = s.R + s.extra, wide_stride = s.C + s.extra, rows_per_split = 96, splits = (s.N + 95) / 96;
      Array thin = random_array(dtype, static_cast<int64_t>(s.N) * thin_stride), wide = random_array(dtype, static_cast<int64_t>(s.N) * wide_stride), partials(F32, static_cast<int64_t>(splits) * s.R * s.C);
      const int rank_begin = s.R / 4, ranks = s.R - rank_begin;
      for (int transposed : {0, 1}) {
        Array target = random_array(F32, static_cast<int64_t>(ranks) * s.C), start(F32, target.count), want(F32, target.count);
        std::memcpy(start.host.data(), target.host.data(), target.host.size());
        for (int r = 0; r < ranks; r++)
          for (int c = 0; c < s.C; c++) {
            double total = 0;
            for (int n = 0; n < s.N; n++) total += thin.at(static_cast<int64_t>(n) * thin_stride + rank_begin + r) * wide.at(static_cast<int64_t>(n) * wide_stride + c);
            const int64_t at = transposed ? static_cast<int64_t>(c) * ranks + r : static_cast<int64_t>(r) * s.C + c;
            put(want.ptr(), at, F32, start.at(at) + 0.5 * total);
          }
        check_case(named("lora_thin_product", dtype) + " N" + std::to_string(s.N) + " R" + std::to_string(s.R) + " C" + std::to_string(s.C) + (transposed ? " transposed" : ""), {{&target, &want, 3e-6}},
                   [&] { std::memcpy(target.host.data(), start.host.data(), target.host.size()), target.push(), partials.poison(); }, [&] {
                     launch(named("lora_thin_product", dtype).c_str(), {static_cast<uint32_t>((s.C + 127) / 128), static_cast<uint32_t>(splits), static_cast<uint32_t>((s.R + 63) / 64)}, 128, 36864, thin.dev(), wide.dev(), partials.dev(), s.N,
                            s.R, s.C, static_cast<int64_t>(thin_stride), static_cast<int64_t>(wide_stride), rows_per_split);
                     launch("lora_thin_product_add", {static_cast<uint32_t>((s.C + 255) / 256), static_cast<uint32_t>(ranks)}, 256, 0, partials.dev(), target.dev(), splits, s.R, s.C, rank_begin, ranks, transposed, 0.5f);
                   });
      }
    }
}
void bench_lora() {
  {
    const int N = 8192, Out = 28672, R = 32;
    Array xa = random_array(BF16, static_cast<int64_t>(N) * R), b = random_array(BF16, static_cast<int64_t>(Out) * R, 0.01), y = random_array(BF16, static_cast<int64_t>(N) * Out);
    bench("lora_add gate_up, 8192 x 28672, R 32", 4.0 * N * Out, 2.0 * N * Out * R, [&] { launch("lora_add_bf16", {static_cast<uint32_t>(Out / 64), static_cast<uint32_t>(N / 256)}, 128, 25600, xa.dev(), b.dev(), y.dev(), static_cast<int64_t>(N), Out, R); });
  }
  struct Shape { const char *name; int R, C; };
  for (const Shape s : {Shape{"dA qkv, 48 x 5120", 48, 5120}, Shape{"dA down, 16 x 14336", 16, 14336}, Shape{"dB gate_up, 32 x 28672", 32, 28672}}) {
    const int N = 8192, rows_per_split = 1024, splits = 8;
    Array thin = random_array(BF16, static_cast<int64_t>(N) * s.R), wide = random_array(BF16, static_cast<int64_t>(N) * s.C), partials(F32, static_cast<int64_t>(splits) * s.R * s.C), target(F32, static_cast<int64_t>(s.R) * s.C);
    bench(std::string("lora_thin_product ") + s.name + ", 8192 rows", 2.0 * N * (s.C + s.R), 2.0 * N * s.R * s.C, [&] {
      launch("lora_thin_product_bf16", {static_cast<uint32_t>(s.C / 128), static_cast<uint32_t>(splits), 1}, 128, 36864, thin.dev(), wide.dev(), partials.dev(), N, s.R, s.C, static_cast<int64_t>(s.R), static_cast<int64_t>(s.C), rows_per_split);
      launch("lora_thin_product_add", {static_cast<uint32_t>((s.C + 255) / 256), static_cast<uint32_t>(s.R)}, 256, 0, partials.dev(), target.dev(), splits, s.R, s.C, 0, s.R, 0, 1.0f);
    });
  }
}
}  // namespace check

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

// NF4 decoded with LoRA's share: near W + sBA, W to the bit where B is zero, never a whole unit away, and on average right where each share is a small part of
// the weight's unit.
static constexpr uint32_t NF4_LORA_SHARED = 45184;

static void check_nf4_lora() {
  remora_context *ctx = reference_context();
  struct Shape { int rows, cols, R, before, stride; };  // B is columns [before, before + R) of rows `stride` apart
  Array map(F32, 256);
  for (int i = 0; i < 256; i++) map.ptr<float>()[i] = static_cast<float>((i - 127.5) / 127.5 * std::fabs((i - 127.5) / 127.5));
  map.push();
  for (int dtype : {BF16, F16})
    for (const bool nested : {false, true}) {
      const std::string kernel = named(nested ? "nf4_decode_nested_lora" : "nf4_decode_lora", dtype);
      if (!device_has(kernel.c_str())) continue;
      for (const Shape s : {Shape{1, 64, 2, 0, 2}, Shape{37, 192, 16, 16, 48}, Shape{130, 320, 8, 0, 8}, Shape{257, 128, 22, 2, 40}, Shape{40, 576, 64, 0, 64}, Shape{70, 192, 146, 2, 150}})
        for (const double size : {0.0, 0.01, 0.3}) {
          const int64_t count = static_cast<int64_t>(s.rows) * s.cols;
          Array codes = byte_array(count / 2), absmax = uniform_array(F32, count / 64, 0.01, 0.3), scale_codes = byte_array(count / 64), scales = uniform_array(F32, count / 64 / 256 + 1, 0.01, 0.2);
          Array a = random_array(dtype, static_cast<int64_t>(s.R) * s.cols, 0.3), b = random_array(dtype, static_cast<int64_t>(s.rows) * s.stride, 1.0), out(dtype, count), want(dtype, count), plain(F32, count);
          for (int64_t i = 0; i < s.rows * s.stride; i++)
            if (i % s.stride >= s.before && i % s.stride < s.before + s.R) put(b.ptr(), i, dtype, size * b.at(i));
          b.push();
          remora_weight w{};
          w.format = REMORA_NF4, w.rows = s.rows, w.cols = s.cols, w.data = codes.ptr();
          w.scales = nested ? static_cast<const void *>(scale_codes.ptr()) : absmax.ptr();
          if (nested) w.nested_scales = scales.ptr<float>(), w.nested_code = map.ptr<float>(), w.nested_offset = 0.17f;
          reference.weight_decode(ctx, &w, plain.ptr(), 0, s.rows, F32);
          reference.weight_decode(ctx, &w, want.ptr(), 0, s.rows, dtype);
          std::vector<double> exact(count);
          for (int64_t i = 0; i < count; i++) {
            const int64_t r = i / s.cols, c = i % s.cols;
            exact[i] = plain.at(i);
            for (int k = 0; k < s.R; k++) exact[i] += b.at(r * s.stride + s.before + k) * a.at(static_cast<int64_t>(k) * s.cols + c);
            if (size > 0) put(want.ptr(), i, dtype, exact[i]);
          }
          const std::string label = kernel + " " + std::to_string(s.rows) + "x" + std::to_string(s.cols) + " R" + std::to_string(s.R) + (size == 0 ? " B zero" : size < 0.1 ? " small" : "");
          const auto run = [&] {
            const Grid grid{static_cast<uint32_t>((s.cols + 127) / 128), static_cast<uint32_t>((s.rows + 127) / 128)};
            const uint8_t *from = b.dev<uint8_t>() + 2 * s.before;
            if (nested) launch(kernel.c_str(), grid, 256, NF4_LORA_SHARED, codes.dev(), scale_codes.dev(), scales.dev(), map.dev(), 0.17f, a.dev(), from, out.dev(), s.rows, s.cols, s.R, s.stride);
            else launch(kernel.c_str(), grid, 256, NF4_LORA_SHARED, codes.dev(), absmax.dev(), a.dev(), from, out.dev(), s.rows, s.cols, s.R, s.stride);
          };
          check_case(label, {{&out, &want, size == 0 ? 0 : tolerance_of(dtype, 0, 6e-3, 8e-4)}}, [&] { out.poison(); }, run);
          if (size == 0 || !selected(label)) continue;
          int64_t far = 0;
          for (int64_t i = 0; i < count; i++) {
            const double unit = std::ldexp(dtype == BF16 ? 1.0 / 128 : 1.0 / 1024, std::max(std::ilogb(exact[i]), dtype == BF16 ? -100 : -14));
            far += !(std::fabs(out.at(i) - exact[i]) < 1.001 * unit + 1e-6);  // 1e-6: the f32 sum itself
          }
          report(label + " never a unit away", far == 0, " " + std::to_string(far));
        }
      const int rows = 256, cols = 256, R = 2;
      const int64_t count = rows * cols;
      Array codes(U8, count / 2), absmax = uniform_array(F32, count / 64, 1.0001, 1.9), a(dtype, R * cols), b(dtype, rows * R), out(dtype, count), scale_codes(U8, count / 64), scales(F32, count / 64 / 256 + 1);
      std::memset(codes.host.data(), 0xff, codes.host.size());  // the level 1: weights are their scales, from 1 to 2
      for (int64_t i = 0; i < count / 64; i++) scale_codes.ptr<uint8_t>()[i] = static_cast<uint8_t>(130 + i % 120);
      for (int64_t i = 0; i < scales.count; i++) put(scales.ptr(), i, F32, 0.9);
      const double unit = dtype == BF16 ? 1.0 / 128 : 1.0 / 1024, share = unit / 8;
      for (int i = 0; i < R * cols; i++) put(a.ptr(), i, dtype, 0.5);
      for (int i = 0; i < rows * R; i++) put(b.ptr(), i, dtype, share);
      codes.push(), scale_codes.push(), scales.push(), a.push(), b.push();
      if (nested) launch(kernel.c_str(), {2, 2}, 256, NF4_LORA_SHARED, codes.dev(), scale_codes.dev(), scales.dev(), map.dev(), 1.03f, a.dev(), b.dev(), out.dev(), rows, cols, R, R);
      else launch(kernel.c_str(), {2, 2}, 256, NF4_LORA_SHARED, codes.dev(), absmax.dev(), a.dev(), b.dev(), out.dev(), rows, cols, R, R);
      device_wait("nf4_decode_lora");
      out.pull();
      if (!nested) {  // the scale of weight 0's block is NaN, that of weight 64's infinite
        Array broken(dtype, count), scales_of(F32, count / 64);
        for (int64_t i = 0; i < count / 64; i++) put(scales_of.ptr(), i, F32, i == 0 ? NAN : i == 1 ? INFINITY : absmax.at(i));
        scales_of.push();
        launch(kernel.c_str(), {2, 2}, 256, NF4_LORA_SHARED, codes.dev(), scales_of.dev(), a.dev(), b.dev(), broken.dev(), rows, cols, R, R);
        device_wait("nf4_decode_lora");
        broken.pull();
        int64_t lost = 0;
        for (int64_t i = 0; i < 64; i++) lost += !std::isnan(broken.at(i)) || !std::isinf(broken.at(i + 64));
        for (int64_t i = 128; i < count; i++) lost += !std::isfinite(broken.at(i));
        if (selected(kernel)) report(kernel + " keeps NaN and infinity", lost == 0, " " + std::to_string(lost));
      }
      double arrived = 0;
      for (int64_t i = 0; i < count; i++) {
        const int64_t block = i / 64;
        const double weight = nested ? static_cast<double>(map.ptr<float>()[scale_codes.ptr<uint8_t>()[block]] * 0.9f + 1.03f) : absmax.at(block);
        arrived += (out.at(i) - weight) / (share * static_cast<double>(count));
      }
      if (selected(kernel)) report(kernel + " an eighth of a unit arrives on average", std::fabs(arrived - 1) < 0.05, " " + std::to_string(arrived));
    }
}

void check_lora() {
  check_lora_add();
  check_nf4_lora();
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
  {
    const int rows = 14336, cols = 5120;
    const int64_t count = static_cast<int64_t>(rows) * cols;
    constexpr int COPIES = 6;  // past the second-level cache
    std::vector<Array> codes, outs;
    for (int i = 0; i < COPIES; i++) codes.push_back(byte_array(count / 2)), outs.push_back(Array(BF16, count));
    Array scale_codes = byte_array(count / 64), scales = uniform_array(F32, count / 64 / 256 + 1, 0.01, 0.2), map = uniform_array(F32, 256, -1, 1);
    int i = 0;
    for (const int R : {16, 64}) {
      Array a = random_array(BF16, static_cast<int64_t>(R) * cols, 0.01), b = random_array(BF16, static_cast<int64_t>(rows) * R, 0.01);
      bench("nf4_decode_nested_lora bf16 14336x5120 R" + std::to_string(R), count * (0.5 + 1.0 / 64 + 2), 2.0 * count * R, [&] {
        i = (i + 1) % COPIES;
        launch("nf4_decode_nested_lora_bf16", {cols / 128, rows / 128}, 256, NF4_LORA_SHARED, codes[i].dev(), scale_codes.dev(), scales.dev(), map.dev(), 0.17f, a.dev(), b.dev(), outs[i].dev(), rows, cols, R, R);
      }, 12);
    }
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

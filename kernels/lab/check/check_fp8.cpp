// E4M3: rows to codes and scales, codes back, transposed.
#include <algorithm>
#include "harness.h"

namespace check {
static std::string named(const char *kernel, int dtype) { return std::string(kernel) + "_" + suffix(dtype); }
static uint32_t blocks(int64_t items, int64_t per) { return static_cast<uint32_t>(std::max<int64_t>(1, (items + per - 1) / per)); }
struct Encoder { const char *kernel; uint32_t threads; bool bf16_only; };
static const Encoder ENCODERS[] = {{"fp8_encode_block_per_row", 512, false}, {"fp8_encode_four_warps_per_row", 128, true}};

void check_fp8() {
  remora_context *ctx = reference_context();
  struct Shape { int64_t N, C; };
  for (int dtype : {F32, BF16})
    for (const Shape s : {Shape{1, 1}, Shape{3, 31}, Shape{5, 257}, Shape{4, 1200}, Shape{2, 4096}, Shape{2, 28672}, Shape{1, 33008}, Shape{2, 5001}})
      for (const bool has_columns : {false, true}) {
        Array x = random_array(dtype, s.N * s.C), columns(U8, s.C), codes(U8, s.N * s.C), want_codes(U8, s.N * s.C);
        Array scales(I32, s.N), want_scales(I32, s.N);  // f32 bits: NaN must be the same too
        for (int64_t i = 0; i < x.count; i++) put(x.ptr(), i, dtype, x.at(i) * std::pow(10.0, i / s.C % 5 - 2));
        if (s.N > 3)
          for (int64_t c = 0; c < s.C; c++) put(x.ptr(), s.C + c, dtype, 0);  // a row of zeros
        if (s.N > 2) put(x.ptr(), 2 * s.C + s.C / 2, dtype, NAN), put(x.ptr(), s.C - 1, dtype, -INFINITY);
        x.push();
        Array scaled(F32, s.N * s.C);
        for (int64_t c = 0; c < s.C; c++) columns.host[c] = static_cast<uint8_t>(100 + next_random() % 40);
        columns.push();
        for (int64_t i = 0; i < x.count; i++) put(scaled.ptr(), i, F32, x.at(i) * (has_columns ? std::ldexp(1.0, columns.host[i % s.C] - 127) : 1.0));
        reference.fp8_encode(ctx, scaled.ptr(), want_codes.ptr<uint8_t>(), want_scales.ptr<float>(), s.N, s.C, F32);
        for (const Encoder &encoder : ENCODERS) {
          if (encoder.bf16_only && dtype != BF16) continue;
          const std::string kernel = named(encoder.kernel, dtype);
          check_case(kernel + " " + std::to_string(s.N) + "x" + std::to_string(s.C) + (has_columns ? " columns" : ""), {{&codes, &want_codes, 0}, {&scales, &want_scales, 0}},
                     [&] { codes.poison(), scales.poison(); },
                     [&] { launch(kernel.c_str(), {static_cast<uint32_t>(s.N)}, encoder.threads, 0, x.dev(), has_columns ? columns.dev() : nullptr, codes.dev(), scales.dev(), s.C); });
        }
      }
  {
    Array scales(F32, 300), exponents(U8, 300), want(U8, 300);
    for (int i = 0; i < 300; i++) {
      const int exponent = 1 + i % 254;
      scales.ptr<float>()[i] = static_cast<float>(std::ldexp(1.0, exponent - 127));
      want.host[i] = static_cast<uint8_t>(exponent);
    }
    scales.ptr<float>()[7] = NAN, want.host[7] = 255;
    scales.push();
    check_case("fp8_scale_exponents", {{&exponents, &want, 0}}, [&] { exponents.poison(); }, [&] { launch("fp8_scale_exponents", {2}, 256, 0, scales.dev(), exponents.dev(), static_cast<int64_t>(300)); });
  }
  for (int dtype : {F32, BF16, F16}) {
    const int64_t rows = 48, cols = 272, row = 5, count = 40;
    Array codes = byte_array(rows * cols), scales(F32, rows), out(dtype, count * cols), want(dtype, count * cols);
    for (uint8_t &code : codes.host)
      if ((code & 0x7f) == 0x7f) code = 0;  // NaN has many bits
    codes.push();
    for (int64_t r = 0; r < rows; r++) scales.ptr<float>()[r] = static_cast<float>(std::ldexp(1.0, static_cast<int>(r % 9) - 12));
    scales.push();
    remora_weight w{};
    w.format = REMORA_E4M3, w.rows = rows, w.cols = cols, w.data = codes.ptr(), w.scales = scales.ptr();
    reference.weight_decode(ctx, &w, want.ptr(), row, count, dtype);
    check_case(named("fp8_decode", dtype), {{&out, &want, 0}}, [&] { out.poison(); },
               [&] { launch(named("fp8_decode", dtype).c_str(), {blocks(count * cols, 2048)}, 256, 0, codes.dev(), scales.dev(), out.dev(), row, count, cols); });
  }
  for (const Shape s : {Shape{16, 16}, Shape{64, 64}, Shape{80, 144}, Shape{208, 48}}) {
    const int64_t stride = s.N + 32, first = 16;
    Array codes = byte_array(s.N * s.C), out(U8, s.C * stride), want(U8, s.C * stride);
    std::memset(want.host.data(), 0, want.host.size());
    for (int64_t r = 0; r < s.N; r++)
      for (int64_t c = 0; c < s.C; c++) want.host[c * stride + first + r] = codes.host[r * s.C + c];
    check_case("fp8_transpose " + std::to_string(s.N) + "x" + std::to_string(s.C), {{&out, &want, 0}}, [&] { std::memset(out.host.data(), 0, out.host.size()), out.push(); },
               [&] { launch("fp8_transpose_64x64", {blocks(s.C, 64), blocks(s.N, 64)}, 256, 0, codes.dev(), out.dev<uint8_t>() + first, static_cast<int>(s.N), static_cast<int>(s.C), stride); });
  }
}
void bench_fp8() {
  struct Shape { const char *name; int64_t C; bool columns; };
  for (const Shape s : {Shape{"x of o, 4096", 4096, false}, Shape{"x of q|k|v, 5120", 5120, false}, Shape{"x of down, 14336", 14336, false}, Shape{"dY of q|k|v, 6144", 6144, true}, Shape{"dY of gate|up, 28672", 28672, true}}) {
    const int64_t N = 8192;
    Array x = random_array(BF16, N * s.C), columns(U8, s.C), codes(U8, N * s.C), scales(F32, N);
    std::memset(columns.host.data(), 120, columns.host.size()), columns.push();
    for (const Encoder &encoder : ENCODERS) {
      if (!encoder.bf16_only || s.C <= 8192)
        bench(std::string(encoder.kernel) + " " + s.name + ", 8192 rows", 3.0 * N * s.C, 0, [&] { launch(named(encoder.kernel, BF16).c_str(), {static_cast<uint32_t>(N)}, encoder.threads, 0, x.dev(), s.columns ? columns.dev() : nullptr, codes.dev(), scales.dev(), s.C); });
    }
  }
  Array codes = byte_array(28672ll * 5120), out(U8, 28672ll * 5120);
  bench("fp8_transpose 28672x5120", 2.0 * 28672 * 5120, 0, [&] { launch("fp8_transpose_64x64", {80, 448}, 256, 0, codes.dev(), out.dev(), 28672, 5120, static_cast<int64_t>(28672)); });
}
}  // namespace check

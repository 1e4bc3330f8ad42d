// E4M3: rows to codes and scales, codes back, transposed.
#include <algorithm>
#include "harness.h"

namespace check {
static std::string named(const char *kernel, int dtype) { return std::string(kernel) + "_" + suffix(dtype); }
static uint32_t blocks(int64_t items, int64_t per) { return static_cast<uint32_t>(std::max<int64_t>(1, (items + per - 1) / per)); }
// Norm and gate that round what they write for the linear that reads it: y as the plain kernel writes it, codes and scales as fp8_encode makes them of y.
static void check_rounded() {
  remora_context *ctx = reference_context();
  const auto compare = [&](const std::string &name, int64_t N, int64_t width, const Array *columns, const std::function<void(Array &)> &plain,
                           const std::function<void(Array &, Array &, Array &)> &rounded) {
    Array y(BF16, N * width), want_y(BF16, N * width), codes(U8, N * width), want_codes(U8, N * width), scales(I32, N), want_scales(I32, N), scaled(F32, N * width);
    want_y.poison();
    plain(want_y);
    device_wait(name.c_str());
    want_y.pull();
    for (int64_t i = 0; i < want_y.count; i++) put(scaled.ptr(), i, F32, want_y.at(i) * (columns ? std::ldexp(1.0, columns->host[i % width] - 127) : 1.0));
    reference.fp8_encode(ctx, scaled.ptr(), want_codes.ptr<uint8_t>(), want_scales.ptr<float>(), N, width, F32);
    check_case(name + " " + std::to_string(N) + "x" + std::to_string(width), {{&y, &want_y, 0}, {&codes, &want_codes, 0}, {&scales, &want_scales, 0}},
               [&] { y.poison(), codes.poison(), scales.poison(); }, [&] { rounded(y, codes, scales); });
  };
  const auto exponents = [](int64_t count) {
    Array columns(U8, count);
    for (uint8_t &e : columns.host) e = static_cast<uint8_t>(100 + next_random() % 40);
    columns.push();
    return columns;
  };
  for (const auto &[N, C] : {std::pair<int64_t, int64_t>{3, 16}, {2, 272}, {2, 5120}, {1, 14336}}) {
    const uint32_t rows = static_cast<uint32_t>(N);
    Array gate_up = random_array(BF16, N * 2 * C), d_y = random_array(BF16, N * C), wide_columns = exponents(2 * C), columns = exponents(C);
    const Grid grid{blocks(C, 2048), rows};
    for (int kind : {0, 1}) {
      compare(std::string("gated_forward_rounded ") + (kind ? "gelu" : "silu"), N, C, nullptr, [&](Array &y) { launch("gated_forward_bf16", grid, 256, 0, gate_up.dev(), y.dev(), N, C, kind); },
              [&](Array &y, Array &codes, Array &scales) { launch("gated_forward_rounded_bf16", {rows}, 256, 0, gate_up.dev(), y.dev(), codes.dev(), scales.dev(), C, kind); });
      compare(std::string("gated_backward_rounded ") + (kind ? "gelu" : "silu"), N, 2 * C, &wide_columns, [&](Array &d) { launch("gated_backward_bf16", grid, 256, 0, gate_up.dev(), d_y.dev(), d.dev(), N, C, kind); },
              [&](Array &d, Array &codes, Array &scales) {  // in place, as in training
                std::memcpy(d.host.data(), gate_up.host.data(), gate_up.host.size()), d.push();
                launch("gated_backward_rounded_bf16", {rows}, 256, 0, d.dev(), d_y.dev(), d.dev(), wide_columns.dev(), codes.dev(), scales.dev(), C, kind);
              });
    }
    Array x = random_array(BF16, N * C), residual = random_array(BF16, N * C), weight = random_array(F32, C), sum(BF16, N * C), rstd = uniform_array(F32, N, 0.5, 2);
    for (const bool two : {false, true}) {
      const auto given = [&](Array &a) { return two ? a.dev() : nullptr; };
      const std::string name = two ? " residual" : "";
      compare("rms_norm_forward_rounded" + name, N, C, nullptr, [&](Array &y) { launch("rms_norm_forward_block_per_row_bf16", {rows}, 256, 0, x.dev(), given(residual), weight.dev(), given(sum), y.dev(), nullptr, N, C, 1e-5f); },
              [&](Array &y, Array &codes, Array &scales) { launch("rms_norm_forward_rounded_bf16", {rows}, 256, 0, x.dev(), given(residual), weight.dev(), given(sum), y.dev(), nullptr, codes.dev(), scales.dev(), N, C, 1e-5f); });
      compare("rms_norm_backward_rounded" + name, N, C, &columns, [&](Array &d) { launch("rms_norm_backward_block_per_row_bf16", {rows}, 256, 0, x.dev(), weight.dev(), rstd.dev(), d_y.dev(), given(residual), d.dev(), N, C); },
              [&](Array &d, Array &codes, Array &scales) { launch("rms_norm_backward_rounded_bf16", {rows}, 256, 0, x.dev(), weight.dev(), rstd.dev(), d_y.dev(), given(residual), d.dev(), columns.dev(), codes.dev(), scales.dev(), N, C); });
    }
  }
  struct Heads { int64_t N; int heads, total, D, rotary; };
  for (const Heads &s : {Heads{3, 2, 3, 16, 16}, {2, 3, 4, 64, 32}, {2, 40, 48, 128, 128}}) {
    const int64_t C = static_cast<int64_t>(s.total) * s.D;
    const uint32_t rows = static_cast<uint32_t>(s.N);
    Array x = random_array(BF16, s.N * C), table = random_array(F32, 64ll * s.rotary), positions(I32, s.N), columns = exponents(C);
    for (int64_t i = 0; i < s.N; i++) positions.ptr<int32_t>()[i] = static_cast<int32_t>(7 + 11 * i);
    positions.push();
    for (const bool in_place : {false, true})
      compare(std::string("rope_rotate_rounded D=") + std::to_string(s.D) + (in_place ? " in place" : ""), s.N, C, &columns,
              [&](Array &y) { launch("rope_rotate_block_per_row_bf16", {rows}, 256, 0, x.dev(), table.dev(), positions.dev(), y.dev(), s.heads, s.total, s.D, s.rotary, -1.0f); },
              [&](Array &y, Array &codes, Array &scales) {
                if (in_place) std::memcpy(y.host.data(), x.host.data(), x.host.size()), y.push();
                launch("rope_rotate_rounded_bf16", {rows}, 256, 0, in_place ? y.dev() : x.dev(), table.dev(), positions.dev(), y.dev(), columns.dev(), codes.dev(), scales.dev(), s.heads, s.total, s.D, s.rotary, -1.0f);
              });
  }
}

struct Encoder { const char *kernel; uint32_t threads; bool bf16_only; };
static const Encoder ENCODERS[] = {{"fp8_encode_block_per_row", 512, false}, {"fp8_encode_four_warps_per_row", 128, true}};

void check_fp8() {
  check_rounded();
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
  {
    const int64_t N = 8192, F = 14336, C = 5120;
    const Grid grid{blocks(F, 2048), static_cast<uint32_t>(N)};
    const uint32_t rows = static_cast<uint32_t>(N);
    Array gate_up = random_array(BF16, N * 2 * F), d_y = random_array(BF16, N * F), columns(U8, 2 * F), codes(U8, N * 2 * F), scales(F32, N);
    std::memset(columns.host.data(), 120, columns.host.size()), columns.push();
    bench("gated_forward, 8192 x 14336", 6.0 * N * F, 0, [&] { launch("gated_forward_bf16", grid, 256, 0, gate_up.dev(), d_y.dev(), N, F, 0); });
    bench("gated_forward_rounded, 8192 x 14336", 7.0 * N * F, 0, [&] { launch("gated_forward_rounded_bf16", {rows}, 256, 0, gate_up.dev(), d_y.dev(), codes.dev(), scales.dev(), F, 0); });
    bench("gated_backward, 8192 x 14336", 10.0 * N * F, 0, [&] { launch("gated_backward_bf16", grid, 256, 0, gate_up.dev(), d_y.dev(), gate_up.dev(), N, F, 0); });
    bench("gated_backward_rounded, 8192 x 14336", 12.0 * N * F, 0, [&] { launch("gated_backward_rounded_bf16", {rows}, 256, 0, gate_up.dev(), d_y.dev(), gate_up.dev(), columns.dev(), codes.dev(), scales.dev(), F, 0); });
    Array x = random_array(BF16, N * C), residual = random_array(BF16, N * C), weight = random_array(F32, C), sum(BF16, N * C), y(BF16, N * C), rstd = uniform_array(F32, N, 0.5, 2);
    bench("rms_norm_forward, 8192 x 5120", 8.0 * N * C, 0, [&] { launch("rms_norm_forward_block_per_row_bf16", {rows}, 256, 0, x.dev(), residual.dev(), weight.dev(), sum.dev(), y.dev(), rstd.dev(), N, C, 1e-5f); });
    bench("rms_norm_forward_rounded, 8192 x 5120", 9.0 * N * C, 0, [&] { launch("rms_norm_forward_rounded_bf16", {rows}, 256, 0, x.dev(), residual.dev(), weight.dev(), sum.dev(), y.dev(), rstd.dev(), codes.dev(), scales.dev(), N, C, 1e-5f); });
    bench("rms_norm_backward, 8192 x 5120", 8.0 * N * C, 0, [&] { launch("rms_norm_backward_block_per_row_bf16", {rows}, 256, 0, x.dev(), weight.dev(), rstd.dev(), residual.dev(), sum.dev(), y.dev(), N, C); });
    bench("rms_norm_backward_rounded, 8192 x 5120", 9.0 * N * C, 0, [&] { launch("rms_norm_backward_rounded_bf16", {rows}, 256, 0, x.dev(), weight.dev(), rstd.dev(), residual.dev(), sum.dev(), y.dev(), columns.dev(), codes.dev(), scales.dev(), N, C); });
    Array qkv = random_array(BF16, N * 6144), table = random_array(F32, 2048 * 128), positions(I32, N);
    for (int64_t i = 0; i < N; i++) positions.ptr<int32_t>()[i] = static_cast<int32_t>(i % 2048);
    positions.push();
    bench("rope_rotate in place, 8192 x 6144", 4.0 * N * 5120, 0, [&] { launch("rope_rotate_block_per_row_bf16", {rows}, 256, 0, qkv.dev(), table.dev(), positions.dev(), qkv.dev(), 40, 48, 128, 128, -1.0f); });
    bench("fp8_encode, 8192 x 6144", 3.0 * N * 6144, 0, [&] { launch("fp8_encode_four_warps_per_row_bf16", {rows}, 128, 0, qkv.dev(), columns.dev(), codes.dev(), scales.dev(), static_cast<int64_t>(6144)); });
    bench("rope_rotate_rounded in place, 8192 x 6144", 4.0 * N * 5120 + 2.0 * N * 1024 + 1.0 * N * 6144, 0, [&] { launch("rope_rotate_rounded_bf16", {rows}, 256, 0, qkv.dev(), table.dev(), positions.dev(), qkv.dev(), columns.dev(), codes.dev(), scales.dev(), 40, 48, 128, 128, -1.0f); });
  }
  Array codes = byte_array(28672ll * 5120), out(U8, 28672ll * 5120);
  bench("fp8_transpose 28672x5120", 2.0 * 28672 * 5120, 0, [&] { launch("fp8_transpose_64x64", {80, 448}, 256, 0, codes.dev(), out.dev(), 28672, 5120, static_cast<int64_t>(28672)); });
}
}  // namespace check

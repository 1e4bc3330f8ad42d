// Elementwise, norms, rope, gated MLP, embedding.
#include "harness.h"

namespace check {
static const int ACTIVATIONS[] = {F32, BF16, F16};
static std::string named(const char *kernel, int dtype) { return std::string(kernel) + "_" + suffix(dtype); }
static uint32_t blocks(int64_t items, int64_t per, int64_t limit) { return static_cast<uint32_t>(std::max<int64_t>(1, std::min((items + per - 1) / per, limit))); }
static void copy(Array &to, const Array &from) { std::memcpy(to.host.data(), from.host.data(), to.host.size()); }

void check_elementwise() {
  remora_context *ctx = reference_context();
  for (int64_t count : {1, 31, 2048, 5003}) {
    for (int from : ACTIVATIONS)
      for (int to : ACTIVATIONS) {
        if (from == to) continue;
        Array x = random_array(from, count), y(to, count), want(to, count);
        reference.convert(ctx, x.ptr(), want.ptr(), count, from, to);
        const std::string kernel = std::string("convert_") + suffix(from) + "_to_" + suffix(to);
        check_case(kernel + " " + std::to_string(count), {{&y, &want, 0}}, [&] { y.poison(); },
                   [&] { launch(kernel.c_str(), {blocks(count, 2048, 4096)}, 256, 0, x.dev(), y.dev(), count); });
      }
    for (int dtype : ACTIVATIONS) {
      Array x = random_array(dtype, count), y = random_array(dtype, count), want(dtype, count), start(dtype, count);
      copy(want, y), copy(start, y);
      reference.add(ctx, x.ptr(), want.ptr(), count, dtype, 0.37f);
      check_case(named("add", dtype) + " " + std::to_string(count), {{&y, &want, tolerance_of(dtype)}}, [&] { copy(y, start), y.push(); },
                 [&] { launch(named("add", dtype).c_str(), {blocks(count, 2048, 4096)}, 256, 0, x.dev(), y.dev(), count, 0.37f); });
    }
    Array x = random_array(F32, count), partials(F64, 1024), out(F32, 1), want(F32, 1);
    reference.sum(ctx, x.ptr<float>(), want.ptr<float>(), count);
    const uint32_t parts = blocks(count, 4096, 1024);
    check_case("sum_f32 " + std::to_string(count), {{&out, &want, 1e-6}}, [&] { out.poison(), partials.poison(); },
               [&] {
                 launch("sum_partials_f32", {parts}, 256, 0, x.dev(), partials.dev(), count);
                 launch("sum_final_f32", {1}, 256, 0, partials.dev(), out.dev(), static_cast<int>(parts));
               });
    for (int normal : {0, 1}) {
      Array y(F32, count), expected(F32, count);
      reference.random(ctx, expected.ptr<float>(), count, 12345678901ull, 0.25f, normal);
      check_case("random_f32 " + std::string(normal ? "normal " : "uniform ") + std::to_string(count), {{&y, &expected, normal ? 1e-7 : 0}}, [&] { y.poison(); },
                 [&] { launch("random_f32", {blocks(count, 256, 4096)}, 256, 0, y.dev(), count, static_cast<uint64_t>(12345678901ull), 0.25f, normal); });
    }
  }
  for (int dtype : ACTIVATIONS)
    for (int64_t C : {7, 64, 576}) {
      Array x = random_array(dtype, 11 * C), rows = int_array({3, 0, 10, -1, 3, 7, 2, 9, 1}), out(dtype, 9 * C), want(dtype, 9 * C);
      reference.gather_rows(ctx, x.ptr(), rows.ptr<int32_t>(), want.ptr(), 9, C, dtype);
      const int64_t row_bytes = C * static_cast<int64_t>(bytes_of(dtype));
      check_case(named("gather_rows", dtype) + " C" + std::to_string(C), {{&out, &want, 0}}, [&] { out.poison(); },
                 [&] { launch("gather_rows_warp_per_row", {2}, 256, 0, x.dev(), rows.dev(), out.dev(), static_cast<int64_t>(9), row_bytes); });
      Array back(dtype, 11 * C), expected(dtype, 11 * C), to = int_array({3, 0, 10, -1, 4, 7, 2, 9, 1});
      std::memset(expected.host.data(), 0, expected.host.size());
      for (int i = 0; i < 9; i++)
        if (to.ptr<int32_t>()[i] >= 0) std::memcpy(expected.host.data() + to.ptr<int32_t>()[i] * row_bytes, out.host.data() + i * row_bytes, row_bytes);
      out.push();
      check_case(named("scatter_rows", dtype) + " C" + std::to_string(C), {{&back, &expected, 0}},
                 [&] { std::memset(back.host.data(), 0, back.host.size()), back.push(); },
                 [&] { launch("scatter_rows_warp_per_row", {2}, 256, 0, out.dev(), to.dev(), back.dev(), static_cast<int64_t>(9), row_bytes); });
    }
  {  // strided copies, bias, column sums
    const int64_t rows = 37, cols = 301, ss = 310, ts = 333;
    Array x = random_array(F32, rows * ss), y = random_array(BF16, rows * ts), start(BF16, rows * ts), want(BF16, rows * ts);
    copy(start, y), copy(want, y);
    for (int64_t r = 0; r < rows; r++)
      for (int64_t c = 0; c < cols; c++) put(want.ptr(), r * ts + c, BF16, static_cast<float>(0.5f * x.ptr<float>()[r * ss + c]) + get(start.ptr(), r * ts + c, BF16));
    check_case("copy_matrix_f32_to_bf16", {{&y, &want, 1e-4}}, [&] { copy(y, start), y.push(); },
               [&] { launch("copy_matrix_f32_to_bf16", {2, 5}, 256, 0, x.dev(), y.dev(), rows, cols, ss, ts, 0.5f, 1); });
    for (int dtype : ACTIVATIONS) {
      Array bias = random_array(F32, cols), z = random_array(dtype, rows * cols), first(dtype, rows * cols), expected(dtype, rows * cols);
      copy(first, z);
      for (int64_t i = 0; i < rows * cols; i++) put(expected.ptr(), i, dtype, first.at(i) + bias.at(i % cols));
      check_case(named("add_bias", dtype), {{&z, &expected, tolerance_of(dtype)}}, [&] { copy(z, first), z.push(); },
                 [&] { launch(named("add_bias", dtype).c_str(), {1, 9}, 256, 0, bias.dev(), z.dev(), rows, cols, cols); });
      Array partials(F32, 4 * cols), target = random_array(F32, cols), begin(F32, cols), sums(F32, cols);
      copy(begin, target);
      for (int64_t c = 0; c < cols; c++) {
        double total = 0;
        for (int64_t r = 0; r < rows; r++) total += first.at(r * cols + c);
        put(sums.ptr(), c, F32, begin.at(c) + 2.0 * total);
      }
      Array original = Array(dtype, rows * cols);
      copy(original, first), original.push();
      check_case(named("column_sum", dtype), {{&target, &sums, 1e-6}}, [&] { copy(target, begin), target.push(), partials.poison(); },
                 [&] {
                   launch(named("column_sum_partials", dtype).c_str(), {2, 4}, 256, 0, original.dev(), partials.dev(), rows, cols, cols, static_cast<int64_t>(10));
                   launch("add_partials_f32", {2}, 256, 0, partials.dev(), target.dev(), static_cast<int64_t>(4), cols, 2.0f);
                 });
    }
  }
}

void check_norms() {
  remora_context *ctx = reference_context();
  for (int dtype : ACTIVATIONS)
    for (int64_t C : {1, 37, 576, 5120, 9003})
      for (bool residual : {false, true})
        for (const char *strategy : {"warp", "block"}) {
          const int64_t N = C > 1000 ? 3 : 13;
          const bool warp = strategy[0] == 'w';
          if (warp && C > 2048) continue;
          const std::string tail = std::string("_") + strategy + "_per_row_" + suffix(dtype), label = " " + std::to_string(N) + "x" + std::to_string(C) + (residual ? " residual" : "");
          const Grid grid{static_cast<uint32_t>(warp ? (N + 7) / 8 : N)};
          Array x = random_array(dtype, N * C), r = random_array(dtype, N * C), w = random_array(F32, C), sum(dtype, N * C), y(dtype, N * C), rstd(F32, N);
          Array want_sum(dtype, N * C), want_y(dtype, N * C), want_rstd(F32, N);
          reference.rms_norm_forward(ctx, x.ptr(), residual ? r.ptr() : nullptr, w.ptr<float>(), want_sum.ptr(), want_y.ptr(), want_rstd.ptr<float>(), N, C, dtype, 1e-5f);
          std::vector<Output> outputs{{&y, &want_y, tolerance_of(dtype)}, {&rstd, &want_rstd, 1e-6}};
          if (residual) outputs.push_back({&sum, &want_sum, tolerance_of(dtype, 1e-7, 1e-7, 1e-7)});
          check_case("rms_norm_forward" + tail + label, outputs, [&] { y.poison(), sum.poison(), rstd.poison(); },
                     [&] {
                       launch(("rms_norm_forward" + tail).c_str(), grid, 256, 0, x.dev(), residual ? r.dev() : nullptr, w.dev(), residual ? sum.dev() : nullptr, y.dev(), rstd.dev(), N, C, 1e-5f);
                     });
          Array d_y = random_array(dtype, N * C), d_sum(dtype, N * C), want_d(dtype, N * C), gradient = random_array(F32, C), start(F32, C), want_gradient(F32, C);
          copy(start, gradient), copy(want_gradient, gradient);
          want_rstd.push();
          reference.rms_norm_backward(ctx, x.ptr(), w.ptr<float>(), want_rstd.ptr<float>(), d_y.ptr(), residual ? r.ptr() : nullptr, want_d.ptr(), want_gradient.ptr<float>(), N, C, dtype);
          check_case("rms_norm_backward" + tail + label, {{&d_sum, &want_d, tolerance_of(dtype, C == 1 ? 5e-4 : 2e-6)}}, [&] { d_sum.poison(); },
                     [&] {
                       launch(("rms_norm_backward" + tail).c_str(), grid, 256, 0, x.dev(), w.dev(), want_rstd.dev(), d_y.dev(), residual ? r.dev() : nullptr, d_sum.dev(), N, C);
                     });
          if (!warp || residual) continue;
          Array partials(F32, 3 * C), applied(dtype, N * C), want_applied(dtype, N * C);
          check_case(named("rms_norm_weight_gradient", dtype) + label, {{&gradient, &want_gradient, 2e-6}}, [&] { copy(gradient, start), gradient.push(), partials.poison(); },
                     [&] {
                       launch(named("rms_norm_weight_gradient_partials", dtype).c_str(), {blocks(C, 2048, 1000), 3}, 256, 0, x.dev(), want_rstd.dev(), d_y.dev(), partials.dev(), N, C,
                              static_cast<int64_t>((N + 2) / 3));
                       launch("add_partials_f32", {blocks(C, 256, 100000)}, 256, 0, partials.dev(), gradient.dev(), static_cast<int64_t>(3), C, 1.0f);
                     });
          reference.rms_norm_apply(ctx, x.ptr(), w.ptr<float>(), want_rstd.ptr<float>(), want_applied.ptr(), N, C, dtype);
          check_case(named("rms_norm_apply", dtype) + label, {{&applied, &want_applied, tolerance_of(dtype)}}, [&] { applied.poison(); },
                     [&] { launch(named("rms_norm_apply", dtype).c_str(), {blocks(C, 2048, 1000), 5}, 256, 0, x.dev(), w.dev(), want_rstd.dev(), applied.dev(), N, C); });
          Array bias = random_array(F32, C), z(dtype, N * C), want_z(dtype, N * C);
          reference.layer_norm_forward(ctx, x.ptr(), r.ptr(), w.ptr<float>(), bias.ptr<float>(), want_z.ptr(), N, C, dtype, 1e-5f);
          check_case(named("layer_norm_forward", dtype) + label, {{&z, &want_z, tolerance_of(dtype)}}, [&] { z.poison(); },
                     [&] { launch(named("layer_norm_forward_warp_per_row", dtype).c_str(), grid, 256, 0, x.dev(), r.dev(), w.dev(), bias.dev(), z.dev(), N, C, 1e-5f); });
        }
}

void check_rope() {
  remora_context *ctx = reference_context();
  struct Shape { int H, K, D, rotary; };
  for (int dtype : ACTIVATIONS)
    for (const Shape s : {Shape{4, 2, 64, 64}, Shape{3, 1, 80, 32}, Shape{2, 2, 128, 128}, Shape{2, 1, 20, 10}, Shape{1, 1, 256, 256}}) {
      const int64_t N = 9, width = static_cast<int64_t>(s.H + 2 * s.K) * s.D;
      const std::string label = " H" + std::to_string(s.H) + " K" + std::to_string(s.K) + " D" + std::to_string(s.D) + " rotary" + std::to_string(s.rotary);
      Array x = random_array(dtype, N * width), table(F32, 64 * s.rotary), positions = int_array({5, 0, 63, 1, 2, 33, 17, 8, 40});
      for (int p = 0; p < 64; p++)
        for (int i = 0; i < s.rotary / 2; i++) {
          const double angle = p * std::pow(10000.0, -2.0 * i / s.rotary);
          put(table.ptr(), (p * s.rotary / 2 + i) * 2, F32, std::cos(angle));
          put(table.ptr(), (p * s.rotary / 2 + i) * 2 + 1, F32, std::sin(angle));
        }
      table.push();
      Array out(dtype, N * width), want(dtype, N * width), start(dtype, N * width);
      copy(start, x);
      reference.rope_forward(ctx, x.ptr(), nullptr, nullptr, table.ptr<float>(), positions.ptr<int32_t>(), want.ptr(), N, s.H, s.K, s.D, s.rotary, dtype, 1e-6f);
      const std::string rotate = named("rope_rotate_block_per_row", dtype);
      check_case(named("rope_forward", dtype) + label, {{&out, &want, tolerance_of(dtype)}}, [&] { out.poison(); },
                 [&] { launch(rotate.c_str(), {static_cast<uint32_t>(N)}, 256, 0, x.dev(), table.dev(), positions.dev(), out.dev(), s.H + s.K, s.H + 2 * s.K, s.D, s.rotary, 1.0f); });
      check_case(named("rope_forward", dtype) + label + " in place", {{&out, &want, tolerance_of(dtype)}}, [&] { copy(out, start), out.push(); },
                 [&] { launch(rotate.c_str(), {static_cast<uint32_t>(N)}, 256, 0, out.dev(), table.dev(), positions.dev(), out.dev(), s.H + s.K, s.H + 2 * s.K, s.D, s.rotary, 1.0f); });
      reference.rope_backward(ctx, nullptr, nullptr, nullptr, table.ptr<float>(), positions.ptr<int32_t>(), x.ptr(), want.ptr(), nullptr, nullptr, N, s.H, s.K, s.D, s.rotary, dtype, 1e-6f);
      check_case(named("rope_backward", dtype) + label, {{&out, &want, tolerance_of(dtype)}}, [&] { copy(out, start), out.push(); },
                 [&] { launch(rotate.c_str(), {static_cast<uint32_t>(N)}, 256, 0, out.dev(), table.dev(), positions.dev(), out.dev(), s.H + s.K, s.H + 2 * s.K, s.D, s.rotary, -1.0f); });
      // with norms
      Array qn = random_array(F32, s.D), kn = random_array(F32, s.D);
      reference.rope_forward(ctx, x.ptr(), qn.ptr<float>(), kn.ptr<float>(), table.ptr<float>(), positions.ptr<int32_t>(), want.ptr(), N, s.H, s.K, s.D, s.rotary, dtype, 1e-6f);
      check_case(named("rope_norm_forward", dtype) + label, {{&out, &want, tolerance_of(dtype)}}, [&] { out.poison(); },
                 [&] {
                   launch(named("rope_norm_forward_warp_per_head", dtype).c_str(), {blocks(N * (s.H + 2 * s.K), 8, 1 << 30)}, 256, 0, x.dev(), qn.dev(), kn.dev(), table.dev(), positions.dev(), out.dev(), N, s.H,
                          s.K, s.D, s.rotary, 1e-6f);
                 });
      Array d_out = random_array(dtype, N * width), d_x(dtype, N * width), gq = random_array(F32, s.D), gk = random_array(F32, s.D), gq0(F32, s.D), gk0(F32, s.D), want_gq(F32, s.D), want_gk(F32, s.D);
      copy(gq0, gq), copy(gk0, gk), copy(want_gq, gq), copy(want_gk, gk);
      reference.rope_backward(ctx, x.ptr(), qn.ptr<float>(), kn.ptr<float>(), table.ptr<float>(), positions.ptr<int32_t>(), d_out.ptr(), want.ptr(), want_gq.ptr<float>(), want_gk.ptr<float>(), N, s.H,
                              s.K, s.D, s.rotary, dtype, 1e-6f);
      Array pq(F32, 3 * 8 * s.D), pk(F32, 3 * 8 * s.D);
      check_case(named("rope_norm_backward", dtype) + label, {{&d_x, &want, tolerance_of(dtype)}, {&gq, &want_gq, 3e-6}, {&gk, &want_gk, 3e-6}},
                 [&] { d_x.poison(), pq.poison(), pk.poison(), copy(gq, gq0), gq.push(), copy(gk, gk0), gk.push(); },
                 [&] {
                   launch(named("rope_norm_backward_warp_per_head", dtype).c_str(), {3}, 256, 0, x.dev(), qn.dev(), kn.dev(), table.dev(), positions.dev(), d_out.dev(), d_x.dev(), pq.dev(), pk.dev(), N,
                          s.H, s.K, s.D, s.rotary, 1e-6f);
                   for (auto [p, g] : {std::pair{&pq, &gq}, std::pair{&pk, &gk}})
                     launch("add_partials_f32", {blocks(s.D, 256, 100)}, 256, 0, p->dev(), g->dev(), static_cast<int64_t>(24), static_cast<int64_t>(s.D), 1.0f);
                 });
    }
}

void check_gated() {
  remora_context *ctx = reference_context();
  for (int dtype : ACTIVATIONS)
    for (int64_t F : {5, 64, 1536})
      for (int kind : {0, 1}) {
        const int64_t N = 7;
        const std::string label = " F" + std::to_string(F) + (kind ? " gelu" : " silu");
        const Grid grid{blocks(F, 2048, 1000), 5};
        Array x = random_array(dtype, N * 2 * F, 2.0), y(dtype, N * F), want(dtype, N * F), d_y = random_array(dtype, N * F), d_x(dtype, N * 2 * F), want_d(dtype, N * 2 * F), start(dtype, N * 2 * F);
        copy(start, x);
        reference.gated_forward(ctx, x.ptr(), want.ptr(), N, F, dtype, kind);
        check_case(named("gated_forward", dtype) + label, {{&y, &want, tolerance_of(dtype)}}, [&] { y.poison(); },
                   [&] { launch(named("gated_forward", dtype).c_str(), grid, 256, 0, x.dev(), y.dev(), N, F, kind); });
        reference.gated_backward(ctx, x.ptr(), d_y.ptr(), want_d.ptr(), N, F, dtype, kind);
        check_case(named("gated_backward", dtype) + label, {{&d_x, &want_d, tolerance_of(dtype, 4e-6)}}, [&] { copy(d_x, start), d_x.push(); },
                   [&] { launch(named("gated_backward", dtype).c_str(), grid, 256, 0, d_x.dev(), d_y.dev(), d_x.dev(), N, F, kind); });
        check_case(named("gated_backward_recompute", dtype) + label, {{&d_x, &want_d, tolerance_of(dtype, 4e-6)}, {&y, &want, tolerance_of(dtype)}}, [&] { copy(d_x, start), d_x.push(), y.poison(); },
                   [&] { launch(named("gated_backward_recompute", dtype).c_str(), grid, 256, 0, d_x.dev(), d_y.dev(), d_x.dev(), y.dev(), N, F, kind); });
        Array g(dtype, N * F), want_g(dtype, N * F);
        reference.gelu_forward(ctx, x.ptr(), want_g.ptr(), N * F, dtype, kind);
        check_case(named("gelu_forward", dtype) + label, {{&g, &want_g, tolerance_of(dtype)}}, [&] { g.poison(); },
                   [&] { launch(named("gelu_forward", dtype).c_str(), {blocks(N * F, 2048, 4096)}, 256, 0, x.dev(), g.dev(), N * F, kind); });
      }
}

void check_embedding() {
  remora_context *ctx = reference_context();
  std::vector<int32_t> list;
  for (int i = 0; i < 300; i++) list.push_back(static_cast<int32_t>(next_random() % 40) - 1);
  for (int from : ACTIVATIONS)
    for (int to : ACTIVATIONS)
      for (int64_t C : {9, 64}) {
        const int64_t N = static_cast<int64_t>(list.size());
        Array table = random_array(from, 39 * C), ids = int_array(list), y(to, N * C), want(to, N * C);
        remora_weight w{};
        w.format = from, w.rows = 39, w.cols = C, w.data = table.ptr();
        reference.embedding_forward(ctx, &w, ids.ptr<int32_t>(), want.ptr(), N, to, 1.5f);
        const std::string kernel = std::string("embedding_forward_warp_per_row_") + suffix(from) + "_to_" + suffix(to);
        check_case(kernel + " C" + std::to_string(C), {{&y, &want, tolerance_of(to)}}, [&] { y.poison(); },
                   [&] { launch(kernel.c_str(), {blocks(N, 8, 1 << 30)}, 256, 0, table.dev(), ids.dev(), y.dev(), N, C, static_cast<int64_t>(39), 1.5f); });
        if (from != to) continue;
        Array d_y = random_array(to, N * C), d_table = random_array(F32, 39 * C), start(F32, 39 * C), want_d(F32, 39 * C);
        copy(start, d_table), copy(want_d, d_table);
        reference.embedding_backward(ctx, ids.ptr<int32_t>(), d_y.ptr(), want_d.ptr<float>(), N, C, 39, to, 1.5f);
        check_case(named("embedding_backward", to) + " C" + std::to_string(C), {{&d_table, &want_d, 2e-6}}, [&] { copy(d_table, start), d_table.push(); },
                   [&] { launch(named("embedding_backward_block_per_token", to).c_str(), {static_cast<uint32_t>(N)}, 256, 0, ids.dev(), d_y.dev(), d_table.dev(), N, C, static_cast<int64_t>(39), 1.5f); });
      }
}

// Nemo: 8,192 rows of 5,120, feed-forward 14,336, qkv 6,144.
void bench_elementwise() {
  const int64_t N = 8192, C = 5120, F = 14336, Q = 6144;
  {  // ceiling: copy
    Array a = random_array(F32, 1 << 28), b(F32, 1 << 28);
    bench("convert_f32_to_bf16 2^28", 6.0 * (1 << 28), 0, [&] { launch("convert_f32_to_bf16", {4096}, 256, 0, a.dev(), b.dev(), static_cast<int64_t>(1 << 28)); });
    bench("gather_rows (copy of 1 GiB: the memory ceiling)", 2.0 * (1 << 30), 0, [&] {
      static Array rows = [] {
        std::vector<int32_t> v;
        for (int i = 0; i < 65536; i++) v.push_back(i);
        return int_array(v);
      }();
      launch("gather_rows_warp_per_row", {8192}, 256, 0, a.dev(), rows.dev(), b.dev(), static_cast<int64_t>(65536), static_cast<int64_t>(16384));
    });
  }
  Array x = random_array(BF16, N * C), r = random_array(BF16, N * C), s(BF16, N * C), y(BF16, N * C), w = random_array(F32, C), rstd = uniform_array(F32, N, 0.5, 1.5);
  bench("rms_norm_forward_block residual bf16 8192x5120", 8.0 * N * C, 0, [&] { launch("rms_norm_forward_block_per_row_bf16", {8192}, 256, 0, x.dev(), r.dev(), w.dev(), s.dev(), y.dev(), rstd.dev(), N, C, 1e-5f); });
  bench("rms_norm_backward_block residual bf16 8192x5120", 8.0 * N * C, 0, [&] { launch("rms_norm_backward_block_per_row_bf16", {8192}, 256, 0, x.dev(), w.dev(), rstd.dev(), r.dev(), s.dev(), y.dev(), N, C); });
  bench("rms_norm_apply bf16 8192x5120", 4.0 * N * C, 0, [&] { launch("rms_norm_apply_bf16", {3, 2048}, 256, 0, x.dev(), w.dev(), rstd.dev(), y.dev(), N, C); });
  bench("add bf16 8192x5120", 6.0 * N * C, 0, [&] { launch("add_bf16", {4096}, 256, 0, x.dev(), y.dev(), N * C, 1.0f); });
  Array qkv = random_array(BF16, N * Q), table = uniform_array(F32, 2048 * 128, -1, 1), positions(I32, N);
  for (int64_t i = 0; i < N; i++) positions.ptr<int32_t>()[i] = static_cast<int32_t>(i % 2048);
  positions.push();
  bench("rope_rotate bf16 8192 rows, 40 heads of 128", 4.0 * N * 5120, 0, [&] { launch("rope_rotate_block_per_row_bf16", {8192}, 256, 0, qkv.dev(), table.dev(), positions.dev(), qkv.dev(), 40, 48, 128, 128, 1.0f); });
  Array gu = random_array(BF16, N * 2 * F), act(BF16, N * F), d = random_array(BF16, N * F);
  bench("gated_forward bf16 8192x14336", 6.0 * N * F, 0, [&] { launch("gated_forward_bf16", {7, 8192}, 256, 0, gu.dev(), act.dev(), N, F, 0); });
  Array dgu(BF16, N * 2 * F);
  bench("gated_backward bf16 8192x14336", 10.0 * N * F, 0, [&] { launch("gated_backward_bf16", {7, 8192}, 256, 0, gu.dev(), d.dev(), dgu.dev(), N, F, 0); });
  Array table_e = random_array(BF16, 131072 * C), ids(I32, N);
  for (int64_t i = 0; i < N; i++) ids.ptr<int32_t>()[i] = static_cast<int32_t>(next_random() % 131072);
  ids.push();
  bench("embedding_forward bf16 8192x5120", 4.0 * N * C, 0, [&] { launch("embedding_forward_warp_per_row_bf16_to_bf16", {1024}, 256, 0, table_e.dev(), ids.dev(), y.dev(), N, C, static_cast<int64_t>(131072), 1.0f); });
  void *pinned;
  if (device_host_pinned(131072ull * C * 2, &pinned))
    bench("embedding_forward from pinned host memory", 2.0 * N * C, 0, [&] { launch("embedding_forward_warp_per_row_bf16_to_bf16", {1024}, 256, 0, pinned, ids.dev(), y.dev(), N, C, static_cast<int64_t>(131072), 1.0f); });
}
}  // namespace check

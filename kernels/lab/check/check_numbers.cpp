// NF4, GGUF formats, cross-entropy, optimizer, sampling.
#include <algorithm>
#include "harness.h"

namespace check {
static const int ACTIVATIONS[] = {F32, BF16, F16};
static std::string named(const char *kernel, int dtype) { return std::string(kernel) + "_" + suffix(dtype); }
static uint32_t blocks(int64_t items, int64_t per, int64_t limit = 1 << 30) { return static_cast<uint32_t>(std::max<int64_t>(1, std::min((items + per - 1) / per, limit))); }
static void copy(Array &to, const Array &from) { std::memcpy(to.host.data(), from.host.data(), to.host.size()); }
static Array sorted_map() {
  Array a(F32, 256);
  for (int i = 0; i < 256; i++) a.ptr<float>()[i] = static_cast<float>((i - 127.5) / 127.5 * std::fabs((i - 127.5) / 127.5));
  a.push();
  return a;
}

void check_numbers() {
  remora_context *ctx = reference_context();
  for (int dtype : ACTIVATIONS)
    for (int64_t count : {1, 63, 64, 4096, 5001}) {
      Array x = random_array(dtype, count), codes(U8, (count + 1) / 2), absmax(F32, (count + 63) / 64), want_codes(U8, (count + 1) / 2), want_absmax(F32, (count + 63) / 64);
      if (count > 200)
        for (int i = 64; i < 128; i++) put(x.ptr(), i, dtype, 0);  // a block of zeros
      x.push();
      reference.nf4_encode(ctx, x.ptr(), want_codes.ptr<uint8_t>(), want_absmax.ptr<float>(), count, dtype);
      check_case(named("nf4_encode", dtype) + " " + std::to_string(count), {{&codes, &want_codes, 0}, {&absmax, &want_absmax, 0}}, [&] { codes.poison(), absmax.poison(); },
                 [&] { launch(named("nf4_encode", dtype).c_str(), {blocks(count, 2048)}, 256, 0, x.dev(), codes.dev(), absmax.dev(), count); });
    }
  for (int64_t count : {1, 255, 256, 1000}) {
    Array absmax = uniform_array(F32, count, 0.01, 0.2), map = sorted_map(), codes(U8, count), nested(F32, (count + 255) / 256), offset(F32, 1), partials(F64, 8);
    Array want_codes(U8, count), want_nested(F32, (count + 255) / 256), want_offset(F32, 1);
    reference.nf4_nest(ctx, absmax.ptr<float>(), map.ptr<float>(), want_codes.ptr<uint8_t>(), want_nested.ptr<float>(), want_offset.ptr<float>(), count);
    check_case("nf4_nest " + std::to_string(count), {{&codes, &want_codes, 0}, {&nested, &want_nested, 0}, {&offset, &want_offset, 0}}, [&] { codes.poison(), nested.poison(), offset.poison(); },
               [&] {
                 launch("sum_partials_f32", {4}, 256, 0, absmax.dev(), partials.dev(), count);
                 launch("nf4_nest_offset", {1}, 256, 0, partials.dev(), offset.dev(), 4, count);
                 launch("nf4_nest_block_per_256", {blocks(count, 256)}, 256, 0, absmax.dev(), map.dev(), offset.dev(), codes.dev(), nested.dev(), count);
               });
  }
  for (int dtype : ACTIVATIONS)
    for (bool is_nested : {false, true}) {
      const int64_t rows = 37, cols = 192, count = rows * cols;
      Array codes = byte_array(count / 2), absmax = uniform_array(F32, count / 64, 0.01, 0.3), scale_codes = byte_array(count / 64), nested = uniform_array(F32, (count / 64 + 255) / 256, 0.01, 0.2), map = sorted_map();
      remora_weight w{};
      w.format = REMORA_NF4, w.rows = rows, w.cols = cols, w.data = codes.ptr();
      w.scales = is_nested ? static_cast<const void *>(scale_codes.ptr()) : absmax.ptr();
      if (is_nested) w.nested_scales = nested.ptr<float>(), w.nested_code = map.ptr<float>(), w.nested_offset = 0.17f;
      const std::string infix = is_nested ? "nf4_decode_nested_" : "nf4_decode_";
      {
        const int64_t row = 3, row_count = 30, n = row_count * cols;
        Array out(dtype, n), want(dtype, n);
        reference.weight_decode(ctx, &w, want.ptr(), row, row_count, dtype);
        check_case(infix + "flat_" + suffix(dtype), {{&out, &want, 0}}, [&] { out.poison(); }, [&] {
          const std::string k = infix + "flat_" + suffix(dtype);
          if (is_nested) launch(k.c_str(), {blocks(n, 16384)}, 256, 0, codes.dev(), scale_codes.dev(), nested.dev(), map.dev(), 0.17f, out.dev(), row, cols, n);
          else launch(k.c_str(), {blocks(n, 16384)}, 256, 0, codes.dev(), absmax.dev(), out.dev(), row, cols, n);
        });
      }
      {
        const int64_t row = 2, row_count = 35, column = 64, column_count = 72, stride = 88;
        Array all(dtype, count), out(dtype, row_count * stride), want(dtype, row_count * stride);
        reference.weight_decode(ctx, &w, all.ptr(), 0, rows, dtype);
        std::memset(want.host.data(), 0, want.host.size());
        for (int64_t r = 0; r < row_count; r++)
          for (int64_t c = 0; c < column_count; c++) put(want.ptr(), r * stride + c, dtype, all.at((row + r) * cols + column + c));
        check_case(infix + "columns_" + suffix(dtype), {{&out, &want, 0}}, [&] { std::memset(out.host.data(), 0, out.host.size()), out.push(); }, [&] {
          const std::string k = infix + "columns_" + suffix(dtype);
          const Grid grid{blocks(row_count * column_count, 16384)};
          if (is_nested) launch(k.c_str(), grid, 256, 0, codes.dev(), scale_codes.dev(), nested.dev(), map.dev(), 0.17f, out.dev(), row, row_count, column, column_count, cols, stride);
          else launch(k.c_str(), grid, 256, 0, codes.dev(), absmax.dev(), out.dev(), row, row_count, column, column_count, cols, stride);
        });
      }
      Array ids = int_array({5, -1, 36, 0, 5}), y(dtype, 5 * cols), want(dtype, 5 * cols);
      reference.embedding_forward(ctx, &w, ids.ptr<int32_t>(), want.ptr(), 5, dtype, 2.5f);
      check_case(named(is_nested ? "nf4_gather_rows nested" : "nf4_gather_rows", dtype), {{&y, &want, tolerance_of(dtype)}}, [&] { y.poison(); }, [&] {
        launch(named("nf4_gather_rows_warp_per_row", dtype).c_str(), {1}, 256, 0, codes.dev(), is_nested ? scale_codes.dev() : absmax.dev(), is_nested ? nested.dev() : nullptr,
               is_nested ? map.dev() : nullptr, 0.17f, ids.dev(), y.dev(), static_cast<int64_t>(5), cols, 2.5f);
      });
    }
  struct Format { int id; const char *name; int64_t elements, bytes; std::vector<int> halves; };
  for (const Format &f : {Format{REMORA_Q8_0, "q8_0", 32, 34, {0}}, Format{REMORA_Q4_0, "q4_0", 32, 18, {0}}, Format{REMORA_Q4_1, "q4_1", 32, 20, {0, 2}}, Format{REMORA_Q5_0, "q5_0", 32, 22, {0}},
                          Format{REMORA_Q5_1, "q5_1", 32, 24, {0, 2}}, Format{REMORA_Q4_K, "q4_k", 256, 144, {0, 2}}, Format{REMORA_Q5_K, "q5_k", 256, 176, {0, 2}}, Format{REMORA_Q6_K, "q6_k", 256, 210, {208}}})
    for (int dtype : ACTIVATIONS) {
      const int64_t rows = 9, cols = 512, row_bytes = cols / f.elements * f.bytes;
      Array data = byte_array(rows * row_bytes);
      for (int64_t b = 0; b < rows * cols / f.elements; b++)
        for (int h : f.halves) put(data.host.data() + b * f.bytes + h, 0, F16, 0.01 * normal());
      data.push();
      remora_weight w{};
      w.format = f.id, w.rows = rows, w.cols = cols, w.data = data.ptr();
      Array out(dtype, 7 * cols), want(dtype, 7 * cols), ids = int_array({8, 0, -1, 3, 3, 1, 7}), gathered(dtype, 7 * cols), want_gathered(dtype, 7 * cols);
      reference.weight_decode(ctx, &w, want.ptr(), 1, 7, dtype);
      reference.embedding_forward(ctx, &w, ids.ptr<int32_t>(), want_gathered.ptr(), 7, dtype, 1.25f);
      const std::string k = std::string("gguf_decode_") + f.name + "_" + suffix(dtype);
      check_case(k, {{&out, &want, tolerance_of(dtype)}, {&gathered, &want_gathered, tolerance_of(dtype)}}, [&] { out.poison(), gathered.poison(); }, [&] {
        launch(k.c_str(), {3}, 256, 0, data.dev(), nullptr, out.dev(), static_cast<int64_t>(1), static_cast<int64_t>(7), cols, cols, 1.0f);
        launch(k.c_str(), {3}, 256, 0, data.dev(), ids.dev(), gathered.dev(), static_cast<int64_t>(0), static_cast<int64_t>(7), cols, cols, 1.25f);
      });
    }
}
void bench_numbers() {
  const int64_t rows = 14336, cols = 5120, count = rows * cols;
  constexpr int COPIES = 6;  // 6 x 38 MB of codes and 147 MB out: past the 50 MB L2
  std::vector<Array> codes, outs;
  for (int i = 0; i < COPIES; i++) codes.push_back(byte_array(count / 2)), outs.push_back(Array(BF16, count));
  Array absmax = uniform_array(F32, count / 64, 0.01, 0.3), scale_codes = byte_array(count / 64), nested = uniform_array(F32, count / 64 / 256 + 1, 0.01, 0.2), map = sorted_map();
  int i = 0;
  bench("nf4_decode_flat bf16 14336x5120", count * (0.5 + 0.0625 + 2), 0, [&] { i = (i + 1) % COPIES, launch("nf4_decode_flat_bf16", {blocks(count, 16384)}, 256, 0, codes[i].dev(), absmax.dev(), outs[i].dev(), static_cast<int64_t>(0), cols, count); }, 12);
  bench("nf4_decode_nested_flat bf16 14336x5120", count * (0.5 + 1.0 / 64 + 2), 0, [&] { i = (i + 1) % COPIES, launch("nf4_decode_nested_flat_bf16", {blocks(count, 16384)}, 256, 0, codes[i].dev(), scale_codes.dev(), nested.dev(), map.dev(), 0.17f, outs[i].dev(), static_cast<int64_t>(0), cols, count); }, 12);
  bench("nf4_decode_nested_columns bf16 14336x5120, stride 5120", count * (0.5 + 1.0 / 64 + 2), 0, [&] { i = (i + 1) % COPIES, launch("nf4_decode_nested_columns_bf16", {blocks(count, 16384)}, 256, 0, codes[i].dev(), scale_codes.dev(), nested.dev(), map.dev(), 0.17f, outs[i].dev(), static_cast<int64_t>(0), rows, static_cast<int64_t>(0), cols, cols, cols); }, 12);
  Array x = random_array(BF16, count);
  bench("nf4_encode bf16 14336x5120", count * 2.5625, 0, [&] { i = (i + 1) % COPIES, launch("nf4_encode_bf16", {blocks(count, 2048)}, 256, 0, x.dev(), codes[i].dev(), absmax.dev(), count); });
  Array q4 = byte_array(count / 256 * 144);
  bench("gguf_decode_q4_k bf16 14336x5120", count * (144.0 / 256 + 2), 0, [&] { i = (i + 1) % COPIES, launch("gguf_decode_q4_k_bf16", {16384}, 256, 0, q4.dev(), nullptr, outs[i].dev(), static_cast<int64_t>(0), rows, cols, cols, 1.0f); });
}

void check_loss() {
  struct Pair { int from, to; };
  for (const Pair p : {Pair{F32, F32}, Pair{F32, BF16}, Pair{F32, F16}, Pair{BF16, BF16}, Pair{F16, F16}})
    for (int64_t V : {7, 1000, 9111, 16384})
      for (float cap : {0.0f, 30.0f}) {
        const int64_t N = 5;
        Array logits = random_array(p.from, N * V, 4.0), targets = int_array({static_cast<int32_t>(V - 1), -1, 3, 0, static_cast<int32_t>(V / 2)}), scale = uniform_array(F32, 1, 0.2, 0.3);
        logits.ptr<uint8_t>();
        Array start(p.from, N * V), d(p.to, N * V), want_d(p.to, N * V), loss(F32, N), want_loss(F32, N), top1(I32, N), want_top1(I32, N);
        copy(start, logits);
        for (int64_t n = 0; n < N; n++) {
          const int32_t t = targets.ptr<int32_t>()[n];
          std::vector<double> z(V);
          int64_t best = 0;
          for (int64_t v = 0; v < V; v++) {
            z[v] = logits.at(n * V + v);
            if (cap > 0) z[v] = cap * std::tanh(z[v] / cap);
            if (z[v] > z[best]) best = v;
          }
          double total = 0;
          for (double v : z) total += std::exp(v - z[best]);
          put(want_loss.ptr(), n, F32, t < 0 ? 0 : z[best] + std::log(total) - z[t]);
          want_top1.ptr<int32_t>()[n] = t < 0 ? -1 : static_cast<int32_t>(best);
          for (int64_t v = 0; v < V; v++) {
            double g = t < 0 ? 0 : (std::exp(z[v] - z[best]) / total - (v == t ? 1 : 0)) * scale.at(0);
            if (cap > 0) g *= 1 - z[v] / cap * (z[v] / cap);
            put(want_d.ptr(), n * V + v, p.to, g);
          }
        }
        const std::string k = std::string("cross_entropy_block_per_row_") + suffix(p.from) + "_to_" + suffix(p.to), label = k + " V" + std::to_string(V) + (cap > 0 ? " softcap" : "");
        std::vector<Output> outputs{{&d, &want_d, tolerance_of(p.to, 1e-5, 4e-3, 2e-3)}, {&loss, &want_loss, 1e-5}};
        if (cap == 0) outputs.push_back({&top1, &want_top1, 0});  // with softcap in f32 neighbours may round to equal values
        const bool in_place = p.from == p.to;
        check_case(label + (in_place ? " in place" : ""), outputs, [&] {
          loss.poison(), top1.poison();
          if (in_place) copy(d, start), d.push();
          else d.poison();
        }, [&] { launch(k.c_str(), {static_cast<uint32_t>(N)}, 1024, 0, in_place ? d.dev() : logits.dev(), d.dev(), targets.dev(), scale.dev(), loss.dev(), top1.dev(), V, cap); });
      }
}
void bench_loss() {
  const int64_t rows = 2048, V = 131072;
  Array logits = random_array(BF16, rows * V, 2.0), loss(F32, rows), targets(I32, rows), scale = uniform_array(F32, 1, 1, 1);
  for (int64_t i = 0; i < rows; i++) targets.ptr<int32_t>()[i] = static_cast<int32_t>(next_random() % V);
  targets.push();
  Array d(BF16, rows * V);
  bench("cross_entropy bf16 2048x131072, gradient", 4.0 * rows * V, 0, [&] { launch("cross_entropy_block_per_row_bf16_to_bf16", {2048}, 1024, 0, logits.dev(), d.dev(), targets.dev(), scale.dev(), loss.dev(), nullptr, V, 0.0f); });
  bench("cross_entropy bf16 2048x131072, loss only", 2.0 * rows * V, 0, [&] { launch("cross_entropy_block_per_row_bf16_to_bf16", {2048}, 1024, 0, logits.dev(), nullptr, targets.dev(), scale.dev(), loss.dev(), nullptr, V, 0.0f); });
}

void check_optimizer() {
  remora_context *ctx = reference_context();
  // bitsandbytes' dynamic maps, as kernels/reference/optimizer.cpp describes them
  Array maps[2] = {Array(F32, 256), Array(F32, 256)};
  for (int is_unsigned = 0; is_unsigned < 2; is_unsigned++) {
    std::vector<float> v{0, 1};
    for (int i = 0; i < 7; i++) {
      const int parts = is_unsigned ? 2 << i : 1 << i;
      for (int k = 0; k < parts; k++) {
        const double value = std::pow(10.0, i - 6) * ((0.1 + 0.9 * k / parts) + (0.1 + 0.9 * (k + 1) / parts)) / 2;
        v.push_back(static_cast<float>(value));
        if (!is_unsigned) v.push_back(static_cast<float>(-value));
      }
    }
    std::sort(v.begin(), v.end());
    std::memcpy(maps[is_unsigned].host.data(), v.data(), 1024);
    maps[is_unsigned].push();
  }
  for (int64_t count : {1, 255, 1000, 40003}) {
    const std::string label = " " + std::to_string(count);
    Array g = random_array(F32, count), norm(F32, 2), want_norm(F32, 2), partials(F64, 1024);
    for (float limit : {0.0f, 0.5f, 1e6f}) {
      reference.gradient_norm(ctx, g.ptr<float>(), want_norm.ptr<float>(), count, limit);
      const uint32_t parts = blocks(count, 4096, 1024);
      check_case("gradient_norm_f32" + label + " max " + std::to_string(limit), {{&norm, &want_norm, 1e-6}}, [&] { norm.poison(), partials.poison(); }, [&] {
        launch("gradient_norm_partials_f32", {parts}, 256, 0, g.dev(), partials.dev(), count);
        launch("gradient_norm_final_f32", {1}, 256, 0, partials.dev(), norm.dev(), static_cast<int>(parts), limit);
      });
    }
    Array hyper(F32, 8), clip(F32, 1);
    const float h[8] = {1e-2f, 0.9f, 0.95f, 1e-8f, 0.1f, 1 - 0.9f * 0.9f * 0.9f, 1 - 0.95f * 0.95f * 0.95f, 0};
    std::memcpy(hyper.host.data(), h, 32), hyper.push();
    for (float factor : {0.7f, -1.0f})
      for (int out_dtype : ACTIVATIONS) {
        clip.ptr<float>()[0] = factor, clip.push();
        Array p = random_array(F32, count), m = random_array(F32, count, 0.1), v = uniform_array(F32, count, 0, 0.1), out(out_dtype, count);
        Array p0(F32, count), m0(F32, count), v0(F32, count), wp(F32, count), wm(F32, count), wv(F32, count), wout(out_dtype, count);
        copy(p0, p), copy(m0, m), copy(v0, v), copy(wp, p), copy(wm, m), copy(wv, v);
        if (factor >= 0) reference.adamw(ctx, g.ptr<float>(), h, clip.ptr<float>(), wp.ptr<float>(), wm.ptr<float>(), wv.ptr<float>(), wout.ptr(), count, out_dtype);
        else
          for (int64_t i = 0; i < count; i++) put(wout.ptr(), i, out_dtype, wp.at(i));
        check_case(named("adamw", out_dtype) + label + (factor < 0 ? " skipped" : ""), {{&p, &wp, 1e-6}, {&m, &wm, 1e-6}, {&v, &wv, 1e-6}, {&out, &wout, tolerance_of(out_dtype)}},
                   [&] { copy(p, p0), p.push(), copy(m, m0), m.push(), copy(v, v0), v.push(), out.poison(); },
                   [&] { launch(named("adamw", out_dtype).c_str(), {blocks(count, 1024, 4096)}, 256, 0, g.dev(), hyper.dev(), clip.dev(), p.dev(), m.dev(), v.dev(), out.dev(), count); });
        const int64_t scales = (count + 255) / 256;
        Array m8 = byte_array(count), v8 = byte_array(count), ms = uniform_array(F32, scales, 0.01, 0.1), vs = uniform_array(F32, scales, 0.001, 0.01);
        Array m80(U8, count), v80(U8, count), ms0(F32, scales), vs0(F32, scales), wm8(U8, count), wv8(U8, count), wms(F32, scales), wvs(F32, scales);
        copy(m80, m8), copy(v80, v8), copy(ms0, ms), copy(vs0, vs), copy(wm8, m8), copy(wv8, v8), copy(wms, ms), copy(wvs, vs), copy(wp, p0);
        if (factor >= 0)
          reference.adamw_8bit(ctx, g.ptr<float>(), h, clip.ptr<float>(), wp.ptr<float>(), wm8.ptr<uint8_t>(), wv8.ptr<uint8_t>(), wms.ptr<float>(), wvs.ptr<float>(), wout.ptr(), count, out_dtype);
        // a code may fall to the neighbour where f32 and f64 disagree about a midpoint
        check_case(named("adamw_8bit", out_dtype) + label + (factor < 0 ? " skipped" : ""), {{&p, &wp, 1e-6}, {&m8, &wm8, 1e-3}, {&v8, &wv8, 1e-3}, {&ms, &wms, 1e-6}, {&vs, &wvs, 1e-6}, {&out, &wout, tolerance_of(out_dtype)}},
                   [&] { copy(p, p0), p.push(), copy(m8, m80), m8.push(), copy(v8, v80), v8.push(), copy(ms, ms0), ms.push(), copy(vs, vs0), vs.push(), out.poison(); },
                   [&] {
                     launch(named("adamw_8bit_block_per_256", out_dtype).c_str(), {blocks(count, 256, 8192)}, 256, 0, g.dev(), hyper.dev(), clip.dev(), p.dev(), m8.dev(), v8.dev(), ms.dev(), vs.dev(), maps[0].dev(),
                            maps[1].dev(), out.dev(), count);
                   });
      }
  }
  for (bool finite : {true, false}) {
    Array norm(F32, 2), scaling(F32, 4), factor(F32, 1), loss_scale(F32, 1), want_norm(F32, 2), want_scaling(F32, 4), want_scale(F32, 1);
    const float n0[2] = {finite ? 1024.0f : INFINITY, 1}, s0[4] = {512, 1, 3, 0}, f0 = 0.25f, w0 = 128;
    const float wn[2] = {finite ? 2.0f : INFINITY, finite ? 0.5f / 512 : -1}, ws[4] = {finite ? 1024.0f : 256.0f, 0, finite ? 3.0f : 4.0f, finite ? 512.0f : -512.0f};
    std::memcpy(want_norm.host.data(), wn, 8), std::memcpy(want_scaling.host.data(), ws, 16), std::memcpy(want_scale.host.data(), &w0, 4), std::memcpy(factor.host.data(), &f0, 4), factor.push();
    check_case(finite ? "update_loss_scale grows" : "update_loss_scale skips", {{&norm, &want_norm, 0}, {&scaling, &want_scaling, 0}, {&loss_scale, &want_scale, 0}},
               [&] { std::memcpy(norm.host.data(), n0, 8), norm.push(), std::memcpy(scaling.host.data(), s0, 16), scaling.push(), loss_scale.poison(); },
               [&] {
                 launch("scale_loss", {1}, 32, 0, scaling.dev(), factor.dev(), loss_scale.dev());
                 launch("update_loss_scale", {1}, 32, 0, norm.dev(), scaling.dev(), 1.0f, 2);
               });
  }
}
void bench_optimizer() {
  const int64_t count = 57016320;  // LoRA r16 on seven linears of Nemo
  Array g = random_array(F32, count), p = random_array(F32, count), m = random_array(F32, count, 0.1), v(F32, count), out(BF16, count), norm(F32, 2), partials(F64, 1024), hyper(F32, 8);
  std::memset(v.host.data(), 0, v.host.size()), v.push();
  const float h[8] = {1e-4f, 0.9f, 0.95f, 1e-8f, 0.1f, 0.1f, 0.05f, 0};
  std::memcpy(hyper.host.data(), h, 32), hyper.push();
  bench("gradient_norm 57M", 4.0 * count, 0, [&] {
    launch("gradient_norm_partials_f32", {1024}, 256, 0, g.dev(), partials.dev(), count);
    launch("gradient_norm_final_f32", {1}, 256, 0, partials.dev(), norm.dev(), 1024, 1.0f);
  });
  bench("adamw 57M, bf16 copy", 30.0 * count, 0, [&] { launch("adamw_bf16", {4096}, 256, 0, g.dev(), hyper.dev(), nullptr, p.dev(), m.dev(), v.dev(), out.dev(), count); });
}

struct SampleScratch {
  Array z, parts, masses, counts;
  SampleScratch(int64_t B, int64_t V, int count) : z(F32, B * V), parts(U8, B * count * 16), masses(F64, B * 2048), counts(I32, B * 2048) {}
  void poison() { z.poison(), parts.poison(), masses.poison(), counts.poison(); }
};
static void launch_sample(const Array &logits, const Array &params, const Array &seeds, const Array &steps, const Array &history, const Array &lengths, SampleScratch &s, int slices, Array &ids, Array &logprobs, int64_t B,
                          int64_t V, int64_t H) {
  const Grid grid{static_cast<uint32_t>(slices), static_cast<uint32_t>(B)};
  launch("sample_slices", grid, 256, 0, logits.dev(), params.dev(), history.dev(), lengths.dev(), s.z.dev(), s.parts.dev(), s.masses.dev(), s.counts.dev(), V, H);
  launch("sample_histogram", grid, 256, 0, params.dev(), s.z.dev(), s.parts.dev(), s.masses.dev(), s.counts.dev(), V);
  launch("sample_choose", {static_cast<uint32_t>(B)}, 1024, 0, logits.dev(), params.dev(), seeds.dev(), steps.dev(), s.z.dev(), s.parts.dev(), s.masses.dev(), s.counts.dev(), ids.dev(), logprobs.dev(), V, slices);
}

void check_sampling() {
  remora_context *ctx = reference_context();
  struct Row { float temperature, top_k, top_p, min_p, penalty; };
  const std::vector<Row> rows = {{0, 0, 1, 0, 1}, {1, 0, 1, 0, 1}, {0.7f, 5, 1, 0, 1}, {1.3f, 0, 0.5f, 0, 1.2f}, {1, 40, 0.9f, 0.05f, 1.1f}, {0, 0, 1, 0, 1.5f}, {1, 1, 1, 0, 1}, {2, 0, 0.01f, 0, 1}, {1, 100, 0.99f, 0.2f, 0.8f}, {1.5f, 3, 0.6f, 0, 1}};
  const int64_t B = static_cast<int64_t>(rows.size()), H = 20;
  for (int64_t V : {13, 1000, 5003, 20011})
    for (bool ties : {false, true})
      for (int round = 0; round < 4; round++) {
        if (V > 20000 && (!ties || round > 1)) continue;  // with ties: more equal logits than `choose` gathers
        Array logits = random_array(F32, B * V, 3.0), params(F32, B * 5), seeds(F64, B), steps(I32, B), history(I32, B * H), lengths(I32, B), ids(I32, B), want_ids(I32, B), logprobs(F32, B), want_logprobs(F32, B);
        if (ties)
          for (int64_t i = 0; i < B * V; i++) logits.ptr<float>()[i] = std::round(logits.ptr<float>()[i]);
        for (int64_t b = 0; b < B; b++) {
          std::memcpy(params.ptr<float>() + b * 5, &rows[b], 20);
          seeds.ptr<uint64_t>()[b] = next_random();
          steps.ptr<int32_t>()[b] = static_cast<int32_t>(next_random() % 1000);
          lengths.ptr<int32_t>()[b] = static_cast<int32_t>(b % 3 * 7);
          for (int64_t i = 0; i < H; i++) history.ptr<int32_t>()[b * H + i] = static_cast<int32_t>(next_random() % V);
        }
        for (Array *a : {&logits, &params, &seeds, &steps, &history, &lengths}) a->push();
        const int slices = 1 + round * 2;
        SampleScratch scratch(B, V, slices);
        reference.sample(ctx, logits.ptr<float>(), params.ptr<float>(), seeds.ptr<uint64_t>(), steps.ptr<int32_t>(), history.ptr<int32_t>(), lengths.ptr<int32_t>(), want_ids.ptr<int32_t>(), want_logprobs.ptr<float>(), B, V, H);
        check_case("sample V" + std::to_string(V) + (ties ? " ties " : " ") + std::to_string(round), {{&ids, &want_ids, 0}, {&logprobs, &want_logprobs, 1e-5}}, [&] { ids.poison(), logprobs.poison(), scratch.poison(); },
                   [&] { launch_sample(logits, params, seeds, steps, history, lengths, scratch, slices, ids, logprobs, B, V, H); });
      }
}
void bench_sampling() {
  const int64_t V = 131072;
  Array logits = random_array(F32, V, 3.0), params(F32, 5), seeds(F64, 1), steps = int_array({3}), history = int_array({1, 2, 3}), lengths = int_array({3}), ids(I32, 1), logprobs(F32, 1);
  seeds.ptr<uint64_t>()[0] = 1, seeds.push();
  const int slices = 128;
  SampleScratch scratch(1, V, slices);
  struct Setting { const char *name; float params[5]; };
  for (const Setting &setting : {Setting{"greedy", {0, 0, 1, 0, 1}}, Setting{"top-k 40 top-p 0.95", {0.8f, 40, 0.95f, 0, 1.1f}}, Setting{"top-p 0.9", {1, 0, 0.9f, 0, 1}}, Setting{"plain", {1, 0, 1, 0, 1}}}) {
    std::memcpy(params.host.data(), setting.params, 20), params.push();
    bench(std::string("sample V131072 ") + setting.name, 4.0 * V, 0, [&] { launch_sample(logits, params, seeds, steps, history, lengths, scratch, slices, ids, logprobs, 1, V, 3); });
  }
}
}  // namespace check

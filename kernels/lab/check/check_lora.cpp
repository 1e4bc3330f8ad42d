// LoRA's kernels: packing, dropout, the share of a forward product, decoding with the share, and backward at the output's side.
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

struct LoraPart { int column, columns, rank; };

// lora_backward.cu as the backend launches it: the arrays of one group, and both kernels.
struct LoraBackward {
  int dtype, N, outs, ranks = 0, tiles = 1, width, groups = 0, steps, units, units_a_block, blocks;
  std::vector<LoraPart> parts;
  Array d_y, xa, b, db, db_partials, gradient_partials;
  std::vector<Array> gradients;  // with guards of their own
  bool without_last_gradient = false;
  static constexpr float SCALES[3] = {0.5f, 2.0f, 1.25f};
  LoraBackward(int dtype, int N, const std::vector<LoraPart> &parts, int most_blocks) : dtype(dtype), N(N), parts(parts) {
    int largest = 0;
    for (const LoraPart &p : parts) ranks += p.rank, largest = std::max(largest, p.rank);
    outs = parts.back().column + parts.back().columns;
    tiles = largest <= 16 ? 1 : largest <= 32 ? 2 : 4, width = tiles == 4 ? 512 : 1024;
    for (const LoraPart &p : parts) groups += (p.columns + width - 1) / width;
    steps = (N + 15) / 16, units = groups * steps, units_a_block = (units + most_blocks - 1) / most_blocks, blocks = (units + units_a_block - 1) / units_a_block;
    d_y = random_array(dtype, static_cast<int64_t>(N) * outs), xa = random_array(dtype, static_cast<int64_t>(N) * ranks), b = random_array(dtype, static_cast<int64_t>(outs) * ranks, 0.1);
    db = Array(dtype, static_cast<int64_t>(N) * ranks), db_partials = Array(F32, static_cast<int64_t>(units) * 256 * tiles), gradient_partials = Array(F32, static_cast<int64_t>(blocks + groups - 1) * width * 16 * tiles);
    for (const LoraPart &p : parts) gradients.push_back(random_array(F32, static_cast<int64_t>(p.columns) * p.rank));
  }
  double partial_bytes() const { return 4.0 * static_cast<double>(db_partials.count + gradient_partials.count); }
  double small_bytes() const { return 4.0 * static_cast<double>(xa.count) + 10.0 * outs * parts[0].rank; }  // db, xa, B and its gradients
  int value(size_t p, int LoraPart::*field) const { return p < parts.size() ? parts[p].*field : 0; }
  std::string kernel(const char *name) const { return std::string(name) + "_tiles" + std::to_string(tiles) + "_" + suffix(dtype); }
  void launch_pass() {
    const uint32_t shared = tiles == 1 ? 155648 : tiles == 2 ? 174080 : 145408;
    const auto v = [&](size_t p, int LoraPart::*field) { return value(p, field); };
    launch(kernel("lora_backward").c_str(), {static_cast<uint32_t>(blocks)}, 256, shared, d_y.dev(), xa.dev(), b.dev(), db_partials.dev(), gradient_partials.dev(), N, outs, ranks, v(0, &LoraPart::column), v(0, &LoraPart::columns), v(0, &LoraPart::rank),
           v(1, &LoraPart::column), v(1, &LoraPart::columns), v(1, &LoraPart::rank), v(2, &LoraPart::column), v(2, &LoraPart::columns), v(2, &LoraPart::rank), units_a_block);
  }
  void launch_both() {
    launch_pass();
    const auto v = [&](size_t p, int LoraPart::*field) { return value(p, field); };
    const auto gradient = [&](size_t p) { return p < parts.size() && !(without_last_gradient && p + 1 == parts.size()) ? gradients[p].dev() : nullptr; };
    const int64_t pairs = static_cast<int64_t>(groups) * width * 8 * tiles + static_cast<int64_t>(parts.size()) * steps * 128 * tiles;
    launch(kernel("lora_backward_add").c_str(), {static_cast<uint32_t>((pairs + 255) / 256)}, 256, 0, db_partials.dev(), gradient_partials.dev(), db.dev(), gradient(0), gradient(1), gradient(2), SCALES[0], SCALES[1], SCALES[2], N, ranks,
           v(0, &LoraPart::column), v(0, &LoraPart::columns), v(0, &LoraPart::rank), v(1, &LoraPart::column), v(1, &LoraPart::columns), v(1, &LoraPart::rank), v(2, &LoraPart::column), v(2, &LoraPart::columns), v(2, &LoraPart::rank), units_a_block);
  }
};

// db and the gradients of B against f64 sums of the same 16-bit values. Columns between parts belong to a part without an adapter: NaN, never read.
static void check_lora_backward() {
  struct Shape { int N, blocks; std::vector<LoraPart> parts; };
  for (int dtype : {BF16, F16})
    for (const Shape &s : std::vector<Shape>{{1, 4, {{0, 8, 8}}},
                                             {16, 1, {{0, 1024, 16}}},
                                             {131, 5, {{0, 1032, 16}, {1032, 200, 8}}},
                                             {77, 7, {{8, 1040, 16}, {1080, 24, 16}, {1112, 2056, 8}}},
                                             {131, 132, {{0, 136, 16}, {136, 136, 16}}},
                                             {65, 3, {{0, 1096, 8}, {1096, 72, 32}}},
                                             {50, 3, {{0, 600, 64}}},
                                             {33, 4, {{0, 600, 40}, {616, 520, 8}}}}) {
      LoraBackward run(dtype, s.N, s.parts, s.blocks);
      if (!device_has(run.kernel("lora_backward").c_str())) continue;
      run.without_last_gradient = s.parts.size() == 3;
      std::vector<char> read(run.outs, 0);
      for (const LoraPart &p : s.parts)
        for (int o = 0; o < p.columns; o++) read[p.column + o] = 1;
      for (int64_t i = 0; i < run.d_y.count; i++)
        if (!read[i % run.outs]) put(run.d_y.ptr(), i, dtype, NAN);
      run.d_y.push();
      std::vector<Array> starts, wants;
      Array want_db(dtype, run.db.count);
      int rank_start = 0;
      for (size_t p = 0; p < s.parts.size(); p++) {
        const LoraPart &part = s.parts[p];
        starts.push_back(Array(F32, run.gradients[p].count)), wants.push_back(Array(F32, run.gradients[p].count));
        starts[p].host = run.gradients[p].host;
        const bool kept = run.without_last_gradient && p + 1 == s.parts.size();
        std::vector<double> low(static_cast<size_t>(s.N) * part.rank, 0), gradient(static_cast<size_t>(part.columns) * part.rank, 0);
        for (int n = 0; n < s.N; n++)
          for (int o = 0; o < part.columns; o++) {
            const double d = run.d_y.at(static_cast<int64_t>(n) * run.outs + part.column + o);
            for (int r = 0; r < part.rank; r++) {
              low[n * part.rank + r] += d * run.b.at(static_cast<int64_t>(part.column + o) * run.ranks + rank_start + r);
              gradient[o * part.rank + r] += d * run.xa.at(static_cast<int64_t>(n) * run.ranks + rank_start + r);
            }
          }
        for (int n = 0; n < s.N; n++)
          for (int r = 0; r < part.rank; r++) put(want_db.ptr(), static_cast<int64_t>(n) * run.ranks + rank_start + r, dtype, low[n * part.rank + r]);
        for (int64_t i = 0; i < wants[p].count; i++) put(wants[p].ptr(), i, F32, starts[p].at(i) + (kept ? 0 : LoraBackward::SCALES[p] * gradient[i]));
        rank_start += part.rank;
      }
      std::vector<Output> outputs{{&run.db, &want_db, tolerance_of(dtype)}};
      for (size_t p = 0; p < s.parts.size(); p++) outputs.push_back({&run.gradients[p], &wants[p], 3e-6});
      std::string label = run.kernel("lora_backward") + " N" + std::to_string(s.N);
      for (const LoraPart &p : s.parts) label += " | " + std::to_string(p.columns) + " R" + std::to_string(p.rank);
      check_case(label, outputs,
                 [&] {
                   run.db.poison(), run.db_partials.poison(), run.gradient_partials.poison();
                   for (size_t p = 0; p < s.parts.size(); p++) run.gradients[p].host = starts[p].host, run.gradients[p].push();
                 },
                 [&] { run.launch_both(); });
    }
}

void check_lora() {
  check_lora_add();
  check_nf4_lora();
  check_lora_backward();
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
  // Nemo's groups at 8,192 rows; two products would read d_y twice.
  for (const auto &[name, parts] : std::vector<std::pair<const char *, std::vector<LoraPart>>>{
           {"q|k|v", {{0, 4096, 16}, {4096, 1024, 16}, {5120, 1024, 16}}}, {"o", {{0, 5120, 16}}}, {"gate|up", {{0, 14336, 16}, {14336, 14336, 16}}}, {"down", {{0, 5120, 16}}}, {"gate|up", {{0, 14336, 32}, {14336, 14336, 32}}}, {"gate|up", {{0, 14336, 64}, {14336, 14336, 64}}}}) {
    std::vector<LoraBackward> copies;  // past the second-level cache
    for (int64_t held = 0; held < 400'000'000; held += copies.back().d_y.count * 2) copies.emplace_back(BF16, 8192, parts, device_multiprocessors());
    const LoraBackward &first = copies[0];
    const double bytes = 2.0 * first.N * first.outs, operations = 4.0 * first.N * first.outs * parts[0].rank;
    char label[160];
    std::snprintf(label, sizeof label, "lora_backward %s R%d (d_y %.0f MB, partials %.0f)", name, parts[0].rank, bytes / 1e6, first.partial_bytes() / 1e6);
    size_t i = 0;
    bench(label, bytes + 2 * first.partial_bytes() + first.small_bytes(), operations, [&] { copies[i++ % copies.size()].launch_both(); }, 12);
    bench(std::string(label) + " first kernel", bytes + first.partial_bytes(), operations, [&] { copies[i++ % copies.size()].launch_pass(); }, 12);
  }
}
}  // namespace check

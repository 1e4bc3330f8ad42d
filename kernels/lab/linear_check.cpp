// Checks the linear family of every ISA of this machine against plain f64 loops written here: odd sizes, every activation dtype and several
// weight formats, adapters, dropout, bias, poisoned outputs, one and two threads, each call twice.
//   g++ -O2 -std=c++17 kernels/lab/linear_check.cpp -o check build/libremora.so -Wl,-rpath,$PWD/build && ./check
#include "lab.h"

using namespace lab;

namespace {

const float NF4[16] = {-1.0f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f, -0.18477343022823334f,
                       -0.09105003625154495f, 0.0f, 0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f, 0.33791524171829224f,
                       0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1.0f};

uint32_t random_bits(uint64_t seed, uint64_t index) {  // context.h's definition, restated
  uint64_t z = seed + (index + 1) * 0x9E3779B97F4A7C15ull;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return static_cast<uint32_t>((z ^ (z >> 31)) >> 32);
}
bool kept(uint64_t seed, uint64_t index, float dropout) {
  return static_cast<float>(random_bits(seed, index) >> 8) * (1.0f / 16777216.0f) >= dropout;
}

// A weight in some format with its exact values beside it.
struct Weight {
  remora_weight w{};
  std::vector<float> values;
  Array dense{0, REMORA_F32};
  std::vector<uint8_t> bytes, codes;
  std::vector<float> scales, nested_scales, nested_code;

  Weight(int32_t format, int64_t rows, int64_t cols, bool nested) : values(rows * cols) {
    w.format = format;
    w.rows = rows;
    w.cols = cols;
    if (format <= REMORA_F16) {
      dense = Array(rows * cols, format);
      dense.randomize();
      for (int64_t i = 0; i < rows * cols; i++) values[i] = static_cast<float>(dense.at(i));
      w.data = dense.data();
    } else if (format == REMORA_NF4) {
      const int64_t blocks = rows * cols / 64;
      for (int64_t i = 0; i < rows * cols / 2; i++) bytes.push_back(static_cast<uint8_t>(random_word() >> 9));
      for (int64_t b = 0; b < blocks; b++) scales.push_back(0.5f + 0.4f * random_value());
      if (nested) {
        for (int i = 0; i < 256; i++) nested_code.push_back((i - 127) / 128.0f);
        for (int64_t b = 0; b <= blocks / 256; b++) nested_scales.push_back(0.3f + 0.2f * random_value());
        for (int64_t b = 0; b < blocks; b++) codes.push_back(static_cast<uint8_t>(random_word() >> 11));
        w.nested_offset = 0.55f;
        for (int64_t b = 0; b < blocks; b++) scales[b] = nested_code[codes[b]] * nested_scales[b / 256] + w.nested_offset;
        w.scales = codes.data();
        w.nested_scales = nested_scales.data();
        w.nested_code = nested_code.data();
      } else {
        w.scales = scales.data();
      }
      for (int64_t i = 0; i < rows * cols; i++) values[i] = NF4[i & 1 ? bytes[i / 2] & 15 : bytes[i / 2] >> 4] * scales[i / 64];
      w.data = bytes.data();
    } else {  // Q8_0: f16 scale, 32 signed bytes
      for (int64_t b = 0; b < rows * cols / 32; b++) {
        const uint16_t scale = to_f16(0.01f + 0.005f * random_value());
        bytes.push_back(static_cast<uint8_t>(scale));
        bytes.push_back(static_cast<uint8_t>(scale >> 8));
        for (int i = 0; i < 32; i++) {
          bytes.push_back(static_cast<uint8_t>(random_word() >> 7));
          values[b * 32 + i] = from_f16(scale) * static_cast<float>(static_cast<int8_t>(bytes.back()));
        }
      }
      w.data = bytes.data();
    }
  }
  Weight(const Weight &) = delete;
};

struct Case {
  int64_t N, in;
  std::vector<int64_t> outs;
  std::vector<int32_t> ranks;
  int32_t format;
  bool nested, bias;
  float dropout;
};

double worst[3] = {};
int failures = 0, checks = 0;

void expect(const char *what, const Difference &d, int32_t dtype, const char *isa, int threads, const Case &c) {
  // bf16 keeps 8 bits (half a unit of the last place is 2e-3, relative to the whole about 1.7e-3) and its kernels round W, A and B too.
  const double tolerance = dtype == REMORA_F32 ? 3e-6 : dtype == REMORA_F16 ? 1e-3 : 6e-3;
  checks++;
  worst[dtype] = std::max(worst[dtype], d.relative());
  if (d.relative() <= tolerance) return;
  failures++;
  if (failures < 40) {
    printf("FAIL %-14s %s threads %d dtype %d: relative error %.2e  (N %ld In %ld Out %ld R %d format %d nested %d dropout %.1f)\n", what, isa, threads,
           dtype, d.relative(), (long)c.N, (long)c.in, (long)c.outs[0], c.ranks[0], c.format, c.nested, c.dropout);
  }
}

void run_case(const Case &c, int32_t dtype) {
  const int parts = static_cast<int>(c.outs.size());
  const uint64_t seed = 77;
  int64_t out = 0, rank = 0;
  for (int p = 0; p < parts; p++) out += c.outs[p], rank += c.ranks[p];
  std::vector<Weight *> weights;
  std::vector<std::vector<float>> a(parts), b(parts);
  for (int p = 0; p < parts; p++) {
    weights.push_back(new Weight(c.format, c.outs[p], c.in, c.nested));
    a[p].resize(c.ranks[p] * c.in);
    b[p].resize(c.outs[p] * c.ranks[p]);
    for (float &v : a[p]) v = random_value();
    for (float &v : b[p]) v = random_value();
  }
  Array x(c.N * c.in, dtype), dy(c.N * out, dtype);
  x.randomize();
  dy.randomize();
  std::vector<float> bias(out);
  for (float &v : bias) v = random_value();
  const double keep = 1.0 / (1.0 - c.dropout);
  const auto mask = [&](int64_t n, int64_t k) { return c.dropout == 0 ? 1.0 : kept(seed, n * c.in + k, c.dropout) ? keep : 0.0; };
  const double scale = 0.7;

  // ---- oracle ----
  std::vector<double> xa(c.N * rank), y(c.N * out), db(c.N * rank), dx(c.N * c.in), ga(rank * c.in), gb(out * rank), dw(c.outs[0] * c.in), dbias(c.outs[0]);
  for (int64_t n = 0; n < c.N; n++) {
    for (int64_t p = 0, col = 0, rc = 0; p < parts; col += c.outs[p], rc += c.ranks[p], p++) {
      for (int r = 0; r < c.ranks[p]; r++) {
        double s = 0, t = 0;
        for (int64_t k = 0; k < c.in; k++) s += x.at(n * c.in + k) * mask(n, k) * a[p][r * c.in + k];
        for (int64_t o = 0; o < c.outs[p]; o++) t += dy.at(n * out + col + o) * b[p][o * c.ranks[p] + r];
        xa[n * rank + rc + r] = s;
        db[n * rank + rc + r] = scale * t;
      }
      for (int64_t o = 0; o < c.outs[p]; o++) {
        double s = c.bias ? bias[col + o] : 0;
        const float *w = &weights[p]->values[o * c.in];
        for (int64_t k = 0; k < c.in; k++) {
          s += x.at(n * c.in + k) * w[k];
          dx[n * c.in + k] += dy.at(n * out + col + o) * w[k];
        }
        for (int r = 0; r < c.ranks[p]; r++) s += scale * xa[n * rank + rc + r] * b[p][o * c.ranks[p] + r];
        y[n * out + col + o] = s;
      }
      for (int r = 0; r < c.ranks[p]; r++) {
        for (int64_t k = 0; k < c.in; k++) {
          dx[n * c.in + k] += mask(n, k) * db[n * rank + rc + r] * a[p][r * c.in + k];
          ga[(rc + r) * c.in + k] += db[n * rank + rc + r] * mask(n, k) * x.at(n * c.in + k);
        }
        for (int64_t o = 0; o < c.outs[p]; o++) gb[(col + o) * rank + rc + r] += scale * dy.at(n * out + col + o) * xa[n * rank + rc + r];
      }
    }
    for (int64_t o = 0; o < c.outs[0]; o++) {
      dbias[o] += dy.at(n * out + o);
      for (int64_t k = 0; k < c.in; k++) dw[o * c.in + k] += dy.at(n * out + o) * x.at(n * c.in + k);
    }
  }

  for (const IsaName &isa : ISAS) {
    if (!remora_isa_available(isa.isa)) continue;
    for (int threads = 1; threads <= 2; threads++) {
      remora_context *ctx = remora_context_create(isa.isa, threads);
      Array fy(c.N * out, dtype), fxa(c.N * rank, dtype), fdx(c.N * c.in, dtype), fdb(c.N * rank, dtype);
      std::vector<double> before;  // every result of the first call: the second must equal it to the bit
      for (int repeat = 0; repeat < 2; repeat++) {
        std::vector<std::vector<float>> fga(parts), fgb(parts);
        std::vector<remora_linear_part> list(parts);
        for (int p = 0; p < parts; p++) {
          fga[p].assign(a[p].size(), 0.25f);
          fgb[p].assign(b[p].size(), 0.25f);
          const bool has = c.ranks[p] > 0;
          list[p] = remora_linear_part{weights[p]->w, has ? a[p].data() : nullptr, has ? b[p].data() : nullptr, has ? fga[p].data() : nullptr,
                                       has ? fgb[p].data() : nullptr, c.ranks[p], static_cast<float>(scale)};
        }
        fy.poison(), fxa.poison(), fdx.poison(), fdb.poison();
        const auto must = [&](int32_t status) {
          if (status != REMORA_OK) printf("status %d: %s\n", status, remora_context_error(ctx)), failures++;
        };
        must(remora_linear_forward(ctx, list.data(), parts, c.bias ? bias.data() : nullptr, x.data(), fy.data(), rank ? fxa.data() : nullptr, c.N, dtype, c.dropout, &seed));
        must(remora_linear_backward_input(ctx, list.data(), parts, dy.data(), fdx.data(), rank ? fdb.data() : nullptr, c.N, dtype, c.dropout, &seed));
        Difference dxa, dyy, ddb, ddx, dga, dgb, ddw, dbs;
        for (int64_t i = 0; i < c.N * rank; i++) dxa.add(fxa.at(i), xa[i]), ddb.add(fdb.at(i), db[i]);
        for (int64_t i = 0; i < c.N * out; i++) dyy.add(fy.at(i), y[i]);
        for (int64_t i = 0; i < c.N * c.in; i++) ddx.add(fdx.at(i), dx[i]);
        expect("y", dyy, dtype, isa.name, threads, c);
        expect("dx", ddx, dtype, isa.name, threads, c);
        if (rank > 0) {
          expect("xa", dxa, dtype, isa.name, threads, c);
          expect("db", ddb, dtype, isa.name, threads, c);
          must(remora_lora_backward(ctx, list.data(), parts, x.data(), fxa.data(), dy.data(), fdb.data(), c.N, dtype, c.dropout, &seed));
          for (int64_t p = 0, col = 0, rc = 0; p < parts; col += c.outs[p], rc += c.ranks[p], p++) {
            for (int64_t i = 0; i < c.ranks[p] * c.in; i++) dga.add(fga[p][i] - 0.25, ga[rc * c.in + i]);
            for (int64_t o = 0; o < c.outs[p]; o++) {
              for (int r = 0; r < c.ranks[p]; r++) dgb.add(fgb[p][o * c.ranks[p] + r] - 0.25, gb[(col + o) * rank + rc + r]);
            }
          }
          expect("lora_a_grad", dga, dtype, isa.name, threads, c);
          expect("lora_b_grad", dgb, dtype, isa.name, threads, c);
        }
        std::vector<float> fdw(c.outs[0] * c.in, 0.25f), fdbias(c.outs[0], 0.25f);
        must(remora_linear_backward_weight(ctx, x.data(), dy.data(), fdw.data(), fdbias.data(), c.N, c.in, c.outs[0], out, 0, dtype));
        for (size_t i = 0; i < fdw.size(); i++) ddw.add(fdw[i] - 0.25, dw[i]);
        for (int64_t o = 0; o < c.outs[0]; o++) dbs.add(fdbias[o] - 0.25, dbias[o]);
        expect("d_w", ddw, dtype, isa.name, threads, c);
        expect("d_bias", dbs, dtype, isa.name, threads, c);
        std::vector<double> all;
        for (const Array *array : {&fy, &fdx, &fxa, &fdb}) {
          for (int64_t i = 0; i < array->count(); i++) all.push_back(array->at(i));
        }
        for (int p = 0; p < parts; p++) all.insert(all.end(), fga[p].begin(), fga[p].end()), all.insert(all.end(), fgb[p].begin(), fgb[p].end());
        all.insert(all.end(), fdw.begin(), fdw.end());
        if (repeat > 0 && (all.size() != before.size() || memcmp(all.data(), before.data(), all.size() * sizeof(double)) != 0)) {
          printf("FAIL not deterministic: %s threads %d dtype %d N %ld In %ld\n", isa.name, threads, dtype, (long)c.N, (long)c.in);
          failures++;
        }
        before = all;
      }
      remora_context_destroy(ctx);
    }
  }
  for (Weight *w : weights) delete w;
}

}  // namespace

int main() {
  std::vector<Case> cases;
  for (int64_t N : {1, 2, 3, 7, 31, 33, 64, 257}) {
    for (int64_t in : {1, 7, 31, 33, 64, 257}) cases.push_back({N, in, {N % 2 ? 33 : 64}, {3}, REMORA_F32, false, true, 0.0f});
    cases.push_back({N, 64, {257}, {0}, REMORA_BF16, false, false, 0.0f});
    cases.push_back({N, 192, {65, 31, 33}, {16, 8, 5}, REMORA_NF4, false, true, 0.0f});
    cases.push_back({N, 128, {70, 7}, {16, 0}, REMORA_NF4, true, false, 0.3f});
    cases.push_back({N, 96, {33, 40}, {4, 40}, REMORA_Q8_0, false, true, 0.2f});
    cases.push_back({N, 65, {66}, {2}, REMORA_F16, false, true, 0.0f});
  }
  cases.push_back({600, 704, {257, 33}, {16, 16}, REMORA_BF16, false, true, 0.0f});
  cases.push_back({33, 1408, {700, 90}, {16, 33}, REMORA_NF4, true, true, 0.1f});
  cases.push_back({5, 1408, {700, 90}, {16, 33}, REMORA_NF4, true, true, 0.1f});
  cases.push_back({40, 300, {1300}, {700}, REMORA_F32, false, false, 0.0f});
  for (const Case &c : cases) {
    for (int32_t dtype : {REMORA_F32, REMORA_BF16, REMORA_F16}) run_case(c, dtype);
  }
  printf("%d checks, %d failures; worst relative error f32 %.1e, bf16 %.1e, f16 %.1e\n", checks, failures, worst[0], worst[1], worst[2]);
  return failures > 0;
}

// Decode-time products, attention over pages, flash attention.
#include <algorithm>
#include "harness.h"
#include "linear_part.h"

namespace check {
static std::string named(const std::string &kernel, int dtype) { return kernel + "_" + suffix(dtype); }
static uint32_t blocks(int64_t items, int64_t per) { return static_cast<uint32_t>((items + per - 1) / per); }

static void check_terms();
void check_linear_decode() {
  check_terms();
  remora_context *ctx = reference_context();
  for (int dtype : {BF16, F16})
    for (int format : {0, 1, 2})  // dense, NF4, NF4 nested
      for (int64_t N : {1, 3, 8, 16})
        for (int64_t In : {64, 320, 1152, 2560}) {
          const std::vector<int> outs = {40, 16, 7}, ranks = {4, 0, 5};
          const int part_count = 3;
          int total = 0, rank_total = 0;
          for (int p = 0; p < part_count; p++) total += outs[p], rank_total += ranks[p];
          std::vector<Array> keep;
          keep.reserve(64);
          const auto add = [&](Array a) -> Array & {
            keep.push_back(std::move(a));
            return keep.back();
          };
          Array x = random_array(dtype, N * In), bias = random_array(F32, total), y(dtype, N * total), want(dtype, N * total), xa(F32, N * rank_total), want_xa(dtype, N * rank_total), table(U8, 80 * part_count);
          remora_linear_part parts[3] = {};
          LinearPart device_parts[3] = {};
          int out_begin = 0, xa_begin = 0;
          for (int p = 0; p < part_count; p++) {
            const int64_t count = outs[p] * In;
            remora_weight &w = parts[p].weight;
            LinearPart &d = device_parts[p];
            w.rows = outs[p], w.cols = In;
            if (format == 0) {
              Array &a = add(random_array(dtype, count, 0.1));
              w.format = dtype, w.data = a.ptr(), d.data = a.dev();
            } else {
              Array &codes = add(byte_array(count / 2));
              w.format = REMORA_NF4, w.data = codes.ptr(), d.data = codes.dev();
              if (format == 1) {
                Array &s = add(uniform_array(F32, count / 64, 0.05, 0.2));
                w.scales = s.ptr(), d.scales = s.dev();
              } else {
                Array &s = add(byte_array(count / 64));
                Array &ns = add(uniform_array(F32, (count / 64 + 255) / 256, 0.01, 0.1));
                Array &code = add(uniform_array(F32, 256, -1, 1));
                w.scales = s.ptr(), d.scales = s.dev(), w.nested_scales = ns.ptr<float>(), d.nested_scales = ns.dev(), w.nested_code = code.ptr<float>(), d.nested_code = code.dev();
                w.nested_offset = d.nested_offset = 0.13f;
              }
            }
            if (ranks[p]) {
              Array &a = add(random_array(F32, ranks[p] * In, 0.1)), &b = add(random_array(F32, outs[p] * ranks[p], 0.3));
              parts[p].lora_a = a.ptr<float>(), parts[p].lora_b = b.ptr<float>(), d.lora_a = a.dev(), d.lora_b = b.dev();
            }
            parts[p].rank = d.rank = ranks[p];
            parts[p].scale = d.scale = 2.0f;
            d.out = outs[p], d.out_begin = out_begin, d.xa_begin = xa_begin;
            out_begin += outs[p], xa_begin += ranks[p];
          }
          std::memcpy(table.host.data(), device_parts, sizeof device_parts), table.push();
          reference.linear_forward(ctx, parts, part_count, bias.ptr<float>(), x.ptr(), want.ptr(), want_xa.ptr(), N, dtype, 0, nullptr);
          const std::string kind = format == 0 ? "dense" : format == 1 ? "nf4" : "nf4_nested";
          for (const bool stream : {false, true}) {
            if (stream && (N > 8 || In % (format == 0 ? 64 : 128))) continue;
            const std::string k = (stream ? "linear_stream_" + kind + "_" : "linear_decode_" + kind + "_rows16_") + suffix(dtype);
            for (uint32_t grid : {5u, 2u, 1u})
              check_case(k + " N" + std::to_string(N) + " In" + std::to_string(In) + " grid" + std::to_string(grid), {{&y, &want, tolerance_of(dtype, 0, 5e-3, 1e-3)}}, [&] { y.poison(), xa.poison(); }, [&] {
                launch(named("lora_down_block_per_rank", dtype).c_str(), {static_cast<uint32_t>(rank_total)}, 128, 0, table.dev(), part_count, x.dev(), xa.dev(), static_cast<int>(N), static_cast<int>(In), rank_total);
                launch(k.c_str(), {grid}, stream ? 768 : 256, format == 0 ? 0 : 32768, table.dev(), part_count, bias.dev(), x.dev(), xa.dev(), y.dev(), static_cast<int>(N), static_cast<int>(In), total, rank_total);
              });
          }
        }
}
// The head when a token is drawn: f32 rows as three bf16 terms against bf16 weights, f32 out.
static void check_terms() {
  for (int64_t N : {1, 2}) {
    const int64_t In = 320, out = 43;
    Array x = random_array(F32, N * In), w = random_array(BF16, out * In, 0.1), terms(BF16, 3 * N * In), y(F32, N * out), want(F32, N * out);
    for (int64_t n = 0; n < N; n++)
      for (int64_t o = 0; o < out; o++) {
        double sum = 0;
        for (int64_t k = 0; k < In; k++) sum += x.at(n * In + k) * w.at(o * In + k);
        want.ptr<float>()[n * out + o] = static_cast<float>(sum);
      }
    for (uint32_t grid : {6u, 1u})
      check_case("linear_stream_dense_terms_bf16 N" + std::to_string(N) + " grid" + std::to_string(grid), {{&y, &want, 2e-6}}, [&] { y.poison(), terms.poison(); }, [&] {
        launch("split_rows_f32_to_bf16", {2}, 256, 0, x.dev(), terms.dev(), N * In);
        launch("linear_stream_dense_terms_bf16", {grid}, 768, 0, w.dev(), terms.dev(), y.dev(), static_cast<int>(out), static_cast<int>(3 * N), static_cast<int>(In));
      });
  }
}
// linear_stream with other warps, blocks a multiprocessor and chunks under way: kernels/lab/decode_variants.cu, where its image was built.
struct StreamVariant { const char *name; uint32_t threads, blocks; };
static const StreamVariant stream_variants[] = {
    {"w24b1d1", 768, 1}, {"w24b1d3", 768, 1}, {"w16b1d2", 512, 1}, {"w20b1d2", 640, 1}, {"w16b2d2", 512, 2}, {"w12b2d2", 384, 2},
};
// Random numbers, a part of them repeated: a gigabyte of new ones takes minutes on a processor.
static Array repeated(Array part, int64_t count) {
  Array all(part.dtype, count);
  for (size_t at = 0; at < all.host.size(); at += part.host.size()) std::memcpy(all.host.data() + at, part.host.data(), std::min(part.host.size(), all.host.size() - at));
  all.push();
  return all;
}
void bench_linear_decode() {
  struct Shape { const char *name; int64_t out, in; };
  for (const Shape s : {Shape{"qkv 6144x5120", 6144, 5120}, Shape{"o 5120x4096", 5120, 4096}, Shape{"gate_up 28672x5120", 28672, 5120}, Shape{"down 5120x14336", 5120, 14336}, Shape{"head 131072x5120", 131072, 5120}}) {
    const int64_t count = s.out * s.in;
    const int copies = static_cast<int>(std::max<int64_t>(2, 400000000 / count + 1));
    std::vector<Array> data;
    Array scales = byte_array(count / 64), nested = uniform_array(F32, count / 64 / 256 + 1, 0.01, 0.1), code = uniform_array(F32, 256, -1, 1), x = random_array(BF16, 16 * s.in), y(BF16, 16 * s.out);
    for (bool dense : {false, true}) {
      if (dense && count > 200000000 && s.out < 100000) continue;
      data.clear();
      std::vector<Array> tables;
      for (int i = 0; i < copies; i++) {
        data.push_back(dense ? repeated(random_array(BF16, 1000003, 0.02), count) : repeated(byte_array(1000003), count / 2));
        LinearPart part{};
        part.data = data[i].dev(), part.scales = scales.dev(), part.nested_scales = nested.dev(), part.nested_code = code.dev(), part.out = static_cast<int32_t>(s.out);
        tables.push_back(Array(U8, 80));
        std::memcpy(tables[i].host.data(), &part, 80), tables[i].push();
      }
      int i = 0;
      const std::string kind = dense ? "dense" : "nf4_nested";
      const auto time = [&](const std::string &k, int64_t N, uint32_t grid, uint32_t threads) {
        if (!device_has(k.c_str())) return;
        bench(k + " N" + std::to_string(N) + " " + s.name, count * (dense ? 2.0 : 0.5 + 1.0 / 64), 2.0 * count * N, [&] {
          i = (i + 1) % copies;
          launch(k.c_str(), {grid}, threads, dense ? 0 : 32768, tables[i].dev(), 1, nullptr, x.dev(), nullptr, y.dev(), static_cast<int>(N), static_cast<int>(s.in), static_cast<int>(s.out), 0);
        }, 2 * copies);
      };
      const uint32_t multiprocessors = static_cast<uint32_t>(device_multiprocessors());
      for (int64_t N : {1, 16}) time("linear_decode_" + kind + "_rows16_bf16", N, std::min<uint32_t>(blocks(s.out, 16), 4 * multiprocessors), 256);
      for (int64_t N : {1, 8}) time("linear_stream_" + kind + "_bf16", N, std::min<uint32_t>(blocks(s.out, 8), multiprocessors), 768);
      for (const StreamVariant &v : stream_variants) time("linear_stream_" + kind + "_" + v.name, 1, std::min<uint32_t>(blocks(s.out, 8), v.blocks * multiprocessors), v.threads);
    }
  }
}

struct HeadShape { int H, K, D; };
void check_paged() {
  remora_context *ctx = reference_context();
  for (int dtype : {F32, BF16, F16})
    for (const HeadShape s : {HeadShape{4, 2, 64}, HeadShape{8, 2, 128}, HeadShape{3, 1, 80}, HeadShape{10, 1, 256}, HeadShape{2, 2, 20}})
      for (int64_t window : {0, 50})
        for (float cap : {0.0f, 20.0f}) {
          const int64_t page_size = 16, per_sequence = 20, pages = 64, B = 3;
          std::vector<int32_t> sequences, positions, table(B * per_sequence);
          for (int i = 0; i < B * per_sequence; i++) table[i] = static_cast<int32_t>((i * 37 + 11) % pages);
          // prompts of two sequences, a padding row, a token far on
          for (int i = 0; i < 40; i++) sequences.push_back(1), positions.push_back(100 + i);
          for (int i = 0; i < 33; i++) sequences.push_back(0), positions.push_back(i);
          sequences.push_back(-1), positions.push_back(0);
          sequences.push_back(2), positions.push_back(319);
          const int64_t N = static_cast<int64_t>(sequences.size()), width = static_cast<int64_t>(s.H + 2 * s.K) * s.D, slots = pages * page_size * s.K * s.D;
          Array qkv = random_array(dtype, N * width), seq = int_array(sequences), pos = int_array(positions), block_table = int_array(table);
          Array k = random_array(dtype, slots), v = random_array(dtype, slots), k0(dtype, slots), v0(dtype, slots), want_k(dtype, slots), want_v(dtype, slots);
          for (auto [a, b] : {std::pair{&k0, &k}, std::pair{&want_k, &k}, std::pair{&v0, &v}, std::pair{&want_v, &v}}) std::memcpy(a->host.data(), b->host.data(), a->host.size());
          reference.cache_write(ctx, qkv.ptr(), seq.ptr<int32_t>(), pos.ptr<int32_t>(), block_table.ptr<int32_t>(), want_k.ptr(), want_v.ptr(), N, s.H, s.K, s.D, page_size, per_sequence, dtype);
          const std::string label = " H" + std::to_string(s.H) + " K" + std::to_string(s.K) + " D" + std::to_string(s.D) + (window ? " window" : "") + (cap > 0 ? " softcap" : "");
          if (!window && cap == 0)
            check_case(named("cache_write", dtype) + label, {{&k, &want_k, 0}, {&v, &want_v, 0}},
                       [&] { std::memcpy(k.host.data(), k0.host.data(), k.host.size()), k.push(), std::memcpy(v.host.data(), v0.host.data(), v.host.size()), v.push(); },
                       [&] {
                         launch(named("cache_write_block_per_row", dtype).c_str(), {static_cast<uint32_t>(N)}, 128, 0, qkv.dev(), seq.dev(), pos.dev(), block_table.dev(), k.dev(), v.dev(), s.H, s.K, s.D,
                                static_cast<int>(page_size), static_cast<int>(per_sequence));
                       });
          want_k.push(), want_v.push();
          Array out(dtype, N * s.H * s.D), want(dtype, N * s.H * s.D);
          const float scale = 1.0f / std::sqrt(static_cast<float>(s.D));
          reference.attention_paged(ctx, qkv.ptr(), seq.ptr<int32_t>(), pos.ptr<int32_t>(), block_table.ptr<int32_t>(), want_k.ptr(), want_v.ptr(), want.ptr(), N, s.H, s.K, s.D, page_size, per_sequence, dtype, scale, window, cap);
          const int split_keys = 96, splits = 4;
          Array partial(F32, N * s.H * splits * s.D), sums(F32, N * s.H * splits * 2);
          const uint32_t rounds = static_cast<uint32_t>((s.H / s.K + 7) / 8);
          check_case(named("attention_paged_split", dtype) + label, {{&out, &want, tolerance_of(dtype, 5e-6, 5e-3, 1e-3)}}, [&] { out.poison(), partial.poison(), sums.poison(); }, [&] {
            launch(named("attention_paged_split", dtype).c_str(), {static_cast<uint32_t>(N), s.K * rounds, static_cast<uint32_t>(splits)}, 128, 0, qkv.dev(), seq.dev(), pos.dev(), block_table.dev(), want_k.dev(), want_v.dev(),
                   partial.dev(), sums.dev(), s.H, s.K, s.D, static_cast<int>(page_size), static_cast<int>(per_sequence), split_keys, scale, static_cast<int>(window), cap);
            launch(named("attention_paged_combine", dtype).c_str(), {static_cast<uint32_t>(N), static_cast<uint32_t>(s.H)}, 128, 0, seq.dev(), pos.dev(), partial.dev(), sums.dev(), out.dev(), s.D, splits, split_keys, static_cast<int>(window));
          });
          const int DP = s.D <= 64 ? 64 : s.D <= 128 ? 128 : 256;
          if (dtype != F32 && s.D % 8 == 0) {
            const std::string lanes = named("attention_paged_lanes_d" + std::to_string(DP), dtype);
            check_case(lanes + label, {{&out, &want, tolerance_of(dtype, 0, 5e-3, 1e-3)}}, [&] { out.poison(), partial.poison(), sums.poison(); }, [&] {
              launch(lanes.c_str(), {static_cast<uint32_t>(N), static_cast<uint32_t>(s.K * ((s.H / s.K + 3) / 4)), static_cast<uint32_t>(splits)}, 128, 0, qkv.dev(), seq.dev(), pos.dev(), block_table.dev(), want_k.dev(), want_v.dev(),
                     partial.dev(), sums.dev(), s.H, s.K, s.D, static_cast<int>(page_size), static_cast<int>(per_sequence), split_keys, scale, static_cast<int>(window), cap);
              launch(named("attention_paged_combine", dtype).c_str(), {static_cast<uint32_t>(N), static_cast<uint32_t>(s.H)}, 128, 0, seq.dev(), pos.dev(), partial.dev(), sums.dev(), out.dev(), s.D, splits, split_keys, static_cast<int>(window));
            });
          }
          if (dtype == F32 || s.D % 16) continue;
          check_case(named("attention_paged_prompt_mma_d" + std::to_string(DP), dtype) + label, {{&out, &want, tolerance_of(dtype, 0, 6e-3, 1e-3)}}, [&] { out.poison(); }, [&] {
            launch(named("attention_paged_prompt_mma_d" + std::to_string(DP), dtype).c_str(), {static_cast<uint32_t>(s.H), blocks(N, 64)}, 128, DP == 64 ? 40960 : DP == 128 ? 81920 : 98304, qkv.dev(), seq.dev(), pos.dev(), block_table.dev(),
                   want_k.dev(), want_v.dev(), out.dev(), static_cast<int>(N), s.H, s.K, s.D, static_cast<int>(page_size), static_cast<int>(per_sequence), scale, static_cast<int>(window), cap);
          });
        }
}
// attention_step against rotation, cache write and attention one after the other: tokens of different sequences, one of them padding, at positions that
// take one split, several, and the first key of a page and of a split.
void check_attention_step() {
  remora_context *ctx = reference_context();
  for (int dtype : {BF16, F16})
    for (const HeadShape s : {HeadShape{4, 2, 64}, HeadShape{8, 2, 128}, HeadShape{3, 1, 80}, HeadShape{10, 1, 256}})
      for (int rotary : {s.D / 16 * 16, 32})
        for (int64_t window : {0, 50})
          for (float cap : {0.0f, 20.0f}) {
            const int64_t page_size = 16, per_sequence = 20, pages = 140, B = 6, N = 7;
            std::vector<int32_t> table(B * per_sequence);
            for (int i = 0; i < B * per_sequence; i++) table[i] = static_cast<int32_t>((i * 37 + 11) % pages);  // 140 and 37 share no factor: every page once
            const int64_t width = static_cast<int64_t>(s.H + 2 * s.K) * s.D, slots = pages * page_size * s.K * s.D;
            Array qkv = random_array(dtype, N * width), rotated(dtype, N * width), seq = int_array({3, 0, -1, 5, 1, 4, 2}), pos = int_array({0, 63, 7, 319, 64, 112, 30}), block_table = int_array(table);
            Array rope = uniform_array(F32, per_sequence * page_size * rotary, -1, 1);
            Array k = random_array(dtype, slots), v = random_array(dtype, slots), k0(dtype, slots), v0(dtype, slots), want_k(dtype, slots), want_v(dtype, slots);
            for (auto [a, b] : {std::pair{&k0, &k}, std::pair{&want_k, &k}, std::pair{&v0, &v}, std::pair{&want_v, &v}}) std::memcpy(a->host.data(), b->host.data(), a->host.size());
            reference.rope_forward(ctx, qkv.ptr(), nullptr, nullptr, rope.ptr<float>(), pos.ptr<int32_t>(), rotated.ptr(), N, s.H, s.K, s.D, rotary, dtype, 0.0f);
            reference.cache_write(ctx, rotated.ptr(), seq.ptr<int32_t>(), pos.ptr<int32_t>(), block_table.ptr<int32_t>(), want_k.ptr(), want_v.ptr(), N, s.H, s.K, s.D, page_size, per_sequence, dtype);
            Array out(dtype, N * s.H * s.D), want(dtype, N * s.H * s.D);
            const float scale = 1.0f / std::sqrt(static_cast<float>(s.D));
            reference.attention_paged(ctx, rotated.ptr(), seq.ptr<int32_t>(), pos.ptr<int32_t>(), block_table.ptr<int32_t>(), want_k.ptr(), want_v.ptr(), want.ptr(), N, s.H, s.K, s.D, page_size, per_sequence, dtype, scale, window, cap);
            const int split_keys = 64, splits = 5, DP = s.D <= 64 ? 64 : s.D <= 128 ? 128 : 256;
            const uint32_t heads = static_cast<uint32_t>(s.K * ((s.H / s.K + 3) / 4));
            const std::string kernel = named("attention_step_d" + std::to_string(DP), dtype);
            Array partial(F32, N * s.H * splits * (s.D + 2)), arrivals = int_array(std::vector<int32_t>(N * heads, 0));
            // Run more than once on the same counters: each launch must leave them at 0.
            check_case(kernel + " H" + std::to_string(s.H) + " K" + std::to_string(s.K) + " D" + std::to_string(s.D) + " rotary" + std::to_string(rotary) + (window ? " window" : "") + (cap > 0 ? " softcap" : ""),
                       {{&out, &want, tolerance_of(dtype, 0, 6e-3, 2e-3)}, {&k, &want_k, tolerance_of(dtype, 0, 4e-3, 5e-4)}, {&v, &want_v, 0}},
                       [&] { out.poison(), partial.poison(), std::memcpy(k.host.data(), k0.host.data(), k.host.size()), k.push(), std::memcpy(v.host.data(), v0.host.data(), v.host.size()), v.push(); }, [&] {
                         launch(kernel.c_str(), {static_cast<uint32_t>(N), heads, static_cast<uint32_t>(splits)}, 128, 0, qkv.dev(), rope.dev(), seq.dev(), pos.dev(), block_table.dev(), k.dev(), v.dev(), out.dev(), partial.dev(),
                                arrivals.dev(), s.H, s.K, s.D, rotary, static_cast<int>(page_size), static_cast<int>(per_sequence), split_keys, scale, static_cast<int>(window), cap);
                       });
          }
}
void bench_paged() {
  const HeadShape s{32, 8, 128};
  for (int64_t context : {256, 4096, 32768}) {
    const int64_t page_size = 16, per_sequence = context / page_size;
    std::vector<int32_t> table(per_sequence);
    for (int64_t i = 0; i < per_sequence; i++) table[i] = static_cast<int32_t>(i);
    Array qkv = random_array(BF16, 6144), seq = int_array({0}), pos = int_array({static_cast<int32_t>(context - 1)}), block_table = int_array(table), k = random_array(BF16, context * 1024), v = random_array(BF16, context * 1024), out(BF16, 4096);
    for (const int split_keys : {64, 256})
      for (const char *kernel : {"attention_paged_split_bf16", "attention_paged_lanes_d128_bf16"}) {
        const int splits = static_cast<int>((context + split_keys - 1) / split_keys);
        Array partial(F32, 32ll * splits * 128), sums(F32, 32ll * splits * 2);
        bench(std::string(kernel) + " one row, context " + std::to_string(context) + ", split " + std::to_string(split_keys), 4.0 * context * 1024, 0, [&] {
          launch(kernel, {1, 8, static_cast<uint32_t>(splits)}, 128, 0, qkv.dev(), seq.dev(), pos.dev(), block_table.dev(), k.dev(), v.dev(), partial.dev(), sums.dev(), s.H, s.K, s.D, static_cast<int>(page_size),
                 static_cast<int>(per_sequence), split_keys, 0.088f, 0, 0.0f);
          launch("attention_paged_combine_bf16", {1, 32}, 128, 0, seq.dev(), pos.dev(), partial.dev(), sums.dev(), out.dev(), s.D, splits, split_keys, 0);
        });
      }
    // With the rotation and the cache write, in one launch.
    const int splits = static_cast<int>(std::min<int64_t>(context / 64, 512)), split_keys = static_cast<int>(context / splits);
    Array rope = uniform_array(F32, context * 128, -1, 1), partial(F32, 32ll * splits * 130), arrivals = int_array(std::vector<int32_t>(8, 0));
    bench("attention_step_d128_bf16 one row, context " + std::to_string(context) + ", split " + std::to_string(split_keys), 4.0 * context * 1024, 0, [&] {
      launch("attention_step_d128_bf16", {1, 8, static_cast<uint32_t>(splits)}, 128, 0, qkv.dev(), rope.dev(), seq.dev(), pos.dev(), block_table.dev(), k.dev(), v.dev(), out.dev(), partial.dev(), arrivals.dev(), s.H, s.K,
             s.D, 128, static_cast<int>(page_size), static_cast<int>(per_sequence), split_keys, 0.088f, 0, 0.0f);
    });
  }
}

struct Plan {
  Array rows, bounds, query_order, key_order, query_ranges, key_ranges, work;
  int tiles, padded;
};
static Plan make_plan(int64_t N) {
  const int tiles = static_cast<int>((N + 127) / 128);
  return {Array(I32, tiles * 256), Array(I32, tiles * 8), Array(I32, tiles), Array(I32, tiles), Array(I32, tiles * 2), Array(I32, tiles * 2), Array(I32, 2 * tiles), tiles, tiles * 128};
}
static void run_plan(Plan &p, Array &start, Array &end, int64_t N, int causal, int window) {
  launch("attention_plan_rows", {static_cast<uint32_t>(2 * p.tiles)}, 64, 0, start.dev(), end.dev(), p.rows.dev(), p.bounds.dev(), static_cast<int>(N), causal, window);
  launch("attention_plan_order", {1}, 1024, 0, p.bounds.dev(), p.work.dev(), p.query_order.dev(), p.key_order.dev(), p.query_ranges.dev(), p.key_ranges.dev(), p.tiles);
}
static int padded_head(int D) { return D <= 64 ? 64 : D <= 128 ? 128 : 256; }
static void run_forward_mma(int dtype, Array &qkv, Plan &p, Array &out, Array &lse, int64_t N, HeadShape s, float scale, float cap) {
  const int DP = padded_head(s.D);
  launch(named("attention_forward_mma_d" + std::to_string(DP), dtype).c_str(), {static_cast<uint32_t>(s.H), blocks(N, 64)}, 128, DP == 64 ? 40960 : DP == 128 ? 81920 : 98304, qkv.dev(), p.rows.dev(), p.bounds.dev(), out.dev(), lse.dev(),
         static_cast<int>(N), s.H, s.K, s.D, scale, cap);
}
static void run_stats(int dtype, Plan &p, Array &out, Array &d_out, Array &lse, Array &stats, int64_t N, HeadShape s) {
  launch(named("attention_backward_stats", dtype).c_str(), {blocks(static_cast<int64_t>(p.padded) * s.H, 8)}, 256, 0, out.dev(), d_out.dev(), lse.dev(), stats.dev(), static_cast<int>(N), p.padded, s.H, s.D);
}
static void run_backward_mma(int dtype, Array &qkv, Plan &p, Array &stats, Array &d_out, Array &d_qkv, int64_t N, HeadShape s, float scale, float cap) {
  const int DP = padded_head(s.D);
  const std::string tail = "_mma_d" + std::to_string(DP) + "_" + suffix(dtype);
  launch(("attention_backward_keys" + tail).c_str(), {static_cast<uint32_t>(s.K), blocks(N, 64), DP == 256 ? 2u : 1u}, 128, DP == 64 ? 33792 : DP == 128 ? 66560 : 98816, qkv.dev(), p.rows.dev(), p.bounds.dev(), stats.dev(), d_out.dev(),
         d_qkv.dev(), static_cast<int>(N), p.padded, s.H, s.K, s.D, scale, cap);
  launch(("attention_backward_queries" + tail).c_str(), {static_cast<uint32_t>(s.H), blocks(N, 64)}, 128, DP == 64 ? 32768 : DP == 128 ? 65536 : 98304, qkv.dev(), p.rows.dev(), p.bounds.dev(), stats.dev(), d_out.dev(), d_qkv.dev(),
         static_cast<int>(N), p.padded, s.H, s.K, s.D, scale, cap);
}

static TensorMap map_of(int dtype, Array &a, int64_t N, int64_t width, uint32_t box_rows) {
  return tensor_map(a.dev(), dtype, static_cast<uint64_t>(width), static_cast<uint64_t>(N), static_cast<uint64_t>(width) * 2, 64, box_rows);
}
static void run_forward_hopper(int dtype, Array &qkv, Plan &p, Array &out, Array &lse, int64_t N, HeadShape s, float scale) {
  const uint32_t grid = static_cast<uint32_t>(std::min(p.tiles * s.H, device_multiprocessors()));
  launch(named("attention_forward_hopper_d" + std::to_string(s.D), dtype).c_str(), {grid}, 384, s.D == 64 ? 82048 : 163968, map_of(dtype, qkv, N, (s.H + 2 * s.K) * s.D, 128), p.rows.dev(), p.bounds.dev(), p.query_order.dev(),
         p.query_ranges.dev(), out.dev(), lse.dev(), static_cast<int>(N), s.H, s.K, p.tiles, scale);
}
static void run_backward_hopper_keys(int dtype, Array &qkv, Plan &p, Array &stats, Array &d_out, Array &d_qkv, int64_t N, HeadShape s, float scale) {
  const int64_t width = (s.H + 2 * s.K) * s.D;
  launch(named("attention_backward_keys_hopper_d" + std::to_string(s.D), dtype).c_str(), {static_cast<uint32_t>(p.tiles * s.K)}, 384, s.D == 64 ? 86144 : 168064, map_of(dtype, qkv, N, width, 128), map_of(dtype, qkv, N, width, 64),
         map_of(dtype, d_out, N, s.H * s.D, 64), p.rows.dev(), p.bounds.dev(), p.key_order.dev(), p.key_ranges.dev(), stats.dev(), d_qkv.dev(), static_cast<int>(N), p.padded, s.H, s.K, scale);
}
static void run_backward_hopper_queries(int dtype, Array &qkv, Plan &p, Array &stats, Array &d_out, Array &d_qkv, int64_t N, HeadShape s, float scale) {
  const uint32_t grid = static_cast<uint32_t>(std::min(p.tiles * s.H, device_multiprocessors()));
  launch(named("attention_backward_queries_hopper_d" + std::to_string(s.D), dtype).c_str(), {grid}, 384, s.D == 64 ? 98432 : 196736, map_of(dtype, qkv, N, (s.H + 2 * s.K) * s.D, 128), map_of(dtype, d_out, N, s.H * s.D, 128), p.rows.dev(),
         p.bounds.dev(), p.query_order.dev(), p.query_ranges.dev(), stats.dev(), d_qkv.dev(), static_cast<int>(N), p.padded, s.H, s.K, p.tiles, scale);
}
static uint32_t one_pass_shared(int D) { return static_cast<uint32_t>(1536 * D + 32768 + 64); }
static void run_one_pass_walk(int dtype, Array &qkv, Plan &p, Array &stats, Array &d_out, Array &sums, Array &d_qkv, int64_t N, HeadShape s, float scale, const std::string &variant = "") {
  const int64_t width = (s.H + 2 * s.K) * s.D;
  launch(named("attention_backward_one_pass_hopper_" + variant + "d" + std::to_string(s.D), dtype).c_str(), {static_cast<uint32_t>(p.tiles * s.K)}, 384, one_pass_shared(s.D), map_of(dtype, qkv, N, width, 128), map_of(dtype, qkv, N, width, 64),
         map_of(dtype, d_out, N, s.H * s.D, 64), p.rows.dev(), p.bounds.dev(), p.key_order.dev(), p.key_ranges.dev(), stats.dev(), sums.dev(), d_qkv.dev(), static_cast<int>(N), p.padded, s.H, s.K, scale);
}
static void run_one_pass_convert(int dtype, Array &sums, Plan &p, Array &d_qkv, int64_t N, HeadShape s, float scale) {
  launch(named("attention_backward_convert_hopper_d" + std::to_string(s.D), dtype).c_str(), {static_cast<uint32_t>(2 * p.tiles * s.H)}, 128, 0, sums.dev(), d_qkv.dev(), static_cast<int>(N), s.H, s.K, scale);
}
static void run_backward_hopper_one_pass(int dtype, Array &qkv, Plan &p, Array &stats, Array &d_out, Array &sums, Array &d_qkv, int64_t N, HeadShape s, float scale) {
  device_zero(sums.dev(), static_cast<size_t>(sums.count) * 4);
  run_one_pass_walk(dtype, qkv, p, stats, d_out, sums, d_qkv, N, s, scale);
  run_one_pass_convert(dtype, sums, p, d_qkv, N, s, scale);
}

struct AttentionCase {
  const char *label;
  std::vector<int> segments;  // lengths; negative: rows that see nothing
  HeadShape shape;
  int causal, window;
  float cap;
};
void check_attention() {
  remora_context *ctx = reference_context();
  const std::vector<AttentionCase> list = {
      {"one", {1}, {2, 1, 64}, 1, 0, 0},
      {"packed", {70, 33, 129}, {4, 2, 64}, 1, 0, 0},
      {"d128", {100, -20, 200}, {4, 1, 128}, 1, 0, 0},
      {"d128 long", {300, 7, 130}, {2, 2, 128}, 1, 0, 0},
      {"d80 window", {90, 170}, {3, 1, 80}, 1, 40, 0},
      {"d256 softcap", {100, 37}, {2, 1, 256}, 1, 0, 15},
      {"d64 bidirectional", {65, 100, -5}, {2, 2, 64}, 0, 0, 0},
      {"d128 bidirectional window softcap", {150, 60}, {2, 1, 128}, 0, 33, 30},
      {"d96", {64, 64}, {2, 1, 96}, 1, 0, 0},
      {"d128 window", {250, 140}, {4, 2, 128}, 1, 70, 0},
      {"d128 bidirectional", {129, 140}, {2, 2, 128}, 0, 0, 0},
  };
  for (int dtype : {F32, BF16, F16})
    for (const AttentionCase &c : list) {
      const HeadShape s = c.shape;
      std::vector<int32_t> start, end;
      for (int length : c.segments) {
        const int begin = static_cast<int>(start.size());
        for (int i = 0; i < std::abs(length); i++) start.push_back(length < 0 ? 0 : begin), end.push_back(length < 0 ? 0 : begin + length);
      }
      const int64_t N = static_cast<int64_t>(start.size()), width = static_cast<int64_t>(s.H + 2 * s.K) * s.D;
      Array starts = int_array(start), ends = int_array(end), qkv = random_array(dtype, N * width), out(dtype, N * s.H * s.D), want(dtype, N * s.H * s.D), lse(F32, N * s.H), want_lse(F32, N * s.H);
      const float scale = 1.0f / std::sqrt(static_cast<float>(s.D));
      reference.attention_forward(ctx, qkv.ptr(), starts.ptr<int32_t>(), ends.ptr<int32_t>(), want.ptr(), want_lse.ptr<float>(), N, s.H, s.K, s.D, dtype, scale, c.causal, c.window, c.cap);
      Array d_out = random_array(dtype, N * s.H * s.D), d_qkv(dtype, N * width), want_d(dtype, N * width);
      reference.attention_backward(ctx, qkv.ptr(), starts.ptr<int32_t>(), ends.ptr<int32_t>(), want.ptr(), want_lse.ptr<float>(), d_out.ptr(), want_d.ptr(), N, s.H, s.K, s.D, dtype, scale, c.causal, c.window, c.cap);
      Plan plan = make_plan(N);
      Array stats(F32, 2ll * s.H * plan.padded);
      run_plan(plan, starts, ends, N, c.causal, c.window);
      const std::string label = std::string(" ") + c.label;
      check_case(named("attention_forward_rows", dtype) + label, {{&out, &want, tolerance_of(dtype)}, {&lse, &want_lse, 1e-5}}, [&] { out.poison(), lse.poison(); },
                 [&] { launch(named("attention_forward_rows", dtype).c_str(), {blocks(N * s.H, 8)}, 256, 0, qkv.dev(), plan.rows.dev(), out.dev(), lse.dev(), static_cast<int>(N), s.H, s.K, s.D, scale, c.cap); });
      want.push(), want_lse.push();
      run_stats(dtype, plan, want, d_out, want_lse, stats, N, s);
      check_case(named("attention_backward_rows", dtype) + label, {{&d_qkv, &want_d, tolerance_of(dtype, 1e-5, 6e-3, 1e-3)}}, [&] { d_qkv.poison(); }, [&] {
        launch(named("attention_backward_keys_rows", dtype).c_str(), {blocks(N * s.K, 8)}, 256, 0, qkv.dev(), plan.rows.dev(), stats.dev(), d_out.dev(), d_qkv.dev(), static_cast<int>(N), plan.padded, s.H, s.K, s.D, scale, c.cap);
        launch(named("attention_backward_queries_rows", dtype).c_str(), {blocks(N * s.H, 8)}, 256, 0, qkv.dev(), plan.rows.dev(), stats.dev(), d_out.dev(), d_qkv.dev(), static_cast<int>(N), plan.padded, s.H, s.K, s.D, scale, c.cap);
      });
      if (dtype == F32) continue;
      check_case(named("attention_forward_mma", dtype) + label, {{&out, &want, tolerance_of(dtype, 0, 6e-3, 1e-3)}, {&lse, &want_lse, 1e-5}}, [&] { out.poison(), lse.poison(); },
                 [&] { run_forward_mma(dtype, qkv, plan, out, lse, N, s, scale, c.cap); });
      check_case(named("attention_backward_mma", dtype) + label, {{&d_qkv, &want_d, tolerance_of(dtype, 0, 8e-3, 1.5e-3)}}, [&] { d_qkv.poison(); },
                 [&] { run_backward_mma(dtype, qkv, plan, stats, d_out, d_qkv, N, s, scale, c.cap); });
      if ((s.D != 64 && s.D != 128) || c.cap > 0 || !device_has("attention_forward_hopper_d128_bf16")) continue;
      check_case(named("attention_forward_hopper", dtype) + label, {{&out, &want, tolerance_of(dtype, 0, 6e-3, 1e-3)}, {&lse, &want_lse, 1e-5}}, [&] { out.poison(), lse.poison(); },
                 [&] { run_forward_hopper(dtype, qkv, plan, out, lse, N, s, scale); });
      check_case(named("attention_backward_hopper", dtype) + label, {{&d_qkv, &want_d, tolerance_of(dtype, 0, 8e-3, 1.5e-3)}}, [&] { d_qkv.poison(); }, [&] {
        run_backward_hopper_keys(dtype, qkv, plan, stats, d_out, d_qkv, N, s, scale);
        run_backward_hopper_queries(dtype, qkv, plan, stats, d_out, d_qkv, N, s, scale);
      });
      Array sums(F32, static_cast<int64_t>(s.H) * plan.padded * s.D);
      check_case(named("attention_backward_one_pass_hopper", dtype) + label, {{&d_qkv, &want_d, tolerance_of(dtype, 0, 8e-3, 1.5e-3)}}, [&] { d_qkv.poison(), sums.poison(); },
                 [&] { run_backward_hopper_one_pass(dtype, qkv, plan, stats, d_out, sums, d_qkv, N, s, scale); }, false);
    }
}
// How far two arrays are apart, by every seventh element: for arrays that the reference would take hours for.
static void report_apart(const std::string &name, const Array &a, const Array &b, double tolerance) {
  double difference = 0, size = 0;
  for (int64_t i = 0; i < a.count; i += 7) difference += std::pow(a.at(i) - b.at(i), 2), size += std::pow(b.at(i), 2);
  const double error = std::sqrt(difference / size);
  report(name, error <= tolerance, std::to_string(error));
}
// Forward and backward at Nemo's heads over `sequences` causal sequences of `length`; operations are those of half of each square.
static void bench_attention_at(int sequences, int length) {
  const HeadShape s{32, 8, 128};
  const int64_t N = static_cast<int64_t>(sequences) * length, width = 6144;
  std::vector<int32_t> start, end;
  for (int i = 0; i < N; i++) start.push_back(i / length * length), end.push_back(i / length * length + length);
  Array starts = int_array(start), ends = int_array(end), qkv = random_array(BF16, N * width), out(BF16, N * 4096), lse(F32, N * 32), d_out = random_array(BF16, N * 4096), d_qkv(BF16, N * width);
  Plan plan = make_plan(N);
  Array stats(F32, 2ll * 32 * plan.padded);
  const float scale = 0.088388f;
  const double forward = 2.0 * 2 * sequences * length * length / 2 * 32 * 128;
  const std::string at = " bf16 " + std::to_string(sequences) + "x" + std::to_string(length);
  run_plan(plan, starts, ends, N, 1, 0);
  bench("attention_plan" + at, 0, 0, [&] { run_plan(plan, starts, ends, N, 1, 0); });
  run_forward_mma(BF16, qkv, plan, out, lse, N, s, scale, 0);
  run_stats(BF16, plan, out, d_out, lse, stats, N, s);
  bench("attention_forward_mma_d128" + at, 0, forward, [&] { run_forward_mma(BF16, qkv, plan, out, lse, N, s, scale, 0); });
  bench("attention_backward_stats" + at, 4.0 * N * 4096, 0, [&] { run_stats(BF16, plan, out, d_out, lse, stats, N, s); });
  bench("attention_backward_mma_d128 (5 products counted)" + at, 0, 2.5 * forward, [&] { run_backward_mma(BF16, qkv, plan, stats, d_out, d_qkv, N, s, scale, 0); });
  if (!device_has("attention_forward_hopper_d128_bf16")) return;
  const auto run_forward = [&] { run_forward_hopper(BF16, qkv, plan, out, lse, N, s, scale); };
  const auto run_keys = [&] { run_backward_hopper_keys(BF16, qkv, plan, stats, d_out, d_qkv, N, s, scale); };
  const auto run_queries = [&] { run_backward_hopper_queries(BF16, qkv, plan, stats, d_out, d_qkv, N, s, scale); };
  bench("attention_forward_hopper_d128" + at, 0, forward, run_forward);
  bench("attention_backward_keys_hopper_d128 (4 products run)" + at, 0, 2 * forward, run_keys);
  bench("attention_backward_queries_hopper_d128 (3 products run)" + at, 0, 1.5 * forward, run_queries);
  bench("hopper backward, two walks, statistics too (5 products counted)" + at, 0, 2.5 * forward, [&] { run_stats(BF16, plan, out, d_out, lse, stats, N, s), run_keys(), run_queries(); });
  bench("hopper forward + backward, two walks (7 products counted)" + at, 0, 3.5 * forward, [&] { run_forward(), run_stats(BF16, plan, out, d_out, lse, stats, N, s), run_keys(), run_queries(); });
  if (!device_has("attention_backward_one_pass_hopper_d128_bf16")) return;
  Array sums(F32, N * 4096);
  const double sums_bytes = 4.0 * N * 4096;
  const auto run_one_pass = [&] { run_backward_hopper_one_pass(BF16, qkv, plan, stats, d_out, sums, d_qkv, N, s, scale); };
  Array other(BF16, N * width);
  d_qkv.poison(), other.poison();
  run_keys(), run_queries(), run_backward_hopper_one_pass(BF16, qkv, plan, stats, d_out, sums, other, N, s, scale);
  d_qkv.pull(), other.pull();
  report_apart("one walk equals two" + at, other, d_qkv, 8e-3);
  bench("zeroing the sums of dQ" + at, sums_bytes, 0, [&] { device_zero(sums.dev(), static_cast<size_t>(sums_bytes)); });
  bench("attention_backward_one_pass_hopper_d128 alone (5 products run)" + at, sums_bytes * length / 128 / 2, 2.5 * forward, [&] { run_one_pass_walk(BF16, qkv, plan, stats, d_out, sums, d_qkv, N, s, scale); });
  for (const std::string variant : {"vector_", "unadded_"}) {  // kernels/lab/attention_variants.cu, where its image was built
    if (!device_has(("attention_backward_one_pass_hopper_" + variant + "d128_bf16").c_str())) continue;
    bench("attention_backward_one_pass_hopper_" + variant + "d128" + at, 0, 2.5 * forward, [&] { run_one_pass_walk(BF16, qkv, plan, stats, d_out, sums, d_qkv, N, s, scale, variant); });
  }
  bench("attention_backward_convert_hopper_d128" + at, 1.5 * sums_bytes, 0, [&] { run_one_pass_convert(BF16, sums, plan, d_qkv, N, s, scale); });
  bench("hopper backward, one walk, all of it (5 products counted)" + at, 0, 2.5 * forward, [&] { run_stats(BF16, plan, out, d_out, lse, stats, N, s), run_one_pass(); });
  bench("hopper forward + backward, one walk (7 products counted)" + at, 0, 3.5 * forward, [&] { run_forward(), run_stats(BF16, plan, out, d_out, lse, stats, N, s), run_one_pass(); });
}
void bench_attention() {
  bench_attention_at(4, 2048);
  bench_attention_at(1, 8192);
}
}  // namespace check

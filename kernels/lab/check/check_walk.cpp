// All layers of a decoder for one row (decoder_walk.cu) against the reference's ops one after the other: several tokens in a row on one workspace. Then
// the layers of Nemo 12B timed, whole and without their parts (kernels/lab/walk_variants.cu, where its image was built).
#include <algorithm>
#include <cstdio>
#include "harness.h"

namespace check {
struct WalkPart {
  void *data, *scales, *nested_scales, *nested_code;
  float nested_offset;
  int32_t reserved;
};
struct WalkLayer {
  WalkPart part[7];
  void *bias, *attention_norm, *mlp_norm, *q_norm, *k_norm, *rope, *k_pages, *v_pages;
  int32_t window, reserved[9];
};
static_assert(sizeof(WalkLayer) == 384, "decoder_walk.cu");

struct WalkCase {
  const char *label;
  int C, F, H, K, D, rotary, layers, page_size;
  bool nested, bias, norms;
  int window, gate;
  float softcap;
  std::vector<int32_t> positions;  // of the tokens, one after the other
  std::vector<int> grids;          // of the emulator (none: not there); a card takes as many as it may
};
static uint32_t most_blocks(const WalkCase &c) {
  return static_cast<uint32_t>(std::min({device_multiprocessors(), c.C / 8, c.F / 8, (c.H + 2 * c.K) * c.D / 8}));
}
static uint32_t sums_bytes(const WalkCase &c, uint32_t grid) {
  const auto sums = [&](int rows, int In, int times) { return static_cast<uint32_t>((rows / 8 + grid - 1) / grid * times * ((In + 511) / 512) * 32); };
  return std::max({sums((c.H + 2 * c.K) * c.D, c.C, 1), sums(c.C, c.H * c.D, 1), sums(c.F, c.C, 2), sums(c.C, c.F, 1)});
}
static int64_t workspace_bytes(const WalkCase &c, uint32_t grid) {
  const int64_t rows = 2 * ((c.H + 2 * c.K) * c.D + c.H * c.D + 2 * c.C + c.F), jobs = c.K * ((c.H / c.K + 3) / 4);
  return 4096 + rows * 2 + std::max<int64_t>(grid, jobs) * 4 * (c.D + 2) * 4;
}
// Of the parts' codes, as 16-bit elements.
static Array maps_of(const std::vector<WalkLayer> &layers, const int *outs, const int *ins) {
  Array maps(U8, layers.size() * 7 * sizeof(TensorMap));
  for (size_t l = 0; l < layers.size(); l++)
    for (int p = 0; p < 7; p++) {
      const TensorMap map = tensor_map(layers[l].part[p].data, BF16, ins[p] / 4, outs[p], ins[p] / 2, 64, 8);
      std::memcpy(maps.host.data() + (l * 7 + p) * sizeof(TensorMap), &map, sizeof(TensorMap));
    }
  maps.push();
  return maps;
}
static void clear_workspace(Array &workspace) {
  std::memset(workspace.host.data(), 0xff, workspace.host.size()), std::memset(workspace.host.data(), 0, 4096), workspace.push();
}
static void launch_walk(const std::string &kernel, const WalkCase &c, uint32_t grid, Array &layers, Array &maps, int count, const void *x, void *y, Array &workspace, const void *sequences, const void *positions, Array &table, int per_sequence) {
  launch(kernel.c_str(), {grid}, 640, 231424, layers.dev(), maps.dev(), count, x, y, workspace.dev(), sequences, positions, table.dev(), c.C, c.F, c.H, c.K, c.rotary, c.page_size, per_sequence, c.gate, 1e-5f,
         1.0f / std::sqrt(static_cast<float>(c.D)), c.softcap);
}

void check_walk() {
  remora_context *ctx = reference_context();
  const std::vector<WalkCase> cases = {
      {"small", 256, 384, 4, 2, 64, 64, 3, 16, false, false, false, 0, 0, 0, {0, 1, 37, 38}, {3, 2}},
      {"tail of a unit, odd layers", 640, 1152, 6, 2, 128, 128, 1, 16, true, false, false, 0, 0, 0, {5, 63, 64}, {3}},
      {"bias, norms of q and k, GELU, partial rotary", 384, 256, 4, 4, 64, 32, 2, 32, true, true, true, 0, 1, 0, {40, 41}, {4}},
      {"two rounds of heads, window, softcap", 256, 256, 12, 2, 64, 64, 2, 16, false, false, false, 50, 0, 20, {20, 120}, {5}},
      {"parts of keys", 256, 256, 4, 1, 128, 128, 2, 32, true, false, false, 0, 0, 0, {700, 255, 256, 257}, {4}},
      {"two pieces", 128, 5248, 2, 1, 64, 64, 1, 16, true, false, false, 0, 0, 0, {9, 10}, {5}},
      {"three pieces", 128, 10368, 2, 1, 64, 64, 2, 16, false, false, false, 0, 0, 0, {9}, {9}},
      {"Nemo 12B's layer", 5120, 14336, 32, 8, 128, 128, 1, 32, true, false, false, 0, 0, 0, {300, 301}, {}},
  };
  for (const WalkCase &c : cases) {
    if (device_is_emulated() && c.grids.empty()) continue;  // it would take minutes
    const int width = (c.H + 2 * c.K) * c.D, inner = c.H * c.D, steps = static_cast<int>(c.positions.size()), group = c.H / c.K;
    const int per_sequence = (*std::max_element(c.positions.begin(), c.positions.end()) + c.page_size) / c.page_size, pages = 3 * per_sequence;
    const int outs[7] = {inner, c.K * c.D, c.K * c.D, c.C, c.F, c.F, c.C}, ins[7] = {c.C, c.C, c.C, inner, c.C, c.C, c.F};
    (void)group;
    std::vector<Array> keep;
    keep.reserve(4096);
    const auto add = [&](Array a) -> Array & {
      keep.push_back(std::move(a));
      return keep.back();
    };
    std::vector<int32_t> entries(3 * per_sequence);
    for (int i = 0; i < 3 * per_sequence; i++) entries[i] = (i * 7 + 2) % pages;
    if (pages % 7 == 0)
      for (int i = 0; i < 3 * per_sequence; i++) entries[i] = pages - 1 - i;
    Array table = int_array(entries), sequences = int_array({2}), positions = int_array(c.positions), rope = uniform_array(F32, per_sequence * c.page_size * c.rotary, -1, 1);
    Array x = random_array(BF16, steps * c.C), y(BF16, steps * c.C), want(BF16, steps * c.C);
    const int64_t slots = static_cast<int64_t>(pages) * c.page_size * c.K * c.D;
    struct Layer {
      remora_linear_part parts[7] = {};
      Array *bias = nullptr, *attention_norm, *mlp_norm, *q_norm = nullptr, *k_norm = nullptr, *k, *v, *k0, *v0, *want_k, *want_v;
    };
    std::vector<Layer> layers(c.layers);
    std::vector<WalkLayer> device_layers(c.layers);
    for (int l = 0; l < c.layers; l++) {
      Layer &layer = layers[l];
      WalkLayer &d = device_layers[l];
      d = {};
      for (int p = 0; p < 7; p++) {
        const int64_t count = static_cast<int64_t>(outs[p]) * ins[p];
        remora_weight &w = layer.parts[p].weight;
        // About one in size: rows of as many terms.
        const double size = 1.0 / std::sqrt(static_cast<double>(ins[p]));
        Array &codes = add(byte_array(count / 2)), &s = add(c.nested ? byte_array(count / 64) : uniform_array(F32, count / 64, 0.5 * size, 3 * size));
        w.rows = outs[p], w.cols = ins[p], w.format = REMORA_NF4, w.data = codes.ptr(), w.scales = s.ptr();
        d.part[p].data = codes.dev(), d.part[p].scales = s.dev();
        if (c.nested) {
          Array &ns = add(uniform_array(F32, (count / 64 + 255) / 256, 0.5 * size, 1.5 * size)), &code = add(uniform_array(F32, 256, -1, 1));
          w.nested_scales = ns.ptr<float>(), d.part[p].nested_scales = ns.dev(), w.nested_code = code.ptr<float>(), d.part[p].nested_code = code.dev();
          w.nested_offset = d.part[p].nested_offset = static_cast<float>(1.5 * size);
        }
      }
      if (c.bias) layer.bias = &add(random_array(F32, width)), d.bias = layer.bias->dev();
      layer.attention_norm = &add(uniform_array(F32, c.C, 0.5, 1.5)), layer.mlp_norm = &add(uniform_array(F32, c.C, 0.5, 1.5));
      d.attention_norm = layer.attention_norm->dev(), d.mlp_norm = layer.mlp_norm->dev(), d.rope = rope.dev(), d.window = c.window;
      if (c.norms) layer.q_norm = &add(uniform_array(F32, c.D, 0.5, 1.5)), layer.k_norm = &add(uniform_array(F32, c.D, 0.5, 1.5)), d.q_norm = layer.q_norm->dev(), d.k_norm = layer.k_norm->dev();
      layer.k = &add(random_array(BF16, slots)), layer.v = &add(random_array(BF16, slots)), d.k_pages = layer.k->dev(), d.v_pages = layer.v->dev();
      layer.k0 = &add(Array(BF16, slots)), layer.v0 = &add(Array(BF16, slots)), layer.want_k = &add(Array(BF16, slots)), layer.want_v = &add(Array(BF16, slots));
      layer.k0->host = layer.want_k->host = layer.k->host, layer.v0->host = layer.want_v->host = layer.v->host;
    }
    Array device_table(U8, 384 * c.layers);
    std::memcpy(device_table.host.data(), device_layers.data(), 384 * c.layers), device_table.push();
    Array maps = maps_of(device_layers, outs, ins);

    // ---- what the reference says ----
    Array normed(BF16, c.C), qkv(BF16, width), rotated(BF16, width), attended(BF16, inner), o(BF16, c.C), gate_up(BF16, 2 * c.F), act(BF16, c.F);
    for (int step = 0; step < steps; step++) {
      Array h(BF16, c.C);
      std::memcpy(h.host.data(), x.host.data() + step * c.C * 2, c.C * 2);
      const int32_t *position = positions.ptr<int32_t>() + step;
      const auto add_to_h = [&] {
        for (int i = 0; i < c.C; i++) put(h.ptr(), i, BF16, h.at(i) + o.at(i));
      };
      for (Layer &layer : layers) {
        reference.rms_norm_forward(ctx, h.ptr(), nullptr, layer.attention_norm->ptr<float>(), nullptr, normed.ptr(), nullptr, 1, c.C, BF16, 1e-5f);
        reference.linear_forward(ctx, layer.parts, 3, layer.bias ? layer.bias->ptr<float>() : nullptr, normed.ptr(), qkv.ptr(), nullptr, 1, BF16, 0, nullptr);
        reference.rope_forward(ctx, qkv.ptr(), layer.q_norm ? layer.q_norm->ptr<float>() : nullptr, layer.k_norm ? layer.k_norm->ptr<float>() : nullptr, rope.ptr<float>(), position, rotated.ptr(), 1, c.H, c.K, c.D, c.rotary, BF16, 1e-5f);
        reference.cache_write(ctx, rotated.ptr(), sequences.ptr<int32_t>(), position, table.ptr<int32_t>(), layer.want_k->ptr(), layer.want_v->ptr(), 1, c.H, c.K, c.D, c.page_size, per_sequence, BF16);
        reference.attention_paged(ctx, rotated.ptr(), sequences.ptr<int32_t>(), position, table.ptr<int32_t>(), layer.want_k->ptr(), layer.want_v->ptr(), attended.ptr(), 1, c.H, c.K, c.D, c.page_size, per_sequence, BF16,
                                  1.0f / std::sqrt(static_cast<float>(c.D)), c.window, c.softcap);
        reference.linear_forward(ctx, layer.parts + 3, 1, nullptr, attended.ptr(), o.ptr(), nullptr, 1, BF16, 0, nullptr);
        add_to_h();
        reference.rms_norm_forward(ctx, h.ptr(), nullptr, layer.mlp_norm->ptr<float>(), nullptr, normed.ptr(), nullptr, 1, c.C, BF16, 1e-5f);
        reference.linear_forward(ctx, layer.parts + 4, 2, nullptr, normed.ptr(), gate_up.ptr(), nullptr, 1, BF16, 0, nullptr);
        reference.gated_forward(ctx, gate_up.ptr(), act.ptr(), 1, c.F, BF16, c.gate);
        reference.linear_forward(ctx, layer.parts + 6, 1, nullptr, act.ptr(), o.ptr(), nullptr, 1, BF16, 0, nullptr);
        add_to_h();
      }
      std::memcpy(want.host.data() + step * c.C * 2, h.host.data(), c.C * 2);
    }

    std::vector<Output> outputs = {{&y, &want, 1.5e-2}};
    // Keys and values of a later layer come from sums that were rounded elsewhere; all but the new ones are as they were.
    for (Layer &layer : layers) outputs.push_back({layer.k, layer.want_k, 6e-3}), outputs.push_back({layer.v, layer.want_v, 6e-3});
    std::vector<int> grids = c.grids;
    if (!device_is_emulated()) grids = {static_cast<int>(most_blocks(c)), c.grids.empty() ? 120 : c.grids[0]};
    for (const int grid : grids) {
      const std::string kernel = "decoder_walk_d" + std::to_string(c.D) + "_bf16";
      if (!device_has(kernel.c_str())) return;
      if (sums_bytes(c, grid) > 10240) continue;
      Array workspace(U8, workspace_bytes(c, grid));
      clear_workspace(workspace);  // once: the second run finds what the first left
      check_case(kernel + " " + c.label + (c.nested ? " nested" : "") + " grid" + std::to_string(grid), outputs,
                 [&] {
                   y.poison();
                   for (Layer &layer : layers) layer.k->host = layer.k0->host, layer.k->push(), layer.v->host = layer.v0->host, layer.v->push();
                 },
                 [&] {
                   for (int step = 0; step < steps; step++)
                     launch_walk(kernel, c, grid, device_table, maps, c.layers, x.dev<uint16_t>() + step * c.C, y.dev<uint16_t>() + step * c.C, workspace, sequences.dev(), positions.dev<int32_t>() + step, table,
                                 per_sequence);
                 });
    }
  }
}

// Nemo 12B's 40 layers: the weights of eight, which L2 does not hold, five times.
void bench_walk() {
  if (device_is_emulated() || !device_has("decoder_walk_d128_bf16")) return;
  constexpr int LAYERS = 40, DIFFERENT = 8;
  const int most_context = 4096;
  WalkCase c{"", 5120, 14336, 32, 8, 128, 128, LAYERS, 32, true, false, false, 0, 0, 0, {}, {}};
  const int outs[7] = {4096, 1024, 1024, 5120, 14336, 14336, 5120}, ins[7] = {5120, 5120, 5120, 4096, 5120, 5120, 14336};
  std::vector<Array> keep;
  keep.reserve(1024);
  const Array noise = byte_array(1000003);
  const auto filled = [&](int64_t count) -> Array & {
    Array a(U8, count);
    for (size_t at = 0; at < a.host.size(); at += noise.host.size()) std::memcpy(a.host.data() + at, noise.host.data(), std::min(noise.host.size(), a.host.size() - at));
    a.push();
    std::vector<uint8_t>().swap(a.host);
    keep.push_back(std::move(a));
    return keep.back();
  };
  Array code = uniform_array(F32, 256, -1, 1), nested = uniform_array(F32, 14336 * 5120 / 64 / 256 + 4, 0.002, 0.004), norm = uniform_array(F32, 5120, 0.5, 1.5), rope = uniform_array(F32, most_context * 128, -1, 1);
  std::vector<WalkLayer> layers(LAYERS);
  double bytes = 0;
  for (int l = 0; l < LAYERS; l++) {
    WalkLayer &d = layers[l];
    if (l >= DIFFERENT) {
      d = layers[l % DIFFERENT];
    } else {
      d = {};
      for (int p = 0; p < 7; p++) {
        const int64_t count = static_cast<int64_t>(outs[p]) * ins[p];
        d.part[p].data = filled(count / 2).dev(), d.part[p].scales = filled(count / 64).dev(), d.part[p].nested_scales = nested.dev(), d.part[p].nested_code = code.dev(), d.part[p].nested_offset = 0.004f;
      }
      d.attention_norm = d.mlp_norm = norm.dev(), d.rope = rope.dev();
      keep.push_back(random_array(BF16, most_context * 1024)), d.k_pages = keep.back().dev();
      keep.push_back(random_array(BF16, most_context * 1024)), d.v_pages = keep.back().dev();
    }
    for (int p = 0; p < 7; p++) bytes += static_cast<double>(outs[p]) * ins[p] * (0.5 + 1.0 / 64 + 1.0 / 4096);
  }
  Array device_layers(U8, 384 * LAYERS);
  std::memcpy(device_layers.host.data(), layers.data(), 384 * LAYERS), device_layers.push();
  Array maps = maps_of(layers, outs, ins);
  std::vector<int32_t> entries(most_context / 32);
  for (size_t i = 0; i < entries.size(); i++) entries[i] = static_cast<int32_t>(i);
  Array table = int_array(entries), sequences = int_array({0}), positions = int_array({200, 1000, most_context - 1}), x = random_array(BF16, 5120), y(BF16, 5120);
  const uint32_t grid = most_blocks(c);
  Array workspace(U8, workspace_bytes(c, grid));
  const auto time = [&](const std::string &kernel, int at) {
    if (!device_has(kernel.c_str())) return;
    const std::string name = kernel + " 40 layers, " + std::to_string(positions.ptr<int32_t>()[at] + 1) + " keys";
    if (!selected(name)) return;
    clear_workspace(workspace);
    const std::function<void()> run = [&] { launch_walk(kernel, c, grid, device_layers, maps, LAYERS, x.dev(), y.dev(), workspace, sequences.dev(), positions.dev<int32_t>() + at, table, most_context / 32); };
    const double ms = device_time_step([](void *f) { (*static_cast<const std::function<void()> *>(f))(); }, const_cast<std::function<void()> *>(&run), 9, false);
    std::printf("time %-52s %8.4f ms  %6.2f us a layer  %6.0f GB/s\n", name.c_str(), ms, ms * 1e3 / LAYERS, bytes / ms / 1e6);
    std::fflush(stdout);
  };
  for (int at = 0; at < 3; at++) time("decoder_walk_d128_bf16", at);
  for (const char *part : {"without_products", "without_stream", "stream_alone", "products_alone", "exchange_alone", "nothing_alone"}) time(std::string("decoder_walk_") + part, 0);
}
}  // namespace check

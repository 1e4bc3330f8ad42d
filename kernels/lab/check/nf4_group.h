// A group of random NF4 linears that read the same x, as the reference and as a kernel sees it. Adapters have scale 2.
#pragma once
#include <cstring>
#include <utility>
#include <vector>
#include "harness.h"
#include "linear_part.h"

namespace check {
struct Nf4Group {
  std::vector<remora_linear_part> parts;
  Array table;  // LinearPart [parts]
  int total = 0, ranks = 0;

  Nf4Group(const std::vector<int> &outs, const std::vector<int> &part_ranks, int64_t In, bool nested) : parts(outs.size()), table(U8, 80 * static_cast<int64_t>(outs.size())) {
    keep.reserve(6 * outs.size());
    std::vector<LinearPart> device_parts(outs.size());
    for (size_t p = 0; p < outs.size(); p++) {
      const int64_t count = outs[p] * In;
      remora_weight &w = parts[p].weight;
      LinearPart &d = device_parts[p];
      Array &codes = add(byte_array(count / 2));
      w.rows = outs[p], w.cols = In, w.format = REMORA_NF4, w.data = codes.ptr(), d.data = codes.dev();
      Array &s = add(nested ? byte_array(count / 64) : uniform_array(F32, count / 64, 0.05, 0.2));
      w.scales = s.ptr(), d.scales = s.dev();
      if (nested) {
        Array &ns = add(uniform_array(F32, (count / 64 + 255) / 256, 0.01, 0.1)), &code = add(uniform_array(F32, 256, -1, 1));
        w.nested_scales = ns.ptr<float>(), d.nested_scales = ns.dev(), w.nested_code = code.ptr<float>(), d.nested_code = code.dev();
        w.nested_offset = d.nested_offset = 0.13f;
      }
      if (part_ranks[p]) {
        Array &a = add(random_array(F32, part_ranks[p] * In, 0.1)), &b = add(random_array(F32, outs[p] * part_ranks[p], 0.3));
        parts[p].lora_a = a.ptr<float>(), parts[p].lora_b = b.ptr<float>(), d.lora_a = a.dev(), d.lora_b = b.dev();
      }
      parts[p].rank = d.rank = part_ranks[p];
      parts[p].scale = d.scale = 2.0f;
      d.out = outs[p], d.out_begin = total, d.xa_begin = ranks;
      total += outs[p], ranks += part_ranks[p];
    }
    std::memcpy(table.host.data(), device_parts.data(), table.host.size()), table.push();
  }

 private:
  std::vector<Array> keep;
  Array &add(Array a) {
    keep.push_back(std::move(a));
    return keep.back();
  }
};
}  // namespace check

// Gradients of weights: LoRA's two thin ones and the whole matrix of all-weights training. All are products over the rows N:
//   lora_a_grad [R, In]   += dbᵀ · drop(x)                 left side: columns of db, all parts together
//   lora_b_grad [Out, R]  += scale · (xa ᵀ · d_y)ᵀ          left side: columns of xa, one part at a time; stored transposed
//   d_w [Out, In]         += d_yᵀ · x                      left side: columns of d_y
// Each task owns columns of the result and walks all of N in order, so nothing is reduced across threads and results are deterministic.
#include "linear.h"

namespace remora::REMORA_ISA {
int32_t lora_backward(remora_context *ctx, const remora_linear_part *parts, int32_t part_count, const void *x, const void *xa, const void *d_y,
                      const void *db, int64_t N, int32_t dtype, float dropout, const uint64_t *seed) {
  const Group group(parts, part_count);
  if (N == 0 || group.rank == 0) return REMORA_OK;
  const Kind kind = kind_for(dtype);

  // lora_a_grad of all parts: the rows of dbᵀ are the ranks of all parts, so x is packed once.
  const remora_weight input = dense_weight(x, dtype, N, group.in);
  Source source{&input};
  if (dropout > 0.0f && seed != nullptr) {
    source.dropout = dropout;
    source.seed = seed[0];
  }
  const auto add_a = [&](const Tile &tile) {
    int64_t row = tile.row, done = 0, first = 0;
    for (int32_t p = 0; p < part_count && done < tile.rows; first += parts[p++].rank) {
      const int64_t rest = first + parts[p].rank - row;  // rows of this part from `row` on
      if (rest <= 0) continue;
      const int64_t rows = tile.rows - done < rest ? tile.rows - done : rest;
      if (parts[p].lora_a_grad != nullptr) {
        add_tile(tile.values + done * NR, rows, tile.columns, parts[p].lora_a_grad + (row - first) * group.in + tile.col, group.in, 1.0f);
      }
      row += rows;
      done += rows;
    }
  };
  if (x != nullptr) {
    const TransposedProduct product{ctx, kind, N, db, dtype, group.rank, group.rank, source, 0, group.in};
    if (const int32_t status = transposed_product(product, add_a)) return status;
  }
  if (xa == nullptr) return REMORA_OK;

  const remora_weight gradient = dense_weight(d_y, dtype, N, group.out);
  int64_t column = 0, rank = 0;
  for (int32_t p = 0; p < part_count; column += parts[p].weight.rows, rank += parts[p].rank, p++) {
    const remora_linear_part &part = parts[p];
    if (part.rank == 0 || part.lora_b_grad == nullptr) continue;
    const auto add_b = [&](const Tile &tile) {
      for (int64_t j = 0; j < tile.columns; j++) {
        float *out = part.lora_b_grad + (tile.col + j) * part.rank + tile.row;
        for (int64_t i = 0; i < tile.rows; i++) out[i] += part.scale * tile.values[i * NR + j];
      }
    };
    const void *left = offset_values(xa, rank, dtype);
    const TransposedProduct product{ctx, kind, N, left, dtype, group.rank, part.rank, Source{&gradient}, column, part.weight.rows};
    if (const int32_t status = transposed_product(product, add_b)) return status;
  }
  return REMORA_OK;
}

namespace {

// d_bias += column sums, rows added in order.
template <class T>
void add_column_sums(remora_context *ctx, const T *d_y, float *d_bias, int64_t N, int64_t columns, int64_t stride) {
  parallel_for(ctx, columns, 4 * W, [&](int64_t begin, int64_t end, int) {
    for (int64_t c = begin; c < end; c += W) {
      const int64_t n = end - c;
      V sum = zero();
      for (int64_t i = 0; i < N; i++) sum = sum + load_some(d_y + i * stride + c, n);
      store_some(d_bias + c, load_some(d_bias + c, n) + sum, n);
    }
  });
}

}  // namespace

int32_t linear_backward_weight(remora_context *ctx, const void *x, const void *d_y, float *d_w, float *d_bias, int64_t N, int64_t In,
                               int64_t Out, int64_t stride, int64_t column, int32_t dtype) {
  if (N == 0 || In == 0 || Out == 0) return REMORA_OK;
  if (column + Out > stride) {
    return fail(ctx, REMORA_STATUS_SHAPE, "linear_backward_weight: columns %lld … %lld lie beyond the stride %lld of d_y", static_cast<long long>(column),
                static_cast<long long>(column + Out), static_cast<long long>(stride));
  }
  const void *left = offset_values(d_y, column, dtype);
  if (d_w != nullptr) {
    const remora_weight input = dense_weight(x, dtype, N, In);
    const auto add = [&](const Tile &tile) {
      add_tile(tile.values, tile.rows, tile.columns, d_w + tile.row * In + tile.col, In, 1.0f);
    };
    if (const int32_t status = transposed_product(TransposedProduct{ctx, kind_for(dtype), N, left, dtype, stride, Out, Source{&input}, 0, In}, add)) return status;
  }
  if (d_bias == nullptr) return REMORA_OK;
  return dispatch_dtype(ctx, dtype, [&](auto tag) {
    add_column_sums(ctx, static_cast<const decltype(tag) *>(left), d_bias, N, Out, stride);
    return static_cast<int32_t>(REMORA_OK);
  });
}

void fill_lora(Kernels &k) {
  k.lora_backward = lora_backward;
  k.linear_backward_weight = linear_backward_weight;
}

}  // namespace remora::REMORA_ISA

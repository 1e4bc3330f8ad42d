// Head and cross-entropy in chunks of trained rows: gather the rows, logits = h Wᵀ (f32), softmax and its gradient in place, then
// d_h = d_logits · W and head_grad += d_logitsᵀ · h. A row of logits is read three times while it is in the second-level cache (maximum, sum,
// gradient); e^x is computed twice instead of being kept, which costs about 2% of the products. Limit: the three products.
#include <cmath>

#include "gemm_products.h"

namespace remora::REMORA_ISA {
namespace {

enum Slot { INDEX = 3, GATHERED = 4, LOGITS = 5, GRADIENT = 6 };  // 0 … 2 belong to the products
constexpr int64_t DEPTH_AT_A_TIME = 16384;                       // of d_logits · W: bounds what is packed beside the logits
constexpr int64_t SUM_STRETCH = 1024;                            // values summed in f32 before they are added in f64

struct Row {
  float *logits;
  int64_t V;
  float softcap;
};

// Applies the soft cap and finds the maximum; returns the lowest index that has it.
int64_t cap_and_find_maximum(const Row &row, float &maximum) {
  V best = splat(-INFINITY);
  for (int64_t i = 0; i < row.V; i += W) {
    const int64_t n = row.V - i;
    V v = load_some(row.logits + i, n);
    if (row.softcap > 0.0f) {
      v = splat(row.softcap) * tanh(v / splat(row.softcap));
      store_some(row.logits + i, v, n);
    }
    if (n < W) v = select(first(n), v, splat(-INFINITY));
    best = max(best, v);
  }
  maximum = hmax(best);
  int64_t index = 0;
  while (index < row.V - 1 && row.logits[index] != maximum) index++;
  return index;
}

double sum_of_exponentials(const Row &row, float maximum) {
  double total = 0;
  for (int64_t begin = 0; begin < row.V; begin += SUM_STRETCH) {
    const int64_t end = begin + SUM_STRETCH < row.V ? begin + SUM_STRETCH : row.V;
    V sum = zero();
    for (int64_t i = begin; i < end; i += W) {
      const int64_t n = end - i;
      const V e = exp(load_some(row.logits + i, n) - splat(maximum));
      sum = sum + (n < W ? select(first(n), e, zero()) : e);
    }
    total += hsum(sum);
  }
  return total;
}

// logits become scale · (softmax − onehot(target)), times the soft cap's slope 1 − (logit/softcap)².
void to_gradient(const Row &row, float maximum, double sum, int64_t target, float scale) {
  const float inverse = static_cast<float>(scale / sum), logit = row.logits[target];
  for (int64_t i = 0; i < row.V; i += W) {
    const int64_t n = row.V - i;
    const V v = load_some(row.logits + i, n);
    V g = exp(v - splat(maximum)) * splat(inverse);
    if (row.softcap > 0.0f) {
      const V ratio = v / splat(row.softcap);
      g = g * (splat(1.0f) - ratio * ratio);
    }
    store_some(row.logits + i, g, n);
  }
  const float slope = row.softcap > 0.0f ? 1.0f - (logit / row.softcap) * (logit / row.softcap) : 1.0f;
  row.logits[target] -= scale * slope;
}

struct Loss {
  remora_context *ctx;
  const void *h;
  const remora_weight *head;
  const int32_t *targets;
  float scale;
  float *row_loss;
  void *d_h;
  float *head_grad;
  int32_t *row_top1;
  int32_t dtype;
  float softcap;
  Kind kind;
};

// The rows `index[0 … count)`: loss, gradient of the rows, gradient of the head.
int32_t chunk_loss(const Loss &loss, const int32_t *index, int64_t count, void *rows, float *logits, float *gradient) {
  const int64_t C = loss.head->cols, V_ = loss.head->rows;
  parallel_for(loss.ctx, count, 16, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; i++) {
      memcpy(offset_values(rows, i * C, loss.dtype), offset_values(loss.h, index[i] * C, loss.dtype), static_cast<size_t>(C * dtype_bytes(loss.dtype)));
    }
  });
  const auto store_logits = [&](const Tile &tile) {
    store_tile(tile.values, tile.rows, tile.columns, logits + tile.row * V_ + tile.col, REMORA_F32, V_, nullptr, 1.0f);
  };
  const RowsProduct forward{loss.ctx, loss.kind, rows, loss.dtype, C, count, C, loss.head, false, 0};
  if (const int32_t status = rows_product(forward, store_logits)) return status;

  const bool differentiate = loss.d_h != nullptr || loss.head_grad != nullptr;
  parallel_for(loss.ctx, count, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; i++) {
      const Row row{logits + i * V_, V_, loss.softcap};
      const int64_t target = loss.targets[index[i]];
      float maximum;
      const int64_t top = cap_and_find_maximum(row, maximum);
      const double sum = sum_of_exponentials(row, maximum);
      loss.row_loss[index[i]] = static_cast<float>(std::log(sum) + maximum - row.logits[target]);
      if (loss.row_top1 != nullptr) loss.row_top1[index[i]] = static_cast<int32_t>(top);
      if (differentiate) to_gradient(row, maximum, sum, target, loss.scale);
    }
  });

  if (loss.d_h != nullptr) {
    for (int64_t begin = 0; begin < V_; begin += DEPTH_AT_A_TIME) {
      const int64_t depth = V_ - begin < DEPTH_AT_A_TIME ? V_ - begin : DEPTH_AT_A_TIME;
      const auto add_gradient = [&](const Tile &tile) {
        float *out = gradient + tile.row * C + tile.col;
        if (begin == 0) store_tile(tile.values, tile.rows, tile.columns, out, REMORA_F32, C, nullptr, 1.0f);
        else add_tile(tile.values, tile.rows, tile.columns, out, C, 1.0f);
      };
      const RowsProduct backward{loss.ctx, loss.kind, logits + begin, REMORA_F32, V_, count, depth, loss.head, true, begin};
      if (const int32_t status = rows_product(backward, add_gradient)) return status;
    }
    parallel_for(loss.ctx, count, 16, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; i++) store_tile_row(gradient + i * C, C, offset_values(loss.d_h, index[i] * C, loss.dtype), loss.dtype);
    });
  }
  if (loss.head_grad != nullptr) {
    const remora_weight right = dense_weight(rows, loss.dtype, count, C);
    const auto add_head = [&](const Tile &tile) { add_tile(tile.values, tile.rows, tile.columns, loss.head_grad + tile.row * C + tile.col, C, 1.0f); };
    const TransposedProduct product{loss.ctx, loss.kind, count, logits, REMORA_F32, V_, V_, Source{&right}, 0, C};
    if (const int32_t status = transposed_product(product, add_head)) return status;
  }
  return REMORA_OK;
}

}  // namespace

int32_t head_loss(remora_context *ctx, const void *h, const remora_weight *head, const int32_t *targets, const float *loss_scale,
                  float *row_loss, void *d_h, float *head_grad, int32_t *row_top1, int64_t N, int32_t dtype, int64_t chunk_rows, float softcap) {
  if (N == 0) return REMORA_OK;
  if (chunk_rows < 1) return fail(ctx, REMORA_STATUS_ARGUMENT, "head_loss: chunk_rows must be at least 1, found %lld", static_cast<long long>(chunk_rows));
  const int64_t C = head->cols, V_ = head->rows;
  auto *index = static_cast<int32_t *>(scratch(ctx, INDEX, N * 4));
  if (index == nullptr) return fail(ctx, REMORA_STATUS_MEMORY, "head_loss: no memory for the list of trained rows");
  int64_t trained = 0;
  for (int64_t n = 0; n < N; n++) {
    if (targets[n] >= V_) {
      return fail(ctx, REMORA_STATUS_ARGUMENT, "head_loss: row %lld has target %d, but the head has %lld rows", static_cast<long long>(n), targets[n],
                  static_cast<long long>(V_));
    }
    if (targets[n] >= 0) {
      index[trained++] = static_cast<int32_t>(n);
      continue;
    }
    row_loss[n] = 0.0f;
    if (row_top1 != nullptr) row_top1[n] = -1;
    if (d_h != nullptr) memset(offset_values(d_h, n * C, dtype), 0, static_cast<size_t>(C * dtype_bytes(dtype)));
  }
  if (trained == 0) return REMORA_OK;

  const int64_t chunks = (trained + chunk_rows - 1) / chunk_rows, most = (trained + chunks - 1) / chunks;
  void *rows = scratch(ctx, GATHERED, most * C * dtype_bytes(dtype));
  auto *logits = static_cast<float *>(scratch(ctx, LOGITS, most * V_ * 4));
  auto *gradient = static_cast<float *>(d_h != nullptr ? scratch(ctx, GRADIENT, most * C * 4 + 64) : nullptr);
  if (rows == nullptr || logits == nullptr || (d_h != nullptr && gradient == nullptr)) {
    return fail(ctx, REMORA_STATUS_MEMORY, "head_loss: no memory for %lld rows of %lld logits; use fewer chunk_rows", static_cast<long long>(most),
                static_cast<long long>(V_));
  }
  const Loss loss{ctx, h, head, targets, loss_scale != nullptr ? loss_scale[0] : 1.0f, row_loss, d_h, head_grad, row_top1, dtype, softcap, kind_for(dtype)};
  for (int64_t c = 0; c < chunks; c++) {
    const int64_t begin = trained * c / chunks, end = trained * (c + 1) / chunks;
    if (const int32_t status = chunk_loss(loss, index + begin, end - begin, rows, logits, gradient)) return status;
  }
  return REMORA_OK;
}

void fill_head_loss(Kernels &k) { k.head_loss = head_loss; }

}  // namespace remora::REMORA_ISA

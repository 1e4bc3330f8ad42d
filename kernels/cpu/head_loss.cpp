// Head and cross-entropy in chunks of trained rows. Logits are large, so they cross memory as seldom as they can:
//   1. logits = h Wᵀ (f32); when a tile of them is stored, its maximum and sum of exponentials per row are noted while it is in registers
//   2. those notes combine, tile by tile in order, to the row's log-sum-exp: the loss
//   3. d_h = d_logits · W: the gradient softmax − onehot is made from the logits while packing, and never stored
// Only with head_grad (d_logitsᵀ · h) are logits replaced by their gradient in memory. e^x is computed twice instead of being kept.
// Limit: the products.
#include <cmath>

#include "gemm_products.h"

namespace remora::REMORA_ISA {
namespace {

enum Slot { INDEX = 3, GATHERED = 4, LOGITS = 5, GRADIENT = 6, NOTES = 7 };  // 0 … 2 belong to the products
constexpr int64_t DEPTH_AT_A_TIME = 16384;                       // of d_logits · W: bounds what is packed beside the logits

// What step 1 notes of one row of one tile.
struct Note {
  float maximum, sum;  // sum of e^(logit − maximum)
};

struct Row {
  const float *logits;
  int64_t V;
  float softcap;
  float maximum;   // of the whole row
  double sum;      // of e^(logit − maximum)
  int64_t target;
};

// Applies the soft cap to a tile of logits and notes each row's maximum and sum.
void note_tile(const Tile &tile, float softcap, Note *notes, int64_t notes_stride) {
  for (int64_t i = 0; i < tile.rows; i++, notes += notes_stride) {
    float *logits = tile.values + i * NR;
    V v[2], best = splat(-INFINITY), sum = zero();
    for (int h = 0; h < 2; h++) {
      const int64_t n = tile.columns - h * W;
      v[h] = load(logits + h * W);
      if (softcap > 0.0f) {
        v[h] = splat(softcap) * tanh(v[h] / splat(softcap));
        store(logits + h * W, v[h]);
      }
      if (n < W) v[h] = n > 0 ? select(first(n), v[h], splat(-INFINITY)) : splat(-INFINITY);
      best = max(v[h], best);
    }
    notes->maximum = hmax(best);
    for (int h = 0; h < 2; h++) sum = sum + exp(v[h] - splat(notes->maximum));  // e^−infinity adds nothing
    notes->sum = hsum(sum);
  }
}

// Fills maximum and sum from the notes; returns the lowest index that has the maximum.
int64_t combine_notes(Row &row, const Note *notes) {
  const int64_t tiles = (row.V + NR - 1) / NR;
  int64_t best = 0;
  for (int64_t t = 1; t < tiles; t++) {
    if (notes[t].maximum > notes[best].maximum) best = t;
  }
  row.maximum = notes[best].maximum;
  row.sum = 0;
  for (int64_t t = 0; t < tiles; t++) row.sum += static_cast<double>(notes[t].sum) * std::exp(static_cast<double>(notes[t].maximum) - row.maximum);
  int64_t index = best * NR;
  while (index < row.V - 1 && row.logits[index] != row.maximum) index++;
  return index;
}

// out[i] = scale · (softmax − onehot) of logits [begin, begin + count), times the soft cap's slope 1 − (logit/softcap)². out may be the logits.
void write_gradient(const Row &row, float scale, int64_t begin, int64_t count, float *out) {
  const float inverse = static_cast<float>(scale / row.sum), target_logit = row.logits[row.target];
  for (int64_t i = 0; i < count; i += W) {
    const int64_t n = count - i;
    const V v = load_some(row.logits + begin + i, n);
    V g = exp(v - splat(row.maximum)) * splat(inverse);
    if (row.softcap > 0.0f) {
      const V ratio = v / splat(row.softcap);
      g = g * (splat(1.0f) - ratio * ratio);
    }
    store_some(out + i, g, n);
  }
  if (row.target < begin || row.target >= begin + count) return;
  const float ratio = row.softcap > 0.0f ? target_logit / row.softcap : 0.0f;
  out[row.target - begin] -= scale * (1.0f - ratio * ratio);
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

// Scratch of a chunk.
struct Arrays {
  void *rows;       // act [n, C], the trained rows
  float *logits;    // [n, V]
  float *gradient;  // [n, C], only with d_h
  Note *notes;      // [n, tiles]
  Row *stats;       // [n]
};

// The rows `index[0 … count)`: loss, gradient of the rows, gradient of the head.
int32_t chunk_loss(const Loss &loss, const int32_t *index, int64_t count, const Arrays &arrays) {
  const int64_t C = loss.head->cols, V_ = loss.head->rows, tiles = (V_ + NR - 1) / NR;
  void *const rows = arrays.rows;
  float *const logits = arrays.logits;
  parallel_for(loss.ctx, count, 16, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; i++) {
      memcpy(offset_values(rows, i * C, loss.dtype), offset_values(loss.h, index[i] * C, loss.dtype), static_cast<size_t>(C * dtype_bytes(loss.dtype)));
    }
  });
  const auto store_logits = [&](const Tile &tile) {
    note_tile(tile, loss.softcap, arrays.notes + tile.row * tiles + tile.col / NR, tiles);
    store_tile(tile.values, tile.rows, tile.columns, logits + tile.row * V_ + tile.col, REMORA_F32, V_, nullptr, 1.0f);
  };
  const RowsProduct forward{loss.ctx, loss.kind, rows, loss.dtype, C, count, C, loss.head, false, 0};
  if (const int32_t status = rows_product(forward, store_logits)) return status;

  parallel_for(loss.ctx, count, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; i++) {
      Row &row = arrays.stats[i];
      row = Row{logits + i * V_, V_, loss.softcap, 0.0f, 0.0, loss.targets[index[i]]};
      const int64_t top = combine_notes(row, arrays.notes + i * tiles);
      loss.row_loss[index[i]] = static_cast<float>(std::log(row.sum) + row.maximum - row.logits[row.target]);
      if (loss.row_top1 != nullptr) loss.row_top1[index[i]] = static_cast<int32_t>(top);
      if (loss.head_grad != nullptr) write_gradient(row, loss.scale, 0, V_, logits + i * V_);
    }
  });

  if (loss.d_h != nullptr) {
    for (int64_t begin = 0; begin < V_; begin += DEPTH_AT_A_TIME) {
      const int64_t depth = V_ - begin < DEPTH_AT_A_TIME ? V_ - begin : DEPTH_AT_A_TIME;
      const auto add_gradient = [&](const Tile &tile) {
        float *out = arrays.gradient + tile.row * C + tile.col;
        if (begin == 0) store_tile(tile.values, tile.rows, tile.columns, out, REMORA_F32, C, nullptr, 1.0f);
        else add_tile(tile.values, tile.rows, tile.columns, out, C, 1.0f);
      };
      const auto gradient_of_row = [&](int64_t i, int64_t from, int64_t n, float *out) { write_gradient(arrays.stats[i], loss.scale, begin + from, n, out); };
      const FunctionRef<void(int64_t, int64_t, int64_t, float *)> make_row(gradient_of_row);
      const bool stored = loss.head_grad != nullptr;
      const RowsProduct backward{loss.ctx,  loss.kind, stored ? logits + begin : nullptr, REMORA_F32, V_, count, depth, loss.head, true, begin,
                                 stored ? nullptr : &make_row};
      if (const int32_t status = rows_product(backward, add_gradient)) return status;
    }
    parallel_for(loss.ctx, count, 16, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; i++) store_tile_row(arrays.gradient + i * C, C, offset_values(loss.d_h, index[i] * C, loss.dtype), loss.dtype);
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
  const int64_t tiles = (V_ + NR - 1) / NR;
  Arrays arrays{};
  arrays.rows = scratch(ctx, GATHERED, most * C * dtype_bytes(dtype));
  arrays.logits = static_cast<float *>(scratch(ctx, LOGITS, most * V_ * 4));
  arrays.gradient = static_cast<float *>(d_h != nullptr ? scratch(ctx, GRADIENT, most * C * 4 + 64) : nullptr);
  arrays.stats = static_cast<Row *>(scratch(ctx, NOTES, most * static_cast<int64_t>(sizeof(Row) + tiles * sizeof(Note))));
  arrays.notes = reinterpret_cast<Note *>(arrays.stats + most);
  if (arrays.rows == nullptr || arrays.logits == nullptr || (d_h != nullptr && arrays.gradient == nullptr) || arrays.stats == nullptr) {
    return fail(ctx, REMORA_STATUS_MEMORY, "head_loss: no memory for %lld rows of %lld logits; use fewer chunk_rows", static_cast<long long>(most),
                static_cast<long long>(V_));
  }
  const Loss loss{ctx, h, head, targets, loss_scale != nullptr ? loss_scale[0] : 1.0f, row_loss, d_h, head_grad, row_top1, dtype, softcap, kind_for(dtype)};
  for (int64_t c = 0; c < chunks; c++) {
    const int64_t begin = trained * c / chunks, end = trained * (c + 1) / chunks;
    if (const int32_t status = chunk_loss(loss, index + begin, end - begin, arrays)) return status;
  }
  return REMORA_OK;
}

void fill_head_loss(Kernels &k) { k.head_loss = head_loss; }

}  // namespace remora::REMORA_ISA

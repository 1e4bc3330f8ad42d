// Embedding, and head with cross-entropy.
#include "reference.h"

namespace remora::reference {

// y[n] = scale · table[ids[n]]
static int32_t embedding_forward(remora_context *ctx, const remora_weight *table, const int32_t *ids, void *y, int64_t N, int32_t dtype,
                                 float scale) {
  const int64_t C = table->cols;
  double *row = doubles(ctx, 0, C);
  REMORA_NEED(row);
  for (int64_t n = 0; n < N; n++) {
    if (ids[n] >= table->rows) {
      return fail(ctx, REMORA_STATUS_ARGUMENT, "embedding_forward: row %lld has id %d, the table has %lld rows", static_cast<long long>(n),
                  ids[n], static_cast<long long>(table->rows));
    }
    if (ids[n] >= 0) decode_row(*table, ids[n], row);
    for (int64_t c = 0; c < C; c++) put(y, n * C + c, dtype, ids[n] < 0 ? 0 : scale * row[c]);
  }
  return REMORA_OK;
}

// d_table[ids[n]] += scale · d_y[n], in row order
static int32_t embedding_backward(remora_context *ctx, const int32_t *ids, const void *d_y, float *d_table, int64_t N, int64_t C,
                                  int64_t rows, int32_t dtype, float scale) {
  for (int64_t n = 0; n < N; n++) {
    if (ids[n] >= rows) {
      return fail(ctx, REMORA_STATUS_ARGUMENT, "embedding_backward: row %lld has id %d, the table has %lld rows", static_cast<long long>(n),
                  ids[n], static_cast<long long>(rows));
    }
    for (int64_t c = 0; c < C && ids[n] >= 0; c++) {
      float &target = d_table[ids[n] * C + c];
      target = static_cast<float>(target + scale * get(d_y, n * C + c, dtype));
    }
  }
  return REMORA_OK;
}

// Of one trained row, with z = h Wᵀ, capped as z' = softcap · tanh(z / softcap), and p = softmax(z'):
//   loss = log Σ_v exp(z'_v) − z'_target
//   d_z_v = loss_scale · (p_v − [v = target]), times 1 − (z'_v / softcap)² when there is a cap
//   d_h = Σ_v d_z_v W_v,   head_grad_v += d_z_v h
static int32_t head_loss(remora_context *ctx, const void *h, const remora_weight *head, const int32_t *targets, const float *loss_scale,
                         float *row_loss, void *d_h, float *head_grad, int32_t *row_top1, int64_t N, int32_t dtype, int64_t, float softcap) {
  const int64_t V = head->rows, C = head->cols;
  double *w = doubles(ctx, 0, V * C);
  REMORA_NEED(w);
  double *x = doubles(ctx, 1, C);
  REMORA_NEED(x);
  double *z = doubles(ctx, 2, V);
  REMORA_NEED(z);
  double *dx = doubles(ctx, 3, C);
  REMORA_NEED(dx);
  double *dw = doubles(ctx, 4, head_grad == nullptr ? 0 : V * C);
  REMORA_NEED(dw);
  decode_all(*head, w);
  for (int64_t i = 0; i < V * C && head_grad != nullptr; i++) dw[i] = 0;
  for (int64_t n = 0; n < N; n++) {
    const int64_t target = targets[n];
    if (target >= V) {
      return fail(ctx, REMORA_STATUS_ARGUMENT, "head_loss: row %lld has target %lld, the head has %lld rows", static_cast<long long>(n),
                  static_cast<long long>(target), static_cast<long long>(V));
    }
    for (int64_t c = 0; c < C; c++) {
      x[c] = get(h, n * C + c, dtype);
      dx[c] = 0;
    }
    if (target < 0) {
      row_loss[n] = 0;
      if (row_top1 != nullptr) row_top1[n] = -1;
    } else {
      int64_t best = 0;
      for (int64_t v = 0; v < V; v++) {
        z[v] = 0;
        for (int64_t c = 0; c < C; c++) z[v] += x[c] * w[v * C + c];
        if (softcap > 0) z[v] = softcap * std::tanh(z[v] / softcap);
        if (z[v] > z[best]) best = v;
      }
      double total = 0;
      for (int64_t v = 0; v < V; v++) total += std::exp(z[v] - z[best]);
      row_loss[n] = static_cast<float>(z[best] + std::log(total) - z[target]);
      if (row_top1 != nullptr) row_top1[n] = static_cast<int32_t>(best);
      for (int64_t v = 0; v < V && (d_h != nullptr || head_grad != nullptr); v++) {
        double dz = loss_scale[0] * (std::exp(z[v] - z[best]) / total - (v == target ? 1 : 0));
        if (softcap > 0) dz *= 1 - (z[v] / softcap) * (z[v] / softcap);
        for (int64_t c = 0; c < C; c++) dx[c] += dz * w[v * C + c];
        for (int64_t c = 0; c < C && head_grad != nullptr; c++) dw[v * C + c] += dz * x[c];
      }
    }
    for (int64_t c = 0; c < C && d_h != nullptr; c++) put(d_h, n * C + c, dtype, dx[c]);
  }
  for (int64_t i = 0; i < V * C && head_grad != nullptr; i++) head_grad[i] = static_cast<float>(head_grad[i] + dw[i]);
  return REMORA_OK;
}

void fill_embedding(Kernels &k) {
  k.embedding_forward = embedding_forward;
  k.embedding_backward = embedding_backward;
  k.head_loss = head_loss;
}

}  // namespace remora::reference

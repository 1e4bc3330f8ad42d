// Rows of the embedding table, dense or quantized, and the gradient of a trained table.
#include "decode.h"

namespace remora::REMORA_ISA {

static int32_t bad_id(remora_context *ctx, const char *op, int64_t n, int64_t id, int64_t rows) {
  return fail(ctx, REMORA_STATUS_ARGUMENT, "%s: ids[%lld] is %lld; the table has %lld rows", op, static_cast<long long>(n),
              static_cast<long long>(id), static_cast<long long>(rows));
}

static int32_t embedding_forward(remora_context *ctx, const remora_weight *table, const int32_t *ids, void *y, int64_t N, int32_t dtype,
                                 float scale) {
  const int64_t C = table->cols, block = format_block(table->format);
  if (block == 0) return fail(ctx, REMORA_STATUS_DTYPE, "embedding_forward: unknown weight format %d", static_cast<int>(table->format));
  if (C % block != 0)
    return fail(ctx, REMORA_STATUS_SHAPE, "embedding_forward: rows of %lld elements; format %d needs a multiple of %lld",
                static_cast<long long>(C), static_cast<int>(table->format), static_cast<long long>(block));
  for (int64_t n = 0; n < N; n++)
    if (ids[n] >= table->rows) return bad_id(ctx, "embedding_forward", n, ids[n], table->rows);
  return dispatch_dtype(ctx, dtype, [&](auto tag) {
    using T = decltype(tag);
    bool refused = false;
    if (scale != 1.0f)
      for (int t = 0; t < thread_count(ctx); t++) refused |= thread_scratch(ctx, t, 0, C * 4) == nullptr;
    if (refused) return fail(ctx, REMORA_STATUS_MEMORY, "embedding_forward: no memory for a row of %lld values", static_cast<long long>(C));
    parallel_for(ctx, N, grain_for(C), [&](int64_t begin, int64_t end, int thread) {
      for (int64_t n = begin; n < end; n++) {
        T *out = static_cast<T *>(y) + n * C;
        if (ids[n] < 0) {
          memset(out, 0, static_cast<size_t>(C) * sizeof(T));
        } else if (scale == 1.0f) {
          decode_segment(*table, ids[n], 0, C, out);
        } else {
          float *row = static_cast<float *>(thread_scratch(ctx, thread, 0, C * 4));
          decode_segment(*table, ids[n], 0, C, row);
          for (int64_t c = 0; c < C; c += W) store_some(out + c, load_some(row + c, C - c) * splat(scale), C - c);
        }
      }
    });
    return REMORA_OK;
  });
}

// The same id may come many times: threads share the columns, not the rows, and each adds its columns in row order.
static int32_t embedding_backward(remora_context *ctx, const int32_t *ids, const void *d_y, float *d_table, int64_t N, int64_t C, int64_t rows,
                                  int32_t dtype, float scale) {
  for (int64_t n = 0; n < N; n++)
    if (ids[n] >= rows) return bad_id(ctx, "embedding_backward", n, ids[n], rows);
  return dispatch_dtype(ctx, dtype, [&](auto tag) {
    using T = decltype(tag);
    constexpr int64_t STRIP = 64;
    const int64_t strips = (C + STRIP - 1) / STRIP, threads = thread_count(ctx);
    parallel_for(ctx, strips, (strips + threads - 1) / threads, [&](int64_t begin, int64_t end, int) {
      const int64_t from = begin * STRIP, to = end * STRIP < C ? end * STRIP : C;
      for (int64_t n = 0; n < N; n++) {
        if (ids[n] < 0) continue;
        const T *g = static_cast<const T *>(d_y) + n * C;
        float *target = d_table + static_cast<int64_t>(ids[n]) * C;
        for (int64_t c = from; c < to; c += W)
          store_some(target + c, fma(load_some(g + c, to - c), splat(scale), load_some(target + c, to - c)), to - c);
      }
    });
    return REMORA_OK;
  });
}

void fill_embedding(Kernels &k) {
  k.embedding_forward = embedding_forward;
  k.embedding_backward = embedding_backward;
}

}  // namespace remora::REMORA_ISA

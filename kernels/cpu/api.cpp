// build: once
// The extern "C" ops: each checks what every implementation would have to check (context, sizes, dtypes, weight descriptions), then calls
// the op of the context's kernel table. An op the table lacks answers REMORA_STATUS_UNSUPPORTED by name.
#include "api_checks.h"

extern "C" {

int32_t remora_measure_peak(remora_context *ctx, double *gflops, int32_t kind, double seconds) {
  BEGIN(measure_peak);
  return ctx->kernels->measure_peak(ctx, gflops, kind, seconds);
}

int32_t remora_convert(remora_context *ctx, const void *source, void *target, int64_t count, int32_t source_dtype, int32_t target_dtype) {
  BEGIN(convert);
  SIZES(count);
  DTYPE(source_dtype);
  DTYPE(target_dtype);
  return ctx->kernels->convert(ctx, source, target, count, source_dtype, target_dtype);
}

int32_t remora_add(remora_context *ctx, const void *x, void *y, int64_t count, int32_t dtype, float scale) {
  BEGIN(add);
  SIZES(count);
  DTYPE(dtype);
  return ctx->kernels->add(ctx, x, y, count, dtype, scale);
}

int32_t remora_sum(remora_context *ctx, const float *x, float *out, int64_t count) {
  BEGIN(sum);
  SIZES(count);
  return ctx->kernels->sum(ctx, x, out, count);
}

int32_t remora_random(remora_context *ctx, float *x, int64_t count, uint64_t seed, float bound, int32_t normal) {
  BEGIN(random);
  SIZES(count);
  return ctx->kernels->random(ctx, x, count, seed, bound, normal);
}

int32_t remora_gather_rows(remora_context *ctx, const void *x, const int32_t *rows, void *out, int64_t count, int64_t C, int32_t dtype) {
  BEGIN(gather_rows);
  SIZES(count, C);
  DTYPE(dtype);
  return ctx->kernels->gather_rows(ctx, x, rows, out, count, C, dtype);
}

int32_t remora_rms_norm_forward(remora_context *ctx, const void *x, const void *residual, const float *weight, void *sum, void *y,
                                float *rstd, int64_t N, int64_t C, int32_t dtype, float eps) {
  BEGIN(rms_norm_forward);
  SIZES(N, C);
  DTYPE(dtype);
  return ctx->kernels->rms_norm_forward(ctx, x, residual, weight, sum, y, rstd, N, C, dtype, eps);
}

int32_t remora_rms_norm_backward(remora_context *ctx, const void *s, const float *weight, const float *rstd, const void *d_y,
                                 const void *d_residual, void *d_sum, float *weight_grad, int64_t N, int64_t C, int32_t dtype) {
  BEGIN(rms_norm_backward);
  SIZES(N, C);
  DTYPE(dtype);
  return ctx->kernels->rms_norm_backward(ctx, s, weight, rstd, d_y, d_residual, d_sum, weight_grad, N, C, dtype);
}

int32_t remora_rms_norm_apply(remora_context *ctx, const void *s, const float *weight, const float *rstd, void *y, int64_t N, int64_t C,
                              int32_t dtype) {
  BEGIN(rms_norm_apply);
  SIZES(N, C);
  DTYPE(dtype);
  return ctx->kernels->rms_norm_apply(ctx, s, weight, rstd, y, N, C, dtype);
}

int32_t remora_layer_norm_forward(remora_context *ctx, const void *x, const void *residual, const float *weight, const float *bias,
                                  void *y, int64_t N, int64_t C, int32_t dtype, float eps) {
  BEGIN(layer_norm_forward);
  SIZES(N, C);
  DTYPE(dtype);
  return ctx->kernels->layer_norm_forward(ctx, x, residual, weight, bias, y, N, C, dtype, eps);
}

int32_t remora_linear_forward(remora_context *ctx, const remora_linear_part *parts, int32_t part_count, const float *bias, const void *x,
                              void *y, void *xa, int64_t N, int32_t dtype, float dropout, const uint64_t *seed) {
  BEGIN(linear_forward);
  PARTS(parts, part_count);
  SIZES(N);
  DTYPE(dtype);
  if (parts[0].weight.format == REMORA_E4M3) EXACT_IN_FP8(dtype);
  return ctx->kernels->linear_forward(ctx, parts, part_count, bias, x, y, xa, N, dtype, dropout, seed);
}

int32_t remora_linear_backward_input(remora_context *ctx, const remora_linear_part *parts, int32_t part_count, const void *d_y, void *d_x,
                                     void *db, int64_t N, int32_t dtype, float dropout, const uint64_t *seed) {
  BEGIN(linear_backward_input);
  PARTS(parts, part_count);
  SIZES(N);
  DTYPE(dtype);
  if (parts[0].weight.format == REMORA_E4M3) EXACT_IN_FP8(dtype);
  return ctx->kernels->linear_backward_input(ctx, parts, part_count, d_y, d_x, db, N, dtype, dropout, seed);
}

int32_t remora_lora_backward(remora_context *ctx, const remora_linear_part *parts, int32_t part_count, const void *x, const void *xa,
                             const void *d_y, const void *db, int64_t N, int32_t dtype, float dropout, const uint64_t *seed) {
  BEGIN(lora_backward);
  PARTS(parts, part_count);
  SIZES(N);
  DTYPE(dtype);
  return ctx->kernels->lora_backward(ctx, parts, part_count, x, xa, d_y, db, N, dtype, dropout, seed);
}

int32_t remora_linear_backward_weight(remora_context *ctx, const void *x, const void *d_y, float *d_w, float *d_bias, int64_t N,
                                      int64_t In, int64_t Out, int64_t stride, int64_t column, int32_t dtype) {
  BEGIN(linear_backward_weight);
  SIZES(N, In, Out, stride, column);
  DTYPE(dtype);
  return ctx->kernels->linear_backward_weight(ctx, x, d_y, d_w, d_bias, N, In, Out, stride, column, dtype);
}

int32_t remora_rope_forward(remora_context *ctx, const void *qkv, const float *q_norm, const float *k_norm, const float *table,
                            const int32_t *positions, void *out, int64_t N, int64_t H, int64_t K, int64_t D, int64_t rotary,
                            int32_t dtype, float eps) {
  BEGIN(rope_forward);
  SIZES(N, H, K, D, rotary);
  DTYPE(dtype);
  return ctx->kernels->rope_forward(ctx, qkv, q_norm, k_norm, table, positions, out, N, H, K, D, rotary, dtype, eps);
}

int32_t remora_rope_backward(remora_context *ctx, const void *qkv, const float *q_norm, const float *k_norm, const float *table,
                             const int32_t *positions, const void *d_out, void *d_qkv, float *q_norm_grad, float *k_norm_grad, int64_t N,
                             int64_t H, int64_t K, int64_t D, int64_t rotary, int32_t dtype, float eps) {
  BEGIN(rope_backward);
  SIZES(N, H, K, D, rotary);
  DTYPE(dtype);
  return ctx->kernels->rope_backward(ctx, qkv, q_norm, k_norm, table, positions, d_out, d_qkv, q_norm_grad, k_norm_grad, N, H, K, D, rotary,
                                     dtype, eps);
}

int32_t remora_attention_forward(remora_context *ctx, const void *qkv, const int32_t *segment_start, const int32_t *segment_end,
                                 void *out, float *lse, int64_t N, int64_t H, int64_t K, int64_t D, int32_t dtype, float scale,
                                 int32_t causal, int64_t window, float softcap) {
  BEGIN(attention_forward);
  SIZES(N, H, K, D, window);
  DTYPE(dtype);
  return ctx->kernels->attention_forward(ctx, qkv, segment_start, segment_end, out, lse, N, H, K, D, dtype, scale, causal, window, softcap);
}

int32_t remora_attention_backward(remora_context *ctx, const void *qkv, const int32_t *segment_start, const int32_t *segment_end,
                                  const void *out, const float *lse, const void *d_out, void *d_qkv, int64_t N, int64_t H, int64_t K,
                                  int64_t D, int32_t dtype, float scale, int32_t causal, int64_t window, float softcap) {
  BEGIN(attention_backward);
  SIZES(N, H, K, D, window);
  DTYPE(dtype);
  return ctx->kernels->attention_backward(ctx, qkv, segment_start, segment_end, out, lse, d_out, d_qkv, N, H, K, D, dtype, scale, causal,
                                          window, softcap);
}

int32_t remora_cache_write(remora_context *ctx, const void *qkv, const int32_t *sequences, const int32_t *positions,
                           const int32_t *block_table, void *k_pages, void *v_pages, int64_t N, int64_t H, int64_t K, int64_t D,
                           int64_t page_size, int64_t blocks_per_sequence, int32_t dtype) {
  BEGIN(cache_write);
  SIZES(N, H, K, D, page_size, blocks_per_sequence);
  DTYPE(dtype);
  return ctx->kernels->cache_write(ctx, qkv, sequences, positions, block_table, k_pages, v_pages, N, H, K, D, page_size,
                                   blocks_per_sequence, dtype);
}

int32_t remora_attention_paged(remora_context *ctx, const void *qkv, const int32_t *sequences, const int32_t *positions,
                               const int32_t *block_table, const void *k_pages, const void *v_pages, void *out, int64_t N, int64_t H,
                               int64_t K, int64_t D, int64_t page_size, int64_t blocks_per_sequence, int32_t dtype, float scale,
                               int64_t window, float softcap) {
  BEGIN(attention_paged);
  SIZES(N, H, K, D, page_size, blocks_per_sequence, window);
  DTYPE(dtype);
  return ctx->kernels->attention_paged(ctx, qkv, sequences, positions, block_table, k_pages, v_pages, out, N, H, K, D, page_size,
                                       blocks_per_sequence, dtype, scale, window, softcap);
}

int32_t remora_gated_forward(remora_context *ctx, const void *gate_up, void *y, int64_t N, int64_t F, int32_t dtype, int32_t kind) {
  BEGIN(gated_forward);
  SIZES(N, F);
  DTYPE(dtype);
  return ctx->kernels->gated_forward(ctx, gate_up, y, N, F, dtype, kind);
}

int32_t remora_gated_backward(remora_context *ctx, const void *gate_up, const void *d_y, void *d_gate_up, int64_t N, int64_t F,
                              int32_t dtype, int32_t kind) {
  BEGIN(gated_backward);
  SIZES(N, F);
  DTYPE(dtype);
  return ctx->kernels->gated_backward(ctx, gate_up, d_y, d_gate_up, N, F, dtype, kind);
}

int32_t remora_gelu_forward(remora_context *ctx, const void *x, void *y, int64_t count, int32_t dtype, int32_t kind) {
  BEGIN(gelu_forward);
  SIZES(count);
  DTYPE(dtype);
  return ctx->kernels->gelu_forward(ctx, x, y, count, dtype, kind);
}

int32_t remora_embedding_forward(remora_context *ctx, const remora_weight *table, const int32_t *ids, void *y, int64_t N, int32_t dtype,
                                 float scale) {
  BEGIN(embedding_forward);
  WEIGHT(table);
  SIZES(N);
  DTYPE(dtype);
  return ctx->kernels->embedding_forward(ctx, table, ids, y, N, dtype, scale);
}

int32_t remora_embedding_backward(remora_context *ctx, const int32_t *ids, const void *d_y, float *d_table, int64_t N, int64_t C,
                                  int64_t rows, int32_t dtype, float scale) {
  BEGIN(embedding_backward);
  SIZES(N, C, rows);
  DTYPE(dtype);
  return ctx->kernels->embedding_backward(ctx, ids, d_y, d_table, N, C, rows, dtype, scale);
}

int32_t remora_head_loss(remora_context *ctx, const void *h, const remora_weight *head, const int32_t *targets, const float *loss_scale,
                         float *row_loss, void *d_h, float *head_grad, int32_t *row_top1, int64_t N, int32_t dtype, int64_t chunk_rows,
                         float softcap) {
  BEGIN(head_loss);
  WEIGHT(head);
  SIZES(N, chunk_rows);
  DTYPE(dtype);
  return ctx->kernels->head_loss(ctx, h, head, targets, loss_scale, row_loss, d_h, head_grad, row_top1, N, dtype, chunk_rows, softcap);
}

int32_t remora_gradient_norm(remora_context *ctx, const float *gradients, float *norm, int64_t count, float max_norm) {
  BEGIN(gradient_norm);
  SIZES(count);
  return ctx->kernels->gradient_norm(ctx, gradients, norm, count, max_norm);
}

int32_t remora_adamw(remora_context *ctx, const float *gradients, const float *hyper, const float *clip, float *params, float *m,
                     float *v, void *weights_out, int64_t count, int32_t out_dtype) {
  BEGIN(adamw);
  SIZES(count);
  if (weights_out != nullptr) DTYPE(out_dtype);
  return ctx->kernels->adamw(ctx, gradients, hyper, clip, params, m, v, weights_out, count, out_dtype);
}

int32_t remora_adamw_8bit(remora_context *ctx, const float *gradients, const float *hyper, const float *clip, float *params, uint8_t *m,
                          uint8_t *v, float *m_scales, float *v_scales, void *weights_out, int64_t count, int32_t out_dtype) {
  BEGIN(adamw_8bit);
  SIZES(count);
  if (weights_out != nullptr) DTYPE(out_dtype);
  return ctx->kernels->adamw_8bit(ctx, gradients, hyper, clip, params, m, v, m_scales, v_scales, weights_out, count, out_dtype);
}

int32_t remora_nf4_encode(remora_context *ctx, const void *x, uint8_t *codes, float *absmax, int64_t count, int32_t dtype) {
  BEGIN(nf4_encode);
  SIZES(count);
  DTYPE(dtype);
  return ctx->kernels->nf4_encode(ctx, x, codes, absmax, count, dtype);
}

int32_t remora_nf4_nest(remora_context *ctx, const float *absmax, const float *nested_code, uint8_t *scale_codes, float *nested,
                        float *offset, int64_t blocks) {
  BEGIN(nf4_nest);
  SIZES(blocks);
  return ctx->kernels->nf4_nest(ctx, absmax, nested_code, scale_codes, nested, offset, blocks);
}

int32_t remora_fp8_encode(remora_context *ctx, const void *x, uint8_t *codes, float *scales, int64_t rows, int64_t cols, int32_t dtype) {
  BEGIN(fp8_encode);
  SIZES(rows, cols);
  EXACT_IN_FP8(dtype);
  return ctx->kernels->fp8_encode(ctx, x, codes, scales, rows, cols, dtype);
}

int32_t remora_weight_decode(remora_context *ctx, const remora_weight *weight, void *out, int64_t row, int64_t row_count, int32_t dtype) {
  BEGIN(weight_decode);
  WEIGHT(weight);
  SIZES(row, row_count);
  DTYPE(dtype);
  return ctx->kernels->weight_decode(ctx, weight, out, row, row_count, dtype);
}

int32_t remora_gguf_encode(remora_context *ctx, const void *x, uint8_t *blocks, int64_t count, int32_t format, int32_t dtype) {
  BEGIN(gguf_encode);
  SIZES(count);
  DTYPE(dtype);
  if (format < REMORA_Q8_0 || format > REMORA_Q6_K)
    return remora::fail(ctx, REMORA_STATUS_DTYPE, "%s: expected a GGUF block format (32 to 39), found %d", op, format);
  const int64_t block = remora::format_block(format);
  if (count % block != 0)
    return remora::fail(ctx, REMORA_STATUS_SHAPE, "%s: expected a multiple of %lld values, found %lld", op, static_cast<long long>(block),
                        static_cast<long long>(count));
  return ctx->kernels->gguf_encode(ctx, x, blocks, count, format, dtype);
}

int32_t remora_merge_rows(remora_context *ctx, const remora_weight *weight, const float *a, const float *b, void *out, int64_t row,
                          int64_t row_count, int64_t rank, int32_t dtype, float scale) {
  BEGIN(merge_rows);
  WEIGHT(weight);
  DTYPE(dtype);
  if (const int32_t status = remora::check_merge(ctx, op, *weight, a, b, row, row_count, rank)) return status;
  return ctx->kernels->merge_rows(ctx, weight, a, b, out, row, row_count, rank, dtype, scale);
}

int32_t remora_merge_rows_nf4(remora_context *ctx, const remora_weight *weight, const float *a, const float *b, uint8_t *codes, float *absmax,
                              int64_t row, int64_t row_count, int64_t rank, int32_t dtype, float scale) {
  BEGIN(merge_rows_nf4);
  WEIGHT(weight);
  DTYPE(dtype);
  if (const int32_t status = remora::check_merge(ctx, op, *weight, a, b, row, row_count, rank)) return status;
  if (weight->cols % 64 != 0)
    return remora::fail(ctx, REMORA_STATUS_SHAPE, "%s: NF4 needs rows of a multiple of 64, found %lld", op, static_cast<long long>(weight->cols));
  return ctx->kernels->merge_rows_nf4(ctx, weight, a, b, codes, absmax, row, row_count, rank, dtype, scale);
}

int32_t remora_sample(remora_context *ctx, const float *logits, const float *params, const uint64_t *seeds, const int32_t *steps,
                      const int32_t *history, const int32_t *history_length, int32_t *ids, float *logprobs, int64_t B, int64_t V,
                      int64_t history_stride) {
  BEGIN(sample);
  SIZES(B, V, history_stride);
  return ctx->kernels->sample(ctx, logits, params, seeds, steps, history, history_length, ids, logprobs, B, V, history_stride);
}

}  // extern "C"

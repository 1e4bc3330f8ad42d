// The checks of api.cpp. Each macro returns from the op with a status and a text "op: expected …, found …".
#pragma once
#include <initializer_list>

#include "context_private.h"

namespace remora {

static inline bool is_activation(int32_t dtype) { return dtype == REMORA_F32 || dtype == REMORA_BF16 || dtype == REMORA_F16; }

// Elements per block along a row: the row length must be a multiple of it. 0 for an unknown format.
static inline int64_t format_block(int32_t format) {
  switch (format) {
    case REMORA_F32:
    case REMORA_BF16:
    case REMORA_F16: return 1;
    case REMORA_NF4: return 64;
    case REMORA_E4M3: return 16;
    case REMORA_Q8_0:
    case REMORA_Q4_0:
    case REMORA_Q4_1:
    case REMORA_Q5_0:
    case REMORA_Q5_1: return 32;
    case REMORA_Q4_K:
    case REMORA_Q5_K:
    case REMORA_Q6_K: return 256;
    default: return 0;
  }
}

static inline int32_t check_sizes(remora_context *ctx, const char *op, const char *names, std::initializer_list<int64_t> sizes) {
  for (int64_t size : sizes) {
    if (size < 0) {
      return fail(ctx, REMORA_STATUS_SHAPE, "%s: sizes (%s) must be at least 0, found %lld", op, names, static_cast<long long>(size));
    }
  }
  return REMORA_OK;
}

static inline int32_t check_weight(remora_context *ctx, const char *op, const remora_weight *weight) {
  if (weight == nullptr || weight->data == nullptr) return fail(ctx, REMORA_STATUS_ARGUMENT, "%s: the weight is NULL", op);
  const int64_t block = format_block(weight->format);
  if (block == 0) return fail(ctx, REMORA_STATUS_DTYPE, "%s: unknown weight format %d", op, weight->format);
  if (weight->rows < 1 || weight->cols < 1 || weight->cols % block != 0) {
    return fail(ctx, REMORA_STATUS_SHAPE, "%s: a weight of format %d needs rows of a multiple of %lld, found [%lld, %lld]", op,
                weight->format, static_cast<long long>(block), static_cast<long long>(weight->rows),
                static_cast<long long>(weight->cols));
  }
  if (weight->format == REMORA_NF4 && (weight->scales == nullptr || (weight->nested_scales != nullptr && weight->nested_code == nullptr))) {
    return fail(ctx, REMORA_STATUS_ARGUMENT, "%s: an NF4 weight needs scales, and nested_code when its scales are nested", op);
  }
  if (weight->format == REMORA_E4M3 && (weight->scales == nullptr || weight->rows % 16 != 0)) {
    return fail(ctx, REMORA_STATUS_SHAPE, "%s: an E4M3 weight needs one scale a row and a multiple of 16 rows, found %lld", op,
                static_cast<long long>(weight->rows));
  }
  return REMORA_OK;
}

static inline int32_t check_parts(remora_context *ctx, const char *op, const remora_linear_part *parts, int32_t count) {
  if (parts == nullptr || count < 1) return fail(ctx, REMORA_STATUS_ARGUMENT, "%s: expected at least one part, found %d", op, count);
  for (int32_t p = 0; p < count; p++) {
    const remora_linear_part &part = parts[p];
    if (const int32_t status = check_weight(ctx, op, &part.weight)) return status;
    if (part.weight.cols != parts[0].weight.cols) {
      return fail(ctx, REMORA_STATUS_SHAPE, "%s: the parts share x, so In must be equal; part 0 has %lld, part %d has %lld", op,
                  static_cast<long long>(parts[0].weight.cols), p, static_cast<long long>(part.weight.cols));
    }
    if ((part.weight.format == REMORA_E4M3) != (parts[0].weight.format == REMORA_E4M3)) {
      return fail(ctx, REMORA_STATUS_ARGUMENT, "%s: all parts of a group are E4M3 or none; part %d differs from part 0", op, p);
    }
    if (part.rank < 0 || (part.rank > 0 && (part.lora_a == nullptr || part.lora_b == nullptr))) {
      return fail(ctx, REMORA_STATUS_ARGUMENT, "%s: part %d has rank %d but no A or B", op, p, part.rank);
    }
  }
  return REMORA_OK;
}

static inline int32_t check_merge(remora_context *ctx, const char *op, const remora_weight &weight, const float *a, const float *b, int64_t row,
                                  int64_t row_count, int64_t rank) {
  if (const int32_t status = check_sizes(ctx, op, "row, row_count, rank", {row, row_count, rank})) return status;
  if (rank > 0 && (a == nullptr || b == nullptr))
    return fail(ctx, REMORA_STATUS_ARGUMENT, "%s: rank %lld but no A or B", op, static_cast<long long>(rank));
  if (row + row_count <= weight.rows) return REMORA_OK;
  return fail(ctx, REMORA_STATUS_ARGUMENT, "%s: rows %lld to %lld of a weight with %lld rows", op, static_cast<long long>(row),
              static_cast<long long>(row + row_count), static_cast<long long>(weight.rows));
}

}  // namespace remora

#define BEGIN(op_name)                                                                                           \
  const char *const op = #op_name;                                                                               \
  if (ctx == nullptr) return REMORA_STATUS_ARGUMENT;                                                             \
  ctx->error[0] = '\0';                                                                                          \
  if (ctx->kernels->op_name == nullptr)                                                                          \
  return remora::fail(ctx, REMORA_STATUS_UNSUPPORTED, "%s: not implemented for this processor's kernels (isa %d)", op, ctx->isa)
#define SIZES(...) \
  if (const int32_t status = remora::check_sizes(ctx, op, #__VA_ARGS__, {__VA_ARGS__})) return status
#define DTYPE(dtype) \
  if (!remora::is_activation(dtype)) return remora::fail(ctx, REMORA_STATUS_DTYPE, "%s: expected f32, bf16 or f16 (0, 1, 2), found %d", op, dtype)
// Code times scale has 4 significant bits and f32's range: exact in f32 and bf16, not in f16.
#define EXACT_IN_FP8(dtype)                              \
  if (dtype != REMORA_F32 && dtype != REMORA_BF16) \
  return remora::fail(ctx, REMORA_STATUS_DTYPE, "%s: E4M3 goes with f32 or bf16 (0, 1), found %d", op, dtype)
#define WEIGHT(weight) \
  if (const int32_t status = remora::check_weight(ctx, op, weight)) return status
#define PARTS(parts, count) \
  if (const int32_t status = remora::check_parts(ctx, op, parts, count)) return status

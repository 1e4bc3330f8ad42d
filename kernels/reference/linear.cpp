// Linear layers with LoRA, a group of parts that share their input. Every product is three plain loops over decoded weights.
#include "reference.h"

namespace remora::reference {

// Sums over the parts of a group.
struct Group {
  int64_t In, outs, ranks;
};

static Group group_of(const remora_linear_part *parts, int32_t part_count) {
  Group group = {parts[0].weight.cols, 0, 0};
  for (int32_t p = 0; p < part_count; p++) {
    group.outs += parts[p].weight.rows;
    group.ranks += parts[p].rank;
  }
  return group;
}

static double dot(const double *a, const double *b, int64_t count) {
  double total = 0;
  for (int64_t i = 0; i < count; i++) total += a[i] * b[i];
  return total;
}

// y = x Wᵀ + bias + scale · (drop(x) Aᵀ) Bᵀ, part by part;  xa = drop(x) Aᵀ
static int32_t linear_forward(remora_context *ctx, const remora_linear_part *parts, int32_t part_count, const float *bias, const void *x,
                              void *y, void *xa, int64_t N, int32_t dtype, float dropout, const uint64_t *seed) {
  const Group group = group_of(parts, part_count);
  const int64_t In = group.In;
  double *input = doubles_of(ctx, 0, x, N * In, dtype);
  REMORA_NEED(input);
  double *dropped = doubles(ctx, 1, In);
  REMORA_NEED(dropped);
  double *products = doubles(ctx, 2, N * group.ranks);  // drop(x) Aᵀ of all parts, unrounded
  REMORA_NEED(products);
  for (int64_t n = 0; n < N; n++) {
    for (int64_t c = 0; c < In; c++) dropped[c] = input[n * In + c] * dropout_factor(dropout, seed, n * In + c);
    int64_t column = 0;
    for (int32_t p = 0; p < part_count; p++) {
      for (int64_t r = 0; r < parts[p].rank; r++, column++) {
        double total = 0;
        for (int64_t c = 0; c < In; c++) total += dropped[c] * parts[p].lora_a[r * In + c];
        products[n * group.ranks + column] = total;
        put(xa, n * group.ranks + column, dtype, total);
      }
    }
  }
  if (parts[0].weight.format == REMORA_E4M3) {
    for (int64_t n = 0; n < N; n++) round_row_e4m3(input + n * In, In);
  }
  double *w = doubles(ctx, 3, In);
  REMORA_NEED(w);
  int64_t column = 0, first_rank = 0;
  for (int32_t p = 0; p < part_count; p++) {
    const remora_linear_part &part = parts[p];
    for (int64_t o = 0; o < part.weight.rows; o++, column++) {
      decode_row(part.weight, o, w);
      for (int64_t n = 0; n < N; n++) {
        double value = dot(input + n * In, w, In) + (bias == nullptr ? 0 : bias[column]);
        for (int64_t r = 0; r < part.rank; r++) {
          value += part.scale * products[n * group.ranks + first_rank + r] * part.lora_b[o * part.rank + r];
        }
        put(y, n * group.outs + column, dtype, value);
      }
    }
    first_rank += part.rank;
  }
  return REMORA_OK;
}

// E4M3: the scale of output o is folded into column o, the row rounded, and the scale taken out again, because decode_row brings it with W.
static void rounded_gradient(const remora_linear_part *parts, int32_t part_count, const double *gradient, double *rounded, int64_t N, int64_t outs) {
  const auto fold = [&](double *row, bool in) {
    for (int32_t p = 0; p < part_count; p++) {
      const float *scales = static_cast<const float *>(parts[p].weight.scales);
      for (int64_t o = 0; o < parts[p].weight.rows; o++, row++) *row = in ? *row * scales[o] : *row / scales[o];
    }
  };
  for (int64_t n = 0; n < N; n++) {
    double *row = rounded + n * outs;
    for (int64_t o = 0; o < outs; o++) row[o] = gradient[n * outs + o];
    fold(row, true);
    round_row_e4m3(row, outs);
    fold(row, false);
  }
}

// db = scale · d_y B;  d_x = Σ_parts d_y W + mask · (db A)
static int32_t linear_backward_input(remora_context *ctx, const remora_linear_part *parts, int32_t part_count, const void *d_y, void *d_x,
                                     void *db, int64_t N, int32_t dtype, float dropout, const uint64_t *seed) {
  const Group group = group_of(parts, part_count);
  const int64_t In = group.In;
  double *gradient = doubles_of(ctx, 0, d_y, N * group.outs, dtype);
  REMORA_NEED(gradient);
  double *dense = doubles(ctx, 1, N * In);  // through W
  REMORA_NEED(dense);
  double *low_rank = doubles(ctx, 2, N * In);  // through B and A, before the mask
  REMORA_NEED(low_rank);
  double *w = doubles(ctx, 3, In);
  REMORA_NEED(w);
  double *wide = gradient;  // what W multiplies
  if (parts[0].weight.format == REMORA_E4M3) {
    wide = doubles(ctx, 4, N * group.outs);
    REMORA_NEED(wide);
    rounded_gradient(parts, part_count, gradient, wide, N, group.outs);
  }
  for (int64_t i = 0; i < N * In; i++) dense[i] = low_rank[i] = 0;
  int64_t first_column = 0, first_rank = 0;
  for (int32_t p = 0; p < part_count; p++) {
    const remora_linear_part &part = parts[p];
    const int64_t Out = part.weight.rows;
    for (int64_t o = 0; o < Out && d_x != nullptr; o++) {
      decode_row(part.weight, o, w);
      for (int64_t n = 0; n < N; n++) {
        const double g = wide[n * group.outs + first_column + o];
        for (int64_t c = 0; c < In; c++) dense[n * In + c] += g * w[c];
      }
    }
    for (int64_t n = 0; n < N; n++) {
      for (int64_t r = 0; r < part.rank; r++) {
        double value = 0;
        for (int64_t o = 0; o < Out; o++) value += gradient[n * group.outs + first_column + o] * part.lora_b[o * part.rank + r];
        value *= part.scale;
        put(db, n * group.ranks + first_rank + r, dtype, value);
        for (int64_t c = 0; c < In; c++) low_rank[n * In + c] += value * part.lora_a[r * In + c];
      }
    }
    first_column += Out;
    first_rank += part.rank;
  }
  for (int64_t i = 0; i < N * In && d_x != nullptr; i++) put(d_x, i, dtype, dense[i] + low_rank[i] * dropout_factor(dropout, seed, i));
  return REMORA_OK;
}

// lora_a_grad += dbᵀ drop(x);  lora_b_grad += scale · d_yᵀ xa
static int32_t lora_backward(remora_context *ctx, const remora_linear_part *parts, int32_t part_count, const void *x, const void *xa,
                             const void *d_y, const void *db, int64_t N, int32_t dtype, float dropout, const uint64_t *seed) {
  const Group group = group_of(parts, part_count);
  const int64_t In = group.In;
  double *dropped = nullptr;
  if (x != nullptr) {
    dropped = doubles_of(ctx, 0, x, N * In, dtype);
    REMORA_NEED(dropped);
    for (int64_t i = 0; i < N * In; i++) dropped[i] *= dropout_factor(dropout, seed, i);
  }
  int64_t first_column = 0, first_rank = 0;
  for (int32_t p = 0; p < part_count; p++) {
    const remora_linear_part &part = parts[p];
    for (int64_t r = 0; r < part.rank; r++) {
      const int64_t column = first_rank + r;
      for (int64_t c = 0; c < In && x != nullptr && part.lora_a_grad != nullptr; c++) {
        double total = 0;
        for (int64_t n = 0; n < N; n++) total += get(db, n * group.ranks + column, dtype) * dropped[n * In + c];
        float &target = part.lora_a_grad[r * In + c];
        target = static_cast<float>(target + total);
      }
      for (int64_t o = 0; o < part.weight.rows && xa != nullptr && part.lora_b_grad != nullptr; o++) {
        double total = 0;
        for (int64_t n = 0; n < N; n++) {
          total += get(d_y, n * group.outs + first_column + o, dtype) * get(xa, n * group.ranks + column, dtype);
        }
        float &target = part.lora_b_grad[o * part.rank + r];
        target = static_cast<float>(target + part.scale * total);
      }
    }
    first_column += part.weight.rows;
    first_rank += part.rank;
  }
  return REMORA_OK;
}

// d_w[o, c] += Σ_n d_y[n, column + o] · x[n, c];  d_bias[o] += Σ_n d_y[n, column + o]
static int32_t linear_backward_weight(remora_context *ctx, const void *x, const void *d_y, float *d_w, float *d_bias, int64_t N, int64_t In,
                                      int64_t Out, int64_t stride, int64_t column, int32_t dtype) {
  double *input = doubles_of(ctx, 0, x, N * In, dtype);
  REMORA_NEED(input);
  double *row = doubles(ctx, 1, In);
  REMORA_NEED(row);
  for (int64_t o = 0; o < Out; o++) {
    double total = 0;
    for (int64_t c = 0; c < In; c++) row[c] = 0;
    for (int64_t n = 0; n < N; n++) {
      const double g = get(d_y, n * stride + column + o, dtype);
      total += g;
      for (int64_t c = 0; c < In; c++) row[c] += g * input[n * In + c];
    }
    for (int64_t c = 0; c < In; c++) d_w[o * In + c] = static_cast<float>(d_w[o * In + c] + row[c]);
    if (d_bias != nullptr) d_bias[o] = static_cast<float>(d_bias[o] + total);
  }
  return REMORA_OK;
}

void fill_linear(Kernels &k) {
  k.linear_forward = linear_forward;
  k.linear_backward_input = linear_backward_input;
  k.lora_backward = lora_backward;
  k.linear_backward_weight = linear_backward_weight;
}

}  // namespace remora::reference

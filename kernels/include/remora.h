/* remora.h: the C border of the kernel library. This header is the contract: docs, the TypeScript bindings and
 * the tests are derived from it, and `reference/`, `cpu/` and (by name and argument order) `cuda/` implement it.
 *
 * Rules
 * - C99: pointers, sized ints, floats, opaque handles. No structs by value, callbacks, varargs or exceptions cross
 *   the border, and nothing behind it exits the process.
 * - Every fallible call returns a status; error text lives on the context (remora_context_error).
 * - A context owns its threads and its scratch memory, serves one thread at a time, and is independent of every
 *   other context. Nothing else is allocated: every array is the caller's.
 * - Argument order: context, inputs, outputs, sizes, scalars.
 * - All arrays are contiguous and row-major unless a doc says otherwise. Pointers need the alignment of their
 *   element type only. N = 0 is fine everywhere.
 * - "act" below is the activation dtype of the call: REMORA_F32, REMORA_BF16 or REMORA_F16, given by `dtype`.
 *   Sums are accumulated in f32 unless said otherwise. Every result is deterministic for a given ISA and thread count.
 * - Parameter gradients are ADDED to; activation gradients are WRITTEN. Exceptions say so.
 *
 * Shape letters: N rows (tokens), C model width, H query heads, K key/value heads, D head size, F feed-forward width,
 * V vocabulary, R LoRA rank, In/Out of a linear, B sequences, P page slots.
 */
#ifndef REMORA_H
#define REMORA_H
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#define REMORA_API __declspec(dllexport)
#else
#define REMORA_API __attribute__((visibility("default")))
#endif

/* Raised on every incompatible change; the loader refuses a library whose number differs from its bindings. */
#define REMORA_ABI_VERSION 2

/* ---- statuses: written out, never reused ---- */
#define REMORA_OK 0
#define REMORA_STATUS_SHAPE 1
#define REMORA_STATUS_DTYPE 2
#define REMORA_STATUS_MEMORY 3
#define REMORA_STATUS_UNSUPPORTED 4
#define REMORA_STATUS_IO 5
#define REMORA_STATUS_ARGUMENT 6

/* ---- element types and weight formats ---- */
#define REMORA_F32 0
#define REMORA_BF16 1
#define REMORA_F16 2
#define REMORA_NF4 16   /* bitsandbytes NF4, blocks of 64 along the flattened weight, even element in the high nibble */
#define REMORA_E4M3 17  /* 8-bit floats (4 exponent, 3 fraction bits), one power-of-two scale a row; products with it are made in 8 bits */
#define REMORA_Q8_0 32  /* GGUF block formats, bytes exactly as in the file */
#define REMORA_Q4_0 33
#define REMORA_Q4_1 34
#define REMORA_Q5_0 35
#define REMORA_Q5_1 36
#define REMORA_Q4_K 37
#define REMORA_Q5_K 38
#define REMORA_Q6_K 39

/* Which implementation a context runs. AUTO takes the best one the machine has, or what REMORA_CPU names. */
#define REMORA_ISA_AUTO 0
#define REMORA_ISA_REFERENCE 1   /* kernels/reference: plain loops, one thread */
#define REMORA_ISA_SCALAR 2
#define REMORA_ISA_NEON 3
#define REMORA_ISA_AVX2 4        /* AVX2 + FMA + F16C */
#define REMORA_ISA_AVX512 5      /* F, BW, DQ, VL */
#define REMORA_ISA_AVX512_BF16 6

typedef struct remora_context remora_context;

/* A weight matrix [rows, cols] (for a linear: [Out, In]); frozen ones may be quantized.
 * Dense formats: data row-major. GGUF formats: blocks of 32 or 256 along each row, so cols is a multiple of that.
 * NF4: data is u8 [rows*cols/2]; cols is a multiple of 64. Scales, one per 64 elements in row-major order:
 *   nested_scales == NULL: scales is f32 [rows*cols/64]
 *   otherwise scales is u8 [rows*cols/64] and absmax[b] = nested_code[scales[b]] * nested_scales[b/256] + nested_offset
 *   (QLoRA's double quantization, arXiv:2305.14314; nested_code f32 [256] is bitsandbytes' dynamic map).
 * E4M3: data is u8 [rows*cols] codes, scales f32 [rows], w = code value * scales[row]; rows and cols are multiples of 16. A linear whose parts
 *   are E4M3 (all or none) rounds its other operand as well: see remora_linear_forward. */
typedef struct remora_weight {
  int32_t format;
  int32_t reserved;
  int64_t rows;
  int64_t cols;
  const void *data;
  const void *scales;
  const float *nested_scales;
  const float *nested_code;
  float nested_offset;
  int32_t reserved2;
} remora_weight; /* 64 bytes on every 64-bit ABI */

/* One part of a grouped linear: y_part = x Wᵀ + scale · (x Aᵀ) Bᵀ.  rank 0 means no adapter (a and b NULL). */
typedef struct remora_linear_part {
  remora_weight weight;   /* [Out, In] */
  const float *lora_a;    /* [R, In]  */
  const float *lora_b;    /* [Out, R] */
  float *lora_a_grad;     /* [R, In]  added to by remora_lora_backward; NULL in inference */
  float *lora_b_grad;     /* [Out, R] */
  int32_t rank;
  float scale;            /* alpha / R, or alpha / sqrt(R) for rsLoRA */
} remora_linear_part; /* 104 bytes */

/* ---- library and context ---- */
REMORA_API int32_t remora_abi_version(void);
/* Best ISA of this machine; REMORA_CPU in the environment is applied by context_create, not here. */
REMORA_API int32_t remora_best_isa(void);
/* 1 when a context with this ISA can be created on this machine. */
REMORA_API int32_t remora_isa_available(int32_t isa);
/* NULL on failure (unknown or unavailable ISA, no memory). threads = 0 means one per available core. */
REMORA_API remora_context *remora_context_create(int32_t isa, int32_t threads);
REMORA_API void remora_context_destroy(remora_context *ctx); /* NULL is a no-op */
REMORA_API int32_t remora_context_isa(const remora_context *ctx);
REMORA_API int32_t remora_context_threads(const remora_context *ctx);
REMORA_API int64_t remora_context_scratch_bytes(const remora_context *ctx);
/* Text of the last failure on this context; empty string when none. Valid until the next call on ctx. */
REMORA_API const char *remora_context_error(const remora_context *ctx);
/* Highest multiply-add rate by registers alone, in GFLOP/s with all threads; kind REMORA_F32 or REMORA_BF16
 * (without bf16 instructions: the f32 figure). Runs for about `seconds`. For benchmarks and `remora doctor`. */
REMORA_API int32_t remora_measure_peak(remora_context *ctx, double *gflops, int32_t kind, double seconds);

/* ---- memory ---- */
/* 64-byte aligned, huge pages advised above 2 MiB; contents undefined. NULL when refused. */
REMORA_API void *remora_allocate(int64_t bytes);
REMORA_API void remora_release(void *memory, int64_t bytes);
/* Maps a file read-only. Writes address and length; STATUS_IO when it cannot. remora_file_unmap releases it. */
REMORA_API int32_t remora_file_map(const char *path, void **address, int64_t *bytes);
REMORA_API void remora_file_unmap(void *address, int64_t bytes);
/* Advice on a part of a mapped file: it is read soon (needed = 1: reading starts in the background), or was read for the last time (needed = 0:
 * its pages leave this process and may leave the system's cache; touching them again is fine). Never fails; does nothing where the system cannot. */
REMORA_API void remora_file_advise(const void *address, int64_t bytes, int32_t needed);
REMORA_API void remora_copy(void *target, const void *source, int64_t bytes);
REMORA_API void remora_fill_zero(void *target, int64_t bytes);

/* ---- elementwise ---- */
/* target[i] = source[i] between F32, BF16 and F16, rounding to nearest even. */
REMORA_API int32_t remora_convert(remora_context *ctx, const void *source, void *target, int64_t count,
                                  int32_t source_dtype, int32_t target_dtype);
/* y[i] += scale · x[i] */
REMORA_API int32_t remora_add(remora_context *ctx, const void *x, void *y, int64_t count, int32_t dtype, float scale);
/* out[0] = sum of x (f64 accumulation) */
REMORA_API int32_t remora_sum(remora_context *ctx, const float *x, float *out, int64_t count);
/* x[i] = uniform(-bound, bound) or, with normal != 0, normal(0, bound); counter-based (same seed, same values on
 * every ISA, thread count and device), f32. */
REMORA_API int32_t remora_random(remora_context *ctx, float *x, int64_t count, uint64_t seed, float bound, int32_t normal);

/* ---- root-mean-square norm ----
 * s = x + residual (residual may be NULL);  rstd[n] = 1/sqrt(mean_c s² + eps);  y = s · rstd · weight
 *   x, residual, sum, y  act [N, C]   weight f32 [C]   rstd f32 [N] or NULL (inference)
 * sum receives s and may alias x or residual; it is not written (and may be NULL) when residual is NULL.
 * Source: Zhang & Sennrich 2019, arXiv:1910.07467. */
REMORA_API int32_t remora_rms_norm_forward(remora_context *ctx, const void *x, const void *residual, const float *weight,
                                           void *sum, void *y, float *rstd, int64_t N, int64_t C, int32_t dtype, float eps);
/* d_sum[n] = d_residual[n] + rstd · (d_y · w − s · rstd² · mean_c(d_y · w · s));  d_residual may be NULL and may alias d_sum.
 *   s is the normalized input (sum, or x without residual).  weight_grad f32 [C] is added to; NULL when frozen. */
REMORA_API int32_t remora_rms_norm_backward(remora_context *ctx, const void *s, const float *weight, const float *rstd,
                                            const void *d_y, const void *d_residual, void *d_sum, float *weight_grad,
                                            int64_t N, int64_t C, int32_t dtype);
/* y = s · rstd · weight from a kept rstd. */
REMORA_API int32_t remora_rms_norm_apply(remora_context *ctx, const void *s, const float *weight, const float *rstd,
                                         void *y, int64_t N, int64_t C, int32_t dtype);

/* ---- linear: a group of parts that share x, their outputs side by side ----
 * y[:, part] = x W_partᵀ + bias[part] + scale · (drop(x) A_partᵀ) B_partᵀ
 *   x act [N, In]   y act [N, ΣOut]   bias f32 [ΣOut] or NULL   xa act [N, ΣR] out: drop(x) Aᵀ of all parts side by
 *   side (unscaled), kept for backward; NULL when no part has an adapter.
 * dropout: 0, or the probability p of LoRA's dropout; the mask is a function of (seed[0], n·In + c) alone: element kept
 *   when hash(seed, index) >= p, then scaled by 1/(1-p). One mask for the whole group.
 * Small N (decode) takes a matrix-vector path that reads quantized weights directly.
 * Quantized W is decoded while packing, never whole. N, In, Out, R may be any size >= 1 (NF4: In multiple of 64).
 * E4M3 parts: W multiplies round(x), each row of x rounded to E4M3 under a scale of its own, as remora_fp8_encode does; adapters see x itself.
 *   Sums are f32. dtype is F32 or BF16. On the CPU this emulates what a card's 8-bit tensor cores compute; it is not faster than bf16. */
REMORA_API int32_t remora_linear_forward(remora_context *ctx, const remora_linear_part *parts, int32_t part_count, const float *bias,
                                         const void *x, void *y, void *xa, int64_t N, int32_t dtype, float dropout, const uint64_t *seed);
/* d_x = Σ_parts (d_y_part W_part + mask · scale · (d_y_part B_part) A_part / (1-p))
 *   d_y act [N, ΣOut]   d_x act [N, In] written, or NULL when the input needs no gradient   db act [N, ΣR] out: scale · d_y B of all
 *   parts side by side (NULL when no adapter). d_x must not alias d_y.
 * E4M3 parts: W's codes multiply round(d_y · scales), the scale of output o folded into column o of d_y before each row of it (all parts
 *   together) is rounded to E4M3 under a scale of its own. Both products so read the same codes and scales of W. Adapters see d_y itself. */
REMORA_API int32_t remora_linear_backward_input(remora_context *ctx, const remora_linear_part *parts, int32_t part_count,
                                                const void *d_y, void *d_x, void *db, int64_t N, int32_t dtype, float dropout,
                                                const uint64_t *seed);
/* Adds to lora_a_grad = dbᵀ drop(x), unless x is NULL, and to lora_b_grad = scale · d_yᵀ xa, unless xa is NULL, of every part with an adapter.
 * db is read with x only, d_y with xa only. */
REMORA_API int32_t remora_lora_backward(remora_context *ctx, const remora_linear_part *parts, int32_t part_count, const void *x,
                                        const void *xa, const void *d_y, const void *db, int64_t N, int32_t dtype, float dropout,
                                        const uint64_t *seed);
/* All-weights training. d_w f32 [Out, In] += d_yᵀ x, where d_y is the column range [column, column+Out) of act [N, stride];
 * d_bias f32 [Out] += column sums, or NULL. */
REMORA_API int32_t remora_linear_backward_weight(remora_context *ctx, const void *x, const void *d_y, float *d_w, float *d_bias,
                                                 int64_t N, int64_t In, int64_t Out, int64_t stride, int64_t column, int32_t dtype);

/* ---- heads: optional norm of q and k, then rotary position ----
 * qkv act [N, (H+2K)·D]: query heads, key heads, value heads side by side.
 * q_norm, k_norm f32 [D] or both NULL: RMS norm over D of every q and k head first (Qwen3, Gemma 3).
 * Rotation in Hugging Face's half-split layout over the first `rotary` of D: (x_i, x_{i+rotary/2}) by the angle of row positions[n]
 * of table f32 [positions, rotary/2, 2] = (cos, sin), attention factor included.
 * out may be qkv itself when the norms are NULL; otherwise out is another array and v is copied.
 * Source: Su et al. 2021, arXiv:2104.09864. */
REMORA_API int32_t remora_rope_forward(remora_context *ctx, const void *qkv, const float *q_norm, const float *k_norm,
                                       const float *table, const int32_t *positions, void *out, int64_t N, int64_t H, int64_t K,
                                       int64_t D, int64_t rotary, int32_t dtype, float eps);
/* Turns d_out (gradient of out) into d_qkv (gradient of qkv), in place allowed (d_qkv == d_out). qkv is needed only with norms (its rstd is
 * made again). q_norm_grad, k_norm_grad f32 [D] added to, or NULL. */
REMORA_API int32_t remora_rope_backward(remora_context *ctx, const void *qkv, const float *q_norm, const float *k_norm,
                                        const float *table, const int32_t *positions, const void *d_out, void *d_qkv,
                                        float *q_norm_grad, float *k_norm_grad, int64_t N, int64_t H, int64_t K, int64_t D,
                                        int64_t rotary, int32_t dtype, float eps);

/* ---- attention over packed rows (training, scoring) ----
 * qkv act [N, (H+2K)·D] as above, already rotated; query head h reads key head h/(H/K).
 * Row n sees rows j of its own segment: segment_start[n] <= j < segment_end[n] (i32 [N], absolute row numbers), and with causal
 * j <= n, and with window > 0 also j > n − window (symmetric |n−j| < window when not causal).
 * score = scale · q·k, then with softcap > 0: softcap · tanh(score / softcap).
 *   out act [N, H·D]   lse f32 [N, H] log-sum-exp of the scores, kept for backward; NULL in inference
 * Blocked; never holds an N×N matrix. Rows whose segment is empty (start == end) give zeros.
 * Source: Dao 2023, arXiv:2307.08691. */
REMORA_API int32_t remora_attention_forward(remora_context *ctx, const void *qkv, const int32_t *segment_start, const int32_t *segment_end,
                                            void *out, float *lse, int64_t N, int64_t H, int64_t K, int64_t D, int32_t dtype,
                                            float scale, int32_t causal, int64_t window, float softcap);
/* d_qkv act [N, (H+2K)·D] written, every element. */
REMORA_API int32_t remora_attention_backward(remora_context *ctx, const void *qkv, const int32_t *segment_start, const int32_t *segment_end,
                                             const void *out, const float *lse, const void *d_out, void *d_qkv, int64_t N, int64_t H,
                                             int64_t K, int64_t D, int32_t dtype, float scale, int32_t causal, int64_t window,
                                             float softcap);

/* ---- attention over the paged cache (asking) ----
 * k_pages, v_pages act [pages, page_size, K, D]; block_table i32 [B, blocks_per_sequence] page numbers.
 * Row n is a new token of sequence sequences[n] at position positions[n] (both i32 [N]); a row with sequence < 0 is padding.
 * cache_write stores k and v of the rows into their slots; attention reads positions 0 … positions[n] (or the last `window`). */
REMORA_API int32_t remora_cache_write(remora_context *ctx, const void *qkv, const int32_t *sequences, const int32_t *positions,
                                      const int32_t *block_table, void *k_pages, void *v_pages, int64_t N, int64_t H, int64_t K,
                                      int64_t D, int64_t page_size, int64_t blocks_per_sequence, int32_t dtype);
REMORA_API int32_t remora_attention_paged(remora_context *ctx, const void *qkv, const int32_t *sequences, const int32_t *positions,
                                          const int32_t *block_table, const void *k_pages, const void *v_pages, void *out, int64_t N,
                                          int64_t H, int64_t K, int64_t D, int64_t page_size, int64_t blocks_per_sequence,
                                          int32_t dtype, float scale, int64_t window, float softcap);

/* ---- gated MLP activation ----
 * gate_up act [N, 2F]: gate then up.  y act [N, F] = f(gate) · up;  kind 0: SiLU (SwiGLU), 1: GELU, tanh form (GeGLU).
 * backward writes d_gate_up, which may be gate_up itself. Source: Shazeer 2020, arXiv:2002.05202. */
REMORA_API int32_t remora_gated_forward(remora_context *ctx, const void *gate_up, void *y, int64_t N, int64_t F, int32_t dtype, int32_t kind);
REMORA_API int32_t remora_gated_backward(remora_context *ctx, const void *gate_up, const void *d_y, void *d_gate_up, int64_t N, int64_t F,
                                         int32_t dtype, int32_t kind);
/* GELU alone (exact erf form kind 0, tanh form kind 1), for encoders: y = gelu(x); backward not needed. */
REMORA_API int32_t remora_gelu_forward(remora_context *ctx, const void *x, void *y, int64_t count, int32_t dtype, int32_t kind);
/* Layer norm with bias, for encoders (inference only): y = (x − mean)·rstd·weight + bias; residual (may be NULL) is added to x first. */
REMORA_API int32_t remora_layer_norm_forward(remora_context *ctx, const void *x, const void *residual, const float *weight,
                                             const float *bias, void *y, int64_t N, int64_t C, int32_t dtype, float eps);

/* ---- embedding ----
 * y act [N, C] = scale · table[ids[n]];  an id < 0 gives zeros; an id >= rows is STATUS_ARGUMENT.
 * backward: d_table f32 [rows, C] += scale · d_y of each id, in row order (deterministic). */
REMORA_API int32_t remora_embedding_forward(remora_context *ctx, const remora_weight *table, const int32_t *ids, void *y, int64_t N,
                                            int32_t dtype, float scale);
REMORA_API int32_t remora_embedding_backward(remora_context *ctx, const int32_t *ids, const void *d_y, float *d_table, int64_t N, int64_t C,
                                             int64_t rows, int32_t dtype, float scale);

/* ---- head and cross-entropy, in chunks of rows: the logits of all rows never exist together ----
 * logits = h Wᵀ (softcap > 0: softcap · tanh(logits / softcap));  row_loss[n] = logsumexp(logits) − logits[target], 0 where target < 0.
 *   h act [N, C]   head [V, C]   targets i32 [N], < 0 means not trained   row_loss f32 [N] written
 *   d_h act [N, C] written, zeros where not trained, = loss_scale[0] · d(Σ row_loss)/dh; NULL for evaluation
 *   head_grad f32 [V, C] added to (same scale); NULL when frozen
 *   row_top1 i32 [N] or NULL: arg-max token of each trained row (-1 elsewhere)
 * Only rows with a target are computed. chunk_rows bounds the scratch: chunk_rows · V f32. */
REMORA_API int32_t remora_head_loss(remora_context *ctx, const void *h, const remora_weight *head, const int32_t *targets,
                                    const float *loss_scale, float *row_loss, void *d_h, float *head_grad, int32_t *row_top1, int64_t N,
                                    int32_t dtype, int64_t chunk_rows, float softcap);

/* ---- optimizer: flat f32 buffers ----
 * norm[0] = sqrt(Σ g²) (f64 accumulation), norm[1] = min(1, max_norm / norm[0]) (1 when max_norm <= 0). */
REMORA_API int32_t remora_gradient_norm(remora_context *ctx, const float *gradients, float *norm, int64_t count, float max_norm);
/* AdamW (Loshchilov & Hutter, arXiv:1711.05101), PyTorch's form. hyper f32 [8] = { learning_rate, beta1, beta2, eps, weight_decay,
 * 1 − beta1^t, 1 − beta2^t, unused }; g = gradients[i] · clip[0].
 * weights_out: NULL, or the compute copy of params written in `out_dtype`. */
REMORA_API int32_t remora_adamw(remora_context *ctx, const float *gradients, const float *hyper, const float *clip, float *params, float *m,
                                float *v, void *weights_out, int64_t count, int32_t out_dtype);
/* The same with 8-bit state: m, v u8 [count] codes of bitsandbytes' dynamic maps (signed for m, unsigned for v), scales f32 per block of 256.
 * Source: Dettmers et al. 2021, arXiv:2110.02861. */
REMORA_API int32_t remora_adamw_8bit(remora_context *ctx, const float *gradients, const float *hyper, const float *clip, float *params,
                                     uint8_t *m, uint8_t *v, float *m_scales, float *v_scales, void *weights_out, int64_t count,
                                     int32_t out_dtype);

/* ---- number formats ----
 * nf4_encode: x F32|BF16|F16 [count] → codes u8 [ceil(count/2)], absmax f32 [ceil(count/64)], bit-exact with bitsandbytes.
 * nf4_nest: double quantization of absmax f32 [blocks] → scale codes u8 [blocks], nested f32 [ceil(blocks/256)], offset f32 [1], with the
 *   dynamic map nested_code f32 [256] given by the caller. offset is the mean of absmax in f32: on a CPU added up in PyTorch's order for the
 *   context's number of threads, which makes it bitsandbytes' own; reference and CUDA add in f64 and round once.
 * fp8_encode: x F32|BF16 [rows, cols] → E4M3 codes u8 [rows, cols], scales f32 [rows]: scale = the smallest power of two, at least 2^-126, with
 *   max |x| <= 448 · scale, NaN where the row is not finite; code = x / scale to nearest, ties to even. Source: arXiv:2209.05433.
 * weight_decode: rows [row, row+row_count) of any weight to a dense [row_count, cols] of `dtype`.
 * gguf_encode: x F32|BF16|F16 [count] → blocks of a GGUF format (REMORA_Q8_0 … REMORA_Q6_K), count a multiple of the format's block; rows of a
 *   matrix whose length is such a multiple may be given as one array. Equal to the byte to ggml's quantizer without an importance matrix. */
REMORA_API int32_t remora_nf4_encode(remora_context *ctx, const void *x, uint8_t *codes, float *absmax, int64_t count, int32_t dtype);
REMORA_API int32_t remora_nf4_nest(remora_context *ctx, const float *absmax, const float *nested_code, uint8_t *scale_codes, float *nested,
                                   float *offset, int64_t blocks);
REMORA_API int32_t remora_fp8_encode(remora_context *ctx, const void *x, uint8_t *codes, float *scales, int64_t rows, int64_t cols,
                                     int32_t dtype);
REMORA_API int32_t remora_weight_decode(remora_context *ctx, const remora_weight *weight, void *out, int64_t row, int64_t row_count,
                                        int32_t dtype);
REMORA_API int32_t remora_gguf_encode(remora_context *ctx, const void *x, uint8_t *blocks, int64_t count, int32_t format, int32_t dtype);

/* ---- merging an adapter ----
 * merge_rows: rows [row, row+row_count) of  W + scale · B A,  one pass over W.
 *   weight  [rows, cols], any format      a  f32 [rank, cols]   b  f32 [rows, rank];  NULL when rank is 0
 *   out     [row_count, cols] of `dtype`, rounded once, subnormals kept
 * merge_rows_nf4: the same rows, cols a multiple of 64, rounded to `dtype` and encoded: codes u8 [row_count·cols/2], absmax f32
 *   [row_count·cols/64] equal nf4_encode of merge_rows to the bit.
 * B A is added up in f32, one rank after the other. */
REMORA_API int32_t remora_merge_rows(remora_context *ctx, const remora_weight *weight, const float *a, const float *b, void *out, int64_t row,
                                     int64_t row_count, int64_t rank, int32_t dtype, float scale);
REMORA_API int32_t remora_merge_rows_nf4(remora_context *ctx, const remora_weight *weight, const float *a, const float *b, uint8_t *codes,
                                         float *absmax, int64_t row, int64_t row_count, int64_t rank, int32_t dtype, float scale);

/* ---- sampling ----
 * Per row b of logits f32 [B, V]: repetition penalty over history[b, 0 … history_length[b]) (divide positive logits, multiply negative),
 * temperature, top-k, top-p, min-p, then one draw. temperature 0 is greedy (lowest id wins ties).
 *   params f32 [B, 5] = { temperature, top_k (0 off), top_p (1 off), min_p (0 off), repetition_penalty (1 off) }
 *   seeds u64 [B]: the draw is a function of (seed, step[b]) alone.   history i32 [B, history_stride]
 *   Ranking is by falling logit, lowest id first among equals. top-k keeps the first k; top-p the shortest prefix of those whose share
 *   reaches top_p; min-p then drops whatever has less than min_p of the best one's probability. The draw walks the survivors in order
 *   of id and takes the first whose running sum exceeds u · total, u = random_uniform(seed, step).
 *   ids i32 [B] out   logprobs f32 [B] out: log-probability of the drawn id under the unmodified softmax */
REMORA_API int32_t remora_sample(remora_context *ctx, const float *logits, const float *params, const uint64_t *seeds, const int32_t *steps,
                                 const int32_t *history, const int32_t *history_length, int32_t *ids, float *logprobs, int64_t B,
                                 int64_t V, int64_t history_stride);
/* Row copies between packed arrays: out[i] = x[rows[i]], rows < 0 give zeros. act [*, C]. */
REMORA_API int32_t remora_gather_rows(remora_context *ctx, const void *x, const int32_t *rows, void *out, int64_t count, int64_t C,
                                      int32_t dtype);

#ifdef __cplusplus
}
#endif
#endif

/* float32 functions of one number. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_UNARY_F32_H
#define TINYML_UNARY_F32_H

#include "tinyml_types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* a, b: constants of the function; 0 where it has none. */
typedef struct {
    int32_t channels;
    float a;
    float b;
} tinyml_unary_f32_t;

/* clamp(x, a, b): relu, relu6 and any other clipping */
void tinyml_clip_f32(const tinyml_unary_f32_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                     const tinyml_tile_t *tile, void *scratch);

/* x where it is positive, else a * x */
void tinyml_leaky_relu_f32(const tinyml_unary_f32_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                           const tinyml_tile_t *tile, void *scratch);

/* clamp(a * x + b, 0, 1) */
void tinyml_hard_sigmoid_f32(const tinyml_unary_f32_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                             const tinyml_tile_t *tile, void *scratch);

/* x * clamp(x + 3, 0, 6) / 6 */
void tinyml_hard_swish_f32(const tinyml_unary_f32_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                           const tinyml_tile_t *tile, void *scratch);

/* 1 / (1 + exp(-x)) */
void tinyml_sigmoid_f32(const tinyml_unary_f32_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                        const tinyml_tile_t *tile, void *scratch);

/* tanh(x) */
void tinyml_tanh_f32(const tinyml_unary_f32_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                     const tinyml_tile_t *tile, void *scratch);

/* exp(x) */
void tinyml_exp_f32(const tinyml_unary_f32_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                    const tinyml_tile_t *tile, void *scratch);

/* erf(x) */
void tinyml_erf_f32(const tinyml_unary_f32_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                    const tinyml_tile_t *tile, void *scratch);

/* x / 2 * (1 + erf(x / sqrt(2))) */
void tinyml_gelu_f32(const tinyml_unary_f32_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                     const tinyml_tile_t *tile, void *scratch);

/* x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) */
void tinyml_gelu_tanh_f32(const tinyml_unary_f32_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                          const tinyml_tile_t *tile, void *scratch);

/* sqrt(x), 0 for negative x */
void tinyml_sqrt_f32(const tinyml_unary_f32_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                     const tinyml_tile_t *tile, void *scratch);

#ifdef __cplusplus
}
#endif

#endif

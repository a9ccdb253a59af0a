/* float32 arithmetic on two operands. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_BINARY_F32_H
#define TINYML_BINARY_F32_H

#include "tinyml_types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One operand, as in tinyml_binary_s8.h. */
typedef struct {
    const float *constant;
    int32_t row_stride;
    int32_t col_stride;
    int32_t channel_stride;
} tinyml_operand_f32_t;

typedef struct {
    tinyml_operand_f32_t a;
    tinyml_operand_f32_t b;
    int32_t channels;
    float out_min;
    float out_max;
} tinyml_binary_f32_t;

void tinyml_add_f32(const tinyml_binary_f32_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                    const tinyml_tile_t *tile, void *scratch);

void tinyml_sub_f32(const tinyml_binary_f32_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                    const tinyml_tile_t *tile, void *scratch);

void tinyml_mul_f32(const tinyml_binary_f32_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                    const tinyml_tile_t *tile, void *scratch);

void tinyml_div_f32(const tinyml_binary_f32_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                    const tinyml_tile_t *tile, void *scratch);

#ifdef __cplusplus
}
#endif

#endif

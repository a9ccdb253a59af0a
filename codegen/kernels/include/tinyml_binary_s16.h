/* int16 arithmetic on two operands, zero points 0: see tinyml_binary_s8.h. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_BINARY_S16_H
#define TINYML_BINARY_S16_H

#include "tinyml_types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    const int16_t *constant;
    int32_t row_stride;
    int32_t col_stride;
    int32_t channel_stride;
    int32_t multiplier;
    int32_t shift;
} tinyml_operand_s16_t;

typedef struct {
    tinyml_operand_s16_t a;
    tinyml_operand_s16_t b;
    int32_t channels;
    int32_t left_shift;
    int32_t multiplier;
    int32_t shift;
    int32_t out_min;
    int32_t out_max;
} tinyml_binary_s16_t;

void tinyml_add_s16(const tinyml_binary_s16_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                    const tinyml_tile_t *tile, void *scratch);

void tinyml_sub_s16(const tinyml_binary_s16_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                    const tinyml_tile_t *tile, void *scratch);

void tinyml_mul_s16(const tinyml_binary_s16_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                    const tinyml_tile_t *tile, void *scratch);

/* The element of an operand at (y, tile->col), channel 0. */
static inline const int16_t *tinyml_operand_s16(const tinyml_operand_s16_t *operand, const tinyml_rows_t *in, int32_t y,
                                                int32_t col)
{
    if (operand->constant) {
        return operand->constant + y * operand->row_stride + col * operand->col_stride;
    }
    return (const int16_t *)tinyml_row(in, operand->row_stride ? y : 0)
           + (operand->col_stride ? col - in->first_col : 0) * operand->col_stride;
}

#ifdef __cplusplus
}
#endif

#endif

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

/* For SMMULR: two activations of one shape, left_shift 15, shifts from -30 to 0, that of the sum to -1; one operand's factor is 1/2,
 * as multiplier 2^30 and shift 0. */
void tinyml_add_s16_dsp(const tinyml_binary_s16_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                        const tinyml_tile_t *tile, void *scratch);

void tinyml_sub_s16(const tinyml_binary_s16_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                    const tinyml_tile_t *tile, void *scratch);

void tinyml_mul_s16(const tinyml_binary_s16_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                    const tinyml_tile_t *tile, void *scratch);

#ifdef __cplusplus
}
#endif

#endif

/* int8 arithmetic on two operands. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_BINARY_S8_H
#define TINYML_BINARY_S8_H

#include "tinyml_types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One operand, a constant or an activation. A stride of 0 repeats it along that axis.
 *
 * constant         its elements, or null: the operand is the next of the inputs
 * row_stride       elements from row to row of a constant; 1 or 0 rows of an activation
 * col_stride       elements from column to column
 * channel_stride   elements from channel to channel, 1 or 0
 * offset           minus the zero point
 * multiplier       add and sub bring both operands to one scale with it (see tinyml_requant.h); shift too
 */
typedef struct {
    const int8_t *constant;
    int32_t row_stride;
    int32_t col_stride;
    int32_t channel_stride;
    int32_t offset;
    int32_t multiplier;
    int32_t shift;
} tinyml_operand_s8_t;

/* channels      of the output
 * left_shift    add and sub: bits of precision gained before the operands are brought to one scale
 * multiplier    from the result of the arithmetic to the output's scale; shift too
 */
typedef struct {
    tinyml_operand_s8_t a;
    tinyml_operand_s8_t b;
    int32_t channels;
    int32_t left_shift;
    int32_t multiplier;
    int32_t shift;
    int32_t out_offset;
    int32_t out_min;
    int32_t out_max;
} tinyml_binary_s8_t;

void tinyml_add_s8(const tinyml_binary_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                   const tinyml_tile_t *tile, void *scratch);

/* The same for SMMULR: two activations of the output's shape, left_shift 20, a result's shift from -22 to -1; and an
 * operand has multiplier 2^30 and shift 0, as that of the larger scale does. */
void tinyml_add_s8_dsp(const tinyml_binary_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                       const tinyml_tile_t *tile, void *scratch);

/* The same for Helium. */
void tinyml_add_s8_mve(const tinyml_binary_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                       const tinyml_tile_t *tile, void *scratch);

void tinyml_sub_s8(const tinyml_binary_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                   const tinyml_tile_t *tile, void *scratch);

void tinyml_mul_s8(const tinyml_binary_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                   const tinyml_tile_t *tile, void *scratch);

/* The same for Helium: no operand repeats a channel, and the shift is from -31 to -1. */
void tinyml_mul_s8_mve(const tinyml_binary_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                       const tinyml_tile_t *tile, void *scratch);

#ifdef __cplusplus
}
#endif

#endif

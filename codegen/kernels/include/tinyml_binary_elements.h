/* Arithmetic on two operands, element by element. SPDX-License-Identifier: Apache-2.0
 *
 * A source defines element_t, the types of an operand and of the parameters, operand_t and op_t, and what becomes of two
 * elements, function(), and includes this file.
 */
#ifndef TINYML_BINARY_ELEMENTS_H
#define TINYML_BINARY_ELEMENTS_H

#include "tinyml_types.h"

/* The element of an operand at row y and column `col`, channel 0. */
static inline const element_t *element_of(const operand_t *operand, const tinyml_rows_t *in, int32_t y, int32_t col)
{
    if (operand->constant) {
        return operand->constant + y * operand->row_stride + col * operand->col_stride;
    }
    return (const element_t *)tinyml_row(in, operand->row_stride ? y : 0)
           + (operand->col_stride ? col - in->first_col : 0) * operand->col_stride;
}

static inline void each_pair(const op_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out, const tinyml_tile_t *tile)
{
    const tinyml_rows_t *in_b = op->a.constant ? in : in + 1;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        const element_t *a = element_of(&op->a, in, y, tile->col);
        const element_t *b = element_of(&op->b, in_b, y, tile->col);
        element_t *o = (element_t *)tinyml_row(out, y) + (tile->col - out->first_col) * op->channels;
        for (int32_t x = 0; x < tile->cols; ++x) {
            for (int32_t c = 0; c < op->channels; ++c) {
                o[c] = function(op, a[c * op->a.channel_stride], b[c * op->b.channel_stride]);
            }
            a += op->a.col_stride;
            b += op->b.col_stride;
            o += op->channels;
        }
    }
}

#endif

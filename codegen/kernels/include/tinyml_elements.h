/* A function of each element. SPDX-License-Identifier: Apache-2.0
 *
 * A source defines the types of the elements, in_t and out_t, and of the parameters, op_t, the function, and includes this
 * file.
 */
#ifndef TINYML_ELEMENTS_H
#define TINYML_ELEMENTS_H

#include "tinyml_types.h"

static inline void each_element(const op_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                                const tinyml_tile_t *tile)
{
    const op_t constants = *op; /* of which a compiler knows that no store changes them */
    const int32_t n = tile->cols * op->channels;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        const in_t *x = (const in_t *)tinyml_row(in, y) + (tile->col - in->first_col) * op->channels;
        out_t *o = (out_t *)tinyml_row(out, y) + (tile->col - out->first_col) * op->channels;
        for (int32_t i = 0; i < n; ++i) {
            o[i] = function(&constants, x[i]);
        }
    }
}

#endif

/* Where the largest channel is, of any type. SPDX-License-Identifier: Apache-2.0
 *
 * A source defines the type element_t and includes this file.
 */
#ifndef TINYML_ARG_MAX_PIXELS_H
#define TINYML_ARG_MAX_PIXELS_H

#include "tinyml_arg_max.h"

static inline void arg_max(const tinyml_arg_max_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                           const tinyml_tile_t *tile)
{
    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        int32_t *o = tinyml_row(out, y);
        for (int32_t k = 0; k < op->count; ++k) {
            const int32_t pixel = y * op->count + k;
            const element_t *i = (const element_t *)tinyml_row(in, pixel / op->in_cols)
                                 + (pixel % op->in_cols - in->first_col) * op->channels;
            int32_t best = 0;
            for (int32_t c = 1; c < op->channels; ++c) {
                best = i[c] > i[best] ? c : best;
            }
            *o++ = best;
            if (op->wide) {
                *o++ = 0;
            }
        }
    }
}

#endif

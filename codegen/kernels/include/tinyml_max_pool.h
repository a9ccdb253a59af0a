/* Maximum of windows. SPDX-License-Identifier: Apache-2.0
 *
 * A source defines the type element_t and that of the parameters, op_t, the least element, LEAST, and what a maximum gives,
 * limit(), and includes this file.
 */
#ifndef TINYML_MAX_POOL_H
#define TINYML_MAX_POOL_H

#include "tinyml_window.h"

static inline void max_pool(const op_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out, const tinyml_tile_t *tile)
{
    const tinyml_window_t *w = &op->window;
    const int32_t channels = w->in_channels;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        element_t *o = (element_t *)tinyml_row(out, y) + (tile->col - out->first_col) * channels;
        const tinyml_taps_t rows = tinyml_rows_of_window(w, y);
        for (int32_t x = tile->col; x < tile->col + tile->cols; ++x) {
            const tinyml_taps_t cols = tinyml_cols_of_window(w, x);
            for (int32_t c = 0; c < channels; ++c) {
                o[c] = LEAST;
            }
            for (int32_t ky = rows.first; ky < rows.end; ++ky) {
                const element_t *i = (const element_t *)tinyml_row(in, rows.origin + ky * w->dilation_y)
                                   + (cols.origin + cols.first * w->dilation_x - in->first_col) * channels;
                for (int32_t kx = cols.first; kx < cols.end; ++kx) {
                    for (int32_t c = 0; c < channels; ++c) {
                        o[c] = i[c] > o[c] ? i[c] : o[c];
                    }
                    i += w->dilation_x * channels;
                }
            }
            for (int32_t c = 0; c < channels; ++c) {
                o[c] = limit(op, o[c]);
            }
            o += channels;
        }
    }
}

#endif

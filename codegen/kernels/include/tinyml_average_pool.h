/* Average of windows. SPDX-License-Identifier: Apache-2.0
 *
 * A source defines the types element_t and sum_t and that of the parameters, op_t, what so many taps outside the image add
 * to a sum, padding(), and what a sum over so many taps gives, average(), and includes this file.
 */
#ifndef TINYML_AVERAGE_POOL_H
#define TINYML_AVERAGE_POOL_H

#include "tinyml_window.h"

static inline void average_pool(const op_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                                const tinyml_tile_t *tile)
{
    const tinyml_window_t *w = &op->window;
    const int32_t channels = w->in_channels;
    const int32_t taps = w->kernel_height * w->kernel_width;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        element_t *o = (element_t *)tinyml_row(out, y) + (tile->col - out->first_col) * channels;
        const tinyml_taps_t rows = tinyml_rows_of_window(w, y);
        const element_t *top = in->base;
        if (rows.first < rows.end) {
            top = tinyml_row(in, rows.origin + rows.first * w->dilation_y);
        }
        for (int32_t x = tile->col; x < tile->col + tile->cols; ++x) {
            const tinyml_taps_t cols = tinyml_cols_of_window(w, x);
            const int32_t inside = (rows.end - rows.first) * (cols.end - cols.first);
            const int32_t first = (cols.origin + cols.first * w->dilation_x - in->first_col) * channels;
            const int32_t count = op->whole_window ? taps : inside;
            for (int32_t c = 0; c < channels; ++c) {
                sum_t sum = padding(op, count - inside);
                const element_t *row = top;
                for (int32_t ky = rows.first; ky < rows.end; ++ky) {
                    const element_t *i = row + first + c;
                    for (int32_t kx = cols.first; kx < cols.end; ++kx) {
                        sum += *i;
                        i += w->dilation_x * channels;
                    }
                    row = tinyml_row_below(in, row, ky + 1 < rows.end ? w->dilation_y : 0);
                }
                *o++ = average(op, sum, count);
            }
        }
    }
}

#endif

/* Convolution, any geometry, a tap at a time. SPDX-License-Identifier: Apache-2.0
 *
 * A source defines the types element_t, weight_t, sum_t and that of the parameters, op_t, and how the sum of a channel
 * becomes an output, finish(), and includes this file.
 */
#ifndef TINYML_CONV_WINDOWS_H
#define TINYML_CONV_WINDOWS_H

#include "tinyml_window.h"

/* Sum over the taps of a window that lie inside the image. `weights` is one filter, `row` the input row of the first tap
 * row inside, at the first channel of the filter's group. */
static sum_t window_sum(const op_t *op, const tinyml_rows_t *in, const element_t *row, const weight_t *weights,
                        tinyml_taps_t rows, tinyml_taps_t cols)
{
    const tinyml_window_t *w = &op->window;
    const int32_t depth = w->in_channels / op->groups;
    const int32_t step = w->dilation_x * w->in_channels;
    const int32_t first_col = cols.origin + cols.first * w->dilation_x - in->first_col;
    sum_t sum = 0;

    for (int32_t ky = rows.first; ky < rows.end; ++ky) {
        const element_t *x = row + first_col * w->in_channels;
        const weight_t *f = weights + (ky * w->kernel_width + cols.first) * depth;
        for (int32_t kx = cols.first; kx < cols.end; ++kx) {
            for (int32_t c = 0; c < depth; ++c) {
                sum += f[c] * x[c];
            }
            x += step;
            f += depth;
        }
        row = tinyml_row_below(in, row, ky + 1 < rows.end ? w->dilation_y : 0);
    }
    return sum;
}

static inline void conv(const op_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out, const tinyml_tile_t *tile)
{
    const tinyml_window_t *w = &op->window;
    const int32_t group_in = w->in_channels / op->groups;
    const int32_t group_out = op->out_channels / op->groups;
    const int32_t taps = w->kernel_height * w->kernel_width * group_in;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        element_t *o = (element_t *)tinyml_row(out, y) + (tile->col - out->first_col) * op->out_channels;
        const tinyml_taps_t rows = tinyml_rows_of_window(w, y);
        const element_t *row = in->base;
        if (rows.first < rows.end) {
            row = tinyml_row(in, rows.origin + rows.first * w->dilation_y);
        }
        for (int32_t x = tile->col; x < tile->col + tile->cols; ++x) {
            const tinyml_taps_t cols = tinyml_cols_of_window(w, x);
            const weight_t *weights = op->weights;
            for (int32_t c = 0; c < op->out_channels; ++c) {
                const element_t *group = row + c / group_out * group_in;
                *o++ = finish(op, c, op->bias[c] + window_sum(op, in, group, weights, rows, cols));
                weights += taps;
            }
        }
    }
}

#endif

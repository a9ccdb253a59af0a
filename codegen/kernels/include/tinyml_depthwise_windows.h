/* Depthwise convolution, any geometry. SPDX-License-Identifier: Apache-2.0
 *
 * A source defines the types element_t and sum_t and that of the parameters, op_t, what a tap adds, product(), and how the
 * sum of a channel becomes an output, finish(), and includes this file.
 */
#ifndef TINYML_DEPTHWISE_WINDOWS_H
#define TINYML_DEPTHWISE_WINDOWS_H

#include "tinyml_window.h"

static inline void depthwise(const op_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                             const tinyml_tile_t *tile)
{
    const tinyml_window_t *w = &op->window;
    const int32_t channels = op->out_channels;
    const int32_t multiplicity = channels / w->in_channels;
    /* Four neighbouring channels at a time, where each has an input channel of its own. */
    const int32_t blocked = multiplicity == 1 ? channels - channels % 4 : 0;
    const int32_t step = w->dilation_x * w->in_channels;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        element_t *o = (element_t *)tinyml_row(out, y) + (tile->col - out->first_col) * channels;
        const tinyml_taps_t rows = tinyml_rows_of_window(w, y);
        const element_t *top = in->base;
        if (rows.first < rows.end) {
            top = tinyml_row(in, rows.origin + rows.first * w->dilation_y);
        }
        for (int32_t x = tile->col; x < tile->col + tile->cols; ++x) {
            const tinyml_taps_t cols = tinyml_cols_of_window(w, x);
            const int32_t first = (cols.origin + cols.first * w->dilation_x - in->first_col) * w->in_channels;
            int32_t c = 0;
            for (; c < blocked; c += 4) {
                sum_t s0 = op->bias[c], s1 = op->bias[c + 1], s2 = op->bias[c + 2], s3 = op->bias[c + 3];
                const element_t *row = top;
                for (int32_t ky = rows.first; ky < rows.end; ++ky) {
                    const element_t *i = row + first + c;
                    const element_t *f = op->weights + (ky * w->kernel_width + cols.first) * channels + c;
                    for (int32_t kx = cols.first; kx < cols.end; ++kx) {
                        s0 += product(op, f[0], i[0]);
                        s1 += product(op, f[1], i[1]);
                        s2 += product(op, f[2], i[2]);
                        s3 += product(op, f[3], i[3]);
                        i += step;
                        f += channels;
                    }
                    row = tinyml_row_below(in, row, ky + 1 < rows.end ? w->dilation_y : 0);
                }
                o[0] = finish(op, c, s0);
                o[1] = finish(op, c + 1, s1);
                o[2] = finish(op, c + 2, s2);
                o[3] = finish(op, c + 3, s3);
                o += 4;
            }
            for (; c < channels; ++c) {
                sum_t sum = op->bias[c];
                const element_t *row = top;
                for (int32_t ky = rows.first; ky < rows.end; ++ky) {
                    const element_t *i = row + first + c / multiplicity;
                    const element_t *f = op->weights + (ky * w->kernel_width + cols.first) * channels + c;
                    for (int32_t kx = cols.first; kx < cols.end; ++kx) {
                        sum += product(op, *f, *i);
                        i += step;
                        f += channels;
                    }
                    row = tinyml_row_below(in, row, ky + 1 < rows.end ? w->dilation_y : 0);
                }
                *o++ = finish(op, c, sum);
            }
        }
    }
}

#endif

/* Convolution, int16 with int8 weights, any geometry. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_conv_s16.h"
#include "tinyml_requant.h"

/* Sum over the taps of a window that lie inside the image. `weights` is one filter, `row` the input row of the first tap
 * row inside, at the first channel of the filter's group. */
static int64_t window_sum(const tinyml_conv_s16_t *op, const tinyml_rows_t *in, const int16_t *row, const int8_t *weights,
                          tinyml_taps_t rows, tinyml_taps_t cols)
{
    const tinyml_window_t *w = &op->window;
    const int32_t depth = w->in_channels / op->groups;
    const int32_t step = w->dilation_x * w->in_channels;
    const int32_t first_col = cols.origin + cols.first * w->dilation_x - in->first_col;
    int64_t sum = 0;

    for (int32_t ky = rows.first; ky < rows.end; ++ky) {
        const int16_t *x = row + first_col * w->in_channels;
        const int8_t *f = weights + (ky * w->kernel_width + cols.first) * depth;
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

void tinyml_conv_s16(const tinyml_conv_s16_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                     const tinyml_tile_t *tile, void *scratch)
{
    const tinyml_window_t *w = &op->window;
    const int32_t group_in = w->in_channels / op->groups;
    const int32_t group_out = op->out_channels / op->groups;
    const int32_t taps = w->kernel_height * w->kernel_width * group_in;
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        int16_t *o = (int16_t *)tinyml_row(out, y) + (tile->col - out->first_col) * op->out_channels;
        const tinyml_taps_t rows = tinyml_rows_of_window(w, y);
        const int16_t *row = in->base;
        if (rows.first < rows.end) {
            row = tinyml_row(in, rows.origin + rows.first * w->dilation_y);
        }
        for (int32_t x = tile->col; x < tile->col + tile->cols; ++x) {
            const tinyml_taps_t cols = tinyml_cols_of_window(w, x);
            const int8_t *weights = op->weights;
            for (int32_t c = 0; c < op->out_channels; ++c) {
                const int16_t *group = row + c / group_out * group_in;
                const int64_t sum = op->bias[c] + window_sum(op, in, group, weights, rows, cols);
                const int32_t scaled = tinyml_requantize_wide(sum, op->multiplier[c], op->shift[c]);
                *o++ = (int16_t)tinyml_clamp(scaled, op->out_min, op->out_max);
                weights += taps;
            }
        }
    }
}

/* Convolution, int8, any geometry. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_conv_s8.h"
#include "tinyml_products.h"
#include "tinyml_requant.h"

/* Adds the taps of a window that lie inside the image, for `count` filters: four, or one. `row` is the input row of the
 * first of those taps, at the first channel of the group. */
static void add_window(const tinyml_conv_s8_t *op, const tinyml_rows_t *in, const int8_t *row, const int8_t *weights,
                       tinyml_taps_t rows, tinyml_taps_t cols, int32_t count, int32_t sum[4])
{
    const tinyml_window_t *w = &op->window;
    const int32_t depth = w->in_channels / op->groups, taps = w->kernel_height * w->kernel_width * depth;
    const int32_t first = (cols.origin + cols.first * w->dilation_x - in->first_col) * w->in_channels;
    /* Where nothing lies between the columns of a window, a row of it is one run. */
    const int32_t whole = op->groups == 1 && w->dilation_x == 1;
    const int32_t runs = whole ? (cols.first < cols.end ? 1 : 0) : cols.end - cols.first;
    const int32_t run = whole ? (cols.end - cols.first) * depth : depth;

    for (int32_t ky = rows.first; ky < rows.end; ++ky) {
        const int8_t *x = row + first;
        const int8_t *f = weights + (ky * w->kernel_width + cols.first) * depth;
        for (int32_t n = 0; n < runs; ++n, x += w->dilation_x * w->in_channels, f += depth) {
            if (count == 4) {
                tinyml_add_products(x, op->in_offset, f, taps, run, sum);
            } else {
                sum[0] += tinyml_sum_products(x, op->in_offset, f, run);
            }
        }
        row = tinyml_row_below(in, row, ky + 1 < rows.end ? w->dilation_y : 0);
    }
}

void tinyml_conv_s8(const tinyml_conv_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                    const tinyml_tile_t *tile, void *scratch)
{
    const tinyml_window_t *w = &op->window;
    const int32_t group_in = w->in_channels / op->groups;
    const int32_t group_out = op->out_channels / op->groups;
    const int32_t taps = w->kernel_height * w->kernel_width * group_in;
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        int8_t *o = (int8_t *)tinyml_row(out, y) + (tile->col - out->first_col) * op->out_channels;
        const tinyml_taps_t rows = tinyml_rows_of_window(w, y);
        const int8_t *row = in->base;
        if (rows.first < rows.end) {
            row = tinyml_row(in, rows.origin + rows.first * w->dilation_y);
        }
        for (int32_t x = tile->col; x < tile->col + tile->cols; ++x) {
            const tinyml_taps_t cols = tinyml_cols_of_window(w, x);
            for (int32_t c = 0, count; c < op->out_channels; c += count) {
                const int32_t group = c / group_out;
                int32_t sum[4] = {0, 0, 0, 0};
                count = (group + 1) * group_out - c >= 4 ? 4 : 1;
                add_window(op, in, row + group * group_in, op->weights + c * taps, rows, cols, count, sum);
                for (int32_t i = 0; i < count; ++i) {
                    const int32_t k = c + i;
                    const int32_t scaled = tinyml_requantize(sum[i] + op->bias[k], op->multiplier[k], op->shift[k]);
                    *o++ = (int8_t)tinyml_clamp(scaled + op->out_offset, op->out_min, op->out_max);
                }
            }
        }
    }
}

/* Convolution, int8 with weights of 4 bits, any geometry. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_conv_w4.h"
#include "tinyml_requant.h"

static inline int32_t low(int8_t pair)
{
    return ((pair & 15) ^ 8) - 8;
}

/* Sum over `count` neighbouring inputs, at least one, with the weights from number `first` on. */
static int32_t run_sum(const int8_t *weights, int32_t first, const int8_t *x, int32_t count, int32_t offset)
{
    const int8_t *end = x + count;
    const int8_t *w = weights + (first >> 1);
    int32_t sum = 0;

    if (first & 1) {
        sum += (*w++ >> 4) * (*x++ + offset);
    }
    for (; end - x >= 2; x += 2, ++w) {
        sum += low(*w) * (x[0] + offset) + (*w >> 4) * (x[1] + offset);
    }
    return x < end ? sum + low(*w) * (*x + offset) : sum;
}

/* Sum over the taps of a window that lie inside the image. `row` is the input row of the first tap row inside. */
static int32_t window_sum(const tinyml_conv_s8_t *op, const tinyml_rows_t *in, const int8_t *row, const int8_t *weights,
                          tinyml_taps_t rows, tinyml_taps_t cols)
{
    const tinyml_window_t *w = &op->window;
    const int32_t depth = w->in_channels;
    const int32_t first_col = cols.origin + cols.first * w->dilation_x - in->first_col;
    int32_t sum = 0;

    for (int32_t ky = rows.first; ky < rows.end; ++ky) {
        const int8_t *x = row + first_col * depth;
        for (int32_t kx = cols.first; kx < cols.end; ++kx) {
            sum += run_sum(weights, (ky * w->kernel_width + kx) * depth, x, depth, op->in_offset);
            x += w->dilation_x * depth;
        }
        row = tinyml_row_below(in, row, ky + 1 < rows.end ? w->dilation_y : 0);
    }
    return sum;
}

void tinyml_conv_w4(const tinyml_conv_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                    const tinyml_tile_t *tile, void *scratch)
{
    const tinyml_window_t *w = &op->window;
    const int32_t filter_bytes = (w->kernel_height * w->kernel_width * w->in_channels + 1) / 2;
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
            const int8_t *weights = op->weights;
            for (int32_t c = 0; c < op->out_channels; ++c) {
                int32_t sum = op->bias[c] + window_sum(op, in, row, weights, rows, cols);
                sum = tinyml_requantize(sum, op->multiplier[c], op->shift[c]) + op->out_offset;
                *o++ = (int8_t)tinyml_clamp(sum, op->out_min, op->out_max);
                weights += filter_bytes;
            }
        }
    }
}

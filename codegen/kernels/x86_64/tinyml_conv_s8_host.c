/* Convolution, int8, for hosts with AVX2. SPDX-License-Identifier: Apache-2.0
 *
 * The windows of four neighbouring outputs are gathered as int16, their zero point subtracted; then each pair of taps
 * meets eight filters at once.
 */
#include "tinyml_conv_s8_host.h"
#include "tinyml_lanes.h"

#define COLS 4

/* The window of output column x: taps outside the image are 0. `row` as in tinyml_conv_s8(). */
static void gather(const tinyml_conv_s8_t *op, const tinyml_rows_t *in, const int8_t *row, tinyml_taps_t rows, int32_t x,
                   int16_t *to)
{
    const tinyml_window_t *w = &op->window;
    const tinyml_taps_t cols = tinyml_cols_of_window(w, x);
    const int32_t depth = w->in_channels;
    const int32_t first_col = cols.origin + cols.first * w->dilation_x - in->first_col;
    if (rows.end - rows.first < w->kernel_height || cols.end - cols.first < w->kernel_width) {
        tinyml_fill(to, 0, (int32_t)sizeof *to * w->kernel_height * w->kernel_width * depth);
    }
    for (int32_t ky = rows.first; ky < rows.end; ++ky) {
        const int8_t *i = row + first_col * depth;
        int16_t *o = to + (ky * w->kernel_width + cols.first) * depth;
        for (int32_t kx = cols.first; kx < cols.end; ++kx) {
            for (int32_t c = 0; c < depth; ++c) {
                o[c] = (int16_t)(i[c] + op->in_offset);
            }
            i += w->dilation_x * depth;
            o += depth;
        }
        row = tinyml_row_below(in, row, ky + 1 < rows.end ? w->dilation_y : 0);
    }
}

void tinyml_conv_s8_host(const tinyml_conv_s8_host_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                         const tinyml_tile_t *tile, void *scratch)
{
    const tinyml_conv_s8_t *conv = &op->conv;
    const tinyml_window_t *w = &conv->window;
    const int32_t taps = w->kernel_height * w->kernel_width * w->in_channels;
    const int32_t even = taps + taps % 2;
    int16_t *windows = scratch;

    for (int32_t i = 0; i < COLS; ++i) {
        windows[(i + 1) * even - 1] = 0; /* the tap that makes their number even */
    }
    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        int8_t *o = (int8_t *)tinyml_row(out, y) + (tile->col - out->first_col) * conv->out_channels;
        const tinyml_taps_t rows = tinyml_rows_of_window(w, y);
        const int8_t *row = in->base;
        if (rows.first < rows.end) {
            row = tinyml_row(in, rows.origin + rows.first * w->dilation_y);
        }
        for (int32_t col = 0; col < tile->cols; col += COLS) {
            const int32_t here = tile->cols - col < COLS ? tile->cols - col : COLS;
            for (int32_t i = 0; i < COLS; ++i) { /* at the end of a row the last window stands in for those beyond */
                gather(conv, in, row, rows, tile->col + col + (i < here ? i : here - 1), windows + i * even);
            }
            const int16_t *f = op->weights;
            for (int32_t c = 0; c < conv->out_channels; c += 8) {
                const tinyml_lanes_t bias = tinyml_lanes_load(conv->bias + c);
                tinyml_lanes_t sums[COLS] = {bias, bias, bias, bias};
                for (int32_t k = 0; k < even; k += 2, f += 16) {
                    sums[0] = tinyml_lanes_pair(sums[0], f, windows + k);
                    sums[1] = tinyml_lanes_pair(sums[1], f, windows + even + k);
                    sums[2] = tinyml_lanes_pair(sums[2], f, windows + 2 * even + k);
                    sums[3] = tinyml_lanes_pair(sums[3], f, windows + 3 * even + k);
                }
                for (int32_t i = 0; i < here; ++i) {
                    tinyml_lanes_store(conv, c, sums[i], o + i * conv->out_channels + c);
                }
            }
            o += here * conv->out_channels;
        }
    }
}

/* Depthwise convolution, int8, 3x3, for SMLAD, in tiles of few rows. SPDX-License-Identifier: Apache-2.0
 *
 * No call prepares channels: they are constants. So each row is finished before the next, all channels of it, and what rows
 * it reads is found once.
 */
#define TINYML_DEPTHWISE_PAIRS 9
#include "tinyml_depthwise_rows.h"

/* One row of outputs, from `to` on; the rows of its windows that are inside the image. */
static void compute(const tinyml_depthwise_ready_s8_t *op, region_t *r, tinyml_taps_t rows, uint32_t *planes, int8_t *to)
{
    const channel_t *channels = (const channel_t *)(const void *)op->channels;
    const int32_t dense = op->conv.window.stride_x == 1;

    for (int32_t left = op->conv.out_channels;;) {
        if (r->inside && rows.end - rows.first == 3) {
            spread(&r->source);
        } else if (r->inside) {
            spread_some(r, rows.first, rows.end, planes);
        }
        if (dense) {
            dense_sums(planes, channels, to, &r->block);
        } else {
            sparse_sums(planes, channels, to, &r->block);
        }
        left -= 4;
        if (left <= 0) {
            return;
        }
        const int32_t step = left < 4 ? left : 4; /* the last four perhaps once more */
        channels += step;
        to += step;
        for (int32_t k = 0; k < 3; ++k) {
            r->source.row[k] += step;
        }
    }
}

void tinyml_depthwise_3x3_ready_s8_dsp(const tinyml_depthwise_ready_s8_t *op, const tinyml_rows_t *in,
                                       const tinyml_rows_t *out, const tinyml_tile_t *tile, void *scratch)
{
    const tinyml_conv_s8_t *conv = &op->conv;
    const int32_t limited = conv->out_min > INT8_MIN || conv->out_max < INT8_MAX;
    region_t r = region_of(conv, in, tile->col, tile->cols, scratch);

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        const tinyml_taps_t rows = tinyml_rows_of_window(&conv->window, y);
        const int8_t *row = rows.first < rows.end ? tinyml_row(in, rows.origin + rows.first) : in->base;
        int8_t *to = (int8_t *)tinyml_row(out, y) + (tile->col - out->first_col) * conv->out_channels;
        for (int32_t k = 0; k < 3; ++k) { /* a row outside the image is taken for any that is there */
            r.source.row[k] = row + r.offset;
            row = k >= rows.first && k + 1 < rows.end ? tinyml_row_below(in, row, 1) : row;
        }
        compute(op, &r, rows, scratch, to);
        for (int32_t i = 0; limited && i < tile->cols * conv->out_channels; ++i) {
            to[i] = (int8_t)tinyml_clamp(to[i], conv->out_min, conv->out_max);
        }
    }
}

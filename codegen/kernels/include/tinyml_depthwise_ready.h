/* The 3x3 depthwise kernels for tiles of few rows, for SMLAD. SPDX-License-Identifier: Apache-2.0
 *
 * No call prepares channels: they are constants. So each row is finished before the next, all channels of it, and what rows
 * it reads is found once.
 *
 * A source defines TINYML_DEPTHWISE_PAIRS, see tinyml_depthwise_rows.h, and includes this file.
 */
#ifndef TINYML_DEPTHWISE_READY_H
#define TINYML_DEPTHWISE_READY_H

#include "tinyml_depthwise_rows.h"

/* A block of a row of outputs, from `to` on; the rows of its windows that are inside the image. */
static void compute(const tinyml_depthwise_ready_s8_t *op, region_t *r, tinyml_taps_t rows, uint32_t *planes, int8_t *to)
{
    const channel_t *channels = (const channel_t *)(const void *)op->channels;
    const int32_t dense = op->depthwise.conv.window.stride_x == 1;

    for (int32_t left = op->depthwise.conv.out_channels;;) {
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

static inline void depthwise_ready(const tinyml_depthwise_ready_s8_t *op, const tinyml_rows_t *in,
                                   const tinyml_rows_t *out, const tinyml_tile_t *tile, void *scratch)
{
    const tinyml_conv_s8_t *conv = &op->depthwise.conv;
    const int32_t channels = conv->out_channels, right = tile->col + tile->cols;
    const int32_t most = tile->cols < op->depthwise.block_cols ? tile->cols : op->depthwise.block_cols;
    const int32_t limited = conv->out_min > INT8_MIN || conv->out_max < INT8_MAX;
    region_t r = region_of(conv, in, tile->col, most, scratch);

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        const tinyml_taps_t rows = tinyml_rows_of_window(&conv->window, y);
        const int8_t *row = rows.first < rows.end ? tinyml_row(in, rows.origin + rows.first) : in->base;
        const int8_t *window[3]; /* a row outside the image is taken for any that is there */
        int8_t *const to = (int8_t *)tinyml_row(out, y) + (tile->col - out->first_col) * channels;
        for (int32_t k = 0; k < 3; ++k) {
            window[k] = row;
            row = k >= rows.first && k + 1 < rows.end ? tinyml_row_below(in, row, 1) : row;
        }
        for (int32_t x = tile->col; x < right; x += most) {
            if (most < tile->cols) {
                r = region_of(conv, in, x, right - x < most ? right - x : most, scratch);
            }
            for (int32_t k = 0; k < 3; ++k) {
                r.source.row[k] = window[k] + r.offset;
            }
            compute(op, &r, rows, scratch, to + (x - tile->col) * channels);
        }
        for (int32_t i = 0; limited && i < tile->cols * channels; ++i) {
            to[i] = (int8_t)tinyml_clamp(to[i], conv->out_min, conv->out_max);
        }
    }
}

#endif

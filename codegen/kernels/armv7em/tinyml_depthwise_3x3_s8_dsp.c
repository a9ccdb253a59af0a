/* Depthwise convolution, int8, 3x3, for SMLAD. SPDX-License-Identifier: Apache-2.0
 *
 * Four channels are prepared in scratch, then all rows of the tile are computed for them.
 */
#define TINYML_DEPTHWISE_PAIRS 25
#include "tinyml_depthwise_prepare.h"
#include "tinyml_depthwise_rows.h"

/* Prepares channels c to c + 3, which come after `before` others. */
TINYML_STEP static void prepare(const tinyml_depthwise_s8_t *op, int32_t before, int32_t c, channel_t *to)
{
    int8_t wide[4 * 9];
    const tinyml_weights_t weights = tinyml_weights_of(op, before, c, 9, wide);
    const int32_t step = weights.step;
    const int8_t *w = weights.first, *v = w + 3 * step;
    const int32_t size = sizeof(channel_t) / 4;
    int32_t factor[4];

    tinyml_finish_four(&op->conv, c, &to->finish, size, factor);
    tinyml_spread_taps(w, v, factor, &to->weights[0], size);
    tinyml_spread_taps(w + step, v + step, factor, &to->weights[1], size);
    tinyml_spread_taps(w + 2 * step, v + 2 * step, factor, &to->weights[2], size);
    v += 3 * step;
    tinyml_spread_taps(v, v + step, factor, &to->weights[3], size);
    tinyml_spread_taps(v + step, v + 2 * step, factor, &to->weights[4], size);
}

/* Clamps four channels, for ranges less than int8. */
static void limit(const tinyml_conv_s8_t *op, const tinyml_rows_t *out, int32_t rows, int32_t cols, int8_t *row)
{
    for (; rows > 0; --rows, row = (int8_t *)tinyml_row_below(out, row, 1)) {
        int8_t *at = row;
        for (int32_t x = 0; x < cols; ++x, at += op->out_channels) {
            for (int32_t k = 0; k < 4; ++k) {
                at[k] = (int8_t)tinyml_clamp(at[k], op->out_min, op->out_max);
            }
        }
    }
}

/* Channels c to c + 3 of a block of columns. A row of the input lies `at` bytes behind the base, `advance` those to the next
 * window's, around the ring; one outside the image is taken for any that is there. The outputs begin `offset` bytes behind
 * the start of a row. */
static void compute(const tinyml_conv_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                    const tinyml_tile_t *tile, region_t *r, int32_t at, int32_t advance, const channel_t channels[4],
                    uint32_t *planes, int32_t c, int8_t *row, int32_t offset)
{
    const int32_t size = in->rows * in->row_bytes, row_bytes = in->row_bytes, height = op->window.in_height;
    const int32_t stride_y = op->window.stride_y;
    const int8_t *const base = (const int8_t *)in->base + r->offset + c;
    const int32_t out_bytes = out->row_bytes, out_size = out->rows * out_bytes;
    const int8_t *const out_end = (const int8_t *)out->base + out_size + offset;
    const uint32_t whole = r->inside && height > 2 ? (uint32_t)height - 2 : 0; /* rows that a whole window may begin with */
    void (*const sums)(const uint32_t *, const channel_t *, int8_t *, const block_t *) =
        op->window.stride_x == 1 ? dense_sums : sparse_sums;
    int8_t *to = row + offset;
    int32_t top = tile->row * stride_y - op->window.pad_top;

    for (int32_t left = tile->rows; left > 0; --left, top += stride_y) {
        const int32_t below = at + row_bytes < size ? at + row_bytes : at + row_bytes - size;
        const int32_t last = below + row_bytes < size ? below + row_bytes : below + row_bytes - size;
        r->source.row[0] = base + at;
        r->source.row[1] = base + below;
        r->source.row[2] = base + last;
        if ((uint32_t)top < whole) {
            spread(&r->source);
        } else if (r->inside) {
            const tinyml_taps_t rows = tinyml_taps(top, height, 3, 1);
            spread_some(r, rows.first, rows.end, planes);
        }
        sums(planes, channels, to, &r->block);
        to = to + out_bytes < out_end ? to + out_bytes : to + out_bytes - out_size;
        at = at + advance < size ? at + advance : at + advance - size;
    }
}

void tinyml_depthwise_3x3_s8_dsp(const tinyml_depthwise_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                                 const tinyml_tile_t *tile, void *scratch)
{
    const tinyml_conv_s8_t *conv = &op->conv;
    const int32_t channels = conv->out_channels, right = tile->col + tile->cols;
    const int32_t most = tile->cols < op->block_cols ? tile->cols : op->block_cols;
    channel_t *const group = scratch;
    uint32_t *const planes = (uint32_t *)(void *)(group + 4);
    const int32_t top = (tile->row * conv->window.stride_y - conv->window.pad_top - in->first_row) % in->rows;
    const int32_t at = (top < 0 ? top + in->rows : top) * in->row_bytes;
    const int32_t advance = conv->window.stride_y % in->rows * in->row_bytes;
    int8_t *const row = tinyml_row(out, tile->row);
    region_t r = region_of(conv, in, tile->col, most, planes);

    for (int32_t next = 0; next < channels; next += 4) {
        const int32_t c = next + 4 <= channels ? next : channels - 4; /* the last four once more */
        prepare(op, next, c, group);
        for (int32_t x = tile->col; x < right; x += most) {
            const int32_t cols = right - x < most ? right - x : most;
            const int32_t offset = (x - out->first_col) * channels + c;
            if (most < tile->cols) {
                r = region_of(conv, in, x, cols, planes);
            }
            compute(conv, in, out, tile, &r, at, advance, group, planes, c, row, offset);
            if (conv->out_min > INT8_MIN || conv->out_max < INT8_MAX) {
                limit(conv, out, tile->rows, cols, row + offset);
            }
        }
    }
}

/* Depthwise convolution, int8 with weights of 4 bits. SPDX-License-Identifier: Apache-2.0
 *
 * Up to four neighbouring channels at a time: their weights are widened once for a tile.
 */
#include "tinyml_conv_w4.h"
#include "tinyml_requant.h"
#include "tinyml_widen_w4.h"

/* weights  [tap][4]; zeros where there are fewer channels
 * input    the channel of the input that each reads
 */
typedef struct {
    const int8_t *weights;
    int32_t channel;
    int32_t count;
    int32_t input[4];
} block_t;

/* The sums of a window. `row` is the input row of the first tap row inside. */
static inline void sum_window(const tinyml_conv_s8_t *op, const block_t *block, const tinyml_rows_t *in, const int8_t *row,
                              tinyml_taps_t rows, tinyml_taps_t cols, int32_t sum[4])
{
    const tinyml_window_t *w = &op->window;
    const int32_t step = w->dilation_x * w->in_channels, offset = op->in_offset;
    const int32_t first = (cols.origin + cols.first * w->dilation_x - in->first_col) * w->in_channels + block->input[0];
    const int32_t second = block->input[1] - block->input[0], third = block->input[2] - block->input[0];
    const int32_t fourth = block->input[3] - block->input[0];
    int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;

    for (int32_t ky = rows.first; ky < rows.end; ++ky) {
        const int8_t *i = row + first;
        const int8_t *f = block->weights + 4 * (ky * w->kernel_width + cols.first);
        for (int32_t kx = cols.first; kx < cols.end; ++kx, i += step, f += 4) {
            s0 += f[0] * (i[0] + offset);
            s1 += f[1] * (i[second] + offset);
            s2 += f[2] * (i[third] + offset);
            s3 += f[3] * (i[fourth] + offset);
        }
        row = tinyml_row_below(in, row, ky + 1 < rows.end ? w->dilation_y : 0);
    }
    sum[0] = s0;
    sum[1] = s1;
    sum[2] = s2;
    sum[3] = s3;
}

static void compute(const tinyml_conv_s8_t *op, const block_t *block, const tinyml_rows_t *in, const tinyml_rows_t *out,
                    const tinyml_tile_t *tile)
{
    const tinyml_window_t *w = &op->window;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        int8_t *o = (int8_t *)tinyml_row(out, y) + (tile->col - out->first_col) * op->out_channels + block->channel;
        const tinyml_taps_t rows = tinyml_rows_of_window(w, y);
        const int8_t *row = in->base;
        if (rows.first < rows.end) {
            row = tinyml_row(in, rows.origin + rows.first * w->dilation_y);
        }
        for (int32_t x = tile->col; x < tile->col + tile->cols; ++x, o += op->out_channels) {
            int32_t sum[4];
            sum_window(op, block, in, row, rows, tinyml_cols_of_window(w, x), sum);
            for (int32_t k = 0; k < block->count; ++k) {
                const int32_t c = block->channel + k;
                const int32_t result = tinyml_requantize(sum[k] + op->bias[c], op->multiplier[c], op->shift[c]);
                o[k] = (int8_t)tinyml_clamp(result + op->out_offset, op->out_min, op->out_max);
            }
        }
    }
}

void tinyml_depthwise_w4(const tinyml_conv_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                         const tinyml_tile_t *tile, void *scratch)
{
    const tinyml_window_t *w = &op->window;
    const int32_t multiplicity = op->out_channels / w->in_channels, taps = w->kernel_height * w->kernel_width;

    for (int32_t c = 0; c < op->out_channels; c += 4) {
        block_t block = {scratch, c, op->out_channels - c < 4 ? op->out_channels - c : 4, {0, 0, 0, 0}};
        for (int32_t k = 0; k < 4; ++k) {
            block.input[k] = (k < block.count ? c + k : c) / multiplicity;
        }
        tinyml_widen_w4(op->weights + c / 8 * 4 * taps, c & 4, taps, scratch);
        compute(op, &block, in, out, tile);
    }
}

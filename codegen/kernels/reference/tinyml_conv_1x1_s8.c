/* Pointwise convolution, int8. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_conv_s8.h"
#include "tinyml_products.h"
#include "tinyml_requant.h"

static int8_t finish(const tinyml_conv_s8_t *op, int32_t c, int32_t sum)
{
    sum = tinyml_requantize(sum + op->bias[c], op->multiplier[c], op->shift[c]) + op->out_offset;
    return (int8_t)tinyml_clamp(sum, op->out_min, op->out_max);
}

void tinyml_conv_1x1_s8(const tinyml_conv_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                        const tinyml_tile_t *tile, void *scratch)
{
    const tinyml_window_t *w = &op->window;
    const int32_t depth = w->in_channels, channels = op->out_channels;
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        const int8_t *x = (const int8_t *)tinyml_row(in, y * w->stride_y)
                          + (tile->col * w->stride_x - in->first_col) * depth;
        int8_t *o = (int8_t *)tinyml_row(out, y) + (tile->col - out->first_col) * channels;
        for (int32_t col = 0; col < tile->cols; ++col) {
            const int8_t *f = op->weights;
            int32_t c = 0;
            for (; c + 4 <= channels; c += 4, f += 4 * depth) {
                int32_t sum[4] = {0, 0, 0, 0};
                tinyml_add_products(x, 0, f, depth, depth, sum);
                for (int32_t i = 0; i < 4; ++i) {
                    *o++ = finish(op, c + i, sum[i]);
                }
            }
            for (; c < channels; ++c, f += depth) {
                *o++ = finish(op, c, tinyml_sum_products(x, 0, f, depth));
            }
            x += w->stride_x * depth;
        }
    }
}

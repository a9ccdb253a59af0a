/* Pointwise convolution, int8. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_conv_s8.h"
#include "tinyml_requant.h"

void tinyml_conv_1x1_s8(const tinyml_conv_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                        const tinyml_tile_t *tile, void *scratch)
{
    const tinyml_window_t *w = &op->window;
    const int32_t depth = w->in_channels;
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        const int8_t *x = (const int8_t *)tinyml_row(in, y * w->stride_y)
                          + (tile->col * w->stride_x - in->first_col) * depth;
        int8_t *o = (int8_t *)tinyml_row(out, y) + (tile->col - out->first_col) * op->out_channels;
        for (int32_t col = 0; col < tile->cols; ++col) {
            const int8_t *f = op->weights;
            for (int32_t c = 0; c < op->out_channels; ++c) {
                int32_t sum = op->bias[c];
                for (int32_t k = 0; k < depth; ++k) {
                    sum += f[k] * x[k];
                }
                sum = tinyml_requantize(sum, op->multiplier[c], op->shift[c]) + op->out_offset;
                *o++ = (int8_t)tinyml_clamp(sum, op->out_min, op->out_max);
                f += depth;
            }
            x += w->stride_x * depth;
        }
    }
}

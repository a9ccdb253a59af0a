/* Depthwise convolution, int8. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_conv_s8.h"
#include "tinyml_requant.h"

static int8_t finish(const tinyml_conv_s8_t *op, int32_t c, int32_t sum)
{
    sum = tinyml_requantize(sum, op->multiplier[c], op->shift[c]) + op->out_offset;
    return (int8_t)tinyml_clamp(sum, op->out_min, op->out_max);
}

void tinyml_depthwise_s8(const tinyml_conv_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                         const tinyml_tile_t *tile, void *scratch)
{
    const tinyml_window_t *w = &op->window;
    const int32_t channels = op->out_channels;
    const int32_t multiplicity = channels / w->in_channels;
    /* Four neighbouring channels at a time, where each has an input channel of its own. */
    const int32_t blocked = multiplicity == 1 ? channels - channels % 4 : 0;
    const int32_t step = w->dilation_x * w->in_channels;
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        int8_t *o = (int8_t *)tinyml_row(out, y) + (tile->col - out->first_col) * channels;
        const tinyml_taps_t rows = tinyml_rows_of_window(w, y);
        const int8_t *top = in->base;
        if (rows.first < rows.end) {
            top = tinyml_row(in, rows.origin + rows.first * w->dilation_y);
        }
        for (int32_t x = tile->col; x < tile->col + tile->cols; ++x) {
            const tinyml_taps_t cols = tinyml_cols_of_window(w, x);
            const int32_t first = (cols.origin + cols.first * w->dilation_x - in->first_col) * w->in_channels;
            int32_t c = 0;
            for (; c < blocked; c += 4) {
                int32_t s0 = op->bias[c], s1 = op->bias[c + 1], s2 = op->bias[c + 2], s3 = op->bias[c + 3];
                const int8_t *row = top;
                for (int32_t ky = rows.first; ky < rows.end; ++ky) {
                    const int8_t *i = row + first + c;
                    const int8_t *f = op->weights + (ky * w->kernel_width + cols.first) * channels + c;
                    for (int32_t kx = cols.first; kx < cols.end; ++kx) {
                        s0 += f[0] * (i[0] + op->in_offset);
                        s1 += f[1] * (i[1] + op->in_offset);
                        s2 += f[2] * (i[2] + op->in_offset);
                        s3 += f[3] * (i[3] + op->in_offset);
                        i += step;
                        f += channels;
                    }
                    row = tinyml_row_below(in, row, ky + 1 < rows.end ? w->dilation_y : 0);
                }
                o[0] = finish(op, c, s0);
                o[1] = finish(op, c + 1, s1);
                o[2] = finish(op, c + 2, s2);
                o[3] = finish(op, c + 3, s3);
                o += 4;
            }
            for (; c < channels; ++c) {
                int32_t sum = op->bias[c];
                const int8_t *row = top;
                for (int32_t ky = rows.first; ky < rows.end; ++ky) {
                    const int8_t *i = row + first + c / multiplicity;
                    const int8_t *f = op->weights + (ky * w->kernel_width + cols.first) * channels + c;
                    for (int32_t kx = cols.first; kx < cols.end; ++kx) {
                        sum += *f * (*i + op->in_offset);
                        i += step;
                        f += channels;
                    }
                    row = tinyml_row_below(in, row, ky + 1 < rows.end ? w->dilation_y : 0);
                }
                *o++ = finish(op, c, sum);
            }
        }
    }
}

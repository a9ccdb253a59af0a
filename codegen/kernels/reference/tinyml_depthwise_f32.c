/* Depthwise convolution, float32. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_clamp_f32.h"
#include "tinyml_conv_f32.h"

void tinyml_depthwise_f32(const tinyml_conv_f32_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
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
        float *o = (float *)tinyml_row(out, y) + (tile->col - out->first_col) * channels;
        const tinyml_taps_t rows = tinyml_rows_of_window(w, y);
        const float *top = in->base;
        if (rows.first < rows.end) {
            top = tinyml_row(in, rows.origin + rows.first * w->dilation_y);
        }
        for (int32_t x = tile->col; x < tile->col + tile->cols; ++x) {
            const tinyml_taps_t cols = tinyml_cols_of_window(w, x);
            const int32_t first = (cols.origin + cols.first * w->dilation_x - in->first_col) * w->in_channels;
            int32_t c = 0;
            for (; c < blocked; c += 4) {
                float s0 = op->bias[c], s1 = op->bias[c + 1], s2 = op->bias[c + 2], s3 = op->bias[c + 3];
                const float *row = top;
                for (int32_t ky = rows.first; ky < rows.end; ++ky) {
                    const float *i = row + first + c;
                    const float *f = op->weights + (ky * w->kernel_width + cols.first) * channels + c;
                    for (int32_t kx = cols.first; kx < cols.end; ++kx) {
                        s0 += f[0] * i[0];
                        s1 += f[1] * i[1];
                        s2 += f[2] * i[2];
                        s3 += f[3] * i[3];
                        i += step;
                        f += channels;
                    }
                    row = tinyml_row_below(in, row, ky + 1 < rows.end ? w->dilation_y : 0);
                }
                o[0] = tinyml_clamp_f32(s0, op->out_min, op->out_max);
                o[1] = tinyml_clamp_f32(s1, op->out_min, op->out_max);
                o[2] = tinyml_clamp_f32(s2, op->out_min, op->out_max);
                o[3] = tinyml_clamp_f32(s3, op->out_min, op->out_max);
                o += 4;
            }
            for (; c < channels; ++c) {
                float sum = op->bias[c];
                const float *row = top;
                for (int32_t ky = rows.first; ky < rows.end; ++ky) {
                    const float *i = row + first + c / multiplicity;
                    const float *f = op->weights + (ky * w->kernel_width + cols.first) * channels + c;
                    for (int32_t kx = cols.first; kx < cols.end; ++kx) {
                        sum += *f * *i;
                        i += step;
                        f += channels;
                    }
                    row = tinyml_row_below(in, row, ky + 1 < rows.end ? w->dilation_y : 0);
                }
                *o++ = tinyml_clamp_f32(sum, op->out_min, op->out_max);
            }
        }
    }
}

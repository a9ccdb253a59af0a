/* Depthwise convolution, int8, for hosts with AVX2. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_conv_s8_host.h"
#include "tinyml_lanes.h"

void tinyml_depthwise_s8_host(const tinyml_conv_s8_host_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                              const tinyml_tile_t *tile, void *scratch)
{
    const tinyml_conv_s8_t *conv = &op->conv;
    const tinyml_window_t *w = &conv->window;
    const int32_t channels = conv->out_channels;
    const int32_t padded = (channels + 7) / 8 * 8;
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
            const int32_t first = (cols.origin + cols.first * w->dilation_x - in->first_col) * channels;
            for (int32_t c = 0; c < channels; c += 8) {
                tinyml_lanes_t sum = tinyml_lanes_load(conv->bias + c);
                const int8_t *row = top;
                for (int32_t ky = rows.first; ky < rows.end; ++ky) {
                    const int8_t *i = row + first + c;
                    const int16_t *f = op->weights + (ky * w->kernel_width + cols.first) * padded + c;
                    for (int32_t kx = cols.first; kx < cols.end; ++kx) {
                        if (channels - c >= 8) {
                            sum = tinyml_lanes_tap(sum, f, i, conv->in_offset);
                        } else {
                            int8_t lanes[8] = {0};
                            tinyml_copy(lanes, i, channels - c);
                            sum = tinyml_lanes_tap(sum, f, lanes, conv->in_offset);
                        }
                        i += w->dilation_x * channels;
                        f += padded;
                    }
                    row = tinyml_row_below(in, row, ky + 1 < rows.end ? w->dilation_y : 0);
                }
                tinyml_lanes_store(conv, c, sum, o + c);
            }
            o += channels;
        }
    }
}

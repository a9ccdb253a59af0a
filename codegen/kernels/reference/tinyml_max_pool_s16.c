/* Maximum of windows, int16. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_pool_s16.h"
#include "tinyml_requant.h"

void tinyml_max_pool_s16(const tinyml_pool_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                         const tinyml_tile_t *tile, void *scratch)
{
    const tinyml_window_t *w = &op->window;
    const int32_t channels = w->in_channels;
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        int16_t *o = (int16_t *)tinyml_row(out, y) + (tile->col - out->first_col) * channels;
        const tinyml_taps_t rows = tinyml_rows_of_window(w, y);
        for (int32_t x = tile->col; x < tile->col + tile->cols; ++x) {
            const tinyml_taps_t cols = tinyml_cols_of_window(w, x);
            for (int32_t c = 0; c < channels; ++c) {
                o[c] = INT16_MIN;
            }
            for (int32_t ky = rows.first; ky < rows.end; ++ky) {
                const int16_t *i = (const int16_t *)tinyml_row(in, rows.origin + ky * w->dilation_y)
                                  + (cols.origin + cols.first * w->dilation_x - in->first_col) * channels;
                for (int32_t kx = cols.first; kx < cols.end; ++kx) {
                    for (int32_t c = 0; c < channels; ++c) {
                        o[c] = i[c] > o[c] ? i[c] : o[c];
                    }
                    i += w->dilation_x * channels;
                }
            }
            for (int32_t c = 0; c < channels; ++c) {
                o[c] = (int16_t)tinyml_clamp(o[c], op->out_min, op->out_max);
            }
            o += channels;
        }
    }
}

/* Maximum of windows, float32. SPDX-License-Identifier: Apache-2.0 */
#include <float.h>

#include "tinyml_clamp_f32.h"
#include "tinyml_pool_f32.h"

void tinyml_max_pool_f32(const tinyml_pool_f32_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                         const tinyml_tile_t *tile, void *scratch)
{
    const tinyml_window_t *w = &op->window;
    const int32_t channels = w->in_channels;
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        float *o = (float *)tinyml_row(out, y) + (tile->col - out->first_col) * channels;
        const tinyml_taps_t rows = tinyml_rows_of_window(w, y);
        for (int32_t x = tile->col; x < tile->col + tile->cols; ++x) {
            const tinyml_taps_t cols = tinyml_cols_of_window(w, x);
            for (int32_t c = 0; c < channels; ++c) {
                o[c] = -FLT_MAX;
            }
            for (int32_t ky = rows.first; ky < rows.end; ++ky) {
                const float *i = (const float *)tinyml_row(in, rows.origin + ky * w->dilation_y)
                                  + (cols.origin + cols.first * w->dilation_x - in->first_col) * channels;
                for (int32_t kx = cols.first; kx < cols.end; ++kx) {
                    for (int32_t c = 0; c < channels; ++c) {
                        o[c] = i[c] > o[c] ? i[c] : o[c];
                    }
                    i += w->dilation_x * channels;
                }
            }
            for (int32_t c = 0; c < channels; ++c) {
                o[c] = tinyml_clamp_f32(o[c], op->out_min, op->out_max);
            }
            o += channels;
        }
    }
}

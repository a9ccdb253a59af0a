/* Resizing by interpolation, float32. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_resample.h"

void tinyml_resize_bilinear_f32(const tinyml_resize_bilinear_f32_t *op, const tinyml_rows_t *in,
                                const tinyml_rows_t *out, const tinyml_tile_t *tile, void *scratch)
{
    const int32_t channels = op->channels;
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        const float below = op->row_fractions[y], above = 1.0f - below;
        const float *top = (const float *)tinyml_row(in, op->rows[y]) - in->first_col * channels;
        const float *bottom = below > 0.0f ? (const float *)tinyml_row(in, op->rows[y] + 1) - in->first_col * channels : top;
        float *o = (float *)tinyml_row(out, y) + (tile->col - out->first_col) * channels;

        for (int32_t x = tile->col; x < tile->col + tile->cols; ++x) {
            const float right = op->col_fractions[x], left = 1.0f - right;
            const int32_t at = op->cols[x] * channels, next = right > 0.0f ? at + channels : at;
            const float a = above * left, b = above * right, c = below * left, d = below * right;
            for (int32_t channel = 0; channel < channels; ++channel) {
                *o++ = a * top[at + channel] + b * top[next + channel] + c * bottom[at + channel]
                       + d * bottom[next + channel];
            }
        }
    }
}

/* Resizing by interpolation, int8. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_resample.h"

#define UNIT 1024

/* The weights of all four pixels add up to UNIT * UNIT, so that sums stay below 2^27. */
static int8_t rounded(int32_t sum)
{
    const int32_t half = UNIT * UNIT / 2;

    return (int8_t)((sum + (sum > 0 ? half : -half)) / (UNIT * UNIT));
}

void tinyml_resize_bilinear_s8(const tinyml_resize_bilinear_s8_t *op, const tinyml_rows_t *in,
                               const tinyml_rows_t *out, const tinyml_tile_t *tile, void *scratch)
{
    const int32_t channels = op->channels;
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        const int32_t below = op->row_fractions[y], above = UNIT - below;
        const int8_t *top = (const int8_t *)tinyml_row(in, op->rows[y]) - in->first_col * channels;
        const int8_t *bottom = below == 0 ? top : (const int8_t *)tinyml_row(in, op->rows[y] + 1) - in->first_col * channels;
        int8_t *o = (int8_t *)tinyml_row(out, y) + (tile->col - out->first_col) * channels;

        for (int32_t x = tile->col; x < tile->col + tile->cols; ++x) {
            const int32_t right = op->col_fractions[x], left = UNIT - right;
            const int32_t at = op->cols[x] * channels, next = right == 0 ? at : at + channels;
            const int32_t a = above * left, b = above * right, c = below * left, d = below * right;
            for (int32_t channel = 0; channel < channels; ++channel) {
                *o++ = rounded(a * top[at + channel] + b * top[next + channel] + c * bottom[at + channel]
                               + d * bottom[next + channel]);
            }
        }
    }
}

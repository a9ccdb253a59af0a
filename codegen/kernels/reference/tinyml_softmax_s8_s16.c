/* Softmax, int8 to int16. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_softmax_fixed.h"

void tinyml_softmax_s8_s16(const tinyml_softmax_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                           const tinyml_tile_t *tile, void *scratch)
{
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        const int8_t *x = (const int8_t *)tinyml_row(in, y) + (tile->col - in->first_col) * op->channels;
        int16_t *o = (int16_t *)tinyml_row(out, y) + (tile->col - out->first_col) * op->channels;
        for (int32_t i = 0; i < tile->cols; ++i) {
            const tinyml_softmax_row_t row = tinyml_softmax_row(op, x);
            for (int32_t c = 0; c < op->channels; ++c) {
                const int32_t p = tinyml_softmax_at(op, &row, x[c], 16) + INT16_MIN;
                o[c] = (int16_t)tinyml_clamp(p, INT16_MIN, INT16_MAX);
            }
            x += op->channels;
            o += op->channels;
        }
    }
}

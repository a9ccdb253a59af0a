/* float32 to uint8. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_quantize.h"
#include "tinyml_round.h"

void tinyml_quantize_f32_u8(const tinyml_quantize_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                            const tinyml_tile_t *tile, void *scratch)
{
    const int32_t n = tile->cols * op->channels;
    const int32_t lo = op->out_min - op->zero_point;
    const int32_t hi = op->out_max - op->zero_point;
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        const float *x = (const float *)tinyml_row(in, y) + (tile->col - in->first_col) * op->channels;
        uint8_t *o = (uint8_t *)tinyml_row(out, y) + (tile->col - out->first_col) * op->channels;
        for (int32_t i = 0; i < n; ++i) {
            o[i] = (uint8_t)(tinyml_round(x[i] / op->scale, lo, hi) + op->zero_point);
        }
    }
}

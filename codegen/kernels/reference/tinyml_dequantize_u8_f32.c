/* uint8 to float32. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_quantize.h"

void tinyml_dequantize_u8_f32(const tinyml_dequantize_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                              const tinyml_tile_t *tile, void *scratch)
{
    const int32_t n = tile->cols * op->channels;
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        const uint8_t *x = (const uint8_t *)tinyml_row(in, y) + (tile->col - in->first_col) * op->channels;
        float *o = (float *)tinyml_row(out, y) + (tile->col - out->first_col) * op->channels;
        for (int32_t i = 0; i < n; ++i) {
            o[i] = op->scale * (float)(x[i] - op->zero_point);
        }
    }
}

/* Fully connected layer, int16 with int8 weights. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_conv_s16.h"
#include "tinyml_requant.h"

void tinyml_fully_connected_s16(const tinyml_fully_connected_s16_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                                const tinyml_tile_t *tile, void *scratch)
{
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        const int16_t *x = (const int16_t *)in->base + y * op->depth;
        int16_t *o = tinyml_row(out, y);
        const int8_t *w = op->weights;
        for (int32_t c = 0; c < op->out_channels; ++c) {
            const int32_t q = op->per_channel ? c : 0;
            int32_t sum = op->bias[c];
            for (int32_t k = 0; k < op->depth; ++k) {
                sum += w[k] * x[k];
            }
            sum = tinyml_requantize_once(sum, op->factor_high[q], op->factor_low[q], op->factor_exponent[q]);
            o[c] = (int16_t)tinyml_clamp(sum, op->out_min, op->out_max);
            w += op->depth;
        }
    }
}

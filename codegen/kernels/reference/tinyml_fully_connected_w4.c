/* Fully connected layer, int8 with weights of 4 bits. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_fully_connected_w4.h"
#include "tinyml_requant.h"

void tinyml_fully_connected_w4(const tinyml_fully_connected_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                               const tinyml_tile_t *tile, void *scratch)
{
    const int32_t whole = op->depth & ~1;
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        const int8_t *x = (const int8_t *)in->base + y * op->depth;
        int8_t *o = tinyml_row(out, y);
        const int8_t *w = op->weights;
        for (int32_t c = 0; c < op->out_channels; ++c) {
            const int32_t q = op->per_channel ? c : 0;
            int32_t sum = op->bias[c];
            for (int32_t k = 0; k < whole; k += 2, ++w) {
                sum += (((*w & 15) ^ 8) - 8) * x[k] + (*w >> 4) * x[k + 1];
            }
            if (whole < op->depth) {
                sum += (((*w++ & 15) ^ 8) - 8) * x[whole];
            }
            sum = tinyml_requantize_once(sum, op->factor_high[q], op->factor_low[q], op->factor_exponent[q]);
            o[c] = (int8_t)tinyml_clamp(sum + op->out_offset, op->out_min, op->out_max);
        }
    }
}

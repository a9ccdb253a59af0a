/* int16 to int32 of another scale. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_quantize.h"
#include "tinyml_requant.h"

void tinyml_requantize_s16_s32(const tinyml_requantize_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                               const tinyml_tile_t *tile, void *scratch)
{
    const int32_t n = tile->cols * op->channels;
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        const int16_t *x = (const int16_t *)tinyml_row(in, y) + (tile->col - in->first_col) * op->channels;
        int32_t *o = (int32_t *)tinyml_row(out, y) + (tile->col - out->first_col) * op->channels;
        for (int32_t i = 0; i < n; ++i) {
            const int32_t r = tinyml_requantize(x[i] + op->in_offset, op->multiplier, op->shift) + op->out_offset;
            o[i] = tinyml_clamp(r, op->out_min, op->out_max);
        }
    }
}

/* Fully connected layer, float32. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_clamp_f32.h"
#include "tinyml_fully_connected_f32.h"

void tinyml_fully_connected_f32(const tinyml_fully_connected_f32_t *op, const tinyml_rows_t *in,
                                const tinyml_rows_t *out, const tinyml_tile_t *tile, void *scratch)
{
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        const float *x = (const float *)in->base + y * op->depth;
        float *o = tinyml_row(out, y);
        const float *w = op->weights;
        for (int32_t c = 0; c < op->out_channels; ++c) {
            float sum = op->bias[c];
            for (int32_t k = 0; k < op->depth; ++k) {
                sum += w[k] * x[k];
            }
            o[c] = tinyml_clamp_f32(sum, op->out_min, op->out_max);
            w += op->depth;
        }
    }
}

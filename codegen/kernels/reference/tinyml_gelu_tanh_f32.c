/* GELU by tanh, float32. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_math.h"
#include "tinyml_unary_f32.h"

void tinyml_gelu_tanh_f32(const tinyml_unary_f32_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                     const tinyml_tile_t *tile, void *scratch)
{
    const int32_t n = tile->cols * op->channels;
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        const float *i = (const float *)tinyml_row(in, y) + (tile->col - in->first_col) * op->channels;
        float *o = (float *)tinyml_row(out, y) + (tile->col - out->first_col) * op->channels;
        for (int32_t k = 0; k < n; ++k) {
            const float x = i[k];
            o[k] = 0.5f * x * (1.0f + tinyml_tanh(0.79788456f * (x + 0.044715f * x * x * x)));
        }
    }
}

/* Softmax, float32. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_math.h"
#include "tinyml_softmax_f32.h"

static void softmax(const tinyml_softmax_f32_t *op, const float *x, float *o)
{
    float max = x[0];
    float sum = 0.0f;

    for (int32_t c = 1; c < op->channels; ++c) {
        max = x[c] > max ? x[c] : max;
    }
    for (int32_t c = 0; c < op->channels; ++c) {
        o[c] = tinyml_exp((x[c] - max) * op->beta);
        sum += o[c];
    }
    for (int32_t c = 0; c < op->channels; ++c) {
        o[c] /= sum;
    }
}

void tinyml_softmax_f32(const tinyml_softmax_f32_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                        const tinyml_tile_t *tile, void *scratch)
{
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        const float *x = (const float *)tinyml_row(in, y) + (tile->col - in->first_col) * op->channels;
        float *o = (float *)tinyml_row(out, y) + (tile->col - out->first_col) * op->channels;
        for (int32_t i = 0; i < tile->cols; ++i) {
            softmax(op, x, o);
            x += op->channels;
            o += op->channels;
        }
    }
}

/* Mean, float32. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_mean.h"

static float mean(const tinyml_mean_f32_t *op, const float *x, int32_t at)
{
    const tinyml_reduced_t *r = &op->reduced;
    float sum = 0.0f;
    for (int32_t i = 0; i < r->outer; ++i) {
        float part = 0.0f; /* a sum of sums loses less */
        for (int32_t j = 0; j < r->inner; ++j) {
            part += x[at + i * r->outer_stride + j * r->inner_stride];
        }
        sum += part;
    }
    return sum / (float)(r->outer * r->inner);
}

void tinyml_mean_f32(const tinyml_mean_f32_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                     const tinyml_tile_t *tile, void *scratch)
{
    const tinyml_nest_t *nest = &op->reduced.nest;
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        float *o = (float *)tinyml_row(out, y) + (tile->col - out->first_col) * nest->channels;
        for (int32_t x = tile->col; x < tile->col + tile->cols; ++x) {
            int32_t at = tinyml_nest_at(nest, y, x);
            for (int32_t c = 0; c < nest->channels; ++c) {
                *o++ = mean(op, in->base, at);
                at += nest->channel_stride;
            }
        }
    }
}

/* Mean, int16. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_mean.h"
#include "tinyml_requant.h"

static int16_t mean(const tinyml_mean_s8_t *op, const int16_t *x, int32_t at)
{
    const tinyml_reduced_t *r = &op->reduced;
    int32_t sum = 0;
    for (int32_t i = 0; i < r->outer; ++i) {
        for (int32_t j = 0; j < r->inner; ++j) {
            sum += x[at + i * r->outer_stride + j * r->inner_stride];
        }
    }
    return (int16_t)tinyml_clamp(tinyml_requantize(sum, op->multiplier, op->shift), INT16_MIN, INT16_MAX);
}

void tinyml_mean_s16(const tinyml_mean_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                     const tinyml_tile_t *tile, void *scratch)
{
    const tinyml_nest_t *nest = &op->reduced.nest;
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        int16_t *o = (int16_t *)tinyml_row(out, y) + (tile->col - out->first_col) * nest->channels;
        for (int32_t x = tile->col; x < tile->col + tile->cols; ++x) {
            int32_t at = tinyml_nest_at(nest, y, x);
            for (int32_t c = 0; c < nest->channels; ++c) {
                *o++ = mean(op, in->base, at);
                at += nest->channel_stride;
            }
        }
    }
}

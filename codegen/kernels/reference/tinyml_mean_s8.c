/* Mean, int8. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_mean.h"
#include "tinyml_requant.h"

static int8_t mean(const tinyml_mean_s8_t *op, const int8_t *x, int32_t at)
{
    const int32_t count = op->reduced.outer * op->reduced.inner;
    const int32_t sum = tinyml_reduced_sum_s8(&op->reduced, x, at) - count * op->zero_point;
    return (int8_t)tinyml_clamp(tinyml_requantize(sum, op->multiplier, op->shift) + op->out_offset, INT8_MIN, INT8_MAX);
}

void tinyml_mean_s8(const tinyml_mean_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                    const tinyml_tile_t *tile, void *scratch)
{
    const tinyml_nest_t *nest = &op->reduced.nest;
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        int8_t *o = (int8_t *)tinyml_row(out, y) + (tile->col - out->first_col) * nest->channels;
        for (int32_t x = tile->col; x < tile->col + tile->cols; ++x) {
            int32_t at = tinyml_nest_at(nest, y, x);
            for (int32_t c = 0; c < nest->channels; ++c) {
                *o++ = mean(op, in->base, at);
                at += nest->channel_stride;
            }
        }
    }
}

/* Fully connected layer, int8. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_fully_connected_s8.h"
#include "tinyml_products.h"
#include "tinyml_requant.h"

static int8_t finish(const tinyml_fully_connected_s8_t *op, int32_t c, int32_t sum)
{
    const int32_t q = op->per_channel ? c : 0;
    sum = tinyml_requantize_once(sum + op->bias[c], op->factor_high[q], op->factor_low[q], op->factor_exponent[q]);
    return (int8_t)tinyml_clamp(sum + op->out_offset, op->out_min, op->out_max);
}

void tinyml_fully_connected_s8(const tinyml_fully_connected_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                               const tinyml_tile_t *tile, void *scratch)
{
    const int32_t depth = op->depth;
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        const int8_t *x = (const int8_t *)in->base + y * depth;
        int8_t *o = tinyml_row(out, y);
        const int8_t *w = op->weights;
        int32_t c = 0;
        for (; c + 4 <= op->out_channels; c += 4, w += 4 * depth) {
            int32_t sum[4] = {0, 0, 0, 0};
            tinyml_add_products(x, 0, w, depth, depth, sum);
            for (int32_t i = 0; i < 4; ++i) {
                o[c + i] = finish(op, c + i, sum[i]);
            }
        }
        for (; c < op->out_channels; ++c, w += depth) {
            o[c] = finish(op, c, tinyml_sum_products(x, 0, w, depth));
        }
    }
}

/* Average of a map, int8. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_reduce_rows.h"
#include "tinyml_requant.h"

void tinyml_average_rows_s8(const tinyml_average_rows_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                            const tinyml_tile_t *tile, void *scratch)
{
    int8_t *o = (int8_t *)out->base;

    if (!tinyml_sum_rows_s8(&op->map, in, tile, scratch)) {
        return;
    }
    for (int32_t c = 0; c < op->map.channels; ++c) {
        const int32_t average = tinyml_divide(tinyml_sum_of(&op->map, scratch, c), op->map.rows * op->map.cols);
        o[c] = (int8_t)tinyml_clamp(average, op->out_min, op->out_max);
    }
}

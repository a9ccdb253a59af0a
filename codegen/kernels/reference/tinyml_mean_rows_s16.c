/* Mean of a map, int16. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_reduce_rows.h"
#include "tinyml_requant.h"

void tinyml_mean_rows_s16(const tinyml_mean_rows_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                          const tinyml_tile_t *tile, void *scratch)
{
    const int32_t channels = op->map.channels;
    int32_t *sums = (int32_t *)scratch;
    int16_t *o = (int16_t *)out->base;

    for (int32_t c = 0; tinyml_begins_map(tile) && c < channels; ++c) {
        sums[c] = 0;
    }
    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        const int16_t *i = (const int16_t *)tinyml_row(in, y) + (tile->col - in->first_col) * channels;
        for (int32_t x = 0; x < tile->cols; ++x) {
            for (int32_t c = 0; c < channels; ++c) {
                sums[c] += *i++;
            }
        }
    }
    for (int32_t c = 0; tinyml_ends_map(&op->map, tile) && c < channels; ++c) {
        o[c] = (int16_t)tinyml_clamp(tinyml_requantize(sums[c], op->multiplier, op->shift), INT16_MIN, INT16_MAX);
    }
}

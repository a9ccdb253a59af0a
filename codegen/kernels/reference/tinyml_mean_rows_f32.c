/* Mean of a map, float32. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_reduce_rows.h"

void tinyml_mean_rows_f32(const tinyml_mean_rows_f32_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                          const tinyml_tile_t *tile, void *scratch)
{
    const tinyml_map_t *map = &op->map;
    float *sums = (float *)scratch;
    float *o = (float *)out->base;

    for (int32_t c = 0; tinyml_begins_map(tile) && c < map->channels; ++c) {
        sums[c] = 0.0f;
    }
    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        const float *row = (const float *)tinyml_row(in, y) + (tile->col - in->first_col) * map->channels;
        for (int32_t c = 0; c < map->channels; ++c) {
            float sum = 0.0f; /* a sum of sums loses less */
            for (int32_t x = 0; x < tile->cols; ++x) {
                sum += row[x * map->channels + c];
            }
            sums[c] += sum;
        }
    }
    for (int32_t c = 0; tinyml_ends_map(map, tile) && c < map->channels; ++c) {
        o[c] = sums[c] / (float)(map->rows * map->cols);
    }
}

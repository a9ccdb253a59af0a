/* Means over a whole map, row by row. SPDX-License-Identifier: Apache-2.0
 *
 * Here a tile counts rows of the input, which come in order: the first clears the sums in scratch, the last completes
 * the output. So no map has to exist whole to be averaged.
 */
#ifndef TINYML_REDUCE_ROWS_H
#define TINYML_REDUCE_ROWS_H

#include "tinyml_types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* rows, cols, channels: of the input. scratch: an int32 a channel (float for float32). */
typedef struct {
    int32_t rows;
    int32_t cols;
    int32_t channels;
} tinyml_map_t;

/* The sum of the centred inputs, requantized: LiteRT's reference bit for bit.
 *
 * centre       rows * cols * zero point of the input
 * multiplier   from a sum at the input's scale to a mean at the output's; shift too (see tinyml_requant.h)
 */
typedef struct {
    tinyml_map_t map;
    int32_t centre;
    int32_t multiplier;
    int32_t shift;
    int32_t out_offset;
} tinyml_mean_rows_s8_t;

void tinyml_mean_rows_s8(const tinyml_mean_rows_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                         const tinyml_tile_t *tile, void *scratch);

/* The same of int16: maps of at most 65536 pixels, all zero points 0. */
void tinyml_mean_rows_s16(const tinyml_mean_rows_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                          const tinyml_tile_t *tile, void *scratch);

/* The average of stored values, rounded half away from zero. */
typedef struct {
    tinyml_map_t map;
    int32_t out_min;
    int32_t out_max;
} tinyml_average_rows_s8_t;

void tinyml_average_rows_s8(const tinyml_average_rows_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                            const tinyml_tile_t *tile, void *scratch);

typedef struct {
    tinyml_map_t map;
} tinyml_mean_rows_f32_t;

void tinyml_mean_rows_f32(const tinyml_mean_rows_f32_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                          const tinyml_tile_t *tile, void *scratch);

/* Adds the rows of a tile to the sums; true once they hold all rows of the map. */
static inline int tinyml_sum_rows_s8(const tinyml_map_t *map, const tinyml_rows_t *in, const tinyml_tile_t *tile,
                                     int32_t *sums)
{
    const int32_t channels = map->channels;
    const int32_t blocked = channels - channels % 4;

    for (int32_t c = 0; tile->row == 0 && c < channels; ++c) {
        sums[c] = 0;
    }
    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        const int8_t *row = (const int8_t *)tinyml_row(in, y);
        int32_t c = 0;
        for (; c < blocked; c += 4) {
            const int8_t *i = row + c;
            int32_t s0 = sums[c], s1 = sums[c + 1], s2 = sums[c + 2], s3 = sums[c + 3];
            for (int32_t x = 0; x < map->cols; ++x) {
                s0 += i[0];
                s1 += i[1];
                s2 += i[2];
                s3 += i[3];
                i += channels;
            }
            sums[c] = s0;
            sums[c + 1] = s1;
            sums[c + 2] = s2;
            sums[c + 3] = s3;
        }
        for (; c < channels; ++c) {
            for (int32_t x = 0; x < map->cols; ++x) {
                sums[c] += row[x * channels + c];
            }
        }
    }
    return tile->row + tile->rows == map->rows;
}

#ifdef __cplusplus
}
#endif

#endif

/* Means over a whole map, row by row. SPDX-License-Identifier: Apache-2.0
 *
 * Here a tile is a part of the input. Parts come in order, row by row and from the left: the first clears the sums in
 * scratch, the last completes the output. So no map has to exist whole to be averaged.
 */
#ifndef TINYML_REDUCE_ROWS_H
#define TINYML_REDUCE_ROWS_H

#include "tinyml_types.h"
#include "tinyml_window.h"

#ifdef __cplusplus
extern "C" {
#endif

/* rows, cols, channels: of the input. scratch: a float a channel for float32; for int8 an int32, or an int16 where the map has
 * 256 pixels or fewer: -128 * 256 fits. */
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

static inline int tinyml_sums_are_short(const tinyml_map_t *map)
{
    return map->rows * map->cols <= 256;
}

static inline int32_t tinyml_sum_of(const tinyml_map_t *map, const void *sums, int32_t c)
{
    return tinyml_sums_are_short(map) ? ((const int16_t *)sums)[c] : ((const int32_t *)sums)[c];
}

/* Whether a tile is the first of a map, or the last. */
static inline int tinyml_begins_map(const tinyml_tile_t *tile)
{
    return tile->row == 0 && tile->col == 0;
}

static inline int tinyml_ends_map(const tinyml_map_t *map, const tinyml_tile_t *tile)
{
    return tile->row + tile->rows == map->rows && tile->col + tile->cols == map->cols;
}

/* Adds a tile to the sums; true once they hold all of the map. */
static inline int tinyml_sum_rows_s8(const tinyml_map_t *map, const tinyml_rows_t *in, const tinyml_tile_t *tile,
                                     void *sums)
{
    const int32_t channels = map->channels;
    const int32_t left = (tile->col - in->first_col) * channels;
    const void *const first = tinyml_row(in, tile->row);

    for (int32_t c = 0, n; c < channels; c += n) {
        const int8_t *row = first;
        int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
        n = channels - c < 4 ? 1 : 4;
        for (int32_t y = 0; y < tile->rows; ++y, row = tinyml_row_below(in, row, 1)) {
            const int8_t *i = row + left + c;
            for (int32_t x = 0; n == 4 && x < tile->cols; ++x, i += channels) {
                s0 += i[0];
                s1 += i[1];
                s2 += i[2];
                s3 += i[3];
            }
            for (int32_t x = 0; n == 1 && x < tile->cols; ++x, i += channels) {
                s0 += *i;
            }
        }
        const int32_t here[4] = {s0, s1, s2, s3};
        for (int32_t k = 0; k < n; ++k) {
            const int32_t sum = here[k] + (tinyml_begins_map(tile) ? 0 : tinyml_sum_of(map, sums, c + k));
            if (tinyml_sums_are_short(map)) {
                ((int16_t *)sums)[c + k] = (int16_t)sum;
            } else {
                ((int32_t *)sums)[c + k] = sum;
            }
        }
    }
    return tinyml_ends_map(map, tile);
}

#ifdef __cplusplus
}
#endif

#endif

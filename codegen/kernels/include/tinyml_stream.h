/* Layers that advance row by row. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_STREAM_H
#define TINYML_STREAM_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Rows that a layer can compute, of out_rows, when `there` of in_rows rows of its input exist: row y reads up to `reach`
 * rows from row y * stride on. Layers with more rows than their input count all of these in parts of a row. */
static inline int32_t tinyml_rows_ready(int32_t there, int32_t in_rows, int32_t out_rows, int32_t stride, int32_t reach)
{
    if (there == in_rows) {
        return out_rows;
    }
    return there < reach ? 0 : (there - reach) / stride + 1;
}

/* Rows of the next tile: the last one may be lower. */
static inline int32_t tinyml_tile_rows(int32_t done, int32_t tile, int32_t rows)
{
    return rows - done < tile ? rows - done : tile;
}

/* Whether the next tile is there: `ready` rows can be computed, `done` of them are. */
static inline int tinyml_tile_ready(int32_t done, int32_t tile, int32_t rows, int32_t ready)
{
    return done < rows && done + tinyml_tile_rows(done, tile, rows) <= ready;
}

#ifdef __cplusplus
}
#endif

#endif

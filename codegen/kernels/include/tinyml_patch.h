/* Layers that are computed together, part by part. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_PATCH_H
#define TINYML_PATCH_H

#include "tinyml_memory.h"
#include "tinyml_types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A part of a tensor, which lies by itself: `tile` is computed, and beside it on the left lie columns from `first_col` on,
 * kept from the part before. */
typedef struct {
    tinyml_tile_t tile;
    int32_t first_col;
} tinyml_part_t;

#define TINYML_PART(base, row_bytes, part) \
    { (base), (row_bytes), (part).tile.rows, (part).tile.row, (part).first_col }

/* What a layer reads of an operand, in rows and in columns: place y takes `extent` places from y * stride - pad on, of those
 * that there are. */
typedef struct {
    int32_t length;
    int32_t stride;
    int32_t extent;
    int32_t pad;
} tinyml_reach_t;

/* The first place that is read for those from `at` on, and the one behind the last that is read for those before `end`. */
static inline int32_t tinyml_first_read(const tinyml_reach_t *reach, int32_t at)
{
    const int32_t first = at * reach->stride - reach->pad;
    return first < 0 ? 0 : first;
}

static inline int32_t tinyml_end_read(const tinyml_reach_t *reach, int32_t end)
{
    const int32_t behind = (end - 1) * reach->stride - reach->pad + reach->extent;
    return behind < reach->length ? behind : reach->length;
}

/* What of an operand a part of the result is computed from; no columns for none. */
static inline tinyml_tile_t tinyml_tile_read(const tinyml_reach_t reach[2], const tinyml_tile_t *tile)
{
    tinyml_tile_t read;
    read.row = tinyml_first_read(&reach[0], tile->row);
    read.rows = tinyml_end_read(&reach[0], tile->row + tile->rows) - read.row;
    read.col = tinyml_first_read(&reach[1], tile->col);
    read.cols = tile->cols > 0 ? tinyml_end_read(&reach[1], tile->col + tile->cols) - read.col : 0;
    return read;
}

/* The smallest that holds two others: of an operand that two layers read. */
static inline tinyml_tile_t tinyml_tile_of_both(tinyml_tile_t a, tinyml_tile_t b)
{
    const int32_t end = a.row + a.rows > b.row + b.rows ? a.row + a.rows : b.row + b.rows;
    const int32_t end_col = a.col + a.cols > b.col + b.cols ? a.col + a.cols : b.col + b.cols;
    tinyml_tile_t both;
    if (a.cols == 0 || b.cols == 0) {
        return a.cols == 0 ? b : a;
    }
    both.row = a.row < b.row ? a.row : b.row;
    both.rows = end - both.row;
    both.col = a.col < b.col ? a.col : b.col;
    both.cols = end_col - both.col;
    return both;
}

/* The part of which all is computed. */
static inline tinyml_part_t tinyml_part_of(tinyml_tile_t tile)
{
    const tinyml_part_t part = { tile, tile.col };
    return part;
}

/* The part behind `before` in the same rows, where `needed` is: columns that both hold move to the front. Of the first
 * part in its rows, `before` is empty. Both lie at `base`. */
static inline tinyml_part_t tinyml_part_behind(const tinyml_part_t *before, tinyml_tile_t needed, void *base,
                                               int32_t row_bytes, int32_t pixel_bytes)
{
    const int32_t there = before->tile.col + before->tile.cols;
    const int32_t kept = there - needed.col;
    tinyml_part_t part = tinyml_part_of(needed);
    if (kept > 0 && needed.cols > 0) {
        uint8_t *row = (uint8_t *)base;
        for (int32_t y = 0; y < needed.rows; ++y, row += row_bytes) {
            tinyml_copy(row, row + (needed.col - before->first_col) * pixel_bytes, kept * pixel_bytes);
        }
        part.tile.col = there;
        part.tile.cols -= kept;
    }
    return part;
}

#ifdef __cplusplus
}
#endif

#endif

/* Layers that are computed together, part by part. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_PATCH_H
#define TINYML_PATCH_H

#include "tinyml_types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A part of a tensor that lies by itself, its rows end to end. */
#define TINYML_PART(base, pixel_bytes, part) \
    { (base), (part).cols * (pixel_bytes), (part).rows, (part).row, (part).col }

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

/* The part of an operand that a part of the result is computed from. */
static inline tinyml_tile_t tinyml_part_read(const tinyml_reach_t reach[2], const tinyml_tile_t *part)
{
    tinyml_tile_t read;
    read.row = tinyml_first_read(&reach[0], part->row);
    read.rows = tinyml_end_read(&reach[0], part->row + part->rows) - read.row;
    read.col = tinyml_first_read(&reach[1], part->col);
    read.cols = tinyml_end_read(&reach[1], part->col + part->cols) - read.col;
    return read;
}

/* The smallest part that holds two others: of an operand that two layers read. */
static inline tinyml_tile_t tinyml_part_of_both(tinyml_tile_t a, tinyml_tile_t b)
{
    const int32_t end = a.row + a.rows > b.row + b.rows ? a.row + a.rows : b.row + b.rows;
    const int32_t end_col = a.col + a.cols > b.col + b.cols ? a.col + a.cols : b.col + b.cols;
    tinyml_tile_t both;
    both.row = a.row < b.row ? a.row : b.row;
    both.rows = end - both.row;
    both.col = a.col < b.col ? a.col : b.col;
    both.cols = end_col - both.col;
    return both;
}

#ifdef __cplusplus
}
#endif

#endif

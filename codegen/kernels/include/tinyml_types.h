/* Types that every kernel shares. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_TYPES_H
#define TINYML_TYPES_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What C99 has no words for. Compilers without these attributes lose speed or placement, not correctness:
 * kernels read words from byte arrays by memcpy. */
#if defined(__GNUC__) || defined(__clang__)
#define TINYML_ALIGNED(bytes) __attribute__((aligned(bytes)))
#else
#define TINYML_ALIGNED(bytes)
#endif

/* A step of a network stays a function of its own, so that profilers and debuggers find it by name. */
#if defined(__clang__)
#define TINYML_STEP __attribute__((noinline))
#elif defined(__GNUC__)
#define TINYML_STEP __attribute__((noipa))
#else
#define TINYML_STEP
#endif

/* Where weights go: empty, or for example -DTINYML_WEIGHTS_SECTION='__attribute__((section(".weights")))'. */
#ifndef TINYML_WEIGHTS_SECTION
#define TINYML_WEIGHTS_SECTION
#endif

/* Where the rows of a tensor live. Row y of the image (y counts from 0 at the top of the whole image) starts at
 *
 *     base + ((y - first_row) % rows) * row_bytes
 *
 * and its first byte is column first_col. One structure covers the three ways in which values are kept:
 *   a whole tensor:  rows = its height,   first_row = 0, first_col = 0;
 *   a ring of lines: rows = lines kept,   first_row = 0, first_col = 0;
 *   a patch:         rows = patch height, first_row and first_col = its corner in the image.
 */
typedef struct {
    void *base;
    int32_t row_bytes;
    int32_t rows;
    int32_t first_row;
    int32_t first_col;
} tinyml_rows_t;

/* A whole tensor, or a ring of `rows` lines. */
#define TINYML_ROWS(base, row_bytes, rows) { (base), (row_bytes), (rows), 0, 0 }

/* The part of the output that one call computes: rows [row, row + rows) and columns [col, col + cols), all channels. */
typedef struct {
    int32_t row;
    int32_t rows;
    int32_t col;
    int32_t cols;
} tinyml_tile_t;

/* Start of image row y. */
static inline void *tinyml_row(const tinyml_rows_t *map, int32_t y)
{
    return (uint8_t *)map->base + ((y - map->first_row) % map->rows) * map->row_bytes;
}

#ifdef __cplusplus
}
#endif

#endif

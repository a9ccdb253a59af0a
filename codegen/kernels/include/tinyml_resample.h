/* Maps of another size. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_RESAMPLE_H
#define TINYML_RESAMPLE_H

#include "tinyml_memory.h"
#include "tinyml_types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Each row and column of the output is one of the input, of any type: rows[y], cols[x]. Rows do not decrease. */
typedef struct {
    int32_t pixel_bytes;
    const uint16_t *rows;
    const uint16_t *cols;
} tinyml_resize_nearest_t;

void tinyml_resize_nearest(const tinyml_resize_nearest_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                           const tinyml_tile_t *tile, void *scratch);

/* Row y of the output lies between rows[y] and the row after it, row_fractions[y] of 1024 parts away from the first; columns
 * likewise. Where the fraction is 0, the row after is not read. */
typedef struct {
    int32_t channels;
    const uint16_t *rows;
    const uint16_t *row_fractions;
    const uint16_t *cols;
    const uint16_t *col_fractions;
} tinyml_resize_bilinear_s8_t;

void tinyml_resize_bilinear_s8(const tinyml_resize_bilinear_s8_t *op, const tinyml_rows_t *in,
                               const tinyml_rows_t *out, const tinyml_tile_t *tile, void *scratch);

/* The same with fractions of 1. */
typedef struct {
    int32_t channels;
    const uint16_t *rows;
    const float *row_fractions;
    const uint16_t *cols;
    const float *col_fractions;
} tinyml_resize_bilinear_f32_t;

void tinyml_resize_bilinear_f32(const tinyml_resize_bilinear_f32_t *op, const tinyml_rows_t *in,
                                const tinyml_rows_t *out, const tinyml_tile_t *tile, void *scratch);

/* Every pixel of the input becomes a block of block_rows x block_cols pixels of pixel_bytes each. Its elements, of 1, 2 or
 * 4 bytes, are those of the block, row by row; with channel_major they are the block of channel 0, that of channel 1, ... */
typedef struct {
    int32_t block_rows;
    int32_t block_cols;
    int32_t pixel_bytes;
    int32_t element_bytes;
    int32_t channel_major;
} tinyml_depth_to_space_t;

void tinyml_depth_to_space(const tinyml_depth_to_space_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                           const tinyml_tile_t *tile, void *scratch);

/* Every block x block pixels of the input, of pixel_bytes each, become one: their elements row by row. */
typedef struct {
    int32_t block;
    int32_t pixel_bytes;
} tinyml_space_to_depth_t;

void tinyml_space_to_depth(const tinyml_space_to_depth_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                           const tinyml_tile_t *tile, void *scratch);

#ifdef __cplusplus
}
#endif

#endif

/* Kernels that move elements of any type. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_MOVEMENT_H
#define TINYML_MOVEMENT_H

#include "tinyml_memory.h"
#include "tinyml_types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A box of a larger image: where its corner lies there (byte counts from the start of a pixel), and its size. */
typedef struct {
    int32_t row;
    int32_t col;
    int32_t byte;
    int32_t rows;
    int32_t cols;
    int32_t bytes;
} tinyml_box_t;

/* Copies what the tile has of a box, whose elements `in` holds, into an image of pixel_bytes a pixel. */
static inline void tinyml_copy_box(const tinyml_box_t *box, int32_t pixel_bytes, const tinyml_rows_t *in,
                                   const tinyml_rows_t *out, const tinyml_tile_t *tile)
{
    const int32_t top = tile->row > box->row ? tile->row : box->row;
    const int32_t left = tile->col > box->col ? tile->col : box->col;
    const int32_t tile_end_row = tile->row + tile->rows, box_end_row = box->row + box->rows;
    const int32_t tile_end_col = tile->col + tile->cols, box_end_col = box->col + box->cols;
    const int32_t bottom = tile_end_row < box_end_row ? tile_end_row : box_end_row;
    const int32_t right = tile_end_col < box_end_col ? tile_end_col : box_end_col;

    for (int32_t y = top; y < bottom && left < right; ++y) {
        const uint8_t *from = (const uint8_t *)tinyml_row(in, y - box->row)
                              + (left - box->col - in->first_col) * box->bytes;
        uint8_t *to = (uint8_t *)tinyml_row(out, y) + (left - out->first_col) * pixel_bytes + box->byte;
        if (box->bytes == pixel_bytes) {
            tinyml_copy(to, from, (right - left) * pixel_bytes);
            continue;
        }
        for (int32_t x = left; x < right; ++x) {
            tinyml_copy(to, from, box->bytes);
            from += box->bytes;
            to += pixel_bytes;
        }
    }
}

/* The output is tiled by `count` boxes. boxes: seven numbers each, those of tinyml_box_t and where its elements lie: at this
 * byte of `constants`, or in the next input where it is negative. */
typedef struct {
    int32_t pixel_bytes;
    int32_t count;
    const int32_t *boxes;
    const uint8_t *constants;
} tinyml_concat_t;

void tinyml_concat(const tinyml_concat_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                   const tinyml_tile_t *tile, void *scratch);

/* The input is a box of the output. fill: the elements around it; an element of 1, 2 or 4 bytes is repeated in it. */
typedef struct {
    int32_t pixel_bytes;
    tinyml_box_t box;
    uint8_t fill[4];
} tinyml_pad_t;

void tinyml_pad(const tinyml_pad_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out, const tinyml_tile_t *tile,
                void *scratch);

/* The output is a box of the input, which has pixel_bytes a pixel. */
typedef struct {
    int32_t pixel_bytes;
    tinyml_box_t box;
} tinyml_slice_t;

void tinyml_slice(const tinyml_slice_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                  const tinyml_tile_t *tile, void *scratch);

/* Where output element (y, x, channel) lies in an input that lies whole and end to end, counted in elements:
 *
 *     start + y / row_inner * outer_stride + y % row_inner * inner_stride + x * col_stride + channel * channel_stride
 *
 * Output rows that are two axes of the tensor folded into one take both strides.
 */
typedef struct {
    int32_t start;
    int32_t row_inner;
    int32_t outer_stride;
    int32_t inner_stride;
    int32_t col_stride;
    int32_t channel_stride;
    int32_t channels;
} tinyml_nest_t;

static inline int32_t tinyml_nest_at(const tinyml_nest_t *nest, int32_t y, int32_t x)
{
    return nest->start + y / nest->row_inner * nest->outer_stride + y % nest->row_inner * nest->inner_stride
           + x * nest->col_stride;
}

/* Transposes and strided slices. element_bytes is 1, 2 or 4. */
typedef struct {
    tinyml_nest_t nest;
    int32_t element_bytes;
} tinyml_gather_strided_t;

void tinyml_gather_strided(const tinyml_gather_strided_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                           const tinyml_tile_t *tile, void *scratch);

#ifdef __cplusplus
}
#endif

#endif

/* int8 depthwise convolutions by dot products of vectors. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_DEPTHWISE_VECTOR_S8_H
#define TINYML_DEPTHWISE_VECTOR_S8_H

#include "tinyml_types.h"
#include "tinyml_window.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One output channel an input channel, no dilation; a window of 1 to 64 taps, counted as below.
 *
 * weights        [channels][kernel_width][kernel_height]
 * narrow         1 where weights are of 4 bits: of each eight channels, the first four in the low nibbles, in that order, the
 *                others in the high ones, in two's complement; zeros fill up the last eight
 * rescale        three numbers a channel: bias, multiplier, and shift, from -31 to -1, or 0 where out_min is at least
 *                out_offset (see tinyml_requant.h). The bias includes minus the input's zero point times the sum of weights.
 * in_zero_point  what taps outside the image read
 * block_rows     4, 2 or 1: so many rows of outputs are computed at once. With the column_rows = kernel_height +
 *                (block_rows - 1) * stride_y that they see, (kernel_width - 1) * column_rows + kernel_height <= 64.
 * block_cols     so many outputs of a row are
 */
typedef struct {
    const int8_t *weights;
    const int32_t *rescale;
    tinyml_window_t window;
    int32_t narrow;
    int32_t in_zero_point;
    int32_t block_rows;
    int32_t block_cols;
    int32_t out_offset;
    int32_t out_min;
    int32_t out_max;
} tinyml_depthwise_vector_s8_t;

/* scratch: 160 bytes, and 8 planes: with cols = block_cols, rounded up to a multiple of 4 / block_rows, a plane takes
 * (cols - 1) * stride_x * column_rows + (block_rows - 1) * stride_y bytes and the lanes of a window, rounded up to a multiple
 * of 16. As much, if that is more, as with 1, or 2, in place of a larger block_rows, for rows that are left over. And 8 bytes
 * a tap where weights are narrow. */
void tinyml_depthwise_s8_mve(const tinyml_depthwise_vector_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                             const tinyml_tile_t *tile, void *scratch);

/* 3x3, both strides 1 and block_rows 4, or both 2 and block_rows 2. */
void tinyml_depthwise_3x3_s8_mve(const tinyml_depthwise_vector_s8_t *op, const tinyml_rows_t *in,
                                 const tinyml_rows_t *out, const tinyml_tile_t *tile, void *scratch);

#ifdef __cplusplus
}
#endif

#endif

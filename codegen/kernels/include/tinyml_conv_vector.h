/* Convolution by dot products of vectors. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_CONV_VECTOR_H
#define TINYML_CONV_VECTOR_H

#include "tinyml_types.h"
#include "tinyml_window.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One group, dilation_x 1, with weights and rescaling prepared for the kernels below.
 *
 * The taps of a filter are taken in the order [kernel_width][kernel_height][in_channels], 16 a step, or 8 of int16; the first
 * step takes what is left over, or as many where nothing is.
 *
 * weights      [four filters][step][filter][taps of the step]; filters of zeros fill up the last four, and 16 bytes more
 *              may be read. Those of 4 bits: [four filters][step][pair of filters][taps of the step], a byte 16 b + a for the
 *              filters a and b of a pair. No b is -8 where a is negative.
 * rescale      [four filters], 9 words each: four biases, four multipliers, and in the bytes of a word four shifts (see
 *              tinyml_requant.h). The bias includes minus the input's zero point times the sum of weights.
 * shifts_left  1 where a shift is positive, or 0 and out_min below out_offset; else 0. Always 0 for int16.
 * in_zero_point  what taps outside the image read
 * block_cols   outputs of a row whose inputs are laid out at once, where the window is larger than 1x1 or padded
 */
typedef struct {
    const int8_t *weights;
    const int32_t *rescale;
    tinyml_window_t window;
    int32_t out_channels;
    int32_t in_zero_point;
    int32_t block_cols;
    int32_t shifts_left;
    int32_t out_offset;
    int32_t out_min;
    int32_t out_max;
} tinyml_conv_vector_t;

/* scratch: 16 bytes, and kernel_height pixels of the input for each column of the image that block_cols outputs see; none for 1x1
 * without padding. */
void tinyml_conv_s8_mve(const tinyml_conv_vector_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                        const tinyml_tile_t *tile, void *scratch);

/* int8, 3x3, stride_x 1 or 2, in_channels a multiple of 16, out_channels even and at most 20,000, no shifts_left.
 *
 * weights  [two filters][16 channels][kernel row][filter][kernel column][channel]
 * scratch  3 pixels of the input for each column that `cols` outputs see, and 64 bytes for 16 channels; cols is block_cols, rounded up to
 *          a multiple of four */
void tinyml_conv_columns_s8_mve(const tinyml_conv_vector_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                                const tinyml_tile_t *tile, void *scratch);

/* int8 with weights of 4 bits. */
void tinyml_conv_w4_mve(const tinyml_conv_vector_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                        const tinyml_tile_t *tile, void *scratch);

/* int16 with int8 weights, all zero points 0. Multipliers have 15 bits above 16 zeros, shifts are from -31 to -1:
 *
 *     out = (floor((sum + bias) * multiplier / 2^31) + 2^(-shift - 1)) >> -shift
 *
 * which is tinyml_requantize_wide(sum + bias, multiplier >> 16, 15 - shift). Sums are below 2^31, with bias and without. */
void tinyml_conv_s16_mve(const tinyml_conv_vector_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                         const tinyml_tile_t *tile, void *scratch);

#ifdef __cplusplus
}
#endif

#endif

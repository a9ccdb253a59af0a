/* int8 convolution by dot products of vectors. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_CONV_VECTOR_S8_H
#define TINYML_CONV_VECTOR_S8_H

#include "tinyml_types.h"
#include "tinyml_window.h"

#ifdef __cplusplus
extern "C" {
#endif

/* As tinyml_conv_s8_t, one group, dilation_x 1, with weights and rescaling prepared for tinyml_conv_s8_mve.
 *
 * The taps of a filter are taken in the order [kernel_width][kernel_height][in_channels], 16 a step; the first step takes
 * what is left over, or 16 where nothing is.
 *
 * weights      [four filters][step][filter][taps of the step]; filters of zeros fill up the last four, and 16 bytes more
 *              may be read
 * rescale      [four filters], 9 words each: four biases, four multipliers, and in the bytes of a word four shifts, from
 *              -31 to -1, or 0 where out_min is at least out_offset (see tinyml_requant.h). The bias includes minus the
 *              input's zero point times the sum of weights.
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
    int32_t out_offset;
    int32_t out_min;
    int32_t out_max;
} tinyml_conv_vector_s8_t;

/* scratch: kernel_height * in_channels bytes for each column of the image that block_cols outputs see, none for 1x1
 * without padding. */
void tinyml_conv_s8_mve(const tinyml_conv_vector_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                        const tinyml_tile_t *tile, void *scratch);

#ifdef __cplusplus
}
#endif

#endif

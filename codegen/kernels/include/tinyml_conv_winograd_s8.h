/* int8 convolution with 3x3 windows by Winograd's F(2x2, 3x3). SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_CONV_WINOGRAD_S8_H
#define TINYML_CONV_WINOGRAD_S8_H

#include "tinyml_types.h"
#include "tinyml_window.h"

#ifdef __cplusplus
extern "C" {
#endif

/* As tinyml_conv_s8_t, one group, stride and dilation 1, up to 64 channels of input, channels and filters in fours.
 *
 * A square of 2x2 outputs sees a square d of 4x4 inputs. With the matrices
 *
 *         1  0  0                 1  0 -1  0
 *         1/2 1/2 1/2             0  1  1  0            1  1  1  0
 *     G = 1/2 -1/2 1/2       B =  0 -1  1  0       A =  0  1 -1  1
 *         0  0 -1                 0  1  0 -1
 *
 * it is A m A', where m is the product, element by element, of G g G' and B d B', summed over the channels: 16 multiplications
 * where there were 36. In whole numbers, of 4 G g G', with four times the sums: the elements of these weights take 12 bits, those
 * of B d B' 10 bits, and no sum on the way reaches 2^30.
 *
 * weights      int16 [four filters][column 1, 3, 0, 2 of 4 G g G'][row 1, 2, 0, 3][two channels][filter][channel of the two]
 *              Four channels go two by two as 0 2, 1 3.
 * rescale      four numbers a filter: 4 * bias, which includes -(the input's zero point) * (sum of the filter's weights),
 *              multiplier, rounding, shift:
 *              out = (high(4 * sum + 4 * bias) + rounding - (2 where that is negative)) >> shift
 *              where high(x) = floor(x * multiplier / 2^32) and rounding = 2^(shift - 1) + 1 + (output zero point << shift).
 *              That is tinyml_requantize() for right shifts from 1 on, less the shift here by 1.
 * pass_blocks  blocks of 2x4 outputs that pass_filters filters, a multiple of four, compute one after the other: so that
 *              a cache that does not hold all weights holds those
 * outside      what the image has around it: the input's zero point
 * ties         1, or 0 where out_min is at least the output's zero point: how negative numbers round does not show then
 */
typedef struct {
    const int16_t *weights;
    const int32_t *rescale;
    tinyml_window_t window;
    int32_t out_channels;
    int32_t pass_blocks;
    int32_t pass_filters;
    int32_t outside;
    int32_t ties;
    int32_t out_min;
    int32_t out_max;
} tinyml_conv_winograd_s8_t;

/* scratch: 64 bytes a channel of input and block of a pass, and 24 more a channel or 256 in all, whichever is more. */
void tinyml_conv_winograd_s8_dsp(const tinyml_conv_winograd_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                                 const tinyml_tile_t *tile, void *scratch);

#ifdef __cplusplus
}
#endif

#endif

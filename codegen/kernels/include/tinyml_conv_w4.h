/* Convolution of int8 with weights of 4 bits. SPDX-License-Identifier: Apache-2.0
 *
 * The arithmetic of tinyml_conv_s8.h with weights in [-8, 7].
 */
#ifndef TINYML_CONV_W4_H
#define TINYML_CONV_W4_H

#include "tinyml_conv_s8.h"
#include "tinyml_types.h"
#include "tinyml_window.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Any convolution of one group. weights [out][kernel_height][kernel_width][in], two a byte, the first in the low nibble,
 * in two's complement; a filter begins with a byte. */
void tinyml_conv_w4(const tinyml_conv_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                    const tinyml_tile_t *tile, void *scratch);

/* Depthwise, as tinyml_depthwise_s8. weights: see tinyml_widen_w4.h. scratch: 4 bytes a tap. */
void tinyml_depthwise_w4(const tinyml_conv_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                         const tinyml_tile_t *tile, void *scratch);

/* As tinyml_conv_s8_t, one group, with weights and rescaling prepared for tinyml_conv_w4_dsp.
 *
 * weights      [four channels a b c d][pair of taps], a word each: two lanes of 16 bits, see tinyml_lanes_w4.h. Filters of
 *              zeros fill up the last four. The order of taps is that of tinyml_columns.h. A word more is read behind the
 *              last, and not used.
 * rescale      four numbers a channel, of each four in the order a c b d, as in tinyml_conv_paired_s8.h. Where the factor is 1/2 or more: bias,
 *              multiplier, output zero point, 256 * left: out = high((sum + bias) << left) + output zero point
 * plain        1 where out_min is at least the output's zero point, so that how negative numbers round does not show, and
 *              no channel is shifted to the left; or 0
 */
typedef struct {
    const int8_t *weights;
    const int32_t *rescale;
    tinyml_window_t window;
    int32_t out_channels;
    int32_t in_offset;
    int32_t plain;
    int32_t out_min;
    int32_t out_max;
} tinyml_conv_w4_t;

/* scratch: 8 bytes a tap of a filter, an even number of taps. */
void tinyml_conv_w4_dsp(const tinyml_conv_w4_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                        const tinyml_tile_t *tile, void *scratch);

#ifdef __cplusplus
}
#endif

#endif

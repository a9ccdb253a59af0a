/* int8 fully connected layers, two outputs in the lanes of one word. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_FULLY_CONNECTED_PAIRED_S8_H
#define TINYML_FULLY_CONNECTED_PAIRED_S8_H

#include "tinyml_types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* As tinyml_fully_connected_s8_t, with weights and rescaling prepared.
 *
 * weights      [four outputs a b c d][four inputs][8 lanes of int16]: inputs 0 and 2 of the pair a b, then of c d, then
 *              inputs 1 and 3 of both; lane = 256 * b + a (see tinyml_conv_paired_s8.h). Zeros fill up both fours. The
 *              fours of inputs past the last multiple of eight come first.
 * rescale      four numbers an output: 2 * bias, multiplier, rounding, shift:
 *              out = (floor((2 * sum + 2 * bias) * multiplier / 2^32) + rounding) >> shift
 *              where rounding = 2^(shift - 1) + (output zero point << shift). The factor has 31 bits:
 *              whoever fills in the structure has made sure that this is what tinyml_requantize_once() gives for every
 *              possible sum, clamped. The bias includes minus the input's zero point times the sum of weights.
 */
typedef struct {
    const int8_t *weights;
    const int32_t *rescale;
    int32_t depth;
    int32_t out_channels;
    int32_t out_min;
    int32_t out_max;
} tinyml_fully_connected_paired_s8_t;

void tinyml_fully_connected_paired_s8_dsp(const tinyml_fully_connected_paired_s8_t *op, const tinyml_rows_t *in,
                                          const tinyml_rows_t *out, const tinyml_tile_t *tile, void *scratch);

#ifdef __cplusplus
}
#endif

#endif

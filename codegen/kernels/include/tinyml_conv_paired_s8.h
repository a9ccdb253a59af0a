/* int8 convolution, two output channels in the lanes of one word. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_CONV_PAIRED_S8_H
#define TINYML_CONV_PAIRED_S8_H

#include "tinyml_types.h"
#include "tinyml_window.h"

#ifdef __cplusplus
extern "C" {
#endif

/* As tinyml_conv_s8_t, one group, with weights and rescaling prepared for the kernels below.
 *
 * weights      [pair of channels a, b][pair of taps], a word each: two lanes of int16, lane = 256 * b + a.
 *              The word times two inputs gives 256 * (sum of b) + (sum of a); its even bytes, a, give the sum of a alone.
 *              Exact where the sum of b stays below 2^23. An odd number of channels has a b of zeros at its end.
 *              A word more is read behind the last, and not used.
 * rescale      four numbers a channel, of pairs too: 2 * bias, multiplier, rounding, shift:
 *              out = (high(2 * sum + 2 * bias) + rounding - (1 where that is negative)) >> shift
 *              where high(x) = round(x * multiplier / 2^32) and rounding = 2^(shift - 1) + (output zero point << shift).
 *              That is tinyml_requantize() for right shifts, 1 <= shift <= 31.
 *
 * ties         1, or 0 where out_min is at least the output's zero point: how negative numbers round does not show then
 *
 * The order of taps is that of tinyml_columns.h.
 */
typedef struct {
    const int8_t *weights;
    const int32_t *rescale;
    tinyml_window_t window;
    int32_t out_channels;
    int32_t in_offset;
    int32_t ties;
    int32_t out_min;
    int32_t out_max;
} tinyml_conv_paired_s8_t;

/* scratch: 8 bytes a tap of a filter, an even number of taps. */
void tinyml_conv_paired_s8_dsp(const tinyml_conv_paired_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                               const tinyml_tile_t *tile, void *scratch);

/* The same for cores that issue two instructions a cycle: one instruction in twelve more, one cycle in ten less. */
void tinyml_conv_paired_s8_m7(const tinyml_conv_paired_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                              const tinyml_tile_t *tile, void *scratch);

/* The same, two outputs at a time. scratch: 4 bytes a tap. */
void tinyml_conv_paired_narrow_s8_dsp(const tinyml_conv_paired_s8_t *op, const tinyml_rows_t *in,
                                      const tinyml_rows_t *out, const tinyml_tile_t *tile, void *scratch);

#ifdef __cplusplus
}
#endif

#endif

/* Convolutions and fully connected layers of int16 with int8 weights. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_CONV_S16_H
#define TINYML_CONV_S16_H

#include "tinyml_types.h"
#include "tinyml_window.h"

#ifdef __cplusplus
extern "C" {
#endif

/* out = clamp(requantize(bias + sum of weight * input)), all zero points 0: TFLite's 16x8 reference bit for bit.
 *
 * weights      in the order in which the kernel reads them, see each
 * bias         one an output channel
 * multiplier   one an output channel, 15 bits; shift too: see tinyml_requantize_wide()
 * groups       input and output channels fall into that many groups; each output sees the inputs of its group alone
 */
typedef struct {
    const int8_t *weights;
    const int64_t *bias;
    const int32_t *multiplier;
    const int8_t *shift;
    tinyml_window_t window;
    int32_t out_channels;
    int32_t groups;
    int32_t out_min;
    int32_t out_max;
} tinyml_conv_s16_t;

/* Any convolution, depthwise ones too. weights [out][kernel_height][kernel_width][in / groups]. */
void tinyml_conv_s16(const tinyml_conv_s16_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                     const tinyml_tile_t *tile, void *scratch);

/* The same for SMLAD, where sums with their bias stay below 2^31.
 *
 * rescale      of each output channel, its bias and its factor times 2^32, which is below 2^31: the high word of a product, rounded
 */
typedef struct {
    const int8_t *weights;
    const int32_t *rescale;
    tinyml_window_t window;
    int32_t out_channels;
    int32_t out_min;
    int32_t out_max;
} tinyml_conv_s16_dsp_t;

/* One group. weights [two filters][four taps][filter of the two][0 2 1 3], the taps of a filter padded with zeros to a multiple
 * of four, the filters to one of two; rescale for these too. scratch: 4 bytes a tap of the padded filter. */
void tinyml_conv_s16_dsp(const tinyml_conv_s16_dsp_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                         const tinyml_tile_t *tile, void *scratch);

/* One output channel an input channel, four of them or more. weights [kernel_height][kernel_width][channels]. */
void tinyml_depthwise_s16_dsp(const tinyml_conv_s16_dsp_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                              const tinyml_tile_t *tile, void *scratch);

/* A fully connected layer: rounded once, as tinyml_fully_connected_s8.h. weights [out][depth]. Sums stay below 2^31, bias
 * included. Row y of the output is computed from `depth` numbers at y * depth: the input lies whole and end to end. */
typedef struct {
    const int8_t *weights;
    const int32_t *bias;
    const int32_t *factor_high;
    const int32_t *factor_low;
    const int8_t *factor_exponent;
    int32_t per_channel;
    int32_t depth;
    int32_t out_channels;
    int32_t out_min;
    int32_t out_max;
} tinyml_fully_connected_s16_t;

void tinyml_fully_connected_s16(const tinyml_fully_connected_s16_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                                const tinyml_tile_t *tile, void *scratch);

/* For SMLAD. weights [two outputs][four inputs][output of the two][0 2 1 3], zeros filling up both. */
void tinyml_fully_connected_s16_dsp(const tinyml_fully_connected_s16_t *op, const tinyml_rows_t *in,
                                    const tinyml_rows_t *out, const tinyml_tile_t *tile, void *scratch);

/* x times multiplier * 2^-shift, rounded once, ties towards plus infinity. |x| < 2^47, 8 <= shift <= 46. */
static inline int32_t tinyml_requantize_wide(int64_t x, int32_t multiplier, int32_t shift)
{
    return (int32_t)((x * multiplier + (INT64_C(1) << (shift - 1))) >> shift);
}

#ifdef __cplusplus
}
#endif

#endif

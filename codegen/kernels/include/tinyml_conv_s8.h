/* int8 convolutions. SPDX-License-Identifier: Apache-2.0
 *
 * out = clamp(requantize(bias + sum of weight * (input + in_offset)) + out_offset), TFLite's reference bit for bit.
 */
#ifndef TINYML_CONV_S8_H
#define TINYML_CONV_S8_H

#include "tinyml_types.h"
#include "tinyml_window.h"

#ifdef __cplusplus
extern "C" {
#endif

/* weights      in the order in which the kernel reads them, see each
 * bias         one an output channel
 * multiplier   one an output channel; shift too (see tinyml_requant.h)
 * in_offset    minus the input's zero point
 * groups       input and output channels fall into that many groups; each output sees the inputs of its group alone
 */
typedef struct {
    const int8_t *weights;
    const int32_t *bias;
    const int32_t *multiplier;
    const int8_t *shift;
    tinyml_window_t window;
    int32_t out_channels;
    int32_t groups;
    int32_t in_offset;
    int32_t out_offset;
    int32_t out_min;
    int32_t out_max;
} tinyml_conv_s8_t;

/* Any convolution. weights [out][kernel_height][kernel_width][in / groups]. */
void tinyml_conv_s8(const tinyml_conv_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                    const tinyml_tile_t *tile, void *scratch);

/* 1x1 without padding, one group, any stride. weights [out][in]; bias includes in_offset * (sum of a row of weights). */
void tinyml_conv_1x1_s8(const tinyml_conv_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                        const tinyml_tile_t *tile, void *scratch);

/* Depthwise: groups = in_channels, out_channels a multiple of it. weights [kernel_height][kernel_width][out]. */
void tinyml_depthwise_s8(const tinyml_conv_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                         const tinyml_tile_t *tile, void *scratch);

/* As tinyml_conv_s8, for SMLAD. Within each group, filters go in pairs, the last of an odd number with one of zeros; the
 * taps of a pair are interleaved by four, padded with zeros to a multiple of four.
 * scratch: 4 bytes a tap of the padded filter. */
void tinyml_conv_s8_dsp(const tinyml_conv_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                        const tinyml_tile_t *tile, void *scratch);

#ifdef __cplusplus
}
#endif

#endif

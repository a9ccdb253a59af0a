/* int8 convolutions for hosts with AVX2. SPDX-License-Identifier: Apache-2.0
 *
 * What tinyml_conv_s8() and tinyml_depthwise_s8() compute, for one group and for one output channel an input channel.
 * Channels are computed eight at a time: bias, multiplier and shift are padded with zeros to a multiple of eight.
 */
#ifndef TINYML_CONV_S8_HOST_H
#define TINYML_CONV_S8_HOST_H

#include "tinyml_conv_s8.h"

#ifdef __cplusplus
extern "C" {
#endif

/* conv      its weights are not used
 * weights   see each; padded with zeros
 */
typedef struct {
    tinyml_conv_s8_t conv;
    const int16_t *weights;
} tinyml_conv_s8_host_t;

/* One group. weights [out / 8][taps / 2][8][2], taps = kernel_height * kernel_width * in_channels.
 * scratch: 8 bytes a tap, their number rounded up to even. */
void tinyml_conv_s8_host(const tinyml_conv_s8_host_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                         const tinyml_tile_t *tile, void *scratch);

/* Depthwise. weights [kernel_height][kernel_width][channels]. */
void tinyml_depthwise_s8_host(const tinyml_conv_s8_host_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                              const tinyml_tile_t *tile, void *scratch);

#ifdef __cplusplus
}
#endif

#endif

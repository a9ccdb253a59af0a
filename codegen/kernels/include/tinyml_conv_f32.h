/* float32 convolutions. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_CONV_F32_H
#define TINYML_CONV_F32_H

#include "tinyml_types.h"
#include "tinyml_window.h"

#ifdef __cplusplus
extern "C" {
#endif

/* out = clamp(bias + sum of weight * input); groups as in tinyml_conv_s8.h. bias: one an output channel. */
typedef struct {
    const float *weights;
    const float *bias;
    tinyml_window_t window;
    int32_t out_channels;
    int32_t groups;
    float out_min;
    float out_max;
} tinyml_conv_f32_t;

/* Any convolution. weights [out][kernel_height][kernel_width][in / groups]. */
void tinyml_conv_f32(const tinyml_conv_f32_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                     const tinyml_tile_t *tile, void *scratch);

/* Depthwise: groups = in_channels, out_channels a multiple of it. weights [kernel_height][kernel_width][out]. */
void tinyml_depthwise_f32(const tinyml_conv_f32_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                          const tinyml_tile_t *tile, void *scratch);

#ifdef __cplusplus
}
#endif

#endif

/* int16 depthwise convolutions in vectors of channels. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_DEPTHWISE_VECTOR_S16_H
#define TINYML_DEPTHWISE_VECTOR_S16_H

#include "tinyml_types.h"
#include "tinyml_window.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One output channel an input channel, all zero points 0, any window.
 *
 * weights        [eight channels][kernel_height][kernel_width][channel of the eight]; zeros fill up the last eight
 * rescale        [eight channels][four even ones, four odd ones], 9 words each: four biases, four multipliers, and in the
 *                bytes of a word four shifts; all as tinyml_conv_s16_mve has them. Sums are below 2^31, with bias and without.
 */
typedef struct {
    const int8_t *weights;
    const int32_t *rescale;
    tinyml_window_t window;
    int32_t out_min;
    int32_t out_max;
} tinyml_depthwise_vector_s16_t;

void tinyml_depthwise_s16_mve(const tinyml_depthwise_vector_s16_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                              const tinyml_tile_t *tile, void *scratch);

#ifdef __cplusplus
}
#endif

#endif

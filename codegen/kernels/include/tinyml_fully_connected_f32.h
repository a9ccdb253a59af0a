/* float32 fully connected layers. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_FULLY_CONNECTED_F32_H
#define TINYML_FULLY_CONNECTED_F32_H

#include "tinyml_types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* out = clamp(bias + sum of weight * input). weights [out][depth]; bias: one an output.
 * Row y of the output is computed from `depth` numbers at y * depth: the input lies whole and end to end. */
typedef struct {
    const float *weights;
    const float *bias;
    int32_t depth;
    int32_t out_channels;
    float out_min;
    float out_max;
} tinyml_fully_connected_f32_t;

void tinyml_fully_connected_f32(const tinyml_fully_connected_f32_t *op, const tinyml_rows_t *in,
                                const tinyml_rows_t *out, const tinyml_tile_t *tile, void *scratch);

#ifdef __cplusplus
}
#endif

#endif

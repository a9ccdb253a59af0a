/* float32 softmax. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_SOFTMAX_F32_H
#define TINYML_SOFTMAX_F32_H

#include "tinyml_types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* exp(beta * x) over its sum, along the channels. */
typedef struct {
    int32_t channels;
    float beta;
} tinyml_softmax_f32_t;

void tinyml_softmax_f32(const tinyml_softmax_f32_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                        const tinyml_tile_t *tile, void *scratch);

#ifdef __cplusplus
}
#endif

#endif

/* float32 pooling. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_POOL_F32_H
#define TINYML_POOL_F32_H

#include "tinyml_types.h"
#include "tinyml_window.h"

#ifdef __cplusplus
extern "C" {
#endif

/* whole_window as in tinyml_pool_s8.h. */
typedef struct {
    tinyml_window_t window;
    int32_t whole_window;
    float out_min;
    float out_max;
} tinyml_pool_f32_t;

void tinyml_max_pool_f32(const tinyml_pool_f32_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                         const tinyml_tile_t *tile, void *scratch);

void tinyml_average_pool_f32(const tinyml_pool_f32_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                             const tinyml_tile_t *tile, void *scratch);

#ifdef __cplusplus
}
#endif

#endif

/* int16 pooling: see tinyml_pool_s8.h; zero_point is 0. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_POOL_S16_H
#define TINYML_POOL_S16_H

#include "tinyml_pool_s8.h"
#include "tinyml_types.h"

#ifdef __cplusplus
extern "C" {
#endif

void tinyml_max_pool_s16(const tinyml_pool_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                         const tinyml_tile_t *tile, void *scratch);

void tinyml_average_pool_s16(const tinyml_pool_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                             const tinyml_tile_t *tile, void *scratch);

#ifdef __cplusplus
}
#endif

#endif

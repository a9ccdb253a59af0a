/* Any function of one int8. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_LOOKUP_H
#define TINYML_LOOKUP_H

#include "tinyml_types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* table[x + 128] is the result for x, as the bits of an int8 or uint8. */
typedef struct {
    const uint8_t *table;
    int32_t channels;
} tinyml_lookup_s8_t;

void tinyml_lookup_s8(const tinyml_lookup_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                      const tinyml_tile_t *tile, void *scratch);

void tinyml_lookup_s8_mve(const tinyml_lookup_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                          const tinyml_tile_t *tile, void *scratch);

#ifdef __cplusplus
}
#endif

#endif

/* Where the largest channel is. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_ARG_MAX_H
#define TINYML_ARG_MAX_H

#include "tinyml_types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Output element k of row y is the index of the largest of `channels` elements of pixel y * count + k of the input, which has
 * in_cols pixels a row; of equal ones the first. Indices take 32 bits, or with `wide` 64, low word first. */
typedef struct {
    int32_t count;
    int32_t in_cols;
    int32_t channels;
    int32_t wide;
} tinyml_arg_max_t;

void tinyml_arg_max_s8(const tinyml_arg_max_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                       const tinyml_tile_t *tile, void *scratch);

void tinyml_arg_max_f32(const tinyml_arg_max_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                        const tinyml_tile_t *tile, void *scratch);

#ifdef __cplusplus
}
#endif

#endif

/* int8 softmax. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_SOFTMAX_S8_H
#define TINYML_SOFTMAX_S8_H

#include "tinyml_types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Over the channels. Probabilities of int8 have scale 1/256 and zero point -128; of int16, 1/65536 and -32768.
 *
 * multiplier   from input steps to fixed point with 5 integer bits: high_mul(x << left_shift, multiplier)
 * diff_min     inputs further below the maximum than this give probability 0
 */
typedef struct {
    int32_t channels;
    int32_t multiplier;
    int32_t left_shift;
    int32_t diff_min;
} tinyml_softmax_s8_t;

void tinyml_softmax_s8(const tinyml_softmax_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                       const tinyml_tile_t *tile, void *scratch);

/* int8 to int16. */
void tinyml_softmax_s8_s16(const tinyml_softmax_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                           const tinyml_tile_t *tile, void *scratch);

#ifdef __cplusplus
}
#endif

#endif

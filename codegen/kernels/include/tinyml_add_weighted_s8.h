/* Sum of two int8 tensors, each by a factor. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_ADD_WEIGHTED_S8_H
#define TINYML_ADD_WEIGHTED_S8_H

#include "tinyml_types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Two activations of the output's shape:
 *
 *     out = (floor(a * a_factor / 256) + floor(b * b_factor / 256) + offset) >> 20
 *
 * clamped. Whoever fills in the structure has made sure that this is what tinyml_add_s8() gives for every a and b, and that
 * no sum on the way leaves 32 bits. The assembly knows the order of the first three.
 *
 * a_factor, b_factor   scale of the operand / scale of the output * 2^28
 * offset               the zero points, and what rounds
 */
typedef struct {
    int32_t a_factor;
    int32_t b_factor;
    int32_t offset;
    int32_t channels;
    int32_t out_min;
    int32_t out_max;
} tinyml_add_weighted_s8_t;

void tinyml_add_weighted_s8_dsp(const tinyml_add_weighted_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                                const tinyml_tile_t *tile, void *scratch);

#ifdef __cplusplus
}
#endif

#endif

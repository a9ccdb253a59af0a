/* Means over any axes. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_MEAN_H
#define TINYML_MEAN_H

#include "tinyml_movement.h"
#include "tinyml_types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The elements that one mean is over: outer x inner of them, outer_stride and inner_stride apart, from the one on that
 * the nest names. The input lies whole and end to end. */
typedef struct {
    tinyml_nest_t nest;
    int32_t outer;
    int32_t outer_stride;
    int32_t inner;
    int32_t inner_stride;
} tinyml_reduced_t;

/* The sum of the centred inputs, requantized: LiteRT's reference bit for bit.
 *
 * zero_point   of the input
 * multiplier   from a sum at the input's scale to a mean at the output's; shift too (see tinyml_requant.h)
 */
typedef struct {
    tinyml_reduced_t reduced;
    int32_t zero_point;
    int32_t multiplier;
    int32_t shift;
    int32_t out_offset;
} tinyml_mean_s8_t;

void tinyml_mean_s8(const tinyml_mean_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                    const tinyml_tile_t *tile, void *scratch);

/* The same of int16: means over at most 65536 elements, all zero points 0. */
void tinyml_mean_s16(const tinyml_mean_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                     const tinyml_tile_t *tile, void *scratch);

typedef struct {
    tinyml_reduced_t reduced;
} tinyml_mean_f32_t;

void tinyml_mean_f32(const tinyml_mean_f32_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                     const tinyml_tile_t *tile, void *scratch);

/* The sum of stored int8 values from element `at` on. */
static inline int32_t tinyml_reduced_sum_s8(const tinyml_reduced_t *r, const int8_t *x, int32_t at)
{
    int32_t sum = 0;
    for (int32_t i = 0; i < r->outer; ++i) {
        for (int32_t j = 0; j < r->inner; ++j) {
            sum += x[at + i * r->outer_stride + j * r->inner_stride];
        }
    }
    return sum;
}

#ifdef __cplusplus
}
#endif

#endif

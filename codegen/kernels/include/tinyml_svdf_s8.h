/* int8 SVDF: singular value decomposition filters. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_SVDF_S8_H
#define TINYML_SVDF_S8_H

#include "tinyml_types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Each filter multiplies the input with its feature weights, remembers the results of the last `memory` runs, and
 * weighs them over time; `rank` filters add up to a unit. https://research.google/pubs/pub43813/
 *
 * in[0] the input, rows of `depth`; in[1] the state as the last run left it; out[0] rows of `units`; out[1] the state,
 * [row][filter][memory], in the same memory as in[1] or in other.
 *
 * feature      [units * rank][depth]
 * time         [units * rank][memory], of the type of the state
 * bias         one a unit
 * to_state     multiplier and shift from feature sums to the state's scale; to_output: from weighed states to the output
 *
 * State rows lie end to end: the whole output is one tile.
 */
typedef struct {
    const int8_t *feature;
    const void *time;
    const int32_t *bias;
    int32_t depth;
    int32_t memory;
    int32_t units;
    int32_t rank;
    int32_t in_offset;
    int32_t state_zero_point;
    int32_t to_state_multiplier;
    int32_t to_state_shift;
    int32_t to_output_multiplier;
    int32_t to_output_shift;
    int32_t out_offset;
    int32_t out_min;
    int32_t out_max;
} tinyml_svdf_s8_t;

/* State and time weights of int16. */
void tinyml_svdf_s8_s16(const tinyml_svdf_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                        const tinyml_tile_t *tile, void *scratch);

/* State and time weights of int8. */
void tinyml_svdf_s8_s8(const tinyml_svdf_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                       const tinyml_tile_t *tile, void *scratch);

#ifdef __cplusplus
}
#endif

#endif

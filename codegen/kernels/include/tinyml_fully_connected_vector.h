/* Fully connected layers by dot products of vectors. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_FULLY_CONNECTED_VECTOR_H
#define TINYML_FULLY_CONNECTED_VECTOR_H

#include "tinyml_conv_s16.h"
#include "tinyml_types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* As tinyml_fully_connected_s8_t, with weights and rescaling prepared for the kernels below.
 *
 * weights      [four outputs][step][output][inputs of the step]: 16 inputs a step, the first step takes what is left over, or
 *              16 where nothing is. Outputs of zeros fill up the last four, and 16 bytes more may be read. Those of 4 bits:
 *              [four outputs][step][pair of outputs][inputs of the step], a byte 16 b + a for the outputs a and b of a pair.
 *              No b is -8 where a is negative.
 * rescale      [four outputs], 13 words each: four biases, multipliers, roundings, and in the bytes of a word shifts from
 *              -22 to -1: out = (floor((sum + bias) * multiplier / 2^31) + rounding) >> -shift
 *              where rounding = 2^(-shift - 1) + (output zero point << -shift). The factor has 31 bits: whoever fills in
 *              the structure has made sure that this is what tinyml_requantize_once() gives for every possible sum,
 *              clamped. The bias includes minus the input's zero point times the sum of weights.
 */
typedef struct {
    const int8_t *weights;
    const int32_t *rescale;
    int32_t depth;
    int32_t out_channels;
    int32_t out_min;
    int32_t out_max;
} tinyml_fully_connected_vector_t;

void tinyml_fully_connected_s8_mve(const tinyml_fully_connected_vector_t *op, const tinyml_rows_t *in,
                                   const tinyml_rows_t *out, const tinyml_tile_t *tile, void *scratch);

/* With weights of 4 bits.
 *
 * exact        five words an output for which 31 bits of the factor are not enough: its number, and bias, high, low and
 *              exponent of tinyml_requantize_once()
 * exact_count  so many outputs; 0 and no array where there is none
 */
typedef struct {
    tinyml_fully_connected_vector_t product;
    const int32_t *exact;
    int32_t exact_count;
    int32_t out_offset;
} tinyml_fully_connected_vector_w4_t;

/* scratch: 4 bytes an output, a multiple of four outputs. */
void tinyml_fully_connected_w4_mve(const tinyml_fully_connected_vector_w4_t *op, const tinyml_rows_t *in,
                                   const tinyml_rows_t *out, const tinyml_tile_t *tile, void *scratch);

/* int16 with int8 weights: see tinyml_conv_s16.h. weights as above, 8 inputs a step.
 * scratch: 4 bytes an output, a multiple of four outputs. */
void tinyml_fully_connected_s16_mve(const tinyml_fully_connected_s16_t *op, const tinyml_rows_t *in,
                                    const tinyml_rows_t *out, const tinyml_tile_t *tile, void *scratch);

#ifdef __cplusplus
}
#endif

#endif

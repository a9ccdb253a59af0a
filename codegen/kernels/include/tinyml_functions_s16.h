/* Softmax, logistic and tanh of int16, results in steps of 2^-15. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_FUNCTIONS_S16_H
#define TINYML_FUNCTIONS_S16_H

#include "tinyml_types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Over the channels.
 *
 * multiplier   from input steps to 65535 steps of the distance 10 below the maximum; shift too (see tinyml_requant.h)
 * exp          exp on [-10, 0], 513 numbers between which lines are drawn; reciprocal: 1 / (1 + x) on [0, 1]
 */
typedef struct {
    const int16_t *exp;
    const int16_t *reciprocal;
    int32_t channels;
    int32_t multiplier;
    int32_t shift;
} tinyml_softmax_s16_t;

void tinyml_softmax_s16(const tinyml_softmax_s16_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                        const tinyml_tile_t *tile, void *scratch);

/* sigmoid      256 numbers sigmoid(i / 24) * 2^16
 * multiplier   (x * multiplier) >> shift, rounded, is the input in steps of 1/3 * 2^-12
 */
typedef struct {
    const uint16_t *sigmoid;
    int32_t channels;
    int32_t multiplier;
    int32_t shift;
} tinyml_logistic_s16_t;

void tinyml_logistic_s16(const tinyml_logistic_s16_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                         const tinyml_tile_t *tile, void *scratch);

void tinyml_tanh_s16(const tinyml_logistic_s16_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                     const tinyml_tile_t *tile, void *scratch);

/* The table at position / 2^bits, in units of 2^-bits of its own. The position lies before the table's last number. */
static inline int32_t tinyml_between(const uint16_t *table, int32_t position, int32_t bits)
{
    const uint16_t *at = table + (position >> bits);
    return at[0] * (1 << bits) + (position & ((1 << bits) - 1)) * (at[1] - at[0]);
}

static inline int32_t tinyml_logistic_input(const tinyml_logistic_s16_t *op, int32_t x)
{
    return (x * op->multiplier + (op->shift > 0 ? 1 << (op->shift - 1) : 0)) >> op->shift;
}

#ifdef __cplusplus
}
#endif

#endif

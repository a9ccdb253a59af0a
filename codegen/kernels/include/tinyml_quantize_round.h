/* Rounding of real numbers. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_QUANTIZE_ROUND_H
#define TINYML_QUANTIZE_ROUND_H

#include "tinyml_quantize.h"

#ifdef __cplusplus
extern "C" {
#endif

/* round(x / scale) + zero_point within [out_min, out_max], halves away from zero; not-a-number gives out_min.
 * Clamping comes first: what it lets through converts to int32 exactly. */
static inline int32_t tinyml_quantize_round(const tinyml_quantize_t *op, float x)
{
    const float lo = (float)(op->out_min - op->zero_point);
    const float hi = (float)(op->out_max - op->zero_point);
    const float steps = x / op->scale;
    if (!(steps > lo)) {
        return op->out_min;
    }
    if (steps >= hi) {
        return op->out_max;
    }
    const int32_t whole = (int32_t)steps;
    const float rest = steps - (float)whole;
    return whole + (rest >= 0.5f ? 1 : 0) - (rest <= -0.5f ? 1 : 0) + op->zero_point;
}

#ifdef __cplusplus
}
#endif

#endif

/* Rounding of real numbers. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_ROUND_H
#define TINYML_ROUND_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* x rounded, halves away from zero, within [lo, hi]; not-a-number gives lo. |lo|, |hi| <= 2^24. Clamping comes first:
 * what it lets through converts to int32 exactly. */
static inline int32_t tinyml_round(float x, int32_t lo, int32_t hi)
{
    if (!(x > (float)lo)) {
        return lo;
    }
    if (x >= (float)hi) {
        return hi;
    }
    const int32_t whole = (int32_t)x;
    const float rest = x - (float)whole;
    return whole + (rest >= 0.5f ? 1 : 0) - (rest <= -0.5f ? 1 : 0);
}

#ifdef __cplusplus
}
#endif

#endif

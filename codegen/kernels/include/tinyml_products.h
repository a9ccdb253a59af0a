/* Sums of products for cores without SIMD. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_PRODUCTS_H
#define TINYML_PRODUCTS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Adds `count` products of x + offset with each of four filters, which lie `pitch` bytes apart: every input is loaded once
 * for all of them. */
static inline void tinyml_add_products(const int8_t *x, int32_t offset, const int8_t *filter, int32_t pitch, int32_t count,
                                       int32_t sum[4])
{
    const int8_t *const f = filter + pitch, *const g = f + pitch, *const h = g + pitch;
    int32_t s0 = sum[0], s1 = sum[1], s2 = sum[2], s3 = sum[3];

    for (int32_t k = 0; k < count; ++k) {
        const int32_t value = x[k] + offset;
        s0 += filter[k] * value;
        s1 += f[k] * value;
        s2 += g[k] * value;
        s3 += h[k] * value;
    }
    sum[0] = s0;
    sum[1] = s1;
    sum[2] = s2;
    sum[3] = s3;
}

/* The same for one filter. */
static inline int32_t tinyml_sum_products(const int8_t *x, int32_t offset, const int8_t *filter, int32_t count)
{
    int32_t sum = 0;
    for (int32_t k = 0; k < count; ++k) {
        sum += filter[k] * (x[k] + offset);
    }
    return sum;
}

#ifdef __cplusplus
}
#endif

#endif

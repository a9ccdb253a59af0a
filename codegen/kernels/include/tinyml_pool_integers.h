/* What pools of integers have in common. SPDX-License-Identifier: Apache-2.0
 *
 * A source defines the type element_t and includes this file, then that of its pool.
 */
#ifndef TINYML_POOL_INTEGERS_H
#define TINYML_POOL_INTEGERS_H

#include "tinyml_pool_s8.h"
#include "tinyml_requant.h"

typedef int32_t sum_t;
typedef tinyml_pool_s8_t op_t;

static inline element_t limit(const op_t *op, int32_t x)
{
    return (element_t)tinyml_clamp(x, op->out_min, op->out_max);
}

static inline int32_t padding(const op_t *op, int32_t taps)
{
    return taps * op->zero_point;
}

static inline element_t average(const op_t *op, int32_t sum, int32_t count)
{
    return limit(op, tinyml_divide(sum, count));
}

#endif

/* Integers to another scale. SPDX-License-Identifier: Apache-2.0
 *
 * A source defines the types in_t and out_t and includes this file.
 */
#ifndef TINYML_REQUANTIZE_ELEMENTS_H
#define TINYML_REQUANTIZE_ELEMENTS_H

#include "tinyml_quantize.h"
#include "tinyml_requant.h"

typedef tinyml_requantize_t op_t;

static inline out_t function(const op_t *op, in_t x)
{
    const int32_t r = tinyml_requantize(x + op->in_offset, op->multiplier, op->shift) + op->out_offset;
    return (out_t)tinyml_clamp(r, op->out_min, op->out_max);
}

#include "tinyml_elements.h"

#endif

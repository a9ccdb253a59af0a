/* Real numbers to integers. SPDX-License-Identifier: Apache-2.0
 *
 * A source defines the type out_t and includes this file.
 */
#ifndef TINYML_QUANTIZE_ELEMENTS_H
#define TINYML_QUANTIZE_ELEMENTS_H

#include "tinyml_quantize.h"
#include "tinyml_round.h"

typedef float in_t;
typedef tinyml_quantize_t op_t;

static inline out_t function(const op_t *op, in_t x)
{
    const int32_t least = op->out_min - op->zero_point, most = op->out_max - op->zero_point;
    return (out_t)(tinyml_round(x / op->scale, least, most) + op->zero_point);
}

#include "tinyml_elements.h"

#endif

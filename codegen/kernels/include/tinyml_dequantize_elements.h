/* Integers to real numbers. SPDX-License-Identifier: Apache-2.0
 *
 * A source defines the type in_t and includes this file.
 */
#ifndef TINYML_DEQUANTIZE_ELEMENTS_H
#define TINYML_DEQUANTIZE_ELEMENTS_H

#include "tinyml_quantize.h"

typedef float out_t;
typedef tinyml_dequantize_t op_t;

static inline out_t function(const op_t *op, in_t x)
{
    return op->scale * (float)(x - op->zero_point);
}

#include "tinyml_elements.h"

#endif

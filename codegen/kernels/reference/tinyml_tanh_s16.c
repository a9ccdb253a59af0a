/* tanh of int16: 2 * logistic(2 x) - 1. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_functions_s16.h"

typedef int16_t in_t, out_t;
typedef tinyml_logistic_s16_t op_t;

static inline int16_t function(const op_t *op, int32_t x)
{
    const int32_t data = tinyml_logistic_input(op, x);
    const int32_t size = data < 0 ? -data : data;
    const int32_t result = size >> 8 >= 255 ? 0xffff << 8 : tinyml_between(op->sigmoid, size, 8);
    return (int16_t)((data >= 0 ? result - (1 << 23) + (1 << 7) : -result + (1 << 23) + (1 << 7) - 1) >> 8);
}

#include "tinyml_elements.h"

void tinyml_tanh_s16(const tinyml_logistic_s16_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                     const tinyml_tile_t *tile, void *scratch)
{
    (void)scratch;
    each_element(op, in, out, tile);
}

/* Logistic function of int16. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_functions_s16.h"

typedef int16_t in_t, out_t;
typedef tinyml_logistic_s16_t op_t;

static inline int16_t function(const op_t *op, int32_t x)
{
    const int32_t data = tinyml_logistic_input(op, x);
    const int32_t size = data < 0 ? -data : data;
    const int32_t result = size >> 9 >= 255 ? 0x7fff << 10 : tinyml_between(op->sigmoid, size, 9);
    return (int16_t)((data >= 0 ? result + (1 << 9) : (1 << 25) - result + (1 << 9) - 1) >> 10);
}

#include "tinyml_elements.h"

void tinyml_logistic_s16(const tinyml_logistic_s16_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                         const tinyml_tile_t *tile, void *scratch)
{
    (void)scratch;
    each_element(op, in, out, tile);
}

/* Depthwise convolution, int8. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_conv_s8.h"
#include "tinyml_requant.h"

typedef int8_t element_t;
typedef int32_t sum_t;
typedef tinyml_conv_s8_t op_t;

static inline int32_t product(const op_t *op, int32_t weight, int32_t x)
{
    return weight * (x + op->in_offset);
}

static int8_t finish(const op_t *op, int32_t c, int32_t sum)
{
    sum = tinyml_requantize(sum, op->multiplier[c], op->shift[c]) + op->out_offset;
    return (int8_t)tinyml_clamp(sum, op->out_min, op->out_max);
}

#include "tinyml_depthwise_windows.h"

void tinyml_depthwise_s8(const tinyml_conv_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                         const tinyml_tile_t *tile, void *scratch)
{
    (void)scratch;
    depthwise(op, in, out, tile);
}

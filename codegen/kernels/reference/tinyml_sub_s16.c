/* Difference of two int16 tensors. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_binary_s16.h"
#include "tinyml_requant.h"

typedef int16_t element_t;
typedef tinyml_operand_s16_t operand_t;
typedef tinyml_binary_s16_t op_t;

static inline element_t function(const op_t *op, int32_t a, int32_t b)
{
    const int32_t x = tinyml_requantize(a * (1 << op->left_shift), op->a.multiplier, op->a.shift);
    const int32_t y = tinyml_requantize(b * (1 << op->left_shift), op->b.multiplier, op->b.shift);
    const int32_t r = tinyml_requantize(x - y, op->multiplier, op->shift);
    return (element_t)tinyml_clamp(r, op->out_min, op->out_max);
}

#include "tinyml_binary_elements.h"

void tinyml_sub_s16(const tinyml_binary_s16_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                    const tinyml_tile_t *tile, void *scratch)
{
    (void)scratch;
    each_pair(op, in, out, tile);
}

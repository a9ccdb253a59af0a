/* Quotient of two float32 tensors. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_binary_f32.h"
#include "tinyml_clamp_f32.h"

typedef float element_t;
typedef tinyml_operand_f32_t operand_t;
typedef tinyml_binary_f32_t op_t;

static inline float function(const op_t *op, float a, float b)
{
    return tinyml_clamp_f32(a / b, op->out_min, op->out_max);
}

#include "tinyml_binary_elements.h"

void tinyml_div_f32(const tinyml_binary_f32_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                    const tinyml_tile_t *tile, void *scratch)
{
    (void)scratch;
    each_pair(op, in, out, tile);
}

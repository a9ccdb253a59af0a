/* GELU by tanh, float32. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_math.h"
#include "tinyml_unary_f32.h"

typedef float in_t, out_t;
typedef tinyml_unary_f32_t op_t;

static inline float function(const op_t *op, float x)
{
    (void)op;
    return 0.5f * x * (1.0f + tinyml_tanh(0.79788456f * (x + 0.044715f * x * x * x)));
}

#include "tinyml_elements.h"

void tinyml_gelu_tanh_f32(const tinyml_unary_f32_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                          const tinyml_tile_t *tile, void *scratch)
{
    (void)scratch;
    each_element(op, in, out, tile);
}

/* Hard swish, float32. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_clamp_f32.h"
#include "tinyml_unary_f32.h"

typedef float in_t, out_t;
typedef tinyml_unary_f32_t op_t;

static inline float function(const op_t *op, float x)
{
    (void)op;
    return x * tinyml_clamp_f32(x + 3.0f, 0.0f, 6.0f) / 6.0f;
}

#include "tinyml_elements.h"

void tinyml_hard_swish_f32(const tinyml_unary_f32_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                           const tinyml_tile_t *tile, void *scratch)
{
    (void)scratch;
    each_element(op, in, out, tile);
}

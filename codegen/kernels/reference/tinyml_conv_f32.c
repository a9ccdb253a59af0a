/* Convolution, float32, any geometry. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_clamp_f32.h"
#include "tinyml_conv_f32.h"

typedef float element_t, weight_t, sum_t;
typedef tinyml_conv_f32_t op_t;

static inline float finish(const op_t *op, int32_t c, float sum)
{
    (void)c;
    return tinyml_clamp_f32(sum, op->out_min, op->out_max);
}

#include "tinyml_conv_windows.h"

void tinyml_conv_f32(const tinyml_conv_f32_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                     const tinyml_tile_t *tile, void *scratch)
{
    (void)scratch;
    conv(op, in, out, tile);
}

/* Convolution, int16 with int8 weights, any geometry. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_conv_s16.h"
#include "tinyml_requant.h"

typedef int16_t element_t;
typedef int8_t weight_t;
typedef int64_t sum_t;
typedef tinyml_conv_s16_t op_t;

static inline int16_t finish(const op_t *op, int32_t c, int64_t sum)
{
    const int32_t scaled = tinyml_requantize_wide(sum, op->multiplier[c], op->shift[c]);
    return (int16_t)tinyml_clamp(scaled, op->out_min, op->out_max);
}

#include "tinyml_conv_windows.h"

void tinyml_conv_s16(const tinyml_conv_s16_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                     const tinyml_tile_t *tile, void *scratch)
{
    (void)scratch;
    conv(op, in, out, tile);
}

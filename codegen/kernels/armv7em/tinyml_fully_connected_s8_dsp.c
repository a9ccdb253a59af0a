/* Fully connected layer, int8, for SMLAD: two outputs at a time. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_dsp.h"
#include "tinyml_fully_connected_s8.h"
#include "tinyml_requant.h"

/* sum[0] += f . x, sum[1] += g . x */
static void multiply(const int8_t *f, const int8_t *g, const int8_t *x, int32_t depth, int32_t sum[2])
{
    const int8_t *end = x + depth;
    int32_t s0 = sum[0], s1 = sum[1];

#if defined(__ARM_FEATURE_DSP)
    for (; end - x >= 4; x += 4, f += 4, g += 4) {
        const uint32_t a = tinyml_load_word(x), u = tinyml_load_word(f), v = tinyml_load_word(g);
        const int16x2_t even = tinyml_even(a), odd = tinyml_odd(a);
        s0 = __smlad(even, tinyml_even(u), s0);
        s1 = __smlad(even, tinyml_even(v), s1);
        s0 = __smlad(odd, tinyml_odd(u), s0);
        s1 = __smlad(odd, tinyml_odd(v), s1);
    }
#endif
    for (; x < end; ++x, ++f, ++g) {
        s0 += *f * *x;
        s1 += *g * *x;
    }
    sum[0] = s0;
    sum[1] = s1;
}

static int8_t finish(const tinyml_fully_connected_s8_t *op, int32_t c, int32_t sum)
{
    const int32_t q = op->per_channel ? c : 0;
    sum = tinyml_requantize_once(sum, op->factor_high[q], op->factor_low[q], op->factor_exponent[q]);
    return (int8_t)tinyml_clamp(sum + op->out_offset, op->out_min, op->out_max);
}

void tinyml_fully_connected_s8_dsp(const tinyml_fully_connected_s8_t *op, const tinyml_rows_t *in,
                                   const tinyml_rows_t *out, const tinyml_tile_t *tile, void *scratch)
{
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        const int8_t *x = (const int8_t *)in->base + y * op->depth;
        int8_t *o = tinyml_row(out, y);
        for (int32_t c = 0; c < op->out_channels; c += 2) {
            const int32_t d = c + 1 < op->out_channels ? c + 1 : c; /* the last of an odd number, twice */
            int32_t sum[2] = {op->bias[c], op->bias[d]};
            multiply(op->weights + c * op->depth, op->weights + d * op->depth, x, op->depth, sum);
            o[c] = finish(op, c, sum[0]);
            o[d] = finish(op, d, sum[1]);
        }
    }
}

/* Average of windows, int8, four channels at a time. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_pool_dsp.h"

#if !defined(__ARM_FEATURE_DSP)
static uint32_t add(uint32_t pair, int32_t low, int32_t high)
{
    const uint32_t upper = (pair >> 16) + (uint32_t)high, lower = pair + (uint32_t)low;
    return upper << 16 | (lower & UINT32_C(0xffff));
}
#endif

/* Adds the taps of a row of a window to the sums of channels 0 and 2, 1 and 3, two int16 each. */
static inline void add_row(const int8_t *x, int32_t step, int32_t count, uint32_t *even, uint32_t *odd)
{
#if defined(__ARM_FEATURE_DSP)
    int16x2_t a = (int16x2_t)*even, b = (int16x2_t)*odd;
    for (; count > 0; --count, x += step) {
        const uint32_t word = tinyml_load_word(x);
        a = tinyml_add_even(a, word);
        b = tinyml_add_odd(b, word);
    }
    *even = (uint32_t)a;
    *odd = (uint32_t)b;
#else
    for (; count > 0; --count, x += step) {
        *even = add(*even, x[0], x[2]);
        *odd = add(*odd, x[1], x[3]);
    }
#endif
}

static inline int8_t average(const tinyml_pool_s8_t *op, int32_t sum, int32_t count)
{
    return (int8_t)tinyml_clamp(tinyml_divide(sum, count), op->out_min, op->out_max);
}

static void pool_window(const tinyml_pool_s8_t *op, const tinyml_rows_t *in, const int8_t *x, inside_t inside,
                        int8_t *out)
{
    const int32_t taps = inside.rows * inside.cols;
    const int32_t count = op->whole_window ? op->window.kernel_height * op->window.kernel_width : taps;
    const int32_t outside = (count - taps) * op->zero_point;
    uint32_t even = 0, odd = 0;

    for (int32_t ky = inside.cols > 0 ? inside.rows : 0; ky > 0; --ky) {
        add_row(x, op->window.in_channels, inside.cols, &even, &odd);
        x = ky > 1 ? tinyml_row_below(in, x, 1) : x;
    }
    out[0] = average(op, (int16_t)(even & UINT32_C(0xffff)) + outside, count);
    out[1] = average(op, (int16_t)(odd & UINT32_C(0xffff)) + outside, count);
    out[2] = average(op, (int16_t)(even >> 16) + outside, count);
    out[3] = average(op, (int16_t)(odd >> 16) + outside, count);
}

void tinyml_average_pool_s8_dsp(const tinyml_pool_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                                const tinyml_tile_t *tile, void *scratch)
{
    (void)scratch;
    pool(op, in, out, tile);
}

/* Pointwise convolution, int8, for SMLAD: two pixels by two channels at a time. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_conv_s8.h"
#include "tinyml_dsp.h"
#include "tinyml_requant.h"

static inline int8_t finish(const tinyml_conv_s8_t *op, int32_t c, int32_t sum)
{
    sum = tinyml_requantize(sum, op->multiplier[c], op->shift[c]) + op->out_offset;
    return (int8_t)tinyml_clamp(sum, op->out_min, op->out_max);
}

/* Channel c of one pixel. */
static int8_t one(const tinyml_conv_s8_t *op, int32_t c, const int8_t *x)
{
    const int32_t depth = op->window.in_channels;
    const int8_t *f = op->weights + c * depth;
    int32_t sum = op->bias[c];
    for (int32_t k = 0; k < depth; ++k) {
        sum += f[k] * x[k];
    }
    return finish(op, c, sum);
}

#if defined(__ARM_FEATURE_DSP)

/* Channels c and c + 1 of two pixels. */
static void two_by_two(const tinyml_conv_s8_t *op, int32_t c, const int8_t *x0, const int8_t *x1, int8_t *o0,
                       int8_t *o1)
{
    const int32_t depth = op->window.in_channels;
    const int8_t *f0 = op->weights + c * depth;
    const int8_t *f1 = f0 + depth;
    const int8_t *end = f0 + depth;
    int32_t s00 = op->bias[c], s01 = op->bias[c + 1], s10 = s00, s11 = s01;

    for (; end - f0 >= 4; f0 += 4, f1 += 4, x0 += 4, x1 += 4) {
        const uint32_t a = tinyml_load_word(x0), b = tinyml_load_word(x1), u = tinyml_load_word(f0), v = tinyml_load_word(f1);
        const int16x2_t a_even = tinyml_even(a), a_odd = tinyml_odd(a);
        const int16x2_t b_even = tinyml_even(b), b_odd = tinyml_odd(b);
        const int16x2_t u_even = tinyml_even(u), u_odd = tinyml_odd(u);
        s00 = __smlad(a_even, u_even, s00);
        s10 = __smlad(b_even, u_even, s10);
        s00 = __smlad(a_odd, u_odd, s00);
        s10 = __smlad(b_odd, u_odd, s10);
        const int16x2_t v_even = tinyml_even(v), v_odd = tinyml_odd(v);
        s01 = __smlad(a_even, v_even, s01);
        s11 = __smlad(b_even, v_even, s11);
        s01 = __smlad(a_odd, v_odd, s01);
        s11 = __smlad(b_odd, v_odd, s11);
    }
    for (; f0 < end; ++f0, ++f1, ++x0, ++x1) {
        s00 += *f0 * *x0;
        s10 += *f0 * *x1;
        s01 += *f1 * *x0;
        s11 += *f1 * *x1;
    }
    o0[0] = finish(op, c, s00);
    o0[1] = finish(op, c + 1, s01);
    o1[0] = finish(op, c, s10);
    o1[1] = finish(op, c + 1, s11);
}

#else

static void two_by_two(const tinyml_conv_s8_t *op, int32_t c, const int8_t *x0, const int8_t *x1, int8_t *o0,
                       int8_t *o1)
{
    o0[0] = one(op, c, x0);
    o0[1] = one(op, c + 1, x0);
    o1[0] = one(op, c, x1);
    o1[1] = one(op, c + 1, x1);
}

#endif

/* `count` pixels of a row, the inputs `step` bytes apart. The last of an odd number is computed as if it were two. */
static void pixels(const tinyml_conv_s8_t *op, const int8_t *x, int32_t step, int8_t *o, int32_t count)
{
    const int32_t channels = op->out_channels;
    for (; count > 0; count -= 2) {
        const int32_t next = count > 1 ? 1 : 0;
        const int8_t *x1 = x + next * step;
        int8_t *o1 = o + next * channels;
        int32_t c = 0;
        for (; c + 2 <= channels; c += 2) {
            two_by_two(op, c, x, x1, o + c, o1 + c);
        }
        if (c < channels) {
            o[c] = one(op, c, x);
            o1[c] = one(op, c, x1);
        }
        x += 2 * step;
        o += 2 * channels;
    }
}

void tinyml_conv_1x1_s8_dsp(const tinyml_conv_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                            const tinyml_tile_t *tile, void *scratch)
{
    const tinyml_window_t *w = &op->window;
    const int32_t depth = w->in_channels;
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        const int8_t *x = (const int8_t *)tinyml_row(in, y * w->stride_y)
                          + (tile->col * w->stride_x - in->first_col) * depth;
        int8_t *o = (int8_t *)tinyml_row(out, y) + (tile->col - out->first_col) * op->out_channels;
        pixels(op, x, w->stride_x * depth, o, tile->cols);
    }
}

/* Convolution, int8, any geometry, for SMLAD. SPDX-License-Identifier: Apache-2.0
 *
 * The windows of two outputs are widened to int16 in scratch, the zero point taken off, zero where a tap falls outside
 * the image: two columns, interleaved by four taps. Then two filters at a time, interleaved likewise, are multiplied with
 * both columns: in the loop, each load feeds two multiplications and each of those does two taps.
 *
 *     columns   a0 a2 a1 a3  b0 b2 b1 b3  a4 a6 a5 a7 ...   taps of outputs a and b, int16
 *     weights   f0 f1 f2 f3  g0 g1 g2 g3  f4 f5 f6 f7 ...   taps of filters f and g, int8
 *
 * The order of taps within four is what SXTB16 makes of four bytes: its even ones, then its odd ones.
 */
#include "tinyml_conv_s8.h"
#include "tinyml_dsp.h"
#include "tinyml_memory.h"
#include "tinyml_requant.h"

/* Taps [tap, tap + count) of a column, from consecutive inputs. */
static void widen_run(int16_t *column, int32_t tap, const int8_t *x, int32_t count, int32_t offset)
{
#if defined(__ARM_FEATURE_DSP)
    if (tap % 4 == 0) {
        const int16x2_t both = (int16x2_t)(((uint32_t)offset & UINT32_C(0xffff)) * UINT32_C(0x10001));
        for (; count >= 4; count -= 4, tap += 4, x += 4) {
            const uint32_t word = tinyml_load_word(x);
            tinyml_store_word(column + 2 * tap, (uint32_t)tinyml_add_even(both, word));
            tinyml_store_word(column + 2 * tap + 2, (uint32_t)tinyml_add_odd(both, word));
        }
    }
#endif
    for (; count > 0; --count, ++tap) {
        column[tap / 4 * 8 + (tap & 1) * 2 + (tap >> 1 & 1)] = (int16_t)(*x++ + offset);
    }
}

/* The window of output (y, x), input channels from `channel` on, in the order of the weights. */
static void widen(const tinyml_conv_s8_t *op, const tinyml_rows_t *in, int32_t y, int32_t x, int32_t channel,
                  int32_t taps, int16_t *column)
{
    const tinyml_window_t *w = &op->window;
    const int32_t depth = w->in_channels / op->groups;
    const tinyml_taps_t rows = tinyml_rows_of_window(w, y);
    const tinyml_taps_t cols = tinyml_cols_of_window(w, x);
    const int32_t count = cols.end - cols.first;
    const int8_t *row = in->base;

    if (rows.end - rows.first < w->kernel_height || count < w->kernel_width) {
        for (int32_t k = 0; k < taps; k += 4) {
            tinyml_store_word(column + 2 * k, 0);
            tinyml_store_word(column + 2 * k + 2, 0);
        }
    }
    if (rows.first < rows.end) {
        row = tinyml_row(in, rows.origin + rows.first * w->dilation_y);
    }
    for (int32_t ky = rows.first; ky < rows.end; ++ky) {
        const int8_t *i = row + (cols.origin + cols.first * w->dilation_x - in->first_col) * w->in_channels + channel;
        const int32_t tap = (ky * w->kernel_width + cols.first) * depth;
        if (w->dilation_x == 1 && op->groups == 1) {
            widen_run(column, tap, i, count * depth, op->in_offset);
        } else {
            for (int32_t kx = 0; kx < count; ++kx) {
                widen_run(column, tap + kx * depth, i + kx * w->dilation_x * w->in_channels, depth, op->in_offset);
            }
        }
        row = tinyml_row_below(in, row, ky + 1 < rows.end ? w->dilation_y : 0);
    }
}

/* Adds the products of a pair of filters with both columns: sum[0] is filter f with output a, sum[1] f with b, sum[2] g
 * with a, sum[3] g with b. */
static void multiply(const int8_t *weights, const int16_t *columns, int32_t taps, int32_t sum[4])
{
#if defined(__ARM_FEATURE_DSP)
    const int8_t *end = weights + 2 * taps;
    int32_t fa = sum[0], fb = sum[1], ga = sum[2], gb = sum[3];
    for (; weights < end; weights += 8, columns += 8) {
        const uint32_t f = tinyml_load_aligned(weights), g = tinyml_load_aligned(weights + 4);
        const int16x2_t a_even = (int16x2_t)tinyml_load_aligned(columns);
        const int16x2_t a_odd = (int16x2_t)tinyml_load_aligned(columns + 2);
        const int16x2_t b_even = (int16x2_t)tinyml_load_aligned(columns + 4);
        const int16x2_t b_odd = (int16x2_t)tinyml_load_aligned(columns + 6);
        const int16x2_t f_even = tinyml_even(f), f_odd = tinyml_odd(f);
        fa = __smlad(a_even, f_even, fa);
        fb = __smlad(b_even, f_even, fb);
        fa = __smlad(a_odd, f_odd, fa);
        fb = __smlad(b_odd, f_odd, fb);
        const int16x2_t g_even = tinyml_even(g), g_odd = tinyml_odd(g);
        ga = __smlad(a_even, g_even, ga);
        gb = __smlad(b_even, g_even, gb);
        ga = __smlad(a_odd, g_odd, ga);
        gb = __smlad(b_odd, g_odd, gb);
    }
    sum[0] = fa;
    sum[1] = fb;
    sum[2] = ga;
    sum[3] = gb;
#else
    for (int32_t k = 0; k < taps; ++k) {
        const int32_t f = weights[k / 4 * 8 + k % 4], g = weights[k / 4 * 8 + k % 4 + 4];
        const int16_t *a = columns + k / 4 * 8 + (k & 1) * 2 + (k >> 1 & 1);
        sum[0] += f * a[0];
        sum[1] += f * a[4];
        sum[2] += g * a[0];
        sum[3] += g * a[4];
    }
#endif
}

/* Channel c of both outputs. */
static inline void finish(const tinyml_conv_s8_t *op, int32_t c, const int32_t sum[2], int8_t *a, int8_t *b)
{
    const int32_t multiplier = op->multiplier[c], shift = op->shift[c];
    const int32_t first = tinyml_requantize(sum[0], multiplier, shift) + op->out_offset;
    const int32_t second = tinyml_requantize(sum[1], multiplier, shift) + op->out_offset;
    a[c] = (int8_t)tinyml_clamp(first, op->out_min, op->out_max);
    b[c] = (int8_t)tinyml_clamp(second, op->out_min, op->out_max);
}

void tinyml_conv_s8_dsp(const tinyml_conv_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                        const tinyml_tile_t *tile, void *scratch)
{
    const tinyml_window_t *w = &op->window;
    const int32_t group_in = w->in_channels / op->groups;
    const int32_t group_out = op->out_channels / op->groups;
    const int32_t taps = (w->kernel_height * w->kernel_width * group_in + 3) / 4 * 4;
    const int32_t outputs = tile->rows * tile->cols;
    int16_t *columns = scratch;

    tinyml_fill(columns, 0, 2 * taps * (int32_t)sizeof *columns); /* taps past the last stay zero */
    for (int32_t i = 0; i < outputs; i += 2) {
        /* Outputs i and i + 1 of the tile; the last of an odd number, twice. */
        const int32_t j = i + 1 < outputs ? i + 1 : i;
        const int32_t ay = tile->row + i / tile->cols, ax = tile->col + i % tile->cols;
        const int32_t by = tile->row + j / tile->cols, bx = tile->col + j % tile->cols;
        int8_t *a = (int8_t *)tinyml_row(out, ay) + (ax - out->first_col) * op->out_channels;
        int8_t *b = (int8_t *)tinyml_row(out, by) + (bx - out->first_col) * op->out_channels;
        const int8_t *weights = op->weights;
        for (int32_t group = 0; group < op->groups; ++group) {
            const int32_t end = (group + 1) * group_out;
            widen(op, in, ay, ax, group * group_in, taps, columns);
            widen(op, in, by, bx, group * group_in, taps, columns + 4);
            for (int32_t c = group * group_out; c < end; c += 2) {
                const int32_t d = c + 1 < end ? c + 1 : c; /* an odd number of filters has an empty one at its end */
                int32_t sum[4] = {op->bias[c], op->bias[c], op->bias[d], op->bias[d]};
                multiply(weights, columns, taps, sum);
                finish(op, c, sum, a, b);
                if (d != c) {
                    finish(op, d, sum + 2, a, b);
                }
                weights += 2 * taps;
            }
        }
    }
}

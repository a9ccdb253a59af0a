/* Convolution, int8, any geometry, for SMLAD. SPDX-License-Identifier: Apache-2.0
 *
 * The windows of two neighbouring outputs are widened to int16 columns in scratch, zero where a tap falls outside the
 * image; then two filters at a time are multiplied with both columns. Filters are padded with zeros to whole words, and
 * in each word the two bytes in the middle are swapped, so that its even bytes are taps 0 and 1, its odd bytes 2 and 3.
 */
#include "tinyml_conv_s8.h"
#include "tinyml_dsp.h"
#include "tinyml_memory.h"
#include "tinyml_requant.h"

static inline int8_t finish(const tinyml_conv_s8_t *op, int32_t c, int32_t sum)
{
    sum = tinyml_requantize(sum, op->multiplier[c], op->shift[c]) + op->out_offset;
    return (int8_t)tinyml_clamp(sum, op->out_min, op->out_max);
}

/* The window of output (y, x), channels [channel, channel + depth), in the order of the weights. */
static void widen(const tinyml_conv_s8_t *op, const tinyml_rows_t *in, int32_t y, int32_t x, int32_t channel,
                  int16_t *column)
{
    const tinyml_window_t *w = &op->window;
    const int32_t depth = w->in_channels / op->groups;
    const tinyml_taps_t rows = tinyml_rows_of_window(w, y);
    const tinyml_taps_t cols = tinyml_cols_of_window(w, x);
    const int32_t taps = w->kernel_height * w->kernel_width * depth;

    if (rows.end - rows.first < w->kernel_height || cols.end - cols.first < w->kernel_width) {
        tinyml_fill(column, 0, taps * (int32_t)sizeof *column);
    }
    for (int32_t ky = rows.first; ky < rows.end; ++ky) {
        const int8_t *i = (const int8_t *)tinyml_row(in, rows.origin + ky * w->dilation_y)
                          + (cols.origin + cols.first * w->dilation_x - in->first_col) * w->in_channels + channel;
        int16_t *o = column + (ky * w->kernel_width + cols.first) * depth;
        for (int32_t kx = cols.first; kx < cols.end; ++kx) {
            for (int32_t c = 0; c < depth; ++c) {
                *o++ = (int16_t)(i[c] + op->in_offset);
            }
            i += w->dilation_x * w->in_channels;
        }
    }
}

#if defined(__ARM_FEATURE_DSP)

/* sum[0..1] += filter f with both columns, sum[2..3] += filter g with both; `taps` is a multiple of 4. */
static void multiply(const int8_t *f, const int8_t *g, const int16_t *column, int32_t taps, int32_t sum[4])
{
    const int16_t *a = column, *b = column + taps, *end = b;
    int32_t s0 = sum[0], s1 = sum[1], s2 = sum[2], s3 = sum[3];

    for (; a < end; a += 4, b += 4, f += 4, g += 4) {
        const uint32_t u = tinyml_load_word(f), v = tinyml_load_word(g);
        const int16x2_t a01 = (int16x2_t)tinyml_load_word(a), a23 = (int16x2_t)tinyml_load_word(a + 2);
        const int16x2_t b01 = (int16x2_t)tinyml_load_word(b), b23 = (int16x2_t)tinyml_load_word(b + 2);
        s0 = __smlad(a01, tinyml_even(u), s0);
        s1 = __smlad(b01, tinyml_even(u), s1);
        s0 = __smlad(a23, tinyml_odd(u), s0);
        s1 = __smlad(b23, tinyml_odd(u), s1);
        s2 = __smlad(a01, tinyml_even(v), s2);
        s3 = __smlad(b01, tinyml_even(v), s3);
        s2 = __smlad(a23, tinyml_odd(v), s2);
        s3 = __smlad(b23, tinyml_odd(v), s3);
    }
    sum[0] = s0;
    sum[1] = s1;
    sum[2] = s2;
    sum[3] = s3;
}

#else

static void multiply(const int8_t *f, const int8_t *g, const int16_t *column, int32_t taps, int32_t sum[4])
{
    static const uint8_t place[4] = {0, 2, 1, 3}; /* of tap i in its word */
    const int16_t *a = column, *b = column + taps;

    for (int32_t k = 0; k < taps; ++k) {
        const int32_t at = k / 4 * 4 + place[k % 4];
        sum[0] += f[at] * a[k];
        sum[1] += f[at] * b[k];
        sum[2] += g[at] * a[k];
        sum[3] += g[at] * b[k];
    }
}

#endif

void tinyml_conv_s8_dsp(const tinyml_conv_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                        const tinyml_tile_t *tile, void *scratch)
{
    const tinyml_window_t *w = &op->window;
    const int32_t group_in = w->in_channels / op->groups;
    const int32_t group_out = op->out_channels / op->groups;
    const int32_t taps = (w->kernel_height * w->kernel_width * group_in + 3) / 4 * 4;
    const int32_t last_col = tile->col + tile->cols - 1;
    int16_t *column = scratch;

    tinyml_fill(column, 0, 2 * taps * (int32_t)sizeof *column);
    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        for (int32_t x = tile->col; x <= last_col; x += 2) {
            const int32_t next = x < last_col ? 1 : 0; /* the last of an odd number is computed as if it were two */
            int8_t *o = (int8_t *)tinyml_row(out, y) + (x - out->first_col) * op->out_channels;
            int8_t *p = o + next * op->out_channels;
            for (int32_t group = 0; group < op->groups; ++group) {
                const int32_t end = (group + 1) * group_out;
                widen(op, in, y, x, group * group_in, column);
                widen(op, in, y, x + next, group * group_in, column + taps);
                for (int32_t c = group * group_out; c < end; c += 2) {
                    const int32_t d = c + 1 < end ? c + 1 : c;
                    int32_t sum[4] = {op->bias[c], op->bias[c], op->bias[d], op->bias[d]};
                    multiply(op->weights + c * taps, op->weights + d * taps, column, taps, sum);
                    o[c] = finish(op, c, sum[0]);
                    p[c] = finish(op, c, sum[1]);
                    o[d] = finish(op, d, sum[2]);
                    p[d] = finish(op, d, sum[3]);
                }
            }
        }
    }
}

/* Convolution, int16 with int8 weights, for SMLAD. SPDX-License-Identifier: Apache-2.0
 *
 * Two filters with the windows of two outputs at a time. Windows of 1x1 are read where they lie, others are copied to scratch.
 */
#include "tinyml_conv_s16.h"
#include "tinyml_dsp.h"
#include "tinyml_memory.h"
#include "tinyml_requant.h"

/* sum = {f p, g p, f q, g q} of filters f and g, fours of weights in turn, and columns p and q; each begins with its bias. */
static void multiply(const int8_t *weights, const int32_t *rescale, const int16_t *p, const int16_t *q, int32_t taps,
                     int32_t sum[4])
{
    int32_t fp = rescale[0], gp = rescale[2], fq = fp, gq = gp;

    for (int32_t k = 0; k < taps; k += 4, weights += 8, p += 4, q += 4) {
#if defined(__ARM_FEATURE_DSP)
        const uint32_t f = tinyml_load_aligned(weights), g = tinyml_load_aligned(weights + 4);
        const int16x2_t f01 = tinyml_even(f), f23 = tinyml_odd(f), g01 = tinyml_even(g), g23 = tinyml_odd(g);
        const int16x2_t p01 = (int16x2_t)tinyml_load_word(p), p23 = (int16x2_t)tinyml_load_word(p + 2);
        const int16x2_t q01 = (int16x2_t)tinyml_load_word(q), q23 = (int16x2_t)tinyml_load_word(q + 2);
        fp = __smlad(f23, p23, __smlad(f01, p01, fp));
        gp = __smlad(g23, p23, __smlad(g01, p01, gp));
        fq = __smlad(f23, q23, __smlad(f01, q01, fq));
        gq = __smlad(g23, q23, __smlad(g01, q01, gq));
#else
        static const uint8_t place[4] = {0, 2, 1, 3};
        for (int32_t i = 0; i < 4; ++i) {
            const int32_t f = weights[place[i]], g = weights[4 + place[i]];
            fp += f * p[i];
            gp += g * p[i];
            fq += f * q[i];
            gq += g * q[i];
        }
#endif
    }
    sum[0] = fp;
    sum[1] = gp;
    sum[2] = fq;
    sum[3] = gq;
}

/* The window of output (y, x), padded with zeros to `taps`; in scratch, or where it lies. */
static const int16_t *column(const tinyml_conv_s16_dsp_t *op, const tinyml_rows_t *in, int32_t y, int32_t x, int32_t taps,
                             int16_t *scratch)
{
    const tinyml_window_t *w = &op->window;
    const int32_t depth = w->in_channels;
    const tinyml_taps_t rows = tinyml_rows_of_window(w, y), cols = tinyml_cols_of_window(w, x);
    const int32_t first = (cols.origin + cols.first * w->dilation_x - in->first_col) * depth;
    const int32_t whole = w->kernel_height * w->kernel_width * depth == taps && rows.end - rows.first == w->kernel_height
                          && cols.end - cols.first == w->kernel_width;

    if (whole && w->kernel_height == 1 && w->kernel_width == 1) {
        return (const int16_t *)tinyml_row(in, rows.origin) + first;
    }
    if (!whole) {
        tinyml_fill(scratch, 0, 2 * taps);
    }
    for (int32_t ky = rows.first; ky < rows.end; ++ky) {
        const int16_t *from = (const int16_t *)tinyml_row(in, rows.origin + ky * w->dilation_y) + first;
        int16_t *to = scratch + (ky * w->kernel_width + cols.first) * depth;
        if (w->dilation_x == 1) {
            tinyml_copy(to, from, 2 * (cols.end - cols.first) * depth);
        } else {
            for (int32_t kx = cols.first; kx < cols.end; ++kx, to += depth, from += w->dilation_x * depth) {
                tinyml_copy(to, from, 2 * depth);
            }
        }
    }
    return scratch;
}

void tinyml_conv_s16_dsp(const tinyml_conv_s16_dsp_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                         const tinyml_tile_t *tile, void *scratch)
{
    const tinyml_window_t *w = &op->window;
    const int32_t channels = op->out_channels;
    const int32_t taps = (w->kernel_height * w->kernel_width * w->in_channels + 3) & ~3;
    int16_t *space = scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        int16_t *o = (int16_t *)tinyml_row(out, y) + (tile->col - out->first_col) * channels;
        for (int32_t x = 0; x < tile->cols; x += 2, o += 2 * channels) {
            const int32_t outputs = tile->cols - x < 2 ? 1 : 2;
            const int16_t *p = column(op, in, y, tile->col + x, taps, space);
            const int16_t *q = outputs > 1 ? column(op, in, y, tile->col + x + 1, taps, space + taps) : p;
            for (int32_t c = 0; c < channels; c += 2) {
                int32_t sum[4];
                const int32_t filters = channels - c < 2 ? 1 : 2;
                const int32_t *rescale = op->rescale + 2 * c;
                multiply(op->weights + c * taps, rescale, p, q, taps, sum);
                for (int32_t f = 0; f < filters; ++f) {
                    for (int32_t i = 0; i < outputs; ++i) {
                        const int32_t scaled = tinyml_high_word(sum[2 * i + f], rescale[2 * f + 1]);
                        o[i * channels + c + f] = (int16_t)tinyml_clamp(scaled, op->out_min, op->out_max);
                    }
                }
            }
        }
    }
}

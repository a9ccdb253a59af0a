/* Depthwise convolution, int16 with int8 weights, windows of any shape, for SMLAD. SPDX-License-Identifier: Apache-2.0
 *
 * Four channels at a time, straight from the input: a tap of them is two words of inputs and one of weights. Taps outside the
 * image are skipped.
 */
#include "tinyml_conv_s16.h"
#include "tinyml_dsp.h"
#include "tinyml_memory.h"
#include "tinyml_requant.h"

/* Adds `count` taps of four channels; neighbours lie `step` inputs and `channels` weights apart. */
static inline void add_taps(const int16_t *x, int32_t step, const int8_t *weights, int32_t channels, int32_t count,
                            int32_t sum[4])
{
    int32_t s0 = sum[0], s1 = sum[1], s2 = sum[2], s3 = sum[3];

    for (; count > 0; --count, x += step, weights += channels) {
#if defined(__ARM_FEATURE_DSP)
        const uint32_t w = tinyml_load_word(weights);
        const int32_t low = (int32_t)tinyml_load_word(x), high = (int32_t)tinyml_load_word(x + 2);
        const int32_t even = (int32_t)tinyml_even(w), odd = (int32_t)tinyml_odd(w);
        s0 = __smlabb(low, even, s0);
        s1 = __smlatb(low, odd, s1);
        s2 = __smlabt(high, even, s2);
        s3 = __smlatt(high, odd, s3);
#else
        s0 += weights[0] * x[0];
        s1 += weights[1] * x[1];
        s2 += weights[2] * x[2];
        s3 += weights[3] * x[3];
#endif
    }
    sum[0] = s0;
    sum[1] = s1;
    sum[2] = s2;
    sum[3] = s3;
}

/* Channels c to c + 3 of an output. `row` is the first of its rows of the input, from its first column inside on. */
static void compute_four(const tinyml_conv_s16_dsp_t *op, const tinyml_rows_t *in, const int16_t *row, tinyml_taps_t rows,
                         tinyml_taps_t cols, int32_t c, int16_t *out)
{
    const tinyml_window_t *w = &op->window;
    const int32_t channels = op->out_channels, *const rescale = op->rescale + 2 * c;
    const int8_t *weights = op->weights + (rows.first * w->kernel_width + cols.first) * channels + c;
    int32_t sum[4] = {rescale[0], rescale[2], rescale[4], rescale[6]};

    for (int32_t left = rows.end - rows.first; left > 0; --left, weights += w->kernel_width * channels) {
        add_taps(row + c, w->dilation_x * channels, weights, channels, cols.end - cols.first, sum);
        row = left > 1 ? tinyml_row_below(in, row, w->dilation_y) : row;
    }
    for (int32_t k = 0; k < 4; ++k) {
        out[c + k] = (int16_t)tinyml_clamp(tinyml_high_word(sum[k], rescale[2 * k + 1]), op->out_min, op->out_max);
    }
}

void tinyml_depthwise_s16_dsp(const tinyml_conv_s16_dsp_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                              const tinyml_tile_t *tile, void *scratch)
{
    const tinyml_window_t *w = &op->window;
    const int32_t channels = op->out_channels;
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        int16_t *o = (int16_t *)tinyml_row(out, y) + (tile->col - out->first_col) * channels;
        const tinyml_taps_t rows = tinyml_rows_of_window(w, y);
        const int16_t *top = in->base;
        if (rows.first < rows.end) {
            top = (const int16_t *)tinyml_row(in, rows.origin + rows.first * w->dilation_y);
        }
        for (int32_t x = tile->col; x < tile->col + tile->cols; ++x, o += channels) {
            const tinyml_taps_t cols = tinyml_cols_of_window(w, x);
            const int16_t *row = top + (cols.origin + cols.first * w->dilation_x - in->first_col) * channels;
            int32_t c = 0;
            for (; c + 4 <= channels; c += 4) {
                compute_four(op, in, row, rows, cols, c, o);
            }
            if (c < channels) { /* the last four once more */
                compute_four(op, in, row, rows, cols, channels - 4, o);
            }
        }
    }
}

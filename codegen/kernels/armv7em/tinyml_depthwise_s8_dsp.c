/* Depthwise convolution, int8, windows of any shape, for SMLAD. SPDX-License-Identifier: Apache-2.0
 *
 * Four channels at a time, straight from the input: two taps of four channels are two words, which become a pair for each
 * channel. The same goes for the weights. Taps outside the image are skipped, and next to nothing is prepared: few outputs
 * cost no more, each, than many.
 */
#include "tinyml_depthwise_dsp.h"
#include "tinyml_window.h"

/* Adds `count` taps of four channels; from each tap to the next, `step` and `weights_step` bytes. */
static inline void add_taps(const int8_t *x, int32_t step, const int8_t *weights, int32_t weights_step, int32_t count,
                            int32_t offset, int32_t sum[4])
{
#if TINYML_DEPTHWISE_ASSEMBLY
    const int16x2_t both = (int16x2_t)(((uint32_t)offset & UINT32_C(0xffff)) * UINT32_C(0x10001));
    int32_t s0 = sum[0], s1 = sum[1], s2 = sum[2], s3 = sum[3];
    for (; count > 1; count -= 2, x += 2 * step, weights += 2 * weights_step) {
        const uint32_t u = tinyml_load_word(x), v = tinyml_load_word(x + step);
        uint32_t low, high, pair[4];
        tinyml_interleave(weights, weights + weights_step, pair);
        __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(low) : "r"(u), "r"(v));
        __asm__("pkhtb %0, %1, %2, asr #16" : "=r"(high) : "r"(v), "r"(u));
        s0 = __smlad(tinyml_add_even(both, low), (int16x2_t)pair[0], s0);
        s1 = __smlad(tinyml_add_odd(both, low), (int16x2_t)pair[1], s1);
        s2 = __smlad(tinyml_add_even(both, high), (int16x2_t)pair[2], s2);
        s3 = __smlad(tinyml_add_odd(both, high), (int16x2_t)pair[3], s3);
    }
    if (count > 0) {
        const uint32_t u = tinyml_load_word(x), w = tinyml_load_word(weights);
        const int32_t x_even = (int32_t)tinyml_add_even(both, u), x_odd = (int32_t)tinyml_add_odd(both, u);
        const int32_t w_even = (int32_t)tinyml_even(w), w_odd = (int32_t)tinyml_odd(w);
        s0 = __smlabb(x_even, w_even, s0);
        s1 = __smlabb(x_odd, w_odd, s1);
        s2 = __smlatt(x_even, w_even, s2);
        s3 = __smlatt(x_odd, w_odd, s3);
    }
    sum[0] = s0;
    sum[1] = s1;
    sum[2] = s2;
    sum[3] = s3;
#else
    for (; count > 0; --count, x += step, weights += weights_step) {
        for (int32_t c = 0; c < 4; ++c) {
            sum[c] += weights[c] * (x[c] + offset);
        }
    }
#endif
}

/* Adds a column of taps, from the row of the input at `x` on, where a ring may come to its end. */
static void add_column(const tinyml_conv_s8_t *op, const tinyml_rows_t *in, const int8_t *x, tinyml_weights_t weights,
                       int32_t count, int32_t sum[4])
{
    const int32_t step = op->window.dilation_y * in->row_bytes, size = in->rows * in->row_bytes;

    while (count > 0) {
        const int32_t room = size - 1 - (int32_t)(x - (const int8_t *)in->base); /* bytes behind x */
        const int32_t run = room / step + 1 < count ? room / step + 1 : count;
        add_taps(x, step, weights.first, weights.step, run, op->in_offset, sum);
        weights.first += run * weights.step;
        count -= run;
        if (count > 0) {
            x += run * step - size;
        }
    }
}

/* Channels c to c + 3 of a row of outputs. The first row of the input that is inside is at `row`. */
static void compute_row(const tinyml_conv_s8_t *op, const tinyml_rows_t *in, const tinyml_tile_t *tile, tinyml_taps_t rows,
                        const int8_t *row, int32_t c, tinyml_weights_t weights, const tinyml_finish_t finish[4],
                        int8_t *out)
{
    const tinyml_window_t *w = &op->window;
    const int32_t channels = op->out_channels, step = w->dilation_x * channels;
    const int32_t limited = op->out_min > INT8_MIN || op->out_max < INT8_MAX;
    const int32_t weights_row = w->kernel_width * weights.step;

    weights.first += rows.first * weights_row;
    for (int32_t x = tile->col; x < tile->col + tile->cols; ++x, out += channels) {
        const tinyml_taps_t cols = tinyml_cols_of_window(w, x);
        const int8_t *i = row + (cols.origin + cols.first * w->dilation_x - in->first_col) * channels + c;
        tinyml_weights_t seen = {weights.first + cols.first * weights.step, weights.step};
        int32_t sum[4] = {0, 0, 0, 0};
        if (w->kernel_width == 1) {
            add_column(op, in, i, seen, cols.first < cols.end ? rows.end - rows.first : 0, sum);
        } else if (cols.first < cols.end) {
            for (int32_t left = rows.end - rows.first; left > 0; --left, seen.first += weights_row) {
                add_taps(i, step, seen.first, seen.step, cols.end - cols.first, op->in_offset, sum);
                i = left > 1 ? tinyml_row_below(in, i, w->dilation_y) : i;
            }
        }
        for (int32_t k = 0; k < 4; ++k) {
            out[k] = tinyml_finish(&finish[k], 2 * sum[k] + finish[k].bias);
        }
        for (int32_t k = 0; limited && k < 4; ++k) {
            out[k] = (int8_t)tinyml_clamp(out[k], op->out_min, op->out_max);
        }
    }
}

void tinyml_depthwise_s8_dsp(const tinyml_depthwise_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                             const tinyml_tile_t *tile, void *scratch)
{
    const tinyml_conv_s8_t *conv = &op->conv;
    const tinyml_window_t *w = &conv->window;
    const int32_t channels = conv->out_channels;

    for (int32_t next = 0; next < channels; next += 4) {
        const int32_t c = next + 4 <= channels ? next : channels - 4; /* the last four once more */
        const tinyml_weights_t weights = tinyml_weights_of(op, next, c, w->kernel_height * w->kernel_width, scratch);
        uint32_t words[4 * TINYML_FINISH_WORDS];
        tinyml_finish_four(conv, c, words, 0);
        for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
            const tinyml_taps_t rows = tinyml_rows_of_window(w, y);
            const int8_t *const row =
                rows.first < rows.end ? tinyml_row(in, rows.origin + rows.first * w->dilation_y) : in->base;
            int8_t *const o = (int8_t *)tinyml_row(out, y) + (tile->col - out->first_col) * channels + c;
            compute_row(conv, in, tile, rows, row, c, weights, (const tinyml_finish_t *)(const void *)words, o);
        }
    }
}

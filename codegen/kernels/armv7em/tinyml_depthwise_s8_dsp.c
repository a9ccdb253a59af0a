/* Depthwise convolution, int8, windows of any shape, for SMLAD. SPDX-License-Identifier: Apache-2.0
 *
 * Four channels at a time, straight from the input: two taps of four channels are two words, which become a pair for each
 * channel. The same goes for the weights. Taps outside the image are skipped, and next to nothing is prepared: few outputs
 * cost no more, each, than many.
 */
#include "tinyml_depthwise_dsp.h"
#include "tinyml_window.h"

/* Taps at equal distances. The assembly knows the order. */
typedef struct {
    int32_t step;         /* bytes from a tap to the next */
    int32_t weights_step; /* and those of the weights */
    uint32_t offset;      /* of the input, twice */
    int32_t count;
} taps_t;

#if TINYML_DEPTHWISE_ASSEMBLY

/* Registers: r0 input, r1 weights, r2 and r8 their steps, r4 to r7 sums, r9 offset, lr count, the others scratch. */
#define FIRST \
    "ldr r3, [r0]\n ldr r10, [r1]\n sxtab16 r11, r9, r3\n sxtb16 r12, r10\n smlabb r4, r11, r12, r4\n" \
    "sxtab16 r3, r9, r3, ror #8\n smlatt r6, r11, r12, r6\n sxtb16 r10, r10, ror #8\n"
#define LAST "smlabb r5, r3, r10, r5\n smlatt r7, r3, r10, r7\n"
#define SECOND \
    "sxtab16 r3, r9, r11\n sxtb16 r10, r12\n smlabb r4, r3, r10, r4\n sxtab16 r11, r9, r11, ror #8\n" \
    "smlatt r6, r3, r10, r6\n sxtb16 r12, r12, ror #8\n smlabb r5, r11, r12, r5\n smlatt r7, r11, r12, r7\n"

/* Adds taps of four channels. */
__attribute__((naked)) TINYML_STEP static void add_taps(UNUSED const int8_t *x, UNUSED const int8_t *weights,
                                                        UNUSED const taps_t *taps, UNUSED int32_t sum[4])
{
    __asm__(".syntax unified\n"
            "push {r3-r11, lr}\n ldm r2, {r2, r8, r9, lr}\n ldm r3, {r4-r7}\n subs lr, #2\n blo 2f\n"
            "1:\n" FIRST "ldr r11, [r0, r2]\n ldr r12, [r1, r8]\n" LAST
            "add r0, r0, r2, lsl #1\n add r1, r1, r8, lsl #1\n" SECOND "subs lr, #2\n bhs 1b\n"
            "2:\n adds lr, #1\n bne 3f\n" FIRST LAST
            "3:\n ldr r3, [sp]\n stm r3, {r4-r7}\n pop {r3-r11, pc}\n");
}

/* Four outputs. */
__attribute__((naked)) TINYML_STEP static void put(UNUSED const int32_t sum[4], UNUSED const tinyml_finish_t finish[4],
                                                   UNUSED int8_t *out)
{
    __asm__(".syntax unified\n"
            "push {r4-r7}\n"
            ".rept 4\n"
            "ldr r3, [r0], #4\n ldm r1!, {r4-r7}\n add r3, r7, r3, lsl #1\n smmulr r3, r3, r4\n"
            "and r12, r3, r6\n add r3, r5\n add r3, r3, r12, asr #31\n asr r3, r6\n ssat r3, #8, r3\n strb r3, [r2], #1\n"
            ".endr\n"
            "pop {r4-r7}\n bx lr\n");
}

#else

static void add_taps(const int8_t *x, const int8_t *weights, const taps_t *taps, int32_t sum[4])
{
    for (int32_t k = 0; k < taps->count; ++k, x += taps->step, weights += taps->weights_step) {
        for (int32_t c = 0; c < 4; ++c) {
            sum[c] += weights[c] * (x[c] + tinyml_half(taps->offset, 0));
        }
    }
}

static void put(const int32_t sum[4], const tinyml_finish_t finish[4], int8_t *out)
{
    for (int32_t c = 0; c < 4; ++c) {
        out[c] = tinyml_finish(&finish[c], 2 * sum[c] + finish[c].bias);
    }
}

#endif

/* Adds a column of taps, from the row of the input at `x` on, where a ring may come to its end. */
static void add_column(const tinyml_rows_t *in, const int8_t *x, const int8_t *weights, taps_t taps, int32_t sum[4])
{
    const int32_t size = in->rows * in->row_bytes;

    for (int32_t left = taps.count; left > 0; left -= taps.count) {
        const int32_t room = size - 1 - (int32_t)(x - (const int8_t *)in->base); /* bytes behind x */
        const int32_t run = room / taps.step + 1;
        taps.count = run < left ? run : left;
        add_taps(x, weights, &taps, sum);
        weights += taps.count * taps.weights_step;
        if (taps.count < left) {
            x += taps.count * taps.step - size;
        }
    }
}

/* Channels c to c + 3 of a row of outputs. The first row of the input that is inside is at `row`. */
static void compute_row(const tinyml_conv_s8_t *op, const tinyml_rows_t *in, const tinyml_tile_t *tile, tinyml_taps_t rows,
                        const int8_t *row, int32_t c, tinyml_weights_t weights, const tinyml_finish_t finish[4],
                        int8_t *out)
{
    const tinyml_window_t *w = &op->window;
    const int32_t channels = op->out_channels, column = w->kernel_width == 1;
    const int32_t limited = op->out_min > INT8_MIN || op->out_max < INT8_MAX;
    const int32_t weights_row = w->kernel_width * weights.step;
    taps_t taps = {column ? w->dilation_y * in->row_bytes : w->dilation_x * channels, weights.step,
                   ((uint32_t)op->in_offset & UINT32_C(0xffff)) * UINT32_C(0x10001), rows.end - rows.first};

    weights.first += rows.first * weights_row;
    for (int32_t x = tile->col; x < tile->col + tile->cols; ++x, out += channels) {
        const tinyml_taps_t cols = tinyml_cols_of_window(w, x);
        const int8_t *i = row + (cols.origin + cols.first * w->dilation_x - in->first_col) * channels + c;
        const int8_t *seen = weights.first + cols.first * weights.step;
        int32_t sum[4] = {0, 0, 0, 0};
        if (column && cols.first < cols.end) {
            add_column(in, i, seen, taps, sum);
        } else if (cols.first < cols.end) {
            taps.count = cols.end - cols.first;
            for (int32_t left = rows.end - rows.first; left > 0; --left, seen += weights_row) {
                add_taps(i, seen, &taps, sum);
                i = left > 1 ? tinyml_row_below(in, i, w->dilation_y) : i;
            }
        }
        put(sum, finish, out);
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
        tinyml_finish_t finish[4];
        for (int32_t k = 0; k < 4; ++k) {
            tinyml_finish_channel(&finish[k], conv->multiplier[c + k], -conv->shift[c + k], conv->bias[c + k],
                                  tinyml_outputs_of(conv));
        }
        for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
            const tinyml_taps_t rows = tinyml_rows_of_window(w, y);
            const int8_t *const row =
                rows.first < rows.end ? tinyml_row(in, rows.origin + rows.first * w->dilation_y) : in->base;
            int8_t *const o = (int8_t *)tinyml_row(out, y) + (tile->col - out->first_col) * channels + c;
            compute_row(conv, in, tile, rows, row, c, weights, finish, o);
        }
    }
}

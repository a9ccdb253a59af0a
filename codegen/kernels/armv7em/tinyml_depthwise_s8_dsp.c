/* Depthwise convolution, int8, windows of any shape, for SMLAD. SPDX-License-Identifier: Apache-2.0
 *
 * Straight from the input: a tap of four channels is a word, as are its weights, and half of their bytes are widened at
 * once. Taps outside the image are skipped, and next to nothing is prepared: few outputs cost no more, each, than many.
 */
#include "tinyml_depthwise_dsp.h"
#include "tinyml_window.h"

/* Rows of taps. The assembly knows the order. */
typedef struct {
    int32_t step;         /* bytes from a tap to the next */
    int32_t weights_step; /* and those of the weights */
    uint32_t offset;      /* of the input, twice */
    int32_t count;        /* taps of a row */
    int32_t below;        /* bytes from behind the last pair of taps to the next row */
    int32_t weights_below;
    int32_t rows;
} taps_t;

/* How sums become outputs. The assembly knows the order. */
typedef struct {
    const int32_t *multiplier;
    const int32_t *bias;
    const int8_t *shift;
    tinyml_outputs_t outputs;
} factors_t;

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
            "push {r2-r11, lr}\n ldr r10, [r2, #24]\n push {r10}\n ldm r2, {r2, r8, r9, lr}\n ldm r3, {r4-r7}\n"
            "1:\n subs lr, #2\n blo 3f\n"
            "2:\n" FIRST "ldr r11, [r0, r2]\n ldr r12, [r1, r8]\n" LAST
            "add r0, r0, r2, lsl #1\n add r1, r1, r8, lsl #1\n" SECOND "subs lr, #2\n bhs 2b\n"
            "3:\n adds lr, #1\n bne 4f\n" FIRST LAST
            "4:\n ldrd r10, r12, [sp]\n subs r10, #1\n str r10, [sp]\n ittt ne\n ldrdne r10, r11, [r12, #16]\n addne r0, r10\n"
            "addne r1, r11\n ldr lr, [r12, #12]\n bne 1b\n"
            "ldr r3, [sp, #8]\n stm r3, {r4-r7}\n pop {r1-r11, pc}\n");
}

/* Outputs of channels c to c + 3. Ties: -1 where product, shift and outputs.ties are negative. */
__attribute__((naked)) TINYML_STEP static void put(UNUSED const int32_t sum[4], UNUSED const factors_t *factors,
                                                   UNUSED int32_t c, UNUSED int8_t *out)
{
    __asm__(".syntax unified\n"
            "push {r4-r10, lr}\n ldm r1, {r4-r8}\n add r4, r4, r2, lsl #2\n add r5, r5, r2, lsl #2\n add r6, r2\n"
            ".rept 4\n"
            "ldr r1, [r0], #4\n ldr r2, [r5], #4\n ldr r9, [r4], #4\n ldrsb r10, [r6], #1\n"
            "add r1, r2\n lsl r1, r1, #1\n smmulr r1, r1, r9\n rsb lr, r10, #0\n lsl r9, r7, lr\n"
            "and r12, r1, r10\n and r12, r8\n add r1, r1, r12, asr #31\n add r1, r1, r9, asr #1\n"
            "asr r1, lr\n ssat r1, #8, r1\n strb r1, [r3], #1\n"
            ".endr\n"
            "pop {r4-r10, pc}\n");
}

#else

static void add_taps(const int8_t *x, const int8_t *weights, const taps_t *taps, int32_t sum[4])
{
    for (int32_t y = 0; y < taps->rows; ++y) {
        for (int32_t k = 0; k < taps->count; ++k) {
            for (int32_t c = 0; c < 4; ++c) {
                sum[c] += weights[k * taps->weights_step + c] * (x[k * taps->step + c] + tinyml_half(taps->offset, 0));
            }
        }
        if (y + 1 < taps->rows) {
            x += taps->count / 2 * 2 * taps->step + taps->below;
            weights += taps->count / 2 * 2 * taps->weights_step + taps->weights_below;
        }
    }
}

static void put(const int32_t sum[4], const factors_t *f, int32_t c, int8_t *out)
{
    for (int32_t k = 0; k < 4; ++k, ++c) {
        tinyml_finish_t finish;
        tinyml_finish_channel(&finish, f->multiplier[c], -f->shift[c], f->bias[c], f->outputs);
        out[k] = tinyml_finish(&finish, 2 * sum[k] + finish.bias);
    }
}

#endif

/* Taps of a window whose rows lie one below the other, without a ring's end between them. */
typedef struct {
    const int8_t *x; /* the first of them, channel 0 */
    const int8_t *weights;
    taps_t taps;
} run_t;

/* Channels [c, end) of an output, four or more; those of the weights begin with c. */
TINYML_STEP static void compute_output(const tinyml_conv_s8_t *op, const factors_t *factors, const run_t runs[2],
                                       int32_t count, int32_t c, int32_t end, int8_t *out)
{
    const int32_t limited = op->out_min > INT8_MIN || op->out_max < INT8_MAX;

    for (int32_t next = c; next < end; next += 4) {
        const int32_t k = next + 4 <= end ? next : end - 4; /* the last four once more */
        int32_t sum[4] = {0, 0, 0, 0};
        for (int32_t i = 0; i < count; ++i) {
            add_taps(runs[i].x + k, runs[i].weights + (k - c), &runs[i].taps, sum);
        }
        put(sum, factors, k, out + k);
        for (int32_t i = k; limited && i < k + 4; ++i) {
            out[i] = (int8_t)tinyml_clamp(out[i], op->out_min, op->out_max);
        }
    }
}

/* The rows of a window, in a ring: returns how many runs they are. A column is one row of taps downwards. */
static int32_t find_runs(const tinyml_rows_t *in, const tinyml_window_t *w, const int8_t *row, int32_t rows,
                         int32_t channels, tinyml_weights_t weights, uint32_t offset, run_t runs[2])
{
    const int32_t below = w->dilation_y * in->row_bytes, weights_below = w->kernel_width * weights.step;
    const int32_t size = in->rows * in->row_bytes, room = size - 1 - (int32_t)(row - (const int8_t *)in->base);
    const int32_t fit = rows > 0 ? room / below + 1 : 0, first = fit < rows ? fit : rows;

    for (int32_t i = 0; i < 2; ++i) {
        const int32_t n = i == 0 ? first : rows - first;
        runs[i].taps.step = w->kernel_width == 1 ? below : w->dilation_x * channels;
        runs[i].taps.weights_step = weights.step;
        runs[i].taps.offset = offset;
        runs[i].taps.count = n;
        runs[i].taps.below = 0; /* of a column */
        runs[i].taps.weights_below = 0;
        runs[i].taps.rows = w->kernel_width == 1 ? 1 : n;
    }
    runs[0].x = row;
    runs[0].weights = weights.first;
    runs[1].x = first < rows ? row + first * below - size : row;
    runs[1].weights = weights.first + first * weights_below;
    return rows <= 0 ? 0 : first < rows ? 2 : 1;
}

/* Channels [c, end) of the tile; `weights` are theirs. */
static void compute(const tinyml_conv_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                    const tinyml_tile_t *tile, tinyml_weights_t weights, int32_t c, int32_t end)
{
    const tinyml_window_t *w = &op->window;
    const factors_t factors = {op->multiplier, op->bias, op->shift, tinyml_outputs_of(op)};
    const int32_t channels = op->out_channels, weights_row = w->kernel_width * weights.step;
    const int32_t below = w->dilation_y * in->row_bytes;
    const uint32_t offset = ((uint32_t)op->in_offset & UINT32_C(0xffff)) * UINT32_C(0x10001);

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        const tinyml_taps_t rows = tinyml_rows_of_window(w, y);
        const int8_t *const row =
            rows.first < rows.end ? tinyml_row(in, rows.origin + rows.first * w->dilation_y) : in->base;
        const tinyml_weights_t seen = {weights.first + rows.first * weights_row, weights.step};
        int8_t *o = (int8_t *)tinyml_row(out, y) + (tile->col - out->first_col) * channels;
        run_t runs[2];
        const int32_t count = find_runs(in, w, row, rows.end - rows.first, channels, seen, offset, runs);
        for (int32_t x = tile->col; x < tile->col + tile->cols; ++x, o += channels) {
            const tinyml_taps_t cols = tinyml_cols_of_window(w, x);
            const int32_t taken = cols.end - cols.first, first = cols.origin + cols.first * w->dilation_x - in->first_col;
            run_t here[2];
            for (int32_t i = 0; i < count; ++i) {
                here[i] = runs[i];
                here[i].x += first * channels;
                here[i].weights += cols.first * weights.step;
                if (w->kernel_width > 1) {
                    here[i].taps.count = taken;
                    here[i].taps.below = below - (taken & ~1) * runs[i].taps.step;
                    here[i].taps.weights_below = weights_row - (taken & ~1) * weights.step;
                }
            }
            compute_output(op, &factors, here, taken > 0 ? count : 0, c, end, o);
        }
    }
}

void tinyml_depthwise_s8_dsp(const tinyml_depthwise_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                             const tinyml_tile_t *tile, void *scratch)
{
    const tinyml_window_t *w = &op->conv.window;
    const int32_t channels = op->conv.out_channels, at_once = op->narrow ? 4 : channels; /* narrow ones are widened */

    for (int32_t next = 0; next < channels; next += at_once) {
        const int32_t c = next + at_once <= channels ? next : channels - at_once;
        const tinyml_weights_t weights = tinyml_weights_of(op, next, c, w->kernel_height * w->kernel_width, scratch);
        compute(&op->conv, in, out, tile, weights, c, c + at_once);
    }
}

/* Convolution, int8 with weights of 4 bits, four channels a word, for SMLAD. SPDX-License-Identifier: Apache-2.0
 *
 * The windows of two outputs are widened to int16 in scratch (tinyml_columns.h). Then four filters at a time are multiplied
 * with both of them: 13 instructions for 16 multiply-accumulates, half the weights' bytes (tinyml_lanes_w4.h).
 */
#include "tinyml_conv_w4.h"
#include "tinyml_lanes_w4.h"
#include "tinyml_requant.h"

#define TINYML_COLUMNS 2
#include "tinyml_columns.h"

/* One block: fours of filters from `weights` to `weights_end`, results to out[i][0], out[i][1], out[i][2], ...
 * zero: R, Q, A and C of no taps, each of both outputs. The assembly knows this order. */
typedef struct {
    const int8_t *weights;
    const int16_t *columns;
    const int16_t *columns_end;
    const int8_t *weights_end;
    const int32_t *rescale;
    int8_t *out[OUTPUTS];
    int32_t plain;
    int32_t zero[4][OUTPUTS];
} block_t;

#if defined(__ARM_FEATURE_DSP) && (defined(__GNUC__) || defined(__clang__))

/* Two taps of four filters with two outputs: 52 bytes of code.
 * r0 weights, r1 columns; r4 r5 sums of R, r6 r7 of Q, r8 r9 of A, r10 r11 of C. */
#define TAPS \
    "ldr r2, [r0], #4 \n" \
    "ldrd r12, lr, [r1], #8 \n" \
    "uxtb16 r3, r2 \n" \
    "smlad r4, r12, r2, r4 \n" \
    "smlad r5, lr, r2, r5 \n" \
    "smlad r6, r12, r3, r6 \n" \
    "smlad r7, lr, r3, r7 \n" \
    "and r3, r2, #0x000f000f \n" \
    "and r2, r2, #0x0f000f00 \n" \
    "smlad r8, r12, r3, r8 \n" \
    "smlad r9, lr, r3, r9 \n" \
    "smlad r10, r12, r2, r10 \n" \
    "smlad r11, lr, r2, r11 \n"

/* r2 2 * bias, r3 multiplier, r12 rounding, lr shift; r1 is scratch. SHIFT doubles what was summed. */
#define RESCALE(SUM, SHIFT) \
    "add " SUM ", r2, " SUM ", " SHIFT "\n" \
    "add r1, r12, " SUM ", asr #31 \n" \
    "smmlar " SUM ", " SUM ", r3, r1 \n" \
    "asr " SUM ", " SUM ", lr \n" \
    "ssat " SUM ", #8, " SUM "\n"

/* r2 bias, r3 multiplier, r12 zero point, r1 shift to the left. SHIFT undoes the lane's. */
#define RESCALE_LEFT(SUM, SHIFT) \
    "add " SUM ", r2, " SUM ", " SHIFT "\n" \
    "lsl " SUM ", " SUM ", r1 \n" \
    "smmlar " SUM ", " SUM ", r3, r12 \n" \
    "ssat " SUM ", #8, " SUM "\n"

/* A channel of both outputs. */
#define CHANNEL(P, Q, SHIFT, SHIFT_LEFT) \
    "ldm r1!, {r2, r3, r12, lr} \n" \
    "str r1, [sp, #12] \n" \
    "lsrs r1, lr, #8 \n" \
    "bne 7f \n" \
    RESCALE(P, SHIFT) \
    RESCALE(Q, SHIFT) \
    "b 8f \n" \
    "7: \n" \
    RESCALE_LEFT(P, SHIFT_LEFT) \
    RESCALE_LEFT(Q, SHIFT_LEFT) \
    "8: ldr r1, [sp, #12] \n"

/* As RESCALE where ties do not show: a negative result is clamped to the output's zero point, rounded up or down. */
#define RESCALE_PLAIN(SUM, SHIFT) \
    "add " SUM ", r2, " SUM ", " SHIFT "\n" \
    "smmlar " SUM ", " SUM ", r3, r12 \n" \
    "asr " SUM ", " SUM ", lr \n" \
    "ssat " SUM ", #8, " SUM "\n"

/* After the push: [sp] columns, 4 columns_end, 8 weights_end, 12 rescale, 16 and 20 out, 24 the way out of the loop, 28 the
 * way into it, 32 zero. */
__attribute__((naked, noinline)) static void multiply_block(const block_t *block __attribute__((unused)))
{
    __asm__ volatile(
        ".syntax unified \n"
        "push {r4-r11, lr} \n"
        "ldm r0!, {r1-r8} \n"
        "mov r10, r0 \n"
        "sub r9, r3, r2 \n" /* 8 bytes of columns a pair of taps: of n pairs, n mod 8 to begin with, 52 bytes each */
        "and r9, r9, #56 \n"
        "add r11, r9, r9, lsl #1 \n"
        "add r9, r9, r11, lsl #2 \n"
        "adr r12, 3f \n"
        "sub r9, r12, r9, lsr #1 \n"
        "orr r9, r9, #1 \n"
        "adr r12, 4f \n"
        "cmp r8, #0 \n"
        "beq 0f \n"
        "adr r12, 5f \n"
        "0: orr r8, r12, #1 \n"
        "push {r2-r10} \n"
        "mov r0, r1 \n"
        "1: ldr r1, [sp] \n"
        "ldrd r2, r3, [sp, #28] \n"
        "ldm r3, {r4-r11} \n"
        "bx r2 \n"
        "2: \n"
        TAPS
        TAPS
        TAPS
        TAPS
        TAPS
        TAPS
        TAPS
        TAPS
        "3: ldr r2, [sp, #4] \n"
        "cmp r1, r2 \n"
        "bne.w 2b \n"
        "ldr r1, [sp, #12] \n"
        "sub r4, r4, r6 \n" /* 4096 d and 256 c */
        "sub r5, r5, r7 \n"
        "sub r6, r6, r8 \n" /* 16 b */
        "sub r7, r7, r9 \n"
        "sub r4, r4, r10 \n"
        "sub r5, r5, r11 \n"
        "ldr pc, [sp, #24] \n"
        "4: \n"
        CHANNEL("r8", "r9", "lsl #1", "lsl #0")
        CHANNEL("r6", "r7", "asr #3", "asr #4")
        CHANNEL("r10", "r11", "asr #7", "asr #8")
        CHANNEL("r4", "r5", "asr #11", "asr #12")
        "b 6f \n"
        "5: ldm r1!, {r2, r3, r12, lr} \n"
        RESCALE_PLAIN("r8", "lsl #1")
        RESCALE_PLAIN("r9", "lsl #1")
        "ldm r1!, {r2, r3, r12, lr} \n"
        RESCALE_PLAIN("r6", "asr #3")
        RESCALE_PLAIN("r7", "asr #3")
        "ldm r1!, {r2, r3, r12, lr} \n"
        RESCALE_PLAIN("r10", "asr #7")
        RESCALE_PLAIN("r11", "asr #7")
        "ldm r1!, {r2, r3, r12, lr} \n"
        "str r1, [sp, #12] \n"
        RESCALE_PLAIN("r4", "asr #11")
        RESCALE_PLAIN("r5", "asr #11")
        "6: bfi r8, r6, #8, #8 \n"
        "bfi r9, r7, #8, #8 \n"
        "bfi r8, r10, #16, #8 \n"
        "bfi r9, r11, #16, #8 \n"
        "ldrd r2, r3, [sp, #16] \n"
        "bfi r8, r4, #24, #8 \n"
        "bfi r9, r5, #24, #8 \n"
        "ldr r1, [sp, #8] \n"
        "str r8, [r2], #4 \n"
        "str r9, [r3], #4 \n"
        "strd r2, r3, [sp, #16] \n"
        "cmp r0, r1 \n"
        "bne.w 1b \n"
        "add sp, sp, #36 \n"
        "pop {r4-r11, pc} \n");
}

/* Two taps of four filters with one output: 36 bytes of code. r4 sums R, r5 Q, r6 A, r7 C. */
#define TAPS_OF_ONE \
    "ldr r2, [r0], #4 \n" \
    "ldr r12, [r1], #8 \n" \
    "uxtb16 r3, r2 \n" \
    "smlad r4, r12, r2, r4 \n" \
    "smlad r5, r12, r3, r5 \n" \
    "and r3, r2, #0x000f000f \n" \
    "and r2, r2, #0x0f000f00 \n" \
    "smlad r6, r12, r3, r6 \n" \
    "smlad r7, r12, r2, r7 \n"

#define CHANNEL_OF_ONE(P, SHIFT, SHIFT_LEFT) \
    "ldm r8!, {r2, r3, r12, lr} \n" \
    "lsrs r1, lr, #8 \n" \
    "bne 7f \n" \
    RESCALE(P, SHIFT) \
    "b 8f \n" \
    "7: \n" \
    RESCALE_LEFT(P, SHIFT_LEFT) \
    "8: \n"

/* The same for the first output alone: tiles of an odd number of pixels end with it. r8 rescale, r9 out, r10 columns_end,
 * r11 the way into the loop; [sp] weights_end, 4 columns, 8 zero. */
__attribute__((naked, noinline)) static void multiply_one(const block_t *block __attribute__((unused)))
{
    __asm__ volatile(
        ".syntax unified \n"
        "push {r4-r11, lr} \n"
        "ldm r0, {r1-r6} \n"
        "add r7, r0, #32 \n"
        "mov r0, r1 \n"
        "mov r8, r5 \n"
        "mov r9, r6 \n"
        "mov r10, r3 \n"
        "sub r11, r3, r2 \n"
        "and r11, r11, #24 \n"
        "add r11, r11, r11, lsl #3 \n"
        "adr r12, 3f \n"
        "sub r11, r12, r11, lsr #1 \n"
        "orr r11, r11, #1 \n"
        "mov r5, r2 \n"
        "mov r6, r7 \n"
        "push {r4-r6} \n"
        "1: ldrd r1, r2, [sp, #4] \n"
        "ldr r4, [r2] \n"
        "ldr r5, [r2, #8] \n"
        "ldr r6, [r2, #16] \n"
        "ldr r7, [r2, #24] \n"
        "bx r11 \n"
        "2: \n"
        TAPS_OF_ONE
        TAPS_OF_ONE
        TAPS_OF_ONE
        TAPS_OF_ONE
        "3: cmp r1, r10 \n"
        "bne.w 2b \n"
        "sub r4, r4, r5 \n"
        "sub r5, r5, r6 \n"
        "sub r4, r4, r7 \n"
        CHANNEL_OF_ONE("r6", "lsl #1", "lsl #0")
        CHANNEL_OF_ONE("r5", "asr #3", "asr #4")
        CHANNEL_OF_ONE("r7", "asr #7", "asr #8")
        CHANNEL_OF_ONE("r4", "asr #11", "asr #12")
        "bfi r6, r5, #8, #8 \n"
        "bfi r6, r7, #16, #8 \n"
        "bfi r6, r4, #24, #8 \n"
        "str r6, [r9], #4 \n"
        "ldr r1, [sp] \n"
        "cmp r0, r1 \n"
        "bne.w 1b \n"
        "add sp, sp, #12 \n"
        "pop {r4-r11, pc} \n");
}

/* Adds up the columns of both outputs, an even number of taps from `column` to `end`. */
__attribute__((naked, noinline)) static void sum_columns(const int16_t *column __attribute__((unused)),
                                                         const int16_t *end __attribute__((unused)),
                                                         int32_t sum[OUTPUTS] __attribute__((unused)))
{
    __asm__ volatile(
        ".syntax unified \n"
        "push {r2, r4-r9, lr} \n"
        "movs r3, #0 \n"
        "movs r12, #0 \n"
        "mov lr, #0x00010001 \n"
        "sub r4, r1, r0 \n" /* 8 bytes a pair of taps: one of an odd number of pairs goes first */
        "tst r4, #8 \n"
        "beq 2f \n"
        "ldrd r6, r7, [r0], #8 \n"
        "smlad r3, r6, lr, r3 \n"
        "smlad r12, r7, lr, r12 \n"
        "b 2f \n"
        "1: ldm r0!, {r6-r9} \n"
        "smlad r3, r6, lr, r3 \n"
        "smlad r12, r7, lr, r12 \n"
        "smlad r3, r8, lr, r3 \n"
        "smlad r12, r9, lr, r12 \n"
        "2: cmp r0, r1 \n"
        "bne 1b \n"
        "strd r3, r12, [r2] \n"
        "pop {r2, r4-r9, pc} \n");
}

#else

/* One channel from `rescale` on. */
static int8_t rescale(const int32_t *r, int32_t sum)
{
    if (r[3] >= 256) {
        const int32_t shifted = tinyml_shift_left(sum + r[0], r[3] >> 8);
        return (int8_t)tinyml_clamp((int32_t)(((int64_t)shifted * r[1] + (INT64_C(1) << 31)) >> 32) + r[2], INT8_MIN, INT8_MAX);
    }
    const int32_t x = 2 * sum + r[0];
    const int32_t high = (int32_t)(((int64_t)x * r[1] + (INT64_C(1) << 31)) >> 32);
    return (int8_t)tinyml_clamp((high + r[2] - (x < 0 ? 1 : 0)) >> r[3], INT8_MIN, INT8_MAX);
}

static void multiply(const block_t *block, int32_t outputs)
{
    const int32_t taps = (int32_t)(block->columns_end - block->columns) / OUTPUTS;
    const int32_t *r = block->rescale;
    int32_t channel = 0;
    for (const int8_t *w = block->weights; w < block->weights_end; w += 2 * taps) {
        for (int32_t c = 0; c < 4; ++c, ++channel, r += 4) {
            for (int32_t i = 0; i < outputs; ++i) {
                int32_t sum = 0;
                for (int32_t k = 0; k < taps; ++k) {
                    const int32_t weight = tinyml_weight_w4(tinyml_load_word(w + k / 2 * 4), c, k % 2);
                    sum += weight * block->columns[k / 2 * 2 * OUTPUTS + 2 * i + k % 2];
                }
                block->out[i][channel] = rescale(r, sum);
            }
        }
    }
}

static void multiply_block(const block_t *block)
{
    multiply(block, OUTPUTS);
}

static void multiply_one(const block_t *block)
{
    multiply(block, 1);
}

static void sum_columns(const int16_t *column, const int16_t *end, int32_t sum[OUTPUTS])
{
    sum[0] = sum[1] = 0; /* the sums above begin with nothing that would have to be taken off */
    (void)column;
    (void)end;
}

#endif

static void multiply_outputs(const block_t *block, int32_t outputs)
{
    if (outputs > 1) {
        multiply_block(block);
    } else {
        multiply_one(block);
    }
}

/* The last channels, fewer than four: there is no memory for the results of those that fill up the four. */
static void multiply_last(block_t *block, int32_t outputs, int8_t *const out[OUTPUTS], int32_t channel, int32_t count)
{
    int8_t four[OUTPUTS][4];
    for (int32_t i = 0; i < outputs; ++i) {
        block->out[i] = four[i];
    }
    multiply_outputs(block, outputs);
    for (int32_t i = 0; i < outputs; ++i) {
        for (int32_t c = 0; c < count; ++c) {
            out[i][channel + c] = four[i][c];
        }
    }
}

void tinyml_conv_w4_dsp(const tinyml_conv_w4_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                        const tinyml_tile_t *tile, void *scratch)
{
    const tinyml_window_t *w = &op->window;
    const int32_t channels = op->out_channels;
    const int32_t taps = (w->kernel_height * w->kernel_width * w->in_channels + 1) & ~1;
    const int32_t fours = channels / 4;
    const int32_t clamped = op->out_min > INT8_MIN || op->out_max < INT8_MAX;
    int16_t *columns = scratch;
    walk_t walk = walk_of(w, in, out, tile, channels, op->in_offset);

    tinyml_fill(columns + element(taps - 2), 0, 4 * OUTPUTS); /* a tap past the last stays zero */
    while (walk.left > 0) {
        int8_t *start[OUTPUTS] = {0};
        int32_t sum[OUTPUTS];
        const int32_t outputs = widen_block(&walk, columns, start);
        sum_columns(columns, columns + taps * OUTPUTS, sum);
        const tinyml_lanes_w4_t p = tinyml_lanes_w4(sum[0]), q = tinyml_lanes_w4(sum[1]);
        block_t block = {op->weights, columns, columns + taps * OUTPUTS, op->weights + fours * 2 * taps, op->rescale,
                         {start[0], start[1]}, op->plain, {{p.r, q.r}, {p.q, q.q}, {p.a, q.a}, {p.c, q.c}}};
        if (fours > 0) {
            multiply_outputs(&block, outputs);
        }
        if (channels % 4 != 0) {
            block.weights = block.weights_end;
            block.weights_end += 2 * taps;
            block.rescale += 16 * fours;
            multiply_last(&block, outputs, start, channels & ~3, channels % 4);
        }
        for (int32_t i = 0; clamped && i < outputs; ++i) {
            for (int32_t c = 0; c < channels; ++c) {
                start[i][c] = (int8_t)tinyml_clamp(start[i][c], op->out_min, op->out_max);
            }
        }
    }
}

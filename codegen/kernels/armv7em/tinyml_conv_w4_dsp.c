/* Convolution, int8 with weights of 4 bits, four channels a word, for SMLAD. SPDX-License-Identifier: Apache-2.0
 *
 * The windows of four outputs are widened to int16 in scratch (tinyml_columns.h). Then four filters at a time are multiplied
 * with all four of them, in two passes over their weights, since 16 sums are too many for the registers: R and Q first, then
 * A and C (tinyml_lanes_w4.h). 25 instructions make 32 multiply-accumulates.
 */
#include "tinyml_conv_w4.h"
#include "tinyml_lanes_w4.h"
#include "tinyml_requant.h"
#include "tinyml_rescale_dsp.h"

#define TINYML_COLUMNS 4
#include "tinyml_columns.h"

/* One block: fours of filters from `weights` to `weights_end`, results to out[i][0], out[i][1], out[i][2], ...
 * zero: R, Q, A and C of no taps, each of all outputs. The assembly knows this order. */
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

/* Two taps of four filters with four outputs: 48 bytes of code. r0 weights, of which r2 has the next word; r1 columns; r4 to
 * r7 sum R, r8 to r11 Q. Where an operand has its last reader, a Cortex-M7 loads the next one beside it. */
#define TAPS_RQ \
    "ldrd r12, lr, [r1], #8 \n" \
    "uxtb16 r3, r2 \n" \
    "smlad r4, r12, r2, r4 \n" \
    "smlad r5, lr, r2, r5 \n" \
    "smlad r8, r12, r3, r8 \n" \
    "smlad r9, lr, r3, r9 \n" \
    "ldrd r12, lr, [r1], #8 \n" \
    "smlad r6, r12, r2, r6 \n" \
    "smlad r7, lr, r2, r7 \n" \
    "ldr r2, [r0], #4 \n" \
    "smlad r10, r12, r3, r10 \n" \
    "smlad r11, lr, r3, r11 \n"

/* The same for A, r4 to r7, and C, r8 to r11: 52 bytes. */
#define TAPS_AC \
    "ldrd r12, lr, [r1], #8 \n" \
    "and r3, r2, #0x000f000f \n" \
    "and r2, r2, #0x0f000f00 \n" \
    "smlad r4, r12, r3, r4 \n" \
    "smlad r5, lr, r3, r5 \n" \
    "smlad r8, r12, r2, r8 \n" \
    "smlad r9, lr, r2, r9 \n" \
    "ldrd r12, lr, [r1], #8 \n" \
    "smlad r10, r12, r2, r10 \n" \
    "smlad r11, lr, r2, r11 \n" \
    "ldr r2, [r0], #4 \n" \
    "smlad r6, r12, r3, r6 \n" \
    "smlad r7, lr, r3, r7 \n"

#define EIGHT_TIMES(what) what what what what what what what what

/* r2 bias, r3 multiplier, r12 zero point, r1 shift to the left. SHIFT undoes the lane's. */
#define LEFT(SUM) "lsl " SUM ", " SUM ", r1 \n"
#define RESCALE_LEFT(SUM, SHIFT) ADD_BIAS(SUM, SHIFT) LEFT(SUM) SCALE(SUM, "r12") SATURATE(SUM)
#define RESCALE_FOUR_LEFT(A, B, C, D, SHIFT) \
    ADD_BIAS(A, SHIFT) ADD_BIAS(B, SHIFT) LEFT(A) LEFT(B) SCALE(A, "r12") ADD_BIAS(C, SHIFT) SCALE(B, "r12") \
    LEFT(C) ADD_BIAS(D, SHIFT) SCALE(C, "r12") LEFT(D) SATURATE(A) SCALE(D, "r12") SATURATE(B) SATURATE(C) \
    SATURATE(D)

/* A channel of all outputs. */
#define CHANNEL(A, B, C, D, SHIFT, LANE) \
    "ldm r1!, {r2, r3, r12, lr} \n" \
    "str r1, [sp, #12] \n" \
    "lsrs r1, lr, #8 \n" \
    "bne 7f \n" \
    RESCALE_FOUR(A, B, C, D, SHIFT) \
    "b 8f \n" \
    "7: \n" \
    RESCALE_FOUR_LEFT(A, B, C, D, LANE) \
    "8: ldr r1, [sp, #12] \n"
#define CHANNEL_WITHOUT_TIES(A, B, C, D, SHIFT) \
    "ldm r1!, {r2, r3, r12, lr} \n" \
    RESCALE_FOUR_WITHOUT_TIES(A, B, C, D, SHIFT)

/* Results of a channel, r8 to r11, into the words of four channels, r4 to r7. */
#define INSERT(AT) \
    "bfi r4, r8, " AT ", #8 \n" \
    "bfi r5, r9, " AT ", #8 \n" \
    "bfi r6, r10, " AT ", #8 \n" \
    "bfi r7, r11, " AT ", #8 \n"

/* After the pushes: [sp] columns, 4 columns_end, 8 weights_end, 12 rescale, 16 to 28 out, 32 the way out of the loops, 36
 * zero, 40 and 44 the ways into both loops, 48 the weights of these four filters, 52 R - Q, which becomes what d sums, and
 * 68 Q, which becomes what b sums. Aligned, because adr counts from a word: GCC's -Os and -O0 do not. */
__attribute__((naked, noinline, aligned(4))) static void multiply_block(const block_t *block __attribute__((unused)))
{
    __asm__ volatile(
        ".syntax unified \n"
        "push {r4-r11, lr} \n"
        "sub sp, sp, #48 \n"
        "ldm r0!, {r1-r10} \n"
        "mov r11, r0 \n" /* zero */
        "add r0, r1, #4 \n" /* one word ahead, as weights_end is in the end */
        "add r4, r4, #4 \n"
        "sub r12, r3, r2 \n" /* 16 bytes of columns a pair of taps: of n pairs, n mod 8 to begin with, */
        "and r12, r12, #112 \n"
        "add r1, r12, r12, lsl #1 \n" /* 48 bytes of code each, */
        "add r12, r12, r1, lsl #2 \n" /* and 52 */
        "adr lr, 3f \n"
        "sub r1, lr, r1 \n"
        "orr r1, r1, #1 \n"
        "adr lr, 5f \n"
        "sub r12, lr, r12, lsr #2 \n"
        "orr r12, r12, #1 \n"
        "strd r1, r12, [sp, #4] \n" /* 40 and 44 in the end */
        "adr r12, 9f \n"
        "cmp r10, #0 \n"
        "beq 0f \n"
        "adr r12, 10f \n"
        "0: orr r10, r12, #1 \n"
        "str r11, [sp] \n"
        "push {r2-r10} \n"
        "1: ldr r1, [sp] \n"
        "ldr r3, [sp, #36] \n"
        "ldr r2, [r0, #-4] \n"
        "str r0, [sp, #48] \n"
        "ldm r3, {r4-r11} \n"
        "ldr pc, [sp, #40] \n"
        "2: \n"
        EIGHT_TIMES(TAPS_RQ)
        "3: ldr r3, [sp, #4] \n"
        "cmp r1, r3 \n"
        "bne.w 2b \n"
        "sub r4, r4, r8 \n"
        "sub r5, r5, r9 \n"
        "sub r6, r6, r10 \n"
        "sub r7, r7, r11 \n"
        "add r1, sp, #52 \n"
        "stm r1, {r4-r11} \n"
        "ldr r1, [sp] \n"
        "ldr r3, [sp, #36] \n"
        "ldr r0, [sp, #48] \n"
        "ldr r2, [r0, #-4] \n"
        "add r3, r3, #32 \n"
        "ldm r3, {r4-r11} \n"
        "ldr pc, [sp, #44] \n"
        "4: \n"
        EIGHT_TIMES(TAPS_AC)
        "5: ldr r3, [sp, #4] \n"
        "cmp r1, r3 \n"
        "bne.w 4b \n"
        "add r1, sp, #68 \n"
        "ldm r1, {r2, r3, r12, lr} \n"
        "sub r2, r2, r4 \n"
        "sub r3, r3, r5 \n"
        "sub r12, r12, r6 \n"
        "sub lr, lr, r7 \n"
        "stm r1, {r2, r3, r12, lr} \n"
        "sub r1, r1, #16 \n"
        "ldm r1, {r2, r3, r12, lr} \n"
        "sub r2, r2, r8 \n"
        "sub r3, r3, r9 \n"
        "sub r12, r12, r10 \n"
        "sub lr, lr, r11 \n"
        "stm r1, {r2, r3, r12, lr} \n"
        "ldr r1, [sp, #12] \n"
        "ldr pc, [sp, #32] \n"
        "9: \n"
        CHANNEL("r4", "r5", "r6", "r7", "lsl #1", "lsl #0")
        CHANNEL("r8", "r9", "r10", "r11", "asr #7", "asr #8")
        INSERT("#16")
        "add r2, sp, #68 \n"
        "ldm r2, {r8-r11} \n"
        CHANNEL("r8", "r9", "r10", "r11", "asr #3", "asr #4")
        INSERT("#8")
        "add r2, sp, #52 \n"
        "ldm r2, {r8-r11} \n"
        CHANNEL("r8", "r9", "r10", "r11", "asr #11", "asr #12")
        "b 6f \n"
        "10: \n"
        CHANNEL_WITHOUT_TIES("r4", "r5", "r6", "r7", "lsl #1")
        CHANNEL_WITHOUT_TIES("r8", "r9", "r10", "r11", "asr #7")
        INSERT("#16")
        "add r2, sp, #68 \n"
        "ldm r2, {r8-r11} \n"
        CHANNEL_WITHOUT_TIES("r8", "r9", "r10", "r11", "asr #3")
        INSERT("#8")
        "add r2, sp, #52 \n"
        "ldm r2, {r8-r11} \n"
        CHANNEL_WITHOUT_TIES("r8", "r9", "r10", "r11", "asr #11")
        "str r1, [sp, #12] \n"
        "6: \n"
        INSERT("#24")
        "add r1, sp, #16 \n"
        "ldm r1, {r8-r11} \n"
        "str r7, [r11], #4 \n" /* in this order: of two outputs, the last two are copies of the second without a window */
        "str r6, [r10], #4 \n"
        "str r5, [r9], #4 \n"
        "str r4, [r8], #4 \n"
        "stm r1, {r8-r11} \n"
        "ldr r1, [sp, #8] \n"
        "cmp r0, r1 \n"
        "bne.w 1b \n"
        "add sp, sp, #84 \n"
        "pop {r4-r11, pc} \n");
}

/* Two taps of four filters with one output: 36 bytes of code. r4 sums R, r5 Q, r6 A, r7 C. */
#define TAPS_OF_ONE \
    "ldr r2, [r0], #4 \n" \
    "ldr r12, [r1], #16 \n" \
    "uxtb16 r3, r2 \n" \
    "smlad r4, r12, r2, r4 \n" \
    "smlad r5, r12, r3, r5 \n" \
    "and r3, r2, #0x000f000f \n" \
    "and r2, r2, #0x0f000f00 \n" \
    "smlad r6, r12, r3, r6 \n" \
    "smlad r7, r12, r2, r7 \n"

#define CHANNEL_OF_ONE(P, SHIFT, LANE) \
    "ldm r8!, {r2, r3, r12, lr} \n" \
    "lsrs r1, lr, #8 \n" \
    "bne 7f \n" \
    RESCALE(P, SHIFT) \
    "b 8f \n" \
    "7: \n" \
    RESCALE_LEFT(P, LANE) \
    "8: \n"

/* The same for the first output alone: tiles of 4 n + 1 pixels end with it. r8 rescale, r9 out, r10 columns_end, r11 the way
 * into the loop; [sp] weights_end, 4 columns, 8 zero. */
__attribute__((naked, noinline, aligned(4))) static void multiply_one(const block_t *block __attribute__((unused)))
{
    __asm__ volatile(
        ".syntax unified \n"
        "push {r4-r11, lr} \n"
        "ldm r0!, {r1-r6} \n"
        "add r7, r0, #16 \n"
        "mov r0, r1 \n"
        "mov r8, r5 \n"
        "mov r9, r6 \n"
        "mov r10, r3 \n"
        "sub r11, r3, r2 \n"
        "and r11, r11, #48 \n"
        "add r11, r11, r11, lsl #3 \n"
        "adr r12, 3f \n"
        "sub r11, r12, r11, lsr #2 \n"
        "orr r11, r11, #1 \n"
        "mov r5, r2 \n"
        "mov r6, r7 \n"
        "push {r4-r6} \n"
        "1: ldrd r1, r2, [sp, #4] \n"
        "ldr r4, [r2] \n"
        "ldr r5, [r2, #16] \n"
        "ldr r6, [r2, #32] \n"
        "ldr r7, [r2, #48] \n"
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
        CHANNEL_OF_ONE("r7", "asr #7", "asr #8")
        CHANNEL_OF_ONE("r5", "asr #3", "asr #4")
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

/* Adds up the column of each output, an even number of taps from `column` to `end`. */
__attribute__((naked, noinline)) static void sum_columns(const int16_t *column __attribute__((unused)),
                                                         const int16_t *end __attribute__((unused)),
                                                         int32_t sum[OUTPUTS] __attribute__((unused)))
{
    __asm__ volatile(
        ".syntax unified \n"
        "push {r4-r10, lr} \n"
        "movs r3, #0 \n"
        "movs r4, #0 \n"
        "movs r5, #0 \n"
        "movs r6, #0 \n"
        "mov lr, #0x00010001 \n"
        "sub r12, r1, r0 \n" /* 16 bytes a pair of taps: an odd number of pairs begins with one */
        "tst r12, #16 \n"
        "bne 2f \n"
        "1: \n"
        "ldm r0!, {r7-r10} \n"
        "smlad r3, r7, lr, r3 \n"
        "smlad r4, r8, lr, r4 \n"
        "smlad r5, r9, lr, r5 \n"
        "smlad r6, r10, lr, r6 \n"
        "2: \n"
        "ldm r0!, {r7-r10} \n"
        "smlad r3, r7, lr, r3 \n"
        "smlad r4, r8, lr, r4 \n"
        "smlad r5, r9, lr, r5 \n"
        "smlad r6, r10, lr, r6 \n"
        "cmp r0, r1 \n"
        "bne 1b \n"
        "stm r2, {r3-r6} \n"
        "pop {r4-r10, pc} \n");
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
    static const uint8_t place[4] = {0, 2, 1, 3}; /* in the table of rescaling */
    const int32_t taps = (int32_t)(block->columns_end - block->columns) / OUTPUTS;
    const int32_t *r = block->rescale;
    int32_t channel = 0;
    for (const int8_t *w = block->weights; w < block->weights_end; w += 2 * taps, r += 16) {
        for (int32_t c = 0; c < 4; ++c, ++channel) {
            for (int32_t i = outputs - 1; i >= 0; --i) {
                int32_t sum = 0;
                for (int32_t k = 0; k < taps; ++k) {
                    const int32_t weight = tinyml_weight_w4(tinyml_load_word(w + k / 2 * 4), c, k % 2);
                    sum += weight * block->columns[k / 2 * 2 * OUTPUTS + 2 * i + k % 2];
                }
                block->out[i][channel] = rescale(r + 4 * place[c], sum);
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
    sum[0] = sum[1] = sum[2] = sum[3] = 0; /* the sums above begin with nothing that would have to be taken off */
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
    for (int32_t i = 0; i < OUTPUTS; ++i) {
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
        block_t block;
        block.weights = op->weights;
        block.columns = columns;
        block.columns_end = columns + taps * OUTPUTS;
        block.weights_end = op->weights + fours * 2 * taps;
        block.rescale = op->rescale;
        block.plain = op->plain;
        for (int32_t i = 0; i < OUTPUTS; ++i) {
            const tinyml_lanes_w4_t zero = tinyml_lanes_w4(sum[i]);
            block.out[i] = start[i];
            block.zero[0][i] = zero.r;
            block.zero[1][i] = zero.q;
            block.zero[2][i] = zero.a;
            block.zero[3][i] = zero.c;
        }
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

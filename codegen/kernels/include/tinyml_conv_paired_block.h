/* The frame of the int8 convolutions with two channels a lane, for SMLAD. SPDX-License-Identifier: Apache-2.0
 *
 * The windows of a block of outputs are widened to int16 in scratch, the zero point taken off, zero where a tap falls
 * outside the image. Then two filters at a time are multiplied with all of them.
 *
 *     columns   p0 p1  q0 q1  r0 r1  s0 s1  p2 p3 ...   taps of outputs p, q, r and s, int16
 *     weights   w0 w1  w2 w3 ...                        two taps of two filters a word, see the header
 *
 * A word of weights needs one SXTB16 and then feeds two multiplications an output, each of two taps: of four outputs, 12
 * instructions for 16 multiply-accumulates; of two, 14.
 *
 * A source defines TINYML_COLUMNS, the outputs of a block, 4 or 2, and includes this file. TINYML_DUAL_ISSUE makes the loop
 * for four outputs another one, for cores that issue loads beside multiplications.
 */
#ifndef TINYML_CONV_PAIRED_BLOCK_H
#define TINYML_CONV_PAIRED_BLOCK_H

#include "tinyml_columns.h"
#include "tinyml_conv_paired_s8.h"
#include "tinyml_requant.h"
#include "tinyml_rescale_dsp.h"

/* One block: pairs of filters from `weights` on, results to out[i][first], out[i][first + 1], ... out[i][-1]. */
typedef struct {
    const int8_t *weights;
    const int16_t *columns;
    const int16_t *columns_end;
    const int32_t *rescale;
    int32_t first;
    int8_t *out[OUTPUTS];
    int32_t ties;
} block_t;

#if defined(__ARM_FEATURE_DSP) && (defined(__GNUC__) || defined(__clang__))

#if TINYML_COLUMNS == 4

/* Two taps of both filters with four outputs: MAC is smlad, or smuad where the sums begin. r0 weights, of which r2 has the
 * next word; r1 columns, of which r12 and lr have two; r4 r6 r8 r10 sums of both lanes, r5 r7 r9 r11 sums of filter a.
 * A load stands behind the last reader of its register, where a Cortex-M7 issues it beside that, two cycles ahead. */
#if TINYML_DUAL_ISSUE
/* A load for each of two registers can follow the last reader of its own: 13 instructions, but one cycle without any
 * multiplication in place of two. */
#define TAPS(MAC, R4, R5, R6, R7, R8, R9, R10, R11) \
    "sxtb16 r3, r2 \n" \
    MAC " r4, r12, r2" R4 "\n" \
    MAC " r5, r12, r3" R5 "\n" \
    "ldr r12, [r1], #4 \n" \
    MAC " r6, lr, r2" R6 "\n" \
    MAC " r7, lr, r3" R7 "\n" \
    "ldr lr, [r1], #4 \n" \
    MAC " r8, r12, r2" R8 "\n" \
    MAC " r9, r12, r3" R9 "\n" \
    MAC " r10, lr, r2" R10 "\n" \
    "ldr r2, [r0], #4 \n" \
    MAC " r11, lr, r3" R11 "\n"
#define BYTES_OF_TAPS "52"
#else
#define TAPS(MAC, R4, R5, R6, R7, R8, R9, R10, R11) \
    "sxtb16 r3, r2 \n" \
    MAC " r4, r12, r2" R4 "\n" \
    MAC " r6, lr, r2" R6 "\n" \
    MAC " r5, r12, r3" R5 "\n" \
    MAC " r7, lr, r3" R7 "\n" \
    "ldrd r12, lr, [r1], #8 \n" \
    MAC " r8, r12, r2" R8 "\n" \
    MAC " r10, lr, r2" R10 "\n" \
    "ldr r2, [r0], #4 \n" \
    MAC " r9, r12, r3" R9 "\n" \
    MAC " r11, lr, r3" R11 "\n"
#define BYTES_OF_TAPS "48"
#endif
#define FIRST_TAPS TAPS("smuad", "", "", "", "", "", "", "", "")
#define NEXT_TAPS \
    "ldrd r12, lr, [r1], #8 \n" \
    TAPS("smlad", ", r4", ", r5", ", r6", ", r7", ", r8", ", r9", ", r10", ", r11")

/* Compilers spill in this loop. After the second push: [sp] columns, 4 columns_end, one less where ties show, 8 rescale,
 * 12 first, 16 to 28 out, 32 the way into the loop. Aligned, because adr counts from a word: GCC's -Os and -O0 do not. */
__attribute__((naked, noinline, aligned(4))) static void multiply_block(const block_t *block __attribute__((unused)))
{
    __asm__ volatile(
        ".syntax unified \n"
        "push {r4-r11, lr} \n"
        "ldm r0, {r1-r10} \n"
        "sub r11, r3, r2 \n" /* 16 bytes of columns a pair of taps: the first, then n, n mod 8 of them to begin with */
        "sub r11, r11, #16 \n"
        "ubfx r11, r11, #4, #3 \n"
        "adr r12, 3f \n"
        "mov lr, #" BYTES_OF_TAPS "\n"
        "mls r11, r11, lr, r12 \n"
        "orr r11, r11, #1 \n"
        "sub r3, r3, r10 \n"
        "push {r2-r9, r11} \n"
        "mov r0, r1 \n"
        "mov r1, r2 \n"
        "ldr r2, [r0], #4 \n"
        "ldrd r12, lr, [r1], #8 \n"
        "1: \n"
        FIRST_TAPS
        "ldr pc, [sp, #32] \n"
        "2: \n"
        NEXT_TAPS
        NEXT_TAPS
        NEXT_TAPS
        NEXT_TAPS
        NEXT_TAPS
        NEXT_TAPS
        NEXT_TAPS
        NEXT_TAPS
        "3: ldr r12, [sp, #4] \n"
        "cmp r1, r12 \n"
        "blo.w 2b \n"
        "ldr r1, [sp, #8] \n"
        "sub r4, r4, r5 \n" /* 256 * the sum of filter b */
        "sub r6, r6, r7 \n"
        "ldm r1!, {r2, r3, r12, lr} \n"
        "sub r8, r8, r9 \n"
        "sub r10, r10, r11 \n"
        "bne.w 5f \n"
        RESCALE_FOUR_WITHOUT_TIES("r5", "r7", "r9", "r11", "lsl #1")
        "ldm r1!, {r2, r3, r12, lr} \n"
        "str r1, [sp, #8] \n"
        RESCALE_FOUR_WITHOUT_TIES("r4", "r6", "r8", "r10", "asr #7")
        "4: ldrd r2, r3, [sp, #16] \n"
        "bfi r5, r4, #8, #8 \n"
        "bfi r7, r6, #8, #8 \n"
        "ldrd r12, lr, [sp, #24] \n"
        "ldr r4, [sp, #12] \n"
        "ldr r1, [sp] \n"
        "bfi r9, r8, #8, #8 \n"
        "strh r5, [r2, r4] \n"
        "bfi r11, r10, #8, #8 \n"
        "strh r7, [r3, r4] \n"
        "strh r9, [r12, r4] \n"
        "strh r11, [lr, r4] \n"
        "ldr r2, [r0, #-4] \n" /* the next filters, and the columns once more */
        "adds r4, #2 \n"
        "ldrd r12, lr, [r1], #8 \n"
        "str r4, [sp, #12] \n"
        "bne.w 1b \n"
        "add sp, sp, #36 \n"
        "pop {r4-r11, pc} \n"
        "5: str r1, [sp, #8] \n"
        RESCALE_FOUR("r5", "r7", "r9", "r11", "lsl #1")
        "ldr r1, [sp, #8] \n"
        "ldm r1!, {r2, r3, r12, lr} \n"
        "str r1, [sp, #8] \n"
        RESCALE_FOUR("r4", "r6", "r8", "r10", "asr #7")
        "b 4b \n");
}

#define PITCH "#16" /* bytes from two taps of an output to its next two, and the binary logarithm of that */
#define LOG_PITCH "#4"
#else
#define PITCH "#8"
#define LOG_PITCH "#3"
#endif

/* Two taps of both filters with two outputs: 28 bytes of code. r4 r6 sums of both lanes, r5 r7 of filter a. */
#define TAPS_OF_TWO(MAC, R4, R5, R6, R7) \
    "ldrd r12, lr, [r1], " PITCH "\n" \
    "sxtb16 r3, r2 \n" \
    MAC " r4, r12, r2" R4 "\n" \
    MAC " r6, lr, r2" R6 "\n" \
    "ldr r2, [r0], #4 \n" \
    MAC " r5, r12, r3" R5 "\n" \
    MAC " r7, lr, r3" R7 "\n"
#define NEXT_TAPS_OF_TWO TAPS_OF_TWO("smlad", ", r4", ", r5", ", r6", ", r7")

/* The same for the first two outputs. r8 rescale, r9 first, r10 and r11 out; [sp] columns, 4 columns_end, 8 the way into
 * the loop. */
__attribute__((naked, noinline, aligned(4))) static void multiply_two(const block_t *block __attribute__((unused)))
{
    __asm__ volatile(
        ".syntax unified \n"
        "push {r4-r11, lr} \n"
        "ldm r0, {r1-r7} \n"
        "mov r8, r4 \n"
        "mov r9, r5 \n"
        "mov r10, r6 \n"
        "mov r11, r7 \n"
        "sub r4, r3, r2 \n" /* of n + 1 pairs of taps, n mod 8 to begin with */
        "sub r4, r4, " PITCH "\n"
        "ubfx r4, r4, " LOG_PITCH ", #3 \n"
        "rsb r5, r4, r4, lsl #3 \n"
        "adr r12, 3f \n"
        "sub r5, r12, r5, lsl #2 \n"
        "orr r5, r5, #1 \n"
        "push {r2, r3, r5} \n"
        "add r0, r1, #4 \n"
        "1: ldr r2, [r0, #-4] \n"
        "ldr r1, [sp] \n"
        TAPS_OF_TWO("smuad", "", "", "", "")
        "ldr pc, [sp, #8] \n"
        "2: \n"
        NEXT_TAPS_OF_TWO
        NEXT_TAPS_OF_TWO
        NEXT_TAPS_OF_TWO
        NEXT_TAPS_OF_TWO
        NEXT_TAPS_OF_TWO
        NEXT_TAPS_OF_TWO
        NEXT_TAPS_OF_TWO
        NEXT_TAPS_OF_TWO
        "3: ldr r12, [sp, #4] \n"
        "cmp r1, r12 \n"
        "bne.w 2b \n"
        "sub r4, r4, r5 \n"
        "ldm r8!, {r2, r3, r12, lr} \n"
        "sub r6, r6, r7 \n"
        RESCALE_TWO("r5", "r7", "lsl #1")
        "ldm r8!, {r2, r3, r12, lr} \n"
        RESCALE_TWO("r4", "r6", "asr #7")
        "bfi r5, r4, #8, #8 \n"
        "bfi r7, r6, #8, #8 \n"
        "strh r5, [r10, r9] \n"
        "strh r7, [r11, r9] \n"
        "adds r9, #2 \n"
        "bne.w 1b \n"
        "add sp, sp, #12 \n"
        "pop {r4-r11, pc} \n");
}

/* Two taps of both filters with one output: 20 bytes of code. r4 the sum of both lanes, r5 of filter a. */
#define TAPS_OF_ONE(MAC, R4, R5) \
    "ldr r12, [r1], " PITCH "\n" \
    "ldr r2, [r0], #4 \n" \
    "sxtb16 r3, r2 \n" \
    MAC " r4, r12, r2" R4 "\n" \
    MAC " r5, r12, r3" R5 "\n"
#define NEXT_TAPS_OF_ONE TAPS_OF_ONE("smlad", ", r4", ", r5")

/* The same for the first output alone: maps of an odd number of pixels end with it. r6 columns, r7 columns_end,
 * r8 rescale, r9 first, r10 out, r11 the way into the loop. */
__attribute__((naked, noinline, aligned(4))) static void multiply_one(const block_t *block __attribute__((unused)))
{
    __asm__ volatile(
        ".syntax unified \n"
        "push {r4-r11, lr} \n"
        "ldm r0, {r5-r10} \n"
        "mov r0, r5 \n"
        "sub r11, r7, r6 \n"
        "sub r11, r11, " PITCH "\n"
        "ubfx r11, r11, " LOG_PITCH ", #3 \n"
        "add r11, r11, r11, lsl #2 \n"
        "adr r4, 3f \n"
        "sub r11, r4, r11, lsl #2 \n"
        "orr r11, r11, #1 \n"
        "1: mov r1, r6 \n"
        TAPS_OF_ONE("smuad", "", "")
        "bx r11 \n"
        "2: \n"
        NEXT_TAPS_OF_ONE
        NEXT_TAPS_OF_ONE
        NEXT_TAPS_OF_ONE
        NEXT_TAPS_OF_ONE
        NEXT_TAPS_OF_ONE
        NEXT_TAPS_OF_ONE
        NEXT_TAPS_OF_ONE
        NEXT_TAPS_OF_ONE
        "3: cmp r1, r7 \n"
        "bne.w 2b \n"
        "ldm r8!, {r2, r3, r12, lr} \n"
        "sub r4, r4, r5 \n"
        RESCALE("r5", "lsl #1")
        "ldm r8!, {r2, r3, r12, lr} \n"
        RESCALE("r4", "asr #7")
        "bfi r5, r4, #8, #8 \n"
        "strh r5, [r10, r9] \n"
        "adds r9, #2 \n"
        "bne.w 1b \n"
        "pop {r4-r11, pc} \n");
}

#else

/* One channel from `rescale` on. */
static int8_t rescale(const int32_t *r, int32_t sum)
{
    const int32_t x = 2 * sum + r[0];
    const int32_t high = (int32_t)(((int64_t)x * r[1] + (INT64_C(1) << 31)) >> 32);
    return (int8_t)tinyml_clamp((high + r[2] - (x < 0 ? 1 : 0)) >> r[3], INT8_MIN, INT8_MAX);
}

static void multiply(const block_t *block, int32_t outputs)
{
    const int32_t taps = (int32_t)(block->columns_end - block->columns) / OUTPUTS;
    const int32_t *r = block->rescale;
    const int8_t *w = block->weights;
    for (int32_t channel = block->first; channel < 0; channel += 2, w += 2 * taps, r += 8) {
        for (int32_t i = 0; i < outputs; ++i) {
            int32_t a = 0, b = 0;
            for (int32_t k = 0; k < taps; ++k) {
                const int32_t x = block->columns[k / 2 * 2 * OUTPUTS + 2 * i + k % 2];
                a += x * w[2 * k];
                b += x * (w[2 * k + 1] + (w[2 * k] < 0 ? 1 : 0)); /* a negative a borrows from the upper byte */
            }
            block->out[i][channel] = rescale(r, a);
            block->out[i][channel + 1] = rescale(r + 4, b);
        }
    }
}

#if TINYML_COLUMNS == 4
static void multiply_block(const block_t *block)
{
    multiply(block, OUTPUTS);
}
#endif

static void multiply_two(const block_t *block)
{
    multiply(block, 2);
}

static void multiply_one(const block_t *block)
{
    multiply(block, 1);
}

#endif

static void multiply_outputs(const block_t *block, int32_t outputs)
{
    if (outputs == 1) {
        multiply_one(block);
    } else if (outputs == 2) {
        multiply_two(block);
    }
#if TINYML_COLUMNS == 4
    else {
        multiply_block(block);
    }
#endif
}

/* The last channel of an odd number: its pair has no second one, and no memory for its results. */
static void multiply_last(block_t *block, int32_t outputs, int8_t *const out[OUTPUTS])
{
    int8_t pair[OUTPUTS][2];
    for (int32_t i = 0; i < OUTPUTS; ++i) {
        block->out[i] = pair[i] + 2;
    }
    multiply_outputs(block, outputs);
    for (int32_t i = 0; i < outputs; ++i) {
        out[i][0] = pair[i][0];
    }
}

static void conv_paired(const tinyml_conv_paired_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                        const tinyml_tile_t *tile, void *scratch)
{
    const tinyml_window_t *w = &op->window;
    const int32_t channels = op->out_channels;
    const int32_t taps = (w->kernel_height * w->kernel_width * w->in_channels + 1) & ~1;
    const int32_t paired = channels & ~1;
    const int32_t clamped = op->out_min > INT8_MIN || op->out_max < INT8_MAX;
    int16_t *const columns = scratch, *const end = columns + taps * OUTPUTS;
    tinyml_rows_t behind = *out; /* the pairs of a pixel */
    behind.base = (int8_t *)out->base + paired;
    walk_t walk = walk_of(w, in, &behind, tile, channels, op->in_offset);
    block_t block = {op->weights, columns, end, op->rescale, -paired, {0}, op->ties};
    block_t last = {op->weights + paired * taps, columns, end, op->rescale + 4 * paired, -2, {0}, op->ties};

    tinyml_fill(columns + element(taps - 2), 0, 4 * OUTPUTS); /* a tap past the last stays zero */
    while (walk.left > 0) {
        const int32_t outputs = widen_block(&walk, columns, block.out);
        if (paired > 0) {
            multiply_outputs(&block, outputs);
        }
        if (paired < channels) {
            multiply_last(&last, outputs, block.out);
        }
        for (int32_t i = 0; clamped && i < outputs; ++i) {
            for (int8_t *to = block.out[i] - paired; to < block.out[i] - paired + channels; ++to) {
                *to = (int8_t)tinyml_clamp(*to, op->out_min, op->out_max);
            }
        }
    }
}

#endif

/* Fully connected layer, int8, four outputs at a time, two a lane, for SMLAD. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_fully_connected_paired_s8.h"
#include "tinyml_requant.h"

/* Some of the outputs of a row, a multiple of four. The assembly knows this order. */
typedef struct {
    const int8_t *x;
    const int8_t *x_end; /* of the multiple of eight */
    const int8_t *weights;
    const int8_t *weights_end;
    const int32_t *rescale;
    int8_t *out;
    const int8_t *rest; /* inputs that are left, filled up to a multiple of four */
    const int8_t *rest_end;
} block_t;

#if defined(__ARM_FEATURE_DSP) && (defined(__GNUC__) || defined(__clang__))

/* Four inputs, whose even ones are in r12 and odd ones in lr, with four outputs. r8 and r10 sum both lanes, r9 and r11 the
 * lower one. What comes of the next inputs, if anything, is ready when these are done. */
#define PRODUCTS(NEXT_EVEN, NEXT_ODD) \
    "smlad r8, r12, r4, r8 \n" \
    "sxtb16 r4, r4 \n" \
    "smlad r9, r12, r4, r9 \n" \
    "smlad r10, r12, r5, r10 \n" \
    "sxtb16 r5, r5 \n" \
    "smlad r11, r12, r5, r11 \n" \
    NEXT_EVEN \
    "smlad r8, lr, r6, r8 \n" \
    "sxtb16 r6, r6 \n" \
    "smlad r9, lr, r6, r9 \n" \
    "smlad r10, lr, r7, r10 \n" \
    "sxtb16 r7, r7 \n" \
    "smlad r11, lr, r7, r11 \n" \
    NEXT_ODD

#define FOUR \
    "ldr lr, [r1], #4 \n" \
    "ldm r0!, {r4-r7} \n" \
    "sxtb16 r12, lr \n" \
    "sxtb16 lr, lr, ror #8 \n" \
    PRODUCTS("", "")

/* 128 bytes of code. A load right behind another one costs a Cortex-M4 one cycle instead of two. */
#define EIGHT \
    "ldr.w r3, [r1, #4] \n" \
    "ldr lr, [r1], #8 \n" \
    "ldm.w r0!, {r4-r7} \n" \
    "sxtb16 r12, lr \n" \
    "sxtb16 lr, lr, ror #8 \n" \
    PRODUCTS("sxtb16 r12, r3 \n", "sxtb16 lr, r3, ror #8 \n") \
    "ldm.w r0!, {r4-r7} \n" \
    PRODUCTS("", "")

/* SHIFT doubles what was summed. */
#define RESCALE(SUM, SHIFT) \
    "ldm r1!, {r4-r7} \n" \
    "add " SUM ", r4, " SUM ", " SHIFT "\n" \
    "smmla " SUM ", " SUM ", r5, r6 \n" \
    "asr " SUM ", " SUM ", r7 \n"
#define SATURATE(SUM) "ssat " SUM ", #8, " SUM "\n"

/* r0 weights, r1 x, r2 x_end; [sp] weights_end, 4 rescale, 8 out, 12 rest, 16 rest_end, 20 x, 24 the way into the loop, 28 the
 * way to begin. Aligned, because adr counts from a word: GCC's -Os and -O0 do not. */
__attribute__((naked, noinline, aligned(4))) static void multiply(const block_t *block __attribute__((unused)))
{
    __asm__ volatile(
        ".syntax unified \n"
        "push {r4-r11, lr} \n"
        "ldm r0, {r1-r8} \n"
        "sub r9, r2, r1 \n" /* n eights, n mod 4 of them to begin with */
        "and r9, r9, #24 \n"
        "adr r10, 3f \n"
        "sub r10, r10, r9, lsl #4 \n"
        "orr r10, r10, #1 \n"
        "mov r9, r1 \n"
        "mov r11, r10 \n"
        "cmp r7, r8 \n"
        "beq 0f \n"
        "adr r11, 5f \n"
        "orr r11, r11, #1 \n"
        "0: push {r4-r11} \n"
        "mov r0, r3 \n"
        "1: \n"
        "mov r8, #0 \n"
        "mov r9, #0 \n"
        "mov r10, #0 \n"
        "mov r11, #0 \n"
        "ldr r1, [sp, #20] \n"
        "ldr pc, [sp, #28] \n"
        "2: \n"
        EIGHT
        EIGHT
        EIGHT
        EIGHT
        "3: cmp r1, r2 \n"
        "bne.w 2b \n"
        "ldrd r1, r12, [sp, #4] \n"
        "sub r8, r8, r9 \n" /* 256 times the upper lanes */
        "sub r10, r10, r11 \n"
        RESCALE("r9", "lsl #1")
        RESCALE("r8", "asr #7")
        SATURATE("r9")
        RESCALE("r11", "lsl #1")
        SATURATE("r8")
        RESCALE("r10", "asr #7")
        SATURATE("r11")
        "bfi r9, r8, #8, #8 \n"
        SATURATE("r10")
        "bfi r11, r10, #8, #8 \n"
        "pkhbt r9, r9, r11, lsl #16 \n"
        "str r9, [r12], #4 \n"
        "str r1, [sp, #4] \n"
        "str r12, [sp, #8] \n"
        "ldr r3, [sp] \n"
        "cmp r0, r3 \n"
        "bne.w 1b \n"
        "add sp, sp, #32 \n"
        "pop {r4-r11, pc} \n"
        "5: ldr r1, [sp, #12] \n"
        "6: \n"
        FOUR
        "ldr r3, [sp, #16] \n"
        "cmp r1, r3 \n"
        "bne 6b \n"
        "ldr r1, [sp, #20] \n"
        "ldr pc, [sp, #24] \n");
}

#else

/* Adds the products of the inputs from x to `end`, fours of them, to the sums of both pairs: of both lanes, of the lower. */
static const int8_t *add_products(const int8_t *weights, const int8_t *x, const int8_t *end, int32_t sum[4])
{
    for (; x < end; x += 4, weights += 16) {
        for (int32_t i = 0; i < 8; ++i) {
            /* Words hold inputs 0 and 2 of the first pair and of the second, then 1 and 3. */
            const int32_t input = x[i / 4 + i % 2 * 2], pair = i % 4 / 2 * 2;
            const int32_t lower = weights[2 * i];
            sum[pair] += input * (256 * weights[2 * i + 1] + (lower & 255));
            sum[pair + 1] += input * lower;
        }
    }
    return weights;
}

static void multiply(const block_t *block)
{
    const int8_t *w = block->weights;
    const int32_t *r = block->rescale;
    int8_t *o = block->out;

    while (w < block->weights_end) {
        int32_t sum[4] = {0};
        w = add_products(w, block->rest, block->rest_end, sum);
        w = add_products(w, block->x, block->x_end, sum);
        sum[0] = (sum[0] - sum[1]) >> 8; /* the upper lanes of both pairs */
        sum[2] = (sum[2] - sum[3]) >> 8;
        for (int32_t i = 0; i < 4; ++i, r += 4) {
            const int32_t high = (int32_t)((int64_t)(2 * sum[i ^ 1] + r[0]) * r[1] >> 32);
            *o++ = (int8_t)tinyml_clamp((high + r[2]) >> r[3], INT8_MIN, INT8_MAX);
        }
    }
}

#endif

/* The last outputs, three or less. */
static void multiply_last(block_t *block, int32_t depth, int32_t outputs)
{
    int32_t rescale[16];
    int8_t four[4];
    int8_t *const out = block->out;

    for (int32_t i = 0; i < 16; ++i) {
        rescale[i] = i < 4 * outputs ? block->rescale[i] : 0;
    }
    block->weights = block->weights_end;
    block->weights_end += 4 * depth;
    block->rescale = rescale;
    block->out = four;
    multiply(block);
    for (int32_t i = 0; i < outputs; ++i) {
        out[i] = four[i];
    }
}

void tinyml_fully_connected_paired_s8_dsp(const tinyml_fully_connected_paired_s8_t *op, const tinyml_rows_t *in,
                                          const tinyml_rows_t *out, const tinyml_tile_t *tile, void *scratch)
{
    const int32_t outputs = op->out_channels, fours = outputs & ~3;
    const int32_t whole = op->depth & ~7, depth = (op->depth + 3) & ~3;
    const int32_t clamped = op->out_min > INT8_MIN || op->out_max < INT8_MAX;
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        const int8_t *x = (const int8_t *)in->base + y * op->depth;
        int8_t *o = tinyml_row(out, y);
        int8_t rest[8] = {0};
        block_t block = {x, x + whole, op->weights, op->weights + fours * depth, op->rescale, o, rest, rest + depth - whole};
        for (int32_t k = whole; k < op->depth; ++k) {
            rest[k - whole] = x[k];
        }
        if (fours > 0) {
            multiply(&block);
        }
        if (fours < outputs) {
            block.rescale = op->rescale + 4 * fours;
            block.out = o + fours;
            multiply_last(&block, depth, outputs - fours);
        }
        for (int32_t c = 0; clamped && c < outputs; ++c) {
            o[c] = (int8_t)tinyml_clamp(o[c], op->out_min, op->out_max);
        }
    }
}

/* Sum of two int8 tensors, for SMLAW: four elements in 23 instructions. SPDX-License-Identifier: Apache-2.0
 *
 * SMLAWB and SMLAWT multiply 32 bits with the lower and the upper half of a word and drop 16 bits of the product. An element
 * in the upper byte of a half needs no sign of its own.
 */
#include "tinyml_add_weighted_s8.h"
#include "tinyml_requant.h"

static inline int32_t add_one(const tinyml_add_weighted_s8_t *op, int32_t a, int32_t b)
{
    const int32_t x = (int32_t)((int64_t)a * op->a_factor >> 8), y = (int32_t)((int64_t)b * op->b_factor >> 8);
    return tinyml_clamp((op->offset + x + y) >> 20, -128, 127);
}

#if defined(__ARM_FEATURE_DSP) && (defined(__GNUC__) || defined(__clang__))

#define UNUSED __attribute__((unused))

/* r8 and r9 the factors, r10 offset, r11 mask. In this order a Cortex-M7 issues two instructions in nearly every cycle. */
#define FOUR \
    "ldr r4, [r0], #4 \n" \
    "ldr r12, [r1], #4 \n" \
    "and r5, r4, #0xff00ff00 \n" /* elements 1 and 3 */ \
    "and r4, r11, r4, lsl #8 \n" /* 0 and 2 */ \
    "smlawb r6, r8, r4, r10 \n" \
    "and lr, r12, #0xff00ff00 \n" \
    "smlawt r7, r8, r4, r10 \n" \
    "and r12, r11, r12, lsl #8 \n" \
    "smlawb r4, r8, r5, r10 \n" \
    "smlawt r5, r8, r5, r10 \n" \
    "smlawb r6, r9, r12, r6 \n" \
    "smlawb r4, r9, lr, r4 \n" \
    "ssat r6, #8, r6, asr #20 \n" \
    "smlawt r7, r9, r12, r7 \n" \
    "ssat r4, #8, r4, asr #20 \n" \
    "smlawt r5, r9, lr, r5 \n" \
    "ssat r7, #8, r7, asr #20 \n" \
    "bfi r6, r4, #8, #8 \n" \
    "ssat r5, #8, r5, asr #20 \n" \
    "bfi r6, r7, #16, #8 \n" \
    "bfi r6, r5, #24, #8 \n" \
    "str r6, [r2], #4 \n"

/* Adds four elements at a time until `a` is at `end`, at least once. */
__attribute__((naked)) TINYML_STEP static void add_fours(UNUSED const int8_t *a, UNUSED const int8_t *b, UNUSED int8_t *out,
                                                         UNUSED const tinyml_add_weighted_s8_t *op,
                                                         UNUSED const int8_t *end)
{
    __asm__(".syntax unified \n"
            "push {r4-r11, lr} \n"
            "ldm r3, {r8-r10} \n"
            "mov r11, #0xff00ff00 \n"
            "ldr r3, [sp, #36] \n"
            "sub r4, r3, r0 \n" /* an odd number of fours begins with one */
            "tst r4, #4 \n"
            "bne 2f \n"
            "1: \n"
            FOUR
            "2: \n"
            FOUR
            "cmp r0, r3 \n"
            "bne 1b \n"
            "pop {r4-r11, pc} \n");
}

#else

static void add_fours(const int8_t *a, const int8_t *b, int8_t *out, const tinyml_add_weighted_s8_t *op, const int8_t *end)
{
    while (a < end) {
        *out++ = (int8_t)add_one(op, *a++, *b++);
    }
}

#endif

void tinyml_add_weighted_s8_dsp(const tinyml_add_weighted_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                                const tinyml_tile_t *tile, void *scratch)
{
    const int32_t n = tile->cols * op->channels, fours = n & ~3;
    const int32_t limited = op->out_min > -128 || op->out_max < 127;
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        const int8_t *a = (const int8_t *)tinyml_row(in, y) + (tile->col - in->first_col) * op->channels;
        const int8_t *b = (const int8_t *)tinyml_row(in + 1, y) + (tile->col - in[1].first_col) * op->channels;
        int8_t *o = (int8_t *)tinyml_row(out, y) + (tile->col - out->first_col) * op->channels;
        if (fours > 0) {
            add_fours(a, b, o, op, a + fours);
        }
        for (int32_t i = fours; i < n; ++i) {
            o[i] = (int8_t)add_one(op, a[i], b[i]);
        }
        for (int32_t i = 0; limited && i < n; ++i) {
            o[i] = (int8_t)tinyml_clamp(o[i], op->out_min, op->out_max);
        }
    }
}

/* Fully connected layer, int8, four outputs at a time, two a lane, for SMLAD. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_fully_connected_paired_s8.h"
#include "tinyml_requant.h"

#if defined(__ARM_FEATURE_DSP) && (defined(__GNUC__) || defined(__clang__))

/* Four inputs with four outputs: 64 bytes of code. r8 and r10 sum both lanes, r9 and r11 the lower one. */
#define FOUR \
    "ldr lr, [r1], #4 \n" \
    "ldm.w r0!, {r4-r7} \n" \
    "sxtb16 r12, lr \n" \
    "sxtb16 lr, lr, ror #8 \n" \
    "sxtb16 r3, r4 \n" \
    "smlad r8, r12, r4, r8 \n" \
    "smlad r9, r12, r3, r9 \n" \
    "sxtb16 r3, r5 \n" \
    "smlad r10, r12, r5, r10 \n" \
    "smlad r11, r12, r3, r11 \n" \
    "sxtb16 r3, r6 \n" \
    "smlad r8, lr, r6, r8 \n" \
    "smlad r9, lr, r3, r9 \n" \
    "sxtb16 r3, r7 \n" \
    "smlad r10, lr, r7, r10 \n" \
    "smlad r11, lr, r3, r11 \n"

/* Adds the products of the inputs from x to `end`, fours of them, to the sums of both pairs: of both lanes, of the lower. */
__attribute__((naked, noinline)) static void multiply(const int8_t *weights __attribute__((unused)),
                                                      const int8_t *x __attribute__((unused)),
                                                      const int8_t *end __attribute__((unused)),
                                                      int32_t sum[4] __attribute__((unused)))
{
    __asm__ volatile(
        ".syntax unified \n"
        "push {r3-r11, lr} \n"
        "ldm r3, {r8-r11} \n"
        "sub r4, r2, r1 \n" /* n fours, n mod 4 of them to begin with */
        "and r4, r4, #12 \n"
        "adr r5, 2f \n"
        "sub r5, r5, r4, lsl #4 \n"
        "orr r5, r5, #1 \n"
        "bx r5 \n"
        "1: \n"
        FOUR
        FOUR
        FOUR
        FOUR
        "2: cmp r1, r2 \n"
        "bne.w 1b \n"
        "ldr r3, [sp] \n"
        "stm r3, {r8-r11} \n"
        "pop {r3-r11, pc} \n");
}

#else

static void multiply(const int8_t *weights, const int8_t *x, const int8_t *end, int32_t sum[4])
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
}

#endif

/* The output whose rescaling is at r. */
static inline int32_t rescale(const int32_t *r, int32_t sum)
{
    return ((int32_t)((int64_t)(2 * sum + r[0]) * r[1] >> 32) + r[2]) >> r[3];
}

void tinyml_fully_connected_paired_s8_dsp(const tinyml_fully_connected_paired_s8_t *op, const tinyml_rows_t *in,
                                          const tinyml_rows_t *out, const tinyml_tile_t *tile, void *scratch)
{
    const int32_t low = op->out_min, high = op->out_max;
    const int32_t outputs = op->out_channels;
    const int32_t whole = op->depth & ~3;
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        const int8_t *x = (const int8_t *)in->base + y * op->depth;
        const int8_t *w = op->weights;
        const int32_t *r = op->rescale;
        int8_t *o = tinyml_row(out, y);
        int8_t rest[4] = {0};
        for (int32_t k = whole; k < op->depth; ++k) {
            rest[k - whole] = x[k];
        }
        for (int32_t c = 0; c < outputs; c += 4) {
            int32_t sum[4] = {0};
            multiply(w, x, x + whole, sum);
            w += 4 * whole;
            if (whole < op->depth) {
                multiply(w, rest, rest + 4, sum);
                w += 16;
            }
            sum[0] = (sum[0] - sum[1]) >> 8; /* the upper lanes of both pairs */
            sum[2] = (sum[2] - sum[3]) >> 8;
            const int32_t count = outputs - c < 4 ? outputs - c : 4;
            for (int32_t i = 0; i < count; ++i, r += 4) {
                *o++ = (int8_t)tinyml_clamp(rescale(r, sum[i ^ 1]), low, high);
            }
        }
    }
}

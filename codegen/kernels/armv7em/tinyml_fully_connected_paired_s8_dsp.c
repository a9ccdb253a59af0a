/* Fully connected layer, int8, four outputs at a time, two a lane, for SMLAD. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_dsp.h"
#include "tinyml_fully_connected_s8.h"
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

static inline int8_t finish(tinyml_fully_connected_s8_t op, int32_t c, int32_t sum)
{
    const int32_t q = op.per_channel ? c : 0;
    sum = tinyml_requantize_once(sum + op.bias[c], op.factor_high[q], op.factor_low[q], op.factor_exponent[q]);
    return (int8_t)tinyml_clamp(sum + op.out_offset, op.out_min, op.out_max);
}

void tinyml_fully_connected_paired_s8_dsp(const tinyml_fully_connected_s8_t *op, const tinyml_rows_t *in,
                                          const tinyml_rows_t *out, const tinyml_tile_t *tile, void *scratch)
{
    const tinyml_fully_connected_s8_t layer = *op; /* the bytes that are stored cannot change it: fields stay loaded */
    const int32_t whole = op->depth & ~3;
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        const int8_t *x = (const int8_t *)in->base + y * op->depth;
        const int8_t *w = op->weights;
        int8_t *o = tinyml_row(out, y);
        int8_t rest[4] = {0};
        for (int32_t k = whole; k < op->depth; ++k) {
            rest[k - whole] = x[k];
        }
        for (int32_t c = 0; c < op->out_channels; c += 4) {
            int32_t sum[4] = {0};
            multiply(w, x, x + whole, sum);
            w += 4 * whole;
            if (whole < op->depth) {
                multiply(w, rest, rest + 4, sum);
                w += 16;
            }
            const int32_t outputs[4] = {sum[1], (sum[0] - sum[1]) >> 8, sum[3], (sum[2] - sum[3]) >> 8};
            for (int32_t i = 0; i < 4 && c + i < layer.out_channels; ++i) {
                o[c + i] = finish(layer, c + i, outputs[i]);
            }
        }
    }
}

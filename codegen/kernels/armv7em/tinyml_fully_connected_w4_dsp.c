/* Fully connected layer, int8 with weights of 4 bits, four outputs a word, for SMLAD. SPDX-License-Identifier: Apache-2.0
 *
 * The inputs of a row are widened to int16 in scratch, once for all outputs: see tinyml_lanes_w4.h for the rest.
 */
#include "tinyml_dsp.h"
#include "tinyml_fully_connected_w4.h"
#include "tinyml_lanes_w4.h"
#include "tinyml_memory.h"
#include "tinyml_requant.h"

enum { STEP = 8 }; /* inputs */

#if defined(__ARM_FEATURE_DSP) && (defined(__GNUC__) || defined(__clang__))

#define LOAD_WEIGHTS "ldrd r12, lr, [r0], #8 \n"

/* Two inputs X with four outputs, whose weights are in r12, and two Y, whose weights are in lr; then NEXT. r4 sums R, r5 Q, r6
 * A, r7 C. In this order a Cortex-M7 multiplies in every cycle. */
#define PAIRS(X, Y, NEXT) \
    "uxtb16 r3, r12 \n" \
    "smlad r4, " X ", r12, r4 \n" \
    "smlad r5, " X ", r3, r5 \n" \
    "and r3, r12, #0x000f000f \n" \
    "smlad r6, " X ", r3, r6 \n" \
    "and r12, r12, #0x0f000f00 \n" \
    "smlad r4, " Y ", lr, r4 \n" \
    "uxtb16 r3, lr \n" \
    "smlad r5, " Y ", r3, r5 \n" \
    "and r3, lr, #0x000f000f \n" \
    "smlad r7, " X ", r12, r7 \n" \
    "and lr, lr, #0x0f000f00 \n" \
    "smlad r7, " Y ", lr, r7 \n" \
    NEXT \
    "smlad r6, " Y ", r3, r6 \n"

/* Eight inputs: 31 instructions. */
#define EIGHT \
    LOAD_WEIGHTS \
    "ldm.w r1!, {r8-r11} \n" \
    PAIRS("r8", "r9", LOAD_WEIGHTS) \
    PAIRS("r10", "r11", "")

/* The sums of four outputs over the inputs from x to `end`, eights of them; they begin at `zero`. */
__attribute__((naked, noinline)) static void multiply(const int8_t *weights __attribute__((unused)),
                                                      const int16_t *x __attribute__((unused)),
                                                      const int16_t *end __attribute__((unused)),
                                                      const tinyml_lanes_w4_t *zero __attribute__((unused)),
                                                      int32_t sum[4] __attribute__((unused)))
{
    __asm__ volatile(
        ".syntax unified \n"
        "push {r4-r11, lr} \n"
        "ldm r3, {r4-r7} \n"
        "sub r3, r2, r1 \n" /* an odd number of eights begins with one */
        "tst r3, #16 \n"
        "bne.w 2f \n"
        "1: \n"
        EIGHT
        "2: \n"
        EIGHT
        "cmp r1, r2 \n"
        "bne.w 1b \n"
        "ldr r3, [sp, #36] \n"
        "sub r4, r4, r5 \n"
        "sub r5, r5, r6 \n"
        "sub r4, r4, r7 \n"
        "asr r5, r5, #4 \n"
        "asr r7, r7, #8 \n"
        "asr r4, r4, #12 \n"
        "strd r6, r5, [r3] \n"
        "strd r7, r4, [r3, #8] \n"
        "pop {r4-r11, pc} \n");
}

#else

static void multiply(const int8_t *weights, const int16_t *x, const int16_t *end, const tinyml_lanes_w4_t *zero,
                     int32_t sum[4])
{
    (void)zero; /* these sums begin with nothing that would have to be taken off */
    for (int32_t c = 0; c < 4; ++c) {
        sum[c] = 0;
        for (int32_t k = 0; k < (int32_t)(end - x); ++k) {
            sum[c] += tinyml_weight_w4(tinyml_load_word(weights + k / 2 * 4), c, k % 2) * x[k];
        }
    }
}

#endif

/* Eight inputs as the weights have them; their sum. */
static inline int32_t widen(int16_t *to, const int8_t *x)
{
    int32_t sum = 0;
#if defined(__ARM_FEATURE_DSP)
    const int16x2_t ones = 0x00010001;
    for (int32_t i = 0; i < STEP; i += 4) {
        const uint32_t word = tinyml_load_word(x + i);
        const int16x2_t even = tinyml_even(word), odd = tinyml_odd(word);
        sum = __smlad(odd, ones, __smlad(even, ones, sum));
        tinyml_store_word(to + i, (uint32_t)even);
        tinyml_store_word(to + i + 2, (uint32_t)odd);
    }
#else
    for (int32_t i = 0; i < STEP; ++i) {
        to[(i & 4) + (i & 1) * 2 + (i >> 1 & 1)] = x[i];
        sum += x[i];
    }
#endif
    return sum;
}

/* The output whose rescaling is at r. */
static inline int32_t rescale(const int32_t *r, int32_t sum, int32_t out_offset)
{
    if (r[3] < 0) {
        return tinyml_requantize_once(sum + r[0], r[1], r[2], -r[3]) + out_offset;
    }
    return ((int32_t)((int64_t)(2 * sum + r[0]) * r[1] >> 32) + r[2]) >> r[3];
}

void tinyml_fully_connected_w4_dsp(const tinyml_fully_connected_w4_t *op, const tinyml_rows_t *in,
                                   const tinyml_rows_t *out, const tinyml_tile_t *tile, void *scratch)
{
    const int32_t low = op->out_min, high = op->out_max;
    const int32_t outputs = op->out_channels;
    int16_t *widened = scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        const int8_t *x = (const int8_t *)in->base + y * op->depth;
        const int8_t *w = op->weights;
        const int32_t *r = op->rescale;
        int8_t *o = tinyml_row(out, y);
        int16_t *end = widened;
        int32_t total = 0, k = 0;
        for (; k + STEP <= op->depth; k += STEP, end += STEP) {
            total += widen(end, x + k);
        }
        if (k < op->depth) {
            int8_t rest[STEP] = {0};
            for (int32_t i = 0; k < op->depth; ++i, ++k) {
                rest[i] = x[k];
            }
            total += widen(end, rest);
            end += STEP;
        }
        const tinyml_lanes_w4_t zero = tinyml_lanes_w4(total);
        for (int32_t c = 0; c < outputs; c += 4, w += 2 * (end - widened)) {
            int32_t sum[4];
            multiply(w, widened, end, &zero, sum);
            const int32_t count = outputs - c < 4 ? outputs - c : 4;
            for (int32_t i = 0; i < count; ++i, r += 4) {
                *o++ = (int8_t)tinyml_clamp(rescale(r, sum[i], op->out_offset), low, high);
            }
        }
    }
}

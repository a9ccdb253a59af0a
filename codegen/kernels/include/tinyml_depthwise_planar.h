/* The frame of the depthwise kernels for SMLAD. SPDX-License-Identifier: Apache-2.0
 *
 * A kernel works on four channels at a time. It spreads their weights, and the part of the input that a block of outputs
 * reads, into planes: a channel each, int16, row by row, padding included as the input's zero point. Then two taps that
 * lie side by side in a row are one word, and SMLAD multiplies both:
 *
 *     plane     x0 x1 | x2 x3 | x4 x5 ...
 *     weights   k0 k1 | k2 k3 | ...           for even columns
 *               ?  k0 | k1 k2 | ...           for odd ones
 *
 * A source defines TINYML_DEPTHWISE_SIZE, the width and height of its windows, and includes this file. The sums are
 * those of assembly where compilers take it (GCC and Clang for ARMv7E-M and later), since they run out of registers on
 * their own.
 */
#ifndef TINYML_DEPTHWISE_PLANAR_H
#define TINYML_DEPTHWISE_PLANAR_H

#include "tinyml_depthwise_s8.h"
#include "tinyml_dsp.h"
#include "tinyml_memory.h"
#include "tinyml_requant.h"

#if defined(__ARM_FEATURE_DSP) && (defined(__GNUC__) || defined(__clang__))
#define TINYML_DEPTHWISE_ASSEMBLY 1
#else
#define TINYML_DEPTHWISE_ASSEMBLY 0
#endif

enum { K = TINYML_DEPTHWISE_SIZE, DENSE_WORDS = K - 1, SPARSE_WORDS = (K + 1) / 2 };

/* The first tap of each word of a row of weights, in the order in which the sums read them. */
static const uint8_t dense_taps[DENSE_WORDS] = {
#if TINYML_DEPTHWISE_SIZE == 3
    0, 1
#elif TINYML_DEPTHWISE_SIZE == 5
    0, 2, 1, 3
#else
    0, 2, 4, 5, 1, 3
#endif
};

/* Behind the bias and the weights of a channel. */
typedef struct {
    int32_t flags; /* 1: negative sums are rounded away from zero at ties, 2: results are clamped to less than int8 */
    int32_t multiplier;
    int32_t rounding; /* the zero point of the output included */
    int32_t shift;
    int32_t min;
    int32_t max;
} finish_t;

/* A block of outputs: `main` bytes of each row in fours, then `tail` bytes in twos. The assembly knows this order. */
typedef struct {
    int32_t rewind;   /* from below the window of four outputs to that of the next four, in bytes of the plane */
    int32_t step;     /* from an output to its right neighbour */
    int32_t unused;   /* room for the end of the fours */
    int32_t tail;
    int32_t last;     /* from the first of the last two outputs to the second: 0 where there is just one */
    int32_t in_next;  /* from behind a row of outputs to the next row: input plane */
    int32_t out_next; /* and output */
    int32_t rows;
    int32_t main;
    int32_t pitch;    /* bytes of a row of the plane */
} block_t;

/* pair[c] = bytes a[c] and b[c] as two int16. */
static inline void interleave(const int8_t *a, const int8_t *b, uint32_t pair[4])
{
#if TINYML_DEPTHWISE_ASSEMBLY
    const uint32_t u = tinyml_load_word(a), v = tinyml_load_word(b);
    uint32_t low, high;
    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(low) : "r"(u), "r"(v));
    __asm__("pkhtb %0, %1, %2, asr #16" : "=r"(high) : "r"(v), "r"(u));
    pair[0] = (uint32_t)tinyml_even(low);
    pair[1] = (uint32_t)tinyml_odd(low);
    pair[2] = (uint32_t)tinyml_even(high);
    pair[3] = (uint32_t)tinyml_odd(high);
#else
    for (int32_t c = 0; c < 4; ++c) {
        pair[c] = ((uint32_t)a[c] & UINT32_C(0xffff)) | (uint32_t)b[c] << 16;
    }
#endif
}

/* Both halves doubled `times` times. */
static inline uint32_t twice(uint32_t pair, int32_t times)
{
    const uint32_t low = (pair & UINT32_C(0xffff)) << times, high = (pair & UINT32_C(0xffff0000)) << times;
    return (low & UINT32_C(0xffff)) | high;
}

/* Bias, weights and finish_t of channels c to c + 3, `size` words each. Bias and weights are multiplied by two, as the
 * high half of a product with the multiplier wants it, and by the left shift, if any. */
static void spread_weights(const tinyml_conv_s8_t *op, int32_t c, int32_t size, uint32_t *to)
{
    static const int8_t none[4] = {0, 0, 0, 0};
    const int32_t dense = op->window.stride_x == 1;
    const int32_t words = dense ? DENSE_WORDS : SPARSE_WORDS;
    const int32_t clamped = op->out_min > -128 || op->out_max < 127 ? 2 : 0;
    const int8_t *row = op->weights + c;
    uint32_t *next = to + 1;

    for (int32_t ky = 0; ky < K; ++ky) {
        for (int32_t j = 0; j < words; ++j) {
            const int32_t tap = dense ? dense_taps[j] : 2 * j;
            const int8_t *a = row + tap * op->out_channels;
            uint32_t pair[4];
            interleave(a, tap + 1 < K ? a + op->out_channels : none, pair);
            next[0] = twice(pair[0], 1);
            next[size] = twice(pair[1], 1);
            next[2 * size] = twice(pair[2], 1);
            next[3 * size] = twice(pair[3], 1);
            ++next;
        }
        row += K * op->out_channels;
    }
    for (const int32_t end = c + 4; c < end; ++c, to += size) {
        const int32_t left = op->shift[c] > 0 ? op->shift[c] : 0, right = op->shift[c] > 0 ? 0 : -op->shift[c];
        finish_t *f = (finish_t *)(void *)(to + 1 + K * words);
        to[0] = (uint32_t)op->bias[c] << (left + 1);
        if (left > 0) {
            for (int32_t k = 1; k <= K * words; ++k) {
                to[k] = twice(to[k], left);
            }
        }
        f->flags = clamped | (right > 0 && op->out_min < op->out_offset ? 1 : 0);
        f->multiplier = op->multiplier[c];
        f->rounding = (right > 0 ? 1 << (right - 1) : 0) + op->out_offset * (1 << right);
        f->shift = right;
        f->min = op->out_min;
        f->max = op->out_max;
    }
}

/* A row of four planes: `words` words, columns [first, end) of it from x on, the rest padding. */
static void spread_row(const int8_t *x, int32_t channels, int32_t first, int32_t end, int32_t words, const int8_t *pad,
                       uint32_t *to, int32_t size)
{
    uint32_t *const stop = to + words;
    uint32_t *const from = to + first / 2, *const until = to + end / 2;
    uint32_t pair[4];

    interleave(pad, pad, pair); /* zero points in all of them */
    for (; to < from; ++to) {
        to[0] = to[size] = to[2 * size] = to[3 * size] = pair[0];
    }
    if (first % 2 != 0 && first < end) {
        interleave(pad, x, pair);
        to[0] = pair[0];
        to[size] = pair[1];
        to[2 * size] = pair[2];
        to[3 * size] = pair[3];
        x += channels;
        ++to;
    }
    for (; to < until; ++to, x += 2 * channels) {
        interleave(x, x + channels, pair);
        to[0] = pair[0];
        to[size] = pair[1];
        to[2 * size] = pair[2];
        to[3 * size] = pair[3];
    }
    if (end % 2 != 0 && first < end && to < stop) {
        interleave(x, pad, pair);
        to[0] = pair[0];
        to[size] = pair[1];
        to[2 * size] = pair[2];
        to[3 * size] = pair[3];
        ++to;
    }
    interleave(pad, pad, pair);
    for (; to < stop; ++to) {
        to[0] = to[size] = to[2 * size] = to[3 * size] = pair[0];
    }
}

#if TINYML_DEPTHWISE_ASSEMBLY

/* Registers: r0 plane, r1 weights, r2 pitch, r3 to r6 sums, r7 to r12 scratch, lr output. One row of taps is
 *     w0 w1 ... = words of the plane from r0 on, k.. = words of weights from r1 on, r0 += r2
 * for four outputs (FOUR) or two (TWO). The first row takes the bias as well (FIRST). */
#define FIRST "ldr r3, [r1], #4\n mov r4, r3\n"
#define FIRST_FOUR FIRST "mov r5, r3\n mov r6, r3\n"

#if TINYML_DEPTHWISE_SIZE == 3
/* k01 k12 */
#define DENSE_FOUR_FROM(bias0, bias1, bias2, bias3) \
    "ldm r0, {r7-r9}\n add r0, r2\n" \
    "smlad r3, r7, r11, " bias0 "\n smlatb r4, r7, r11, " bias1 "\n" \
    "smlad r5, r8, r11, " bias2 "\n smlatb r6, r8, r11, " bias3 "\n" \
    "smlabt r3, r8, r12, r3\n smlad r4, r8, r12, r4\n smlabt r5, r9, r12, r5\n smlad r6, r9, r12, r6\n"
#define DENSE_FOUR_FIRST "ldm r1!, {r10-r12}\n" DENSE_FOUR_FROM("r10", "r10", "r10", "r10")
#define DENSE_FOUR "ldm r1!, {r11, r12}\n" DENSE_FOUR_FROM("r3", "r4", "r5", "r6")
#define DENSE_TWO \
    "ldm r1!, {r11, r12}\n ldm r0, {r7, r8}\n add r0, r2\n" \
    "smlad r3, r7, r11, r3\n smlatb r4, r7, r11, r4\n smlabt r3, r8, r12, r3\n smlad r4, r8, r12, r4\n"
/* k01 k2 */
#define SPARSE_FOUR_FROM(bias0, bias1, bias2, bias3) \
    "ldm r0, {r7-r9}\n" \
    "smlad r3, r7, r11, " bias0 "\n smlad r4, r8, r11, " bias1 "\n smlabb r3, r8, r12, r3\n" \
    "ldrd r7, r8, [r0, #12]\n add r0, r2\n" \
    "smlad r5, r9, r11, " bias2 "\n smlabb r4, r9, r12, r4\n" \
    "smlad r6, r7, r11, " bias3 "\n smlabb r5, r7, r12, r5\n smlabb r6, r8, r12, r6\n"
#define SPARSE_FOUR_FIRST "ldm r1!, {r10-r12}\n" SPARSE_FOUR_FROM("r10", "r10", "r10", "r10")
#define SPARSE_FOUR "ldm r1!, {r11, r12}\n" SPARSE_FOUR_FROM("r3", "r4", "r5", "r6")
#define SPARSE_TWO \
    "ldm r1!, {r11, r12}\n ldm r0, {r7-r9}\n add r0, r2\n" \
    "smlad r3, r7, r11, r3\n smlad r4, r8, r11, r4\n smlabb r3, r8, r12, r3\n smlabb r4, r9, r12, r4\n"
#define DENSE_BYTES "28"
#define SPARSE_BYTES "28"
#define MORE_ROWS "2"

#elif TINYML_DEPTHWISE_SIZE == 5
/* k01 k23, k12 k34 */
#define DENSE_FOUR \
    "ldm r1!, {r11, r12}\n ldm r0, {r7-r10}\n add r0, r2\n" \
    "smlad r3, r7, r11, r3\n smlatb r4, r7, r11, r4\n smlad r5, r8, r11, r5\n smlatb r6, r8, r11, r6\n" \
    "smlad r3, r8, r12, r3\n smlad r5, r9, r12, r5\n" \
    "ldm r1!, {r11, r12}\n" \
    "smlad r4, r8, r11, r4\n smlad r6, r9, r11, r6\n" \
    "smlabt r3, r9, r12, r3\n smlad r4, r9, r12, r4\n smlabt r5, r10, r12, r5\n smlad r6, r10, r12, r6\n"
#define DENSE_FOUR_FIRST FIRST_FOUR DENSE_FOUR
#define DENSE_TWO \
    "ldm r1!, {r11, r12}\n ldm r0, {r7-r9}\n add r0, r2\n" \
    "smlad r3, r7, r11, r3\n smlatb r4, r7, r11, r4\n smlad r3, r8, r12, r3\n" \
    "ldm r1!, {r11, r12}\n" \
    "smlad r4, r8, r11, r4\n smlabt r3, r9, r12, r3\n smlad r4, r9, r12, r4\n"
/* k01 k23 k4 */
#define SPARSE_FOUR \
    "ldm r1!, {r10-r12}\n ldm r0, {r7-r9}\n" \
    "smlad r3, r7, r10, r3\n smlad r4, r8, r10, r4\n smlad r5, r9, r10, r5\n" \
    "smlad r3, r8, r11, r3\n smlad r4, r9, r11, r4\n smlabb r3, r9, r12, r3\n" \
    "ldrd r7, r8, [r0, #12]\n ldr r9, [r0, #20]\n add r0, r2\n" \
    "smlad r6, r7, r10, r6\n smlad r5, r7, r11, r5\n smlabb r4, r7, r12, r4\n" \
    "smlad r6, r8, r11, r6\n smlabb r5, r8, r12, r5\n smlabb r6, r9, r12, r6\n"
#define SPARSE_FOUR_FIRST FIRST_FOUR SPARSE_FOUR
#define SPARSE_TWO \
    "ldm r1!, {r10-r12}\n ldm r0, {r7-r9}\n" \
    "smlad r3, r7, r10, r3\n ldr r7, [r0, #12]\n add r0, r2\n smlad r4, r8, r10, r4\n" \
    "smlad r3, r8, r11, r3\n smlad r4, r9, r11, r4\n smlabb r3, r9, r12, r3\n smlabb r4, r7, r12, r4\n"
#define DENSE_BYTES "84"
#define SPARSE_BYTES "64"
#define MORE_ROWS "4"

#else
/* k01 k23, k45 k56, k12 k34 */
#define DENSE_FOUR \
    "ldm r1!, {r11, r12}\n ldm r0, {r7-r10}\n" \
    "smlad r3, r7, r11, r3\n smlatb r4, r7, r11, r4\n smlad r5, r8, r11, r5\n smlatb r6, r8, r11, r6\n" \
    "smlad r3, r8, r12, r3\n smlad r5, r9, r12, r5\n" \
    "ldr r7, [r0, #16]\n add r0, r2\n ldm r1!, {r11, r12}\n" \
    "smlad r3, r9, r11, r3\n smlad r5, r10, r11, r5\n smlad r4, r10, r12, r4\n" \
    "smlabt r3, r10, r12, r3\n smlad r6, r7, r12, r6\n smlabt r5, r7, r12, r5\n" \
    "ldm r1!, {r11, r12}\n" \
    "smlad r4, r8, r11, r4\n smlad r6, r9, r11, r6\n smlad r4, r9, r12, r4\n smlad r6, r10, r12, r6\n"
#define DENSE_FOUR_FIRST FIRST_FOUR DENSE_FOUR
#define DENSE_TWO \
    "ldm r1!, {r11, r12}\n ldm r0, {r7-r10}\n add r0, r2\n" \
    "smlad r3, r7, r11, r3\n smlatb r4, r7, r11, r4\n smlad r3, r8, r12, r3\n" \
    "ldm r1!, {r11, r12}\n" \
    "smlad r4, r10, r12, r4\n smlad r3, r9, r11, r3\n smlabt r3, r10, r12, r3\n" \
    "ldm r1!, {r11, r12}\n" \
    "smlad r4, r8, r11, r4\n smlad r4, r9, r12, r4\n"
/* k01 k23, k45 k6 */
#define SPARSE_FOUR \
    "ldm r1!, {r11, r12}\n ldm r0, {r7-r10}\n" \
    "smlad r3, r7, r11, r3\n ldr r7, [r0, #16]\n" \
    "smlad r4, r8, r11, r4\n smlad r5, r9, r11, r5\n smlad r6, r10, r11, r6\n" \
    "smlad r3, r8, r12, r3\n smlad r4, r9, r12, r4\n smlad r5, r10, r12, r5\n smlad r6, r7, r12, r6\n" \
    "ldm r1!, {r11, r12}\n" \
    "smlad r3, r9, r11, r3\n ldrd r8, r9, [r0, #20]\n add r0, r2\n" \
    "smlad r4, r10, r11, r4\n smlad r5, r7, r11, r5\n smlad r6, r8, r11, r6\n" \
    "smlabb r3, r10, r12, r3\n smlabb r4, r7, r12, r4\n smlabb r5, r8, r12, r5\n smlabb r6, r9, r12, r6\n"
#define SPARSE_FOUR_FIRST FIRST_FOUR SPARSE_FOUR
#define SPARSE_TWO \
    "ldm r1!, {r11, r12}\n ldm r0, {r7-r10}\n" \
    "smlad r3, r7, r11, r3\n ldr r7, [r0, #16]\n add r0, r2\n" \
    "smlad r4, r8, r11, r4\n smlad r3, r8, r12, r3\n smlad r4, r9, r12, r4\n" \
    "ldm r1!, {r11, r12}\n" \
    "smlad r3, r9, r11, r3\n smlad r4, r10, r11, r4\n smlabb r3, r10, r12, r3\n smlabb r4, r7, r12, r4\n"
#define DENSE_BYTES "172"
#define SPARSE_BYTES "116"
#define MORE_ROWS "6"
#endif

#define EACH_OF_FOUR(what, how) what " r3, r3, " how "\n" what " r4, r4, " how "\n" \
                                what " r5, r5, " how "\n" what " r6, r6, " how "\n"
#define CLAMP_ONE(r) "cmp " r ", r11\n it lt\n movlt " r ", r11\n cmp " r ", r12\n it gt\n movgt " r ", r12\n"

#define UNUSED __attribute__((unused))

/* void name(const uint32_t *plane, const uint32_t *weights, int8_t *out, const block_t *block)
 * Requantization: smmulr is the rounding product, r9 has the rounding of the shift, r10 the shift. Negative sums that
 * need their ties rounded away from zero, and ranges less than int8, go another way (4, 7). */
#define SUMS(name, first_four, four, first_two, two, bytes, stride) \
    __attribute__((naked)) TINYML_STEP static void name(UNUSED const uint32_t *plane, UNUSED const uint32_t *weights, \
                                                        UNUSED int8_t *out, UNUSED const block_t *block) \
    { \
        __asm__(".syntax unified\n" \
                "push {r4-r11, lr}\n mov lr, r2\n ldr r2, [r3, #36]\n ldm r3, {r4-r12}\n push {r4-r12}\n" \
                "1:\n ldr r12, [sp, #32]\n add r12, lr\n str r12, [sp, #8]\n cmp lr, r12\n beq 5f\n" \
                "2:\n" first_four ".rept " MORE_ROWS "\n" four ".endr\n" \
                "ldm r1, {r7-r10}\n" EACH_OF_FOUR("smmulr", "r8") "cbnz r7, 4f\n" \
                "3:\n" EACH_OF_FOUR("add", "r9") EACH_OF_FOUR("asr", "r10") \
                "ssat r3, #8, r3\n ssat r4, #8, r4\n ssat r5, #8, r5\n ssat r6, #8, r6\n" \
                "9:\n ldm sp, {r10-r12}\n" \
                "strb r3, [lr]\n strb r4, [lr, r11]\n add lr, lr, r11, lsl #1\n" \
                "strb r5, [lr]\n strb r6, [lr, r11]\n add lr, lr, r11, lsl #1\n" \
                "add r0, r10\n sub r1, #" bytes "\n cmp lr, r12\n bne 2b\n b 5f\n" \
                "4:\n lsrs r11, r7, #1\n bcc 4f\n" \
                "add r3, r3, r3, asr #31\n add r4, r4, r4, asr #31\n" \
                "add r5, r5, r5, asr #31\n add r6, r6, r6, asr #31\n" \
                "4:\n cmp r11, #0\n beq 3b\n" EACH_OF_FOUR("add", "r9") EACH_OF_FOUR("asr", "r10") \
                "ldrd r11, r12, [r1, #16]\n" CLAMP_ONE("r3") CLAMP_ONE("r4") CLAMP_ONE("r5") CLAMP_ONE("r6") "b 9b\n" \
                "5:\n ldr r12, [sp, #12]\n add r12, lr\n str r12, [sp, #8]\n cmp lr, r12\n beq 8f\n" \
                "6:\n" first_two ".rept " MORE_ROWS "\n" two ".endr\n" \
                "ldm r1, {r7-r10}\n smmulr r3, r3, r8\n smmulr r4, r4, r8\n cbnz r7, 7f\n" \
                "3:\n add r3, r9\n add r4, r9\n asr r3, r3, r10\n asr r4, r4, r10\n ssat r3, #8, r3\n ssat r4, #8, r4\n" \
                "9:\n ldm sp, {r10-r12}\n add r0, r10\n sub r0, #4 * " stride "\n sub r1, #" bytes "\n" \
                "add r10, lr, r11, lsl #1\n cmp r10, r12\n it eq\n ldreq r11, [sp, #16]\n" \
                "strb r4, [lr, r11]\n strb r3, [lr]\n mov lr, r10\n bne 6b\n b 8f\n" \
                "7:\n lsrs r11, r7, #1\n bcc 7f\n add r3, r3, r3, asr #31\n add r4, r4, r4, asr #31\n" \
                "7:\n cmp r11, #0\n beq 3b\n add r3, r9\n add r4, r9\n asr r3, r3, r10\n asr r4, r4, r10\n" \
                "ldrd r11, r12, [r1, #16]\n" CLAMP_ONE("r3") CLAMP_ONE("r4") "b 9b\n" \
                "8:\n ldrd r10, r11, [sp, #20]\n add r0, r10\n add lr, r11\n" \
                "ldr r12, [sp, #28]\n subs r12, #1\n str r12, [sp, #28]\n bne 1b\n" \
                "add sp, #36\n pop {r4-r11, pc}\n"); \
    }

SUMS(dense_sums, DENSE_FOUR_FIRST, DENSE_FOUR, FIRST DENSE_TWO, DENSE_TWO, DENSE_BYTES, "1")
SUMS(sparse_sums, SPARSE_FOUR_FIRST, SPARSE_FOUR, FIRST SPARSE_TWO, SPARSE_TWO, SPARSE_BYTES, "2")

#else

static int32_t half(uint32_t pair, int32_t high)
{
    return (int16_t)(high ? pair >> 16 : pair & UINT32_C(0xffff));
}

/* Tap kx of a row of weights, spread. */
static int32_t tap_of(const uint32_t *row, int32_t kx, int32_t dense)
{
    int32_t j = kx / 2;
    if (dense) {
        for (j = 0; dense_taps[j] != kx - kx % 2 && dense_taps[j] + 1 != kx; ++j) {
        }
        return half(row[j], dense_taps[j] != kx);
    }
    return half(row[j], kx % 2);
}

static void sums(const uint32_t *plane, const uint32_t *weights, int8_t *out, const block_t *block, int32_t stride)
{
    const int32_t dense = stride == 1, words = dense ? DENSE_WORDS : SPARSE_WORDS, pitch = block->pitch / 4;
    const finish_t *f = (const finish_t *)(const void *)(weights + 1 + K * words);
    const int32_t bytes = block->main + block->tail;

    for (int32_t y = 0; y < block->rows; ++y) {
        for (int32_t x = 0; x * block->step < bytes; ++x) {
            int32_t sum = (int32_t)weights[0];
            for (int32_t k = 0; k < K * K; ++k) {
                const int32_t column = x * stride + k % K;
                sum += tap_of(weights + 1 + k / K * words, k % K, dense) *
                       half(plane[k / K * pitch + column / 2], column % 2);
            }
            sum = (int32_t)(((int64_t)sum * f->multiplier + (INT64_C(1) << 31)) >> 32);
            sum += f->flags % 2 != 0 && sum < 0 ? -1 : 0;
            sum = tinyml_clamp((sum + f->rounding) >> f->shift, f->min, f->max);
            if (block->last != 0 || x * block->step < bytes - block->step) {
                out[x * block->step] = (int8_t)sum;
            }
        }
        out += bytes + block->out_next;
        plane += bytes / block->step / 2 * stride + block->in_next / 4;
    }
}

static void dense_sums(const uint32_t *plane, const uint32_t *weights, int8_t *out, const block_t *block)
{
    sums(plane, weights, out, block, 1);
}

static void sparse_sums(const uint32_t *plane, const uint32_t *weights, int8_t *out, const block_t *block)
{
    sums(plane, weights, out, block, 2);
}

#endif

/* Bytes of a row of a plane for so many outputs. */
static inline int32_t pitch_of(int32_t cols, int32_t stride)
{
    return (((cols + 1) / 2 * 2 - 1) * stride + K + 1) / 2 * 4;
}

static inline void depthwise(const tinyml_depthwise_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                             const tinyml_tile_t *tile, void *scratch)
{
    const tinyml_conv_s8_t *conv = &op->conv;
    const tinyml_window_t *w = &conv->window;
    const int32_t channels = conv->out_channels, stride = w->stride_x;
    const int32_t size = 7 + K * (stride == 1 ? DENSE_WORDS : SPARSE_WORDS);
    const int8_t zero = (int8_t)-conv->in_offset;
    const int8_t pad[4] = {zero, zero, zero, zero};
    uint32_t *const weights = scratch, *const planes = weights + 4 * size;
    int32_t most = tile->cols; /* outputs of a row that one block may have */

    while (pitch_of(most, stride) * K > op->patch_bytes) {
        most = (most / 2 + 1) / 2 * 2;
    }
    for (int32_t next = 0; next < channels; next += 4) {
        const int32_t c = next + 4 <= channels ? next : channels - 4; /* the last four once more */
        spread_weights(conv, c, size, weights);
        for (int32_t x = tile->col; x < tile->col + tile->cols; x += most) {
            const int32_t cols = tile->col + tile->cols - x < most ? tile->col + tile->cols - x : most;
            const int32_t pitch = pitch_of(cols, stride);
            const int32_t fit = (op->patch_bytes / pitch - K) / w->stride_y + 1;
            const int32_t left = x * stride - w->pad_left;
            const int32_t room = w->in_width - left, reach = (cols - 1) * stride + K;
            const int32_t first = left < 0 ? (-left < reach ? -left : reach) : 0;
            const int32_t end = room < reach ? (room > first ? room : first) : reach;
            const int32_t fours = cols / 4, twos = (cols % 4 + 1) / 2;
            block_t block;
            block.rewind = 8 * stride - K * pitch;
            block.step = channels;
            block.tail = 2 * twos * channels;
            block.last = cols % 2 != 0 ? 0 : channels;
            block.in_next = w->stride_y * pitch - (2 * fours + twos) * 4 * stride;
            block.main = 4 * fours * channels;
            block.out_next = out->row_bytes - block.main - block.tail;
            block.pitch = pitch;
            for (int32_t y = tile->row; y < tile->row + tile->rows; y += block.rows) {
                /* As many rows as fit, none of them around the end of a ring. */
                const int32_t rest = out->rows - (y - out->first_row) % out->rows;
                const int32_t rows = tile->row + tile->rows - y < fit ? tile->row + tile->rows - y : fit;
                const int32_t top = y * w->stride_y - w->pad_top;
                block.rows = rows < rest ? rows : rest;
                const int32_t height = (block.rows - 1) * w->stride_y + K;
                int8_t *o = (int8_t *)tinyml_row(out, y) + (x - out->first_col) * channels + c;
                for (int32_t r = 0; r < height; ++r) {
                    const int32_t inside = top + r >= 0 && top + r < w->in_height && first < end;
                    const int8_t *i = pad;
                    if (inside) {
                        i = (const int8_t *)tinyml_row(in, top + r) + (left + first - in->first_col) * channels + c;
                    }
                    spread_row(i, channels, inside ? first : 0, inside ? end : 0, pitch / 4, pad,
                               planes + r * (pitch / 4), height * (pitch / 4));
                }
                for (int32_t k = 0; k < 4; ++k) {
                    const uint32_t *plane = planes + k * height * (pitch / 4);
                    if (stride == 1) {
                        dense_sums(plane, weights + k * size, o + k, &block);
                    } else {
                        sparse_sums(plane, weights + k * size, o + k, &block);
                    }
                }
            }
        }
    }
}

#endif

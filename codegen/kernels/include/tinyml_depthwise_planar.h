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
 * A source defines TINYML_DEPTHWISE_SIZE, the width and height of its windows, and includes this file.
 */
#ifndef TINYML_DEPTHWISE_PLANAR_H
#define TINYML_DEPTHWISE_PLANAR_H

#include "tinyml_depthwise_prepare.h"
#include "tinyml_window.h"

enum { K = TINYML_DEPTHWISE_SIZE, DENSE_WORDS = K - 1, SPARSE_WORDS = (K + 1) / 2 };

/* The first tap of each word of a row of weights, in the order in which the sums read them. */
static const uint8_t dense_taps[DENSE_WORDS] = {
#if TINYML_DEPTHWISE_SIZE == 5
    0, 2, 1, 3
#else
    0, 2, 4, 5, 1, 3
#endif
};

/* A block of outputs: `main` bytes of each row in fours, then the odd ones. The assembly knows this order. */
typedef struct {
    int32_t rewind;   /* from the last row of the window of four outputs to that of the next four, in bytes of the plane */
    int32_t step;     /* from an output to its right neighbour */
    int32_t unused;   /* room for the end of the fours */
    uint32_t odd;     /* bit 31: two more, bit 30: and one */
    int32_t cols;
    int32_t in_next;  /* from where a row of outputs ends to the next row: input plane */
    int32_t out_next; /* and output */
    int32_t rows;
    int32_t main;
    int32_t pitch;    /* bytes of a row of the plane */
} block_t;

static inline void put(uint32_t *to, int32_t size, const uint32_t pair[4])
{
    to[0] = pair[0];
    to[size] = pair[1];
    to[2 * size] = pair[2];
    to[3 * size] = pair[3];
}

/* The weights of four channels. The stride is a constant where this is called: so compilers need one pointer. */
static inline void spread_taps(tinyml_weights_t weights, const int32_t factor[4], int32_t stride, uint32_t *to)
{
    static const int8_t none[4] = {0, 0, 0, 0};
    const int32_t step = weights.step, words = stride == 1 ? DENSE_WORDS : SPARSE_WORDS;
    const int32_t size = K * words + TINYML_FINISH_WORDS;
    const int8_t *row = weights.first;

    for (const uint32_t *const end = to + K * words; to < end; row += K * step) {
        if (stride == 1) {
            for (int32_t j = 0; j < DENSE_WORDS; ++j) {
                const int8_t *const a = row + dense_taps[j] * step;
                tinyml_spread_taps(a, a + step, factor, to++, size);
            }
        } else {
            const int8_t *a = row;
            for (int32_t j = 1; j < SPARSE_WORDS; ++j, a += 2 * step) {
                tinyml_spread_taps(a, a + step, factor, to++, size);
            }
            tinyml_spread_taps(a, none, factor, to++, size);
        }
    }
}

/* Weights and tinyml_finish_t of channels c to c + 3, which come after `before` others. */
TINYML_STEP static void spread_weights(const tinyml_depthwise_s8_t *op, int32_t before, int32_t c, int32_t words, uint32_t *to)
{
    int8_t wide[4 * K * K];
    const tinyml_weights_t weights = tinyml_weights_of(op, before, c, K * K, wide);
    int32_t factor[4];

    tinyml_finish_four(&op->conv, c, to + K * words, K * words + TINYML_FINISH_WORDS, factor);
    if (words == DENSE_WORDS) {
        spread_taps(weights, factor, 1, to);
    } else {
        spread_taps(weights, factor, 2, to);
    }
}

/* What of a row of the image goes where. The assembly knows the order. */
typedef struct {
    const int8_t *row; /* from the first column inside the image on */
    int32_t step;      /* bytes from a column to the next */
    uint32_t *to;      /* the pair of columns that these belong to, in the first plane */
    uint32_t *until;   /* the first pair that is not wholly inside the image */
    int32_t plane;     /* bytes from a plane to the next */
    uint32_t pad;      /* the zero point, four times */
    int32_t head;      /* whether only the second column of the first pair is inside */
    int32_t tail;      /* whether the first column of the pair `until` is inside */
} source_t;

#if TINYML_DEPTHWISE_ASSEMBLY

/* r1 row, r2 step, r3 to, r4 until; r5 and r9 to the planes after the next, r6 pad. A pair of columns, spread: */
#define PAIR(low, high, word) \
    "sxtb16 " word ", " low ", ror #8\n str " word ", [r3, r5]\n sxtb16 " word ", " high "\n str " word ", [r3, r5, lsl #1]\n" \
    "sxtb16 " word ", " high ", ror #8\n str " word ", [r3, r9]\n sxtb16 " word ", " low "\n str " word ", [r3], #4\n"

/* Two pairs of columns at a time, before them one where their number is odd. */
__attribute__((naked)) TINYML_STEP static void spread(UNUSED const source_t *source)
{
    __asm__(".syntax unified\n"
            "push {r4-r11, lr}\n ldm r0, {r1-r8}\n add r9, r5, r5, lsl #1\n cbz r7, 2f\n"
            "mov r10, r6\n ldr r11, [r1]\n add r1, r2\n"
            "1:\n pkhbt r12, r10, r11, lsl #16\n pkhtb r11, r11, r10, asr #16\n" PAIR("r12", "r11", "r10")
            "2:\n subs r7, r4, r3\n beq 4f\n lsls r7, r7, #29\n bpl 3f\n"
            "ldr r10, [r1]\n ldr r11, [r1, r2]\n add r1, r1, r2, lsl #1\n b 1b\n"
            "3:\n add r7, r1, r2\n ldr r10, [r1]\n ldr r11, [r1, r2]\n ldr r12, [r1, r2, lsl #1]\n ldr lr, [r7, r2, lsl #1]\n"
            "add r1, r1, r2, lsl #2\n"
            "pkhbt r7, r10, r11, lsl #16\n pkhtb r11, r11, r10, asr #16\n" PAIR("r7", "r11", "r10")
            "pkhbt r7, r12, lr, lsl #16\n pkhtb r12, lr, r12, asr #16\n" PAIR("r7", "r12", "r10")
            "cmp r3, r4\n bne 3b\n"
            "4:\n cmp r8, #0\n beq 5f\n movs r8, #0\n ldr r10, [r1]\n mov r11, r6\n add r4, #4\n b 1b\n"
            "5:\n pop {r4-r11, pc}\n");
}

#else

static void spread(const source_t *s)
{
    const int8_t *const pad = (const int8_t *)&s->pad, *x = s->row;
    uint32_t *const end = s->tail ? s->until + 1 : s->until;
    uint32_t pair[4];

    for (uint32_t *to = s->to; to < end; ++to) {
        const int8_t *const a = s->head && to == s->to ? pad : x;
        const int8_t *const b = a == pad ? x : to == s->until ? pad : x + s->step;
        tinyml_interleave(a, b, pair);
        put(to, s->plane / 4, pair);
        x += a == pad ? s->step : 2 * s->step;
    }
}

#endif

/* Writes two columns of padding to each pair [to, end), and to those of three more planes, `size` words apart. */
TINYML_STEP static void blank(uint32_t *to, const uint32_t *end, int32_t size, uint32_t columns)
{
    for (; to < end; ++to) {
        to[0] = columns;
        to[size] = columns;
        to[2 * size] = columns;
        to[3 * size] = columns;
    }
}

#if TINYML_DEPTHWISE_ASSEMBLY

/* Registers: r0 plane, r1 weights, r2 pitch, r3 to r6 sums, r7 to r12 scratch, lr output. A row of taps reads words p.. of
 * the plane and k.. of the weights.
 *
 * Of four outputs, a row begins with its first words in registers, and with its last ones, loads what the next row begins
 * with: `next` is "" below the last row, where multiplier and rounding follow the weights. In the first row, the sums begin
 * with the bias. */
#if TINYML_DEPTHWISE_SIZE == 5
/* k01 k23, k12 k34; a b: p0 p1, u v: k01 k23. The next row has them in a c, b v. */
#define DENSE_ROW(a, b, c, d, u, v, first, second, third, next) \
    "ldrd " c ", " d ", [r0, #8]\n" \
    "smlad r3, " a ", " u ", " first "\n smlatb r4, " a ", " u ", " second "\n" \
    "smlad r5, " b ", " u ", " third "\n smlatb r6, " b ", " u ", r6\n" \
    "ldrd " a ", " u ", [r1], #8\n" \
    "smlad r3, " b ", " v ", r3\n smlad r5, " c ", " v ", r5\n smlad r4, " b ", " a ", r4\n" \
    "ldrd " b ", " v ", [r1], #8\n" \
    "smlad r6, " c ", " a ", r6\n smlad r4, " c ", " u ", r4\n smlabt r3, " c ", " u ", r3\n" \
    next(a, c) \
    "smlad r6, " d ", " u ", r6\n smlabt r5, " d ", " u ", r5\n"
#define DENSE_FOUR \
    "ldrd r7, r8, [r0]\n ldrd r11, r12, [r1], #8\n" \
    DENSE_ROW("r7", "r8", "r9", "r10", "r11", "r12", "r6", "r6", "r6", NEXT) \
    DENSE_ROW("r7", "r9", "r10", "r11", "r8", "r12", "r3", "r4", "r5", NEXT) \
    DENSE_ROW("r7", "r10", "r11", "r8", "r9", "r12", "r3", "r4", "r5", NEXT) \
    DENSE_ROW("r7", "r11", "r8", "r9", "r10", "r12", "r3", "r4", "r5", NEXT) \
    DENSE_ROW("r7", "r8", "r9", "r10", "r11", "r12", "r3", "r4", "r5", NO_NEXT)
#define DENSE_MULTIPLIER "r8"
#define DENSE_ROUNDING "r12"
#define DENSE_TWO \
    "ldrd r11, r12, [r1], #8\n ldm r0, {r7-r9}\n" \
    "smlad r3, r7, r11, r3\n smlatb r4, r7, r11, r4\n smlad r3, r8, r12, r3\n" \
    "ldrd r11, r12, [r1], #8\n" \
    "smlad r4, r8, r11, r4\n smlabt r3, r9, r12, r3\n smlad r4, r9, r12, r4\n"
#define DENSE_ONE \
    "ldm r1!, {r9-r12}\n ldm r0, {r6-r8}\n smlad r3, r6, r9, r3\n smlad r3, r7, r10, r3\n smlabt r3, r8, r12, r3\n"
/* k01 k23 k4; x y: p0 p1, u v w. The next row has them in z u, y v w. */
#define SPARSE_ROW(x, y, z, u, v, first, second, third, next, weight) \
    "smlad r3, " x ", " u ", " first "\n" \
    "ldrd " x ", " z ", [r0, #8]\n" \
    "smlad r3, " y ", " v ", r3\n smlad r4, " y ", " u ", " second "\n smlabb r3, " x ", r12, r3\n" \
    "smlad r4, " x ", " v ", r4\n smlad r5, " x ", " u ", " third "\n" \
    "ldrd " y ", " x ", [r0, #16]\n" \
    "smlabb r4, " z ", r12, r4\n smlad r5, " z ", " v ", r5\n smlad r6, " z ", " u ", r6\n" \
    next(z, u) \
    "smlabb r5, " y ", r12, r5\n smlad r6, " y ", " v ", r6\n" \
    "ldrd " y ", " v ", [r1], #8\n" \
    "smlabb r6, " x ", r12, r6\n" weight
#define SPARSE_FOUR \
    "ldrd r7, r8, [r0]\n ldrd r10, r11, [r1], #8\n" LAST_WEIGHT \
    SPARSE_ROW("r7", "r8", "r9", "r10", "r11", "r6", "r6", "r6", NEXT, LAST_WEIGHT) \
    SPARSE_ROW("r9", "r10", "r7", "r8", "r11", "r3", "r4", "r5", NEXT, LAST_WEIGHT) \
    SPARSE_ROW("r7", "r8", "r9", "r10", "r11", "r3", "r4", "r5", NEXT, LAST_WEIGHT) \
    SPARSE_ROW("r9", "r10", "r7", "r8", "r11", "r3", "r4", "r5", NEXT, LAST_WEIGHT) \
    SPARSE_ROW("r7", "r8", "r9", "r10", "r11", "r3", "r4", "r5", NO_NEXT, "")
#define LAST_WEIGHT "ldr r12, [r1], #4\n"
#define SPARSE_MULTIPLIER "r8"
#define SPARSE_ROUNDING "r11"
#define SPARSE_TWO \
    "ldm r1!, {r10-r12}\n ldm r0, {r7-r9}\n" \
    "smlad r3, r7, r10, r3\n ldr r7, [r0, #12]\n smlad r4, r8, r10, r4\n" \
    "smlad r3, r8, r11, r3\n smlad r4, r9, r11, r4\n smlabb r3, r9, r12, r3\n smlabb r4, r7, r12, r4\n"
#define SPARSE_ONE \
    "ldm r1!, {r10-r12}\n ldm r0, {r7-r9}\n smlad r3, r7, r10, r3\n smlad r3, r8, r11, r3\n smlabb r3, r9, r12, r3\n"
#define DENSE_BYTES "80"
#define SPARSE_BYTES "60"
#define ROWS_BUT_ONE "4"

#else
/* k01 k23, k45 k56, k12 k34; a b: p0 p1, u v: k01 k23. The next row has them in a c, u b. */
#define DENSE_ROW(a, b, c, d, u, v, first, second, third, next) \
    "ldrd " c ", " d ", [r0, #8]\n" \
    "smlad r3, " a ", " u ", " first "\n smlatb r4, " a ", " u ", " second "\n" \
    "smlad r5, " b ", " u ", " third "\n smlatb r6, " b ", " u ", r6\n" \
    "ldrd " a ", " u ", [r1], #8\n" \
    "smlad r3, " b ", " v ", r3\n smlad r5, " c ", " v ", r5\n" \
    "ldr " v ", [r0, #16]\n" \
    "smlad r3, " c ", " a ", r3\n smlad r5, " d ", " a ", r5\n smlad r6, " v ", " u ", r6\n smlabt r5, " v ", " u ", r5\n" \
    "ldrd " a ", " v ", [r1], #8\n" \
    "smlad r4, " d ", " u ", r4\n smlabt r3, " d ", " u ", r3\n smlad r4, " b ", " a ", r4\n" \
    "ldrd " u ", " b ", [r1], #8\n" \
    "smlad r6, " c ", " a ", r6\n smlad r4, " c ", " v ", r4\n" \
    next(a, c) \
    "smlad r6, " d ", " v ", r6\n"
#define DENSE_FOUR \
    "ldrd r7, r8, [r0]\n ldrd r11, r12, [r1], #8\n" \
    DENSE_ROW("r7", "r8", "r9", "r10", "r11", "r12", "r6", "r6", "r6", NEXT) \
    DENSE_ROW("r7", "r9", "r10", "r12", "r11", "r8", "r3", "r4", "r5", NEXT) \
    DENSE_ROW("r7", "r10", "r12", "r8", "r11", "r9", "r3", "r4", "r5", NEXT) \
    DENSE_ROW("r7", "r12", "r8", "r9", "r11", "r10", "r3", "r4", "r5", NEXT) \
    DENSE_ROW("r7", "r8", "r9", "r10", "r11", "r12", "r3", "r4", "r5", NEXT) \
    DENSE_ROW("r7", "r9", "r10", "r12", "r11", "r8", "r3", "r4", "r5", NEXT) \
    DENSE_ROW("r7", "r10", "r12", "r8", "r11", "r9", "r3", "r4", "r5", NO_NEXT)
#define DENSE_MULTIPLIER "r11"
#define DENSE_ROUNDING "r10"
#define DENSE_TWO \
    "ldrd r11, r12, [r1], #8\n ldm r0, {r7-r10}\n" \
    "smlad r3, r7, r11, r3\n smlatb r4, r7, r11, r4\n smlad r3, r8, r12, r3\n" \
    "ldrd r11, r12, [r1], #8\n" \
    "smlad r4, r10, r12, r4\n smlad r3, r9, r11, r3\n smlabt r3, r10, r12, r3\n" \
    "ldrd r11, r12, [r1], #8\n" \
    "smlad r4, r8, r11, r4\n smlad r4, r9, r12, r4\n"
#define DENSE_ONE \
    "ldm r0, {r5-r8}\n ldrd r9, r10, [r1], #8\n ldrd r11, r12, [r1], #16\n" \
    "smlad r3, r5, r9, r3\n smlad r3, r6, r10, r3\n smlad r3, r7, r11, r3\n smlabt r3, r8, r12, r3\n"
/* k01 k23, k45 k6; x y: p0 p1, u v: k01 k23. The next row has them in x d, u y. */
#define SPARSE_ROW(y, d, v, first, second, third, next) \
    "ldrd r9, " d ", [r0, #8]\n" \
    "smlad r3, r7, r11, " first "\n smlad r4, " y ", r11, " second "\n smlad r3, " y ", " v ", r3\n" \
    "ldrd r7, " y ", [r0, #16]\n" \
    "smlad r5, r9, r11, " third "\n smlad r6, " d ", r11, r6\n smlad r4, r9, " v ", r4\n smlad r5, " d ", " v ", r5\n" \
    "smlad r6, r7, " v ", r6\n" \
    "ldrd r11, " v ", [r1], #8\n" \
    "smlad r3, r9, r11, r3\n" \
    "ldr r9, [r0, #24]\n" \
    "smlad r4, " d ", r11, r4\n smlabb r3, " d ", " v ", r3\n smlad r5, r7, r11, r5\n smlabb r4, r7, " v ", r4\n" \
    next("r7", d) \
    "smlad r6, " y ", r11, r6\n smlabb r5, " y ", " v ", r5\n" \
    "ldrd r11, " y ", [r1], #8\n" \
    "smlabb r6, r9, " v ", r6\n"
#define SPARSE_FOUR \
    "ldrd r7, r8, [r0]\n ldrd r11, r12, [r1], #8\n" \
    SPARSE_ROW("r8", "r10", "r12", "r6", "r6", "r6", NEXT) \
    SPARSE_ROW("r10", "r12", "r8", "r3", "r4", "r5", NEXT) \
    SPARSE_ROW("r12", "r8", "r10", "r3", "r4", "r5", NEXT) \
    SPARSE_ROW("r8", "r10", "r12", "r3", "r4", "r5", NEXT) \
    SPARSE_ROW("r10", "r12", "r8", "r3", "r4", "r5", NEXT) \
    SPARSE_ROW("r12", "r8", "r10", "r3", "r4", "r5", NEXT) \
    SPARSE_ROW("r8", "r10", "r12", "r3", "r4", "r5", NO_NEXT)
#define SPARSE_MULTIPLIER "r11"
#define SPARSE_ROUNDING "r8"
#define SPARSE_TWO \
    "ldrd r11, r12, [r1], #8\n ldm r0, {r7-r10}\n" \
    "smlad r3, r7, r11, r3\n ldr r7, [r0, #16]\n" \
    "smlad r4, r8, r11, r4\n smlad r3, r8, r12, r3\n smlad r4, r9, r12, r4\n" \
    "ldrd r11, r12, [r1], #8\n" \
    "smlad r3, r9, r11, r3\n smlad r4, r10, r11, r4\n smlabb r3, r10, r12, r3\n smlabb r4, r7, r12, r4\n"
#define SPARSE_ONE \
    "ldm r1!, {r9-r12}\n ldm r0, {r5-r8}\n" \
    "smlad r3, r5, r9, r3\n smlad r3, r6, r10, r3\n smlad r3, r7, r11, r3\n smlabb r3, r8, r12, r3\n"
#define DENSE_BYTES "168"
#define SPARSE_BYTES "112"
#define ROWS_BUT_ONE "6"
#endif

#define NEXT(a, b) "add r0, r2\n ldrd " a ", " b ", [r0]\n"
#define NO_NEXT(a, b)
#define EACH_ROW(row) ".rept " ROWS_BUT_ONE "\n" row "add r0, r2\n.endr\n" row

#define SCALED(sum, finish) "smmla " sum ", " sum ", " finish "\n"
#define BYTE(sum) "ssat " sum ", #8, " sum ", asr #" TEXT(TINYML_EVEN_SHIFT) "\n"
/* Not even: -1 where the product is negative is right if there are ties, and hidden if not. */
#define SCALED_ANY(sum, multiplier, rounding, shift) \
    "smmulr " sum ", " sum ", " multiplier "\n add " sum ", " sum ", " sum ", asr #31\n add " sum ", " rounding "\n" \
    "asr " sum ", " shift "\n ssat " sum ", #8, " sum "\n"
#define PUT_FOUR \
    "strb r4, [lr, r11]\n add lr, lr, r11, lsl #1\n strb r5, [lr]\n strb r6, [lr, r11]\n add lr, lr, r11, lsl #1\n" \
    "add r0, r10\n"

/* void name(const uint32_t *plane, const uint32_t *weights, int8_t *out, const block_t *block)
 * On the stack: weights; block_t from 4 on, where 12 is the end of the fours. Flags say in fours whether the
 * channel is even: negative. */
#define SUMS(name, four, multiplier, rounding, two, one, bytes, stride) \
    __attribute__((naked)) TINYML_STEP static void name(UNUSED const uint32_t *plane, UNUSED const uint32_t *weights, \
                                                        UNUSED int8_t *out, UNUSED const block_t *block) \
    { \
        __asm__(".syntax unified\n" \
                "push {r4-r11, lr}\n mov lr, r2\n ldr r2, [r3, #36]\n ldm r3, {r4-r12}\n push {r1, r4-r12}\n" \
                "1:\n ldr r12, [sp, #36]\n add r12, lr\n str r12, [sp, #12]\n cmp lr, r12\n beq 3f\n" \
                "ldr r3, [r1, #" bytes "+8]\n lsls r3, r3, #1\n" \
                "2:\n ldr r6, [r1, #" bytes "+12]\n" four "bpl 9f\n" \
                SCALED("r3", multiplier ", " rounding) SCALED("r4", multiplier ", " rounding) \
                SCALED("r5", multiplier ", " rounding) BYTE("r3") SCALED("r6", multiplier ", " rounding) \
                BYTE("r4") "strb r3, [lr]\n" BYTE("r5") "ldm sp, {r1, r10, r11, r12}\n" BYTE("r6") PUT_FOUR "cmp lr, r12\n bne 2b\n" \
                "3:\n ldr r3, [sp, #16]\n cbnz r3, 6f\n" \
                "5:\n ldrd r10, r11, [sp, #24]\n add r0, r10\n add lr, r11\n" \
                "ldr r12, [sp, #32]\n subs r12, #1\n str r12, [sp, #32]\n bne 1b\n" \
                "add sp, #40\n pop {r4-r11, pc}\n" \
                "6:\n lsls r3, r3, #1\n bcc 8f\n" \
                "ldr r3, [r1, #" bytes "+12]\n mov r4, r3\n" EACH_ROW(two) \
                "ldm r1, {r7-r9}\n cmp r9, #" TEXT(TINYML_EVEN) "\n bne 10f\n" \
                SCALED("r3", "r7, r8") SCALED("r4", "r7, r8") BYTE("r3") BYTE("r4") \
                "7:\n ldm sp, {r1, r10, r11}\n strb r3, [lr]\n strb r4, [lr, r11]\n" \
                "add lr, lr, r11, lsl #1\n add r0, r10\n sub r0, #4 * " stride "\n ldr r3, [sp, #16]\n lsls r3, r3, #2\n bcc 5b\n" \
                "8:\n ldr r3, [r1, #" bytes "+12]\n" EACH_ROW(one) \
                "ldm r1, {r7-r9}\n ldr r1, [sp]\n cmp r9, #" TEXT(TINYML_EVEN) "\n bne 11f\n" \
                SCALED("r3", "r7, r8") BYTE("r3") "strb r3, [lr]\n b 5b\n" \
                "9:\n ldr r1, [r1]\n" \
                SCALED_ANY("r3", multiplier, rounding, "r1") SCALED_ANY("r4", multiplier, rounding, "r1") \
                SCALED_ANY("r5", multiplier, rounding, "r1") SCALED_ANY("r6", multiplier, rounding, "r1") \
                "strb r3, [lr]\n ldm sp, {r1, r10, r11, r12}\n" PUT_FOUR "cmp r12, lr\n bne 2b\n b 3b\n" \
                "10:\n" SCALED_ANY("r3", "r7", "r8", "r9") SCALED_ANY("r4", "r7", "r8", "r9") "b 7b\n" \
                "11:\n" SCALED_ANY("r3", "r7", "r8", "r9") "strb r3, [lr]\n b 5b\n"); \
    }

SUMS(dense_sums, DENSE_FOUR, DENSE_MULTIPLIER, DENSE_ROUNDING, DENSE_TWO, DENSE_ONE, DENSE_BYTES, "1")
SUMS(sparse_sums, SPARSE_FOUR, SPARSE_MULTIPLIER, SPARSE_ROUNDING, SPARSE_TWO, SPARSE_ONE, SPARSE_BYTES, "2")

#else

/* Tap kx of a row of weights, spread. */
static int32_t tap_of(const uint32_t *row, int32_t kx, int32_t dense)
{
    int32_t j = kx / 2;
    if (dense) {
        for (j = 0; dense_taps[j] != kx - kx % 2 && dense_taps[j] + 1 != kx; ++j) {
        }
        return tinyml_half(row[j], dense_taps[j] != kx);
    }
    return tinyml_half(row[j], kx % 2);
}

static void sums(const uint32_t *plane, const uint32_t *weights, int8_t *out, const block_t *block, int32_t stride)
{
    const int32_t dense = stride == 1, words = dense ? DENSE_WORDS : SPARSE_WORDS, pitch = block->pitch / 4;
    const tinyml_finish_t *f = (const tinyml_finish_t *)(const void *)(weights + K * words);
    for (int32_t y = 0; y < block->rows; ++y) {
        for (int32_t x = 0; x < block->cols; ++x) {
            int32_t sum = f->bias;
            for (int32_t k = 0; k < K * K; ++k) {
                const int32_t column = x * stride + k % K;
                sum += tap_of(weights + k / K * words, k % K, dense) *
                       tinyml_half(plane[k / K * pitch + column / 2], column % 2);
            }
            out[x * block->step] = tinyml_finish(f, sum);
        }
        out += block->cols / 2 * 2 * block->step + block->out_next;
        plane += block->cols / 2 * stride + block->cols % 2 * (K - 1) * pitch + block->in_next / 4;
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

/* Which inputs a block of outputs reads. */
typedef struct {
    block_t block;
    int32_t top;    /* row and column of the image at the planes' corner */
    int32_t left;
    int32_t first;  /* columns of the planes that lie in the image */
    int32_t end;
    int32_t height; /* of the planes */
} region_t;

/* The block of `cols` columns from (y, x) on: as many rows up to row `end` as fit, none of them around the end of a ring. */
static region_t region_of(const tinyml_depthwise_s8_t *op, const tinyml_rows_t *out, int32_t y, int32_t end, int32_t x,
                          int32_t cols)
{
    const tinyml_window_t *w = &op->conv.window;
    const int32_t channels = op->conv.out_channels, stride = w->stride_x;
    const int32_t pitch = pitch_of(cols, stride);
    const int32_t fit = (op->patch_bytes / pitch - K) / w->stride_y + 1;
    const int32_t rest = out->rows - (y - out->first_row) % out->rows;
    const int32_t rows = end - y < fit ? end - y : fit;
    const int32_t reach = (cols - 1) * stride + K;
    region_t r;

    r.top = y * w->stride_y - w->pad_top;
    r.left = x * stride - w->pad_left;
    r.first = tinyml_clamp(-r.left, 0, reach);
    r.end = tinyml_clamp(w->in_width - r.left, r.first, reach);
    r.block.rewind = 8 * stride - (K - 1) * pitch;
    r.block.step = channels;
    r.block.odd = (uint32_t)cols << 30;
    r.block.cols = cols;
    r.block.in_next = w->stride_y * pitch - cols / 2 * 4 * stride - cols % 2 * (K - 1) * pitch;
    r.block.rows = rows < rest ? rows : rest;
    r.block.main = cols / 4 * 4 * channels;
    r.block.out_next = out->row_bytes - cols / 2 * 2 * channels;
    r.block.pitch = pitch;
    r.height = (r.block.rows - 1) * w->stride_y + K;
    return r;
}

/* For ranges less than int8. */
static void limit(const tinyml_conv_s8_t *op, const block_t *block, int8_t *out)
{
    for (int32_t y = 0; y < block->rows; ++y) {
        for (int32_t x = 0; x < block->cols * block->step; x += block->step) {
            for (int32_t k = 0; k < 4; ++k) {
                out[x + k] = (int8_t)tinyml_clamp(out[x + k], op->out_min, op->out_max);
            }
        }
        out += block->cols / 2 * 2 * block->step + block->out_next;
    }
}

/* Channels c to c + 3 of a region. */
static void compute(const tinyml_conv_s8_t *op, const tinyml_rows_t *in, const region_t *r, int32_t c, int32_t padded,
                    const uint32_t *weights, int32_t size, uint32_t *planes, int8_t *out)
{
    const int32_t words = r->block.pitch / 4, plane = r->height * words, first = r->first / 2, until = r->end / 2;
    const int32_t offset = (r->left + r->first - in->first_col) * op->out_channels + c;
    const uint32_t zero = (uint32_t)-op->in_offset, columns = (zero & UINT32_C(0xffff)) | zero << 16;
    const int8_t *row = NULL; /* of the image, where the row before was one */
    uint32_t *to = planes;
    source_t source;

    source.step = op->out_channels;
    source.plane = 4 * plane;
    source.pad = (zero & UINT32_C(0xff)) * UINT32_C(0x1010101);
    source.head = r->first & 1;
    source.tail = r->end & 1;
    for (int32_t y = r->top; y < r->top + r->height; ++y, to += words) {
        if (y >= 0 && y < op->window.in_height && r->first < r->end) {
            row = row ? tinyml_row_below(in, row, 1) : tinyml_row(in, y);
            source.row = row + offset;
            source.to = to + first;
            source.until = to + until;
            if (!padded && first > 0) {
                blank(to, source.to, plane, columns);
            }
            if (!padded && until < words) {
                blank(source.until, to + words, plane, columns);
            }
            spread(&source);
        } else if (!padded) {
            blank(to, to + words, plane, columns);
        }
    }
    for (int32_t k = 0; k < 4; ++k, planes += plane, weights += size) {
        if (op->window.stride_x == 1) {
            dense_sums(planes, weights, out + k, &r->block);
        } else {
            sparse_sums(planes, weights, out + k, &r->block);
        }
    }
    if (op->out_min > -128 || op->out_max < 127) {
        limit(op, &r->block, out);
    }
}

/* ready: weights and tinyml_finish_t of all channels, or null: they are spread in scratch, four at a time. */
static inline void depthwise(const tinyml_depthwise_s8_t *op, const uint32_t *ready, const tinyml_rows_t *in,
                             const tinyml_rows_t *out, const tinyml_tile_t *tile, void *scratch)
{
    const tinyml_conv_s8_t *conv = &op->conv;
    const int32_t channels = conv->out_channels, stride = conv->window.stride_x;
    const int32_t words = stride == 1 ? DENSE_WORDS : SPARSE_WORDS, size = K * words + TINYML_FINISH_WORDS;
    const int32_t bottom = tile->row + tile->rows, right = tile->col + tile->cols;
    const int32_t height = (tile->rows - 1) * conv->window.stride_y + K;
    const int32_t whole = tile->cols < op->block_cols || pitch_of(tile->cols, stride) * height <= op->patch_bytes;
    const int32_t most = whole ? tile->cols : op->block_cols;
    uint32_t *const spread = scratch, *const planes = ready ? spread : spread + 4 * size;
    int32_t padded = 0; /* whether the block is the same as before, but for its channels */

    region_t r = region_of(op, out, tile->row, bottom, tile->col, most);
    for (int32_t next = 0; next < channels; next += 4) {
        const int32_t c = next + 4 <= channels ? next : channels - 4; /* the last four once more */
        const uint32_t *const weights = ready ? ready + c * size : spread;
        if (!ready) {
            spread_weights(op, next, c, words, spread);
        }
        for (int32_t x = tile->col; x < right; x += most) {
            for (int32_t y = tile->row; y < bottom; y += r.block.rows) {
                if (!padded) {
                    r = region_of(op, out, y, bottom, x, right - x < most ? right - x : most);
                }
                compute(conv, in, &r, c, padded, weights, size, planes,
                        (int8_t *)tinyml_row(out, y) + (x - out->first_col) * channels + c);
            }
        }
        padded = r.block.rows == tile->rows && most == tile->cols;
    }
}

#endif

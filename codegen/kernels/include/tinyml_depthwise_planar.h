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

#include "tinyml_depthwise_dsp.h"
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

static inline void put(uint32_t *to, int32_t size, const uint32_t pair[4])
{
    to[0] = pair[0];
    to[size] = pair[1];
    to[2 * size] = pair[2];
    to[3 * size] = pair[3];
}

/* Two taps of four channels, doubled; `size` words from a channel to the next. */
static inline void spread_taps(const int8_t *a, const int8_t *b, uint32_t *to, int32_t size)
{
    uint32_t pair[4];

    tinyml_interleave(a, b, pair);
    to[0] = tinyml_twice(pair[0]);
    to[size] = tinyml_twice(pair[1]);
    to[2 * size] = tinyml_twice(pair[2]);
    to[3 * size] = tinyml_twice(pair[3]);
}

/* Weights and tinyml_finish_t of channels c to c + 3, which come after `before` others. */
static void spread_weights(const tinyml_depthwise_s8_t *op, int32_t before, int32_t c, int32_t words, uint32_t *to)
{
    static const int8_t none[4] = {0, 0, 0, 0};
    int8_t wide[4 * K * K];
    const tinyml_weights_t weights = tinyml_weights_of(op, before, c, K * K, wide);
    const int32_t step = weights.step, size = K * words + TINYML_FINISH_WORDS;
    const int8_t *row = weights.first;
    uint32_t *next = to;

    for (int32_t ky = 0; ky < K; ++ky, row += K * step, next += words) {
        if (words == DENSE_WORDS) {
            for (int32_t j = 0; j < DENSE_WORDS; ++j) {
                const int8_t *a = row + dense_taps[j] * step;
                spread_taps(a, a + step, next + j, size);
            }
        } else {
            for (int32_t j = 0; j < SPARSE_WORDS; ++j) {
                const int8_t *a = row + 2 * j * step;
                spread_taps(a, 2 * j + 1 < K ? a + step : none, next + j, size);
            }
        }
    }
    tinyml_finish_four(&op->conv, c, to, K * words);
}

/* A row of four planes, `size` words apart, from `words` pairs of columns that lie wholly inside the image. */
static inline const int8_t *spread_pairs(const int8_t *x, int32_t channels, uint32_t *to, const uint32_t *until,
                                         int32_t size)
{
#if TINYML_DEPTHWISE_ASSEMBLY
    uint32_t a, b, c;
    if (to < until) {
        __asm__("1:\n"
                "ldr %[a], [%[x]]\n ldr %[b], [%[x], %[step]]\n add %[x], %[x], %[step], lsl #1\n"
                "pkhbt %[c], %[a], %[b], lsl #16\n pkhtb %[a], %[b], %[a], asr #16\n"
                "sxtb16 %[b], %[c], ror #8\n str %[b], [%[to], %[one]]\n"
                "sxtb16 %[b], %[a]\n str %[b], [%[to], %[one], lsl #1]\n"
                "sxtb16 %[b], %[a], ror #8\n str %[b], [%[to], %[three]]\n"
                "sxtb16 %[b], %[c]\n str %[b], [%[to]], #4\n"
                "cmp %[to], %[until]\n bne 1b\n"
                : [x] "+r"(x), [to] "+r"(to), [a] "=&r"(a), [b] "=&r"(b), [c] "=&r"(c)
                : [until] "r"(until), [step] "r"(channels), [one] "r"(4 * size), [three] "r"(12 * size)
                : "cc", "memory");
    }
#else
    for (; to < until; ++to, x += 2 * channels) {
        uint32_t pair[4];
        tinyml_interleave(x, x + channels, pair);
        put(to, size, pair);
    }
#endif
    return x;
}

/* A row of four planes of `words` words: columns [first, end) of it from x on, the rest is padding, which may be there
 * already. */
static void spread_row(const int8_t *x, int32_t channels, int32_t first, int32_t end, int32_t words, const int8_t *pad,
                       int32_t padded, uint32_t *to, int32_t size)
{
    uint32_t *const stop = to + words, *const until = to + end / 2;
    uint32_t pair[4];

    if (!padded) {
        tinyml_interleave(pad, pad, pair);
        for (uint32_t *at = to; at < to + first / 2; ++at) {
            put(at, size, pair);
        }
        for (uint32_t *at = until; at < stop; ++at) {
            put(at, size, pair);
        }
    }
    if (first >= end) {
        return;
    }
    to += first / 2;
    if (first % 2 != 0) {
        tinyml_interleave(pad, x, pair);
        put(to++, size, pair);
        x += channels;
    }
    x = spread_pairs(x, channels, to, until, size);
    if (end % 2 != 0) {
        tinyml_interleave(x, pad, pair);
        put(until, size, pair);
    }
}

#if TINYML_DEPTHWISE_ASSEMBLY

/* Registers: r0 plane, r1 weights, r2 pitch, r3 to r6 sums, r7 to r12 scratch, lr output. One row of taps is
 *     w0 w1 ... = words of the plane from r0 on, k.. = words of weights from r1 on, r0 += r2
 * for four outputs (FOUR) or two (TWO). The bias comes before them. */
#define BIAS_TWO(bytes) "ldr r3, [r1, #" bytes "+12]\n mov r4, r3\n"
#define BIAS_FOUR(bytes) BIAS_TWO(bytes) "mov r5, r3\n mov r6, r3\n"

#if TINYML_DEPTHWISE_SIZE == 5
/* k01 k23, k12 k34 */
#define DENSE_FOUR \
    "ldm r1!, {r11, r12}\n ldm r0, {r7-r10}\n add r0, r2\n" \
    "smlad r3, r7, r11, r3\n smlatb r4, r7, r11, r4\n smlad r5, r8, r11, r5\n smlatb r6, r8, r11, r6\n" \
    "smlad r3, r8, r12, r3\n smlad r5, r9, r12, r5\n" \
    "ldm r1!, {r11, r12}\n" \
    "smlad r4, r8, r11, r4\n smlad r6, r9, r11, r6\n" \
    "smlabt r3, r9, r12, r3\n smlad r4, r9, r12, r4\n smlabt r5, r10, r12, r5\n smlad r6, r10, r12, r6\n"
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
#define SPARSE_TWO \
    "ldm r1!, {r10-r12}\n ldm r0, {r7-r9}\n" \
    "smlad r3, r7, r10, r3\n ldr r7, [r0, #12]\n add r0, r2\n smlad r4, r8, r10, r4\n" \
    "smlad r3, r8, r11, r3\n smlad r4, r9, r11, r4\n smlabb r3, r9, r12, r3\n smlabb r4, r7, r12, r4\n"
#define DENSE_BYTES "80"
#define SPARSE_BYTES "60"
#define ROWS "5"

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
#define SPARSE_TWO \
    "ldm r1!, {r11, r12}\n ldm r0, {r7-r10}\n" \
    "smlad r3, r7, r11, r3\n ldr r7, [r0, #16]\n add r0, r2\n" \
    "smlad r4, r8, r11, r4\n smlad r3, r8, r12, r3\n smlad r4, r9, r12, r4\n" \
    "ldm r1!, {r11, r12}\n" \
    "smlad r3, r9, r11, r3\n smlad r4, r10, r11, r4\n smlabb r3, r10, r12, r3\n smlabb r4, r7, r12, r4\n"
#define DENSE_BYTES "168"
#define SPARSE_BYTES "112"
#define ROWS "7"
#endif

#define EACH_OF_FOUR(what, how) what " r3, r3, " how "\n" what " r4, r4, " how "\n" \
                                what " r5, r5, " how "\n" what " r6, r6, " how "\n"

#define UNUSED __attribute__((unused))

/* Ties: -1 where the product is negative. */
#define TIE(sum) "smmulr " sum ", " sum ", r7\n add " sum ", " sum ", " sum ", asr #31\n add " sum ", r8\n"

/* void name(const uint32_t *plane, const uint32_t *weights, int8_t *out, const block_t *block)
 * At the end, r7 to r9 are multiplier, rounding and shift. */
#define SUMS(name, four, two, bytes, stride) \
    __attribute__((naked)) TINYML_STEP static void name(UNUSED const uint32_t *plane, UNUSED const uint32_t *weights, \
                                                        UNUSED int8_t *out, UNUSED const block_t *block) \
    { \
        __asm__(".syntax unified\n" \
                "push {r4-r11, lr}\n mov lr, r2\n ldr r2, [r3, #36]\n ldm r3, {r4-r12}\n push {r4-r12}\n" \
                "1:\n ldr r12, [sp, #32]\n add r12, lr\n str r12, [sp, #8]\n cmp lr, r12\n beq 5f\n" \
                "2:\n" BIAS_FOUR(bytes) ".rept " ROWS "\n" four ".endr\n" \
                "ldm r1, {r7-r9}\n cmp r9, #0\n blt 3f\n" EACH_OF_FOUR("smmlar", "r7, r8") \
                "4:\n" EACH_OF_FOUR("asr", "r9") \
                "ssat r3, #8, r3\n ssat r4, #8, r4\n ssat r5, #8, r5\n ssat r6, #8, r6\n" \
                "ldm sp, {r10-r12}\n" \
                "strb r3, [lr]\n strb r4, [lr, r11]\n add lr, lr, r11, lsl #1\n" \
                "strb r5, [lr]\n strb r6, [lr, r11]\n add lr, lr, r11, lsl #1\n" \
                "add r0, r10\n sub r1, #" bytes "\n cmp lr, r12\n bne 2b\n" \
                "5:\n ldr r12, [sp, #12]\n add r12, lr\n str r12, [sp, #8]\n cmp lr, r12\n beq 8f\n" \
                "6:\n" BIAS_TWO(bytes) ".rept " ROWS "\n" two ".endr\n" \
                "ldm r1, {r7-r9}\n cmp r9, #0\n blt 7f\n smmlar r3, r3, r7, r8\n smmlar r4, r4, r7, r8\n" \
                "9:\n asr r3, r3, r9\n asr r4, r4, r9\n ssat r3, #8, r3\n ssat r4, #8, r4\n" \
                "ldm sp, {r10-r12}\n add r0, r10\n sub r0, #4 * " stride "\n sub r1, #" bytes "\n" \
                "add r10, lr, r11, lsl #1\n cmp r10, r12\n it eq\n ldreq r11, [sp, #16]\n" \
                "strb r4, [lr, r11]\n strb r3, [lr]\n mov lr, r10\n bne 6b\n" \
                "8:\n ldrd r10, r11, [sp, #20]\n add r0, r10\n add lr, r11\n" \
                "ldr r12, [sp, #28]\n subs r12, #1\n str r12, [sp, #28]\n bne 1b\n" \
                "add sp, #36\n pop {r4-r11, pc}\n" \
                "3:\n" TIE("r3") TIE("r4") TIE("r5") TIE("r6") "b 4b\n" \
                "7:\n" TIE("r3") TIE("r4") "b 9b\n"); \
    }

SUMS(dense_sums, DENSE_FOUR, DENSE_TWO, DENSE_BYTES, "1")
SUMS(sparse_sums, SPARSE_FOUR, SPARSE_TWO, SPARSE_BYTES, "2")

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
    const int32_t bytes = block->main + block->tail;

    for (int32_t y = 0; y < block->rows; ++y) {
        for (int32_t x = 0; x * block->step < bytes; ++x) {
            int32_t sum = f->bias;
            for (int32_t k = 0; k < K * K; ++k) {
                const int32_t column = x * stride + k % K;
                sum += tap_of(weights + k / K * words, k % K, dense) *
                       tinyml_half(plane[k / K * pitch + column / 2], column % 2);
            }
            if (block->last != 0 || x * block->step < bytes - block->step) {
                out[x * block->step] = tinyml_finish(f, sum);
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
    const int32_t fours = cols / 4, twos = (cols % 4 + 1) / 2;
    region_t r;

    r.top = y * w->stride_y - w->pad_top;
    r.left = x * stride - w->pad_left;
    r.first = tinyml_clamp(-r.left, 0, reach);
    r.end = tinyml_clamp(w->in_width - r.left, r.first, reach);
    r.block.rewind = 8 * stride - K * pitch;
    r.block.step = channels;
    r.block.tail = 2 * twos * channels;
    r.block.last = cols % 2 != 0 ? 0 : channels;
    r.block.in_next = w->stride_y * pitch - (2 * fours + twos) * 4 * stride;
    r.block.rows = rows < rest ? rows : rest;
    r.block.main = 4 * fours * channels;
    r.block.out_next = out->row_bytes - r.block.main - r.block.tail;
    r.block.pitch = pitch;
    r.height = (r.block.rows - 1) * w->stride_y + K;
    return r;
}

/* For ranges less than int8. */
static void limit(const tinyml_conv_s8_t *op, const block_t *block, int8_t *out)
{
    const int32_t bytes = block->main + block->tail - (block->last == 0 ? block->step : 0);

    for (int32_t y = 0; y < block->rows; ++y) {
        for (int32_t x = 0; x < bytes; x += block->step) {
            for (int32_t k = 0; k < 4; ++k) {
                out[x + k] = (int8_t)tinyml_clamp(out[x + k], op->out_min, op->out_max);
            }
        }
        out += block->main + block->tail + block->out_next;
    }
}

/* Channels c to c + 3 of a region. */
static void compute(const tinyml_conv_s8_t *op, const tinyml_rows_t *in, const region_t *r, int32_t c, int32_t padded,
                    const uint32_t *weights, int32_t size, uint32_t *planes, int8_t *out)
{
    const int8_t zero = (int8_t)-op->in_offset;
    const int8_t pad[4] = {zero, zero, zero, zero};
    const int32_t words = r->block.pitch / 4;
    const int32_t offset = (r->left + r->first - in->first_col) * op->out_channels + c;
    const int8_t *row = NULL; /* of the image, where the row before was one */

    for (int32_t y = 0; y < r->height; ++y) {
        if (r->top + y >= 0 && r->top + y < op->window.in_height && r->first < r->end) {
            row = row ? tinyml_row_below(in, row, 1) : tinyml_row(in, r->top + y);
            spread_row(row + offset, op->out_channels, r->first, r->end, words, pad, padded, planes + y * words,
                       r->height * words);
        } else if (!padded) {
            spread_row(pad, 0, 0, 0, words, pad, 0, planes + y * words, r->height * words);
        }
    }
    for (int32_t k = 0; k < 4; ++k, planes += r->height * words, weights += size) {
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

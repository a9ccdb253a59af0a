/* Convolution, int8, 3x3, by Winograd's F(2x2, 3x3), for SMLAD. SPDX-License-Identifier: Apache-2.0
 *
 * A block is two squares of 2x2 outputs side by side, t0 and t1: it sees 4 rows and 6 columns of the input. First these are
 * transformed for both squares, as B d B' of the header. Then four filters at a time are multiplied with them:
 *
 *     values    [column][row][pair of channels][t0, t1]     words of two channels
 *     weights   [column][row][pair of channels][filter]     the same
 *
 * For each of the 16 elements of B d B' that is 11 instructions for 4 filters x 2 squares x 2 channels.
 */
#include "tinyml_conv_winograd_s8.h"

#include "tinyml_memory.h"
#include "tinyml_requant.h"

enum {
    ROWS = 4, /* that a block sees */
    COLS = 6,
    ELEMENTS = 16,
    PIXELS = 8 /* of a block, four of each row */
};

/* What is transformed: rows of COLS pixels that lie `pitch` bytes apart, to `values` and every four words from there to
 * `end`. Columns of the result lie `column` bytes apart; `next` leads from the last of a row to the first of the next. */
typedef struct {
    const int8_t *rows[ROWS];
    int32_t pitch;
    int16_t *values;
    int32_t column;
    int32_t next;
    int16_t *end;
} patch_t;

/* One block: filters from `weights` to `weights_end`, results to out[i][0], out[i][1], out[i][2], ...
 * The pixels are written from the last to the first: what a tile does not have may lie where one before it does. */
typedef struct {
    const int16_t *weights;
    const int16_t *weights_end;
    const int16_t *values;
    int32_t channels;
    int32_t *sums;
    const int32_t *rescale;
    int32_t ties;
    int8_t *out[PIXELS];
} block_t;

#if defined(__ARM_FEATURE_DSP) && (defined(__GNUC__) || defined(__clang__))

/* Four channels of a column, whose address is r12 from the rows' (r0 to r3). Widened: 0 2 and 1 3 of row 0 are in r4 and r5,
 * of row 2 in r6 and r7, of row 3 in r8 and r9, of row 1 in r10 and r11. Of B d, rows 0, 2 and 3 come to lie where these rows
 * did, row 1 in r11 and lr. PITCH is where the pitch is on the stack. */
#define COLUMN(PITCH) \
    "ldr r5, [r0, r12] \n" \
    "ldr r7, [r2, r12] \n" \
    "ldr r9, [r3, r12] \n" \
    "ldr r11, [r1, r12] \n" \
    "ldr lr, [sp, #" PITCH "] \n" \
    "sxtb16 r4, r5 \n" \
    "add r12, r12, lr \n" \
    "sxtb16 r5, r5, ror #8 \n" \
    "sxtb16 r6, r7 \n" \
    "sxtb16 r7, r7, ror #8 \n" \
    "sxtb16 r8, r9 \n" \
    "sxtb16 r9, r9, ror #8 \n" \
    "sxtb16 r10, r11 \n" \
    "sxtb16 r11, r11, ror #8 \n" \
    "ssub16 r4, r4, r6 \n" \
    "ssub16 r5, r5, r7 \n" \
    "ssub16 r8, r10, r8 \n" \
    "ssub16 r9, r11, r9 \n" \
    "sadd16 lr, r11, r7 \n" \
    "ssub16 r7, r7, r11 \n" \
    "sadd16 r11, r10, r6 \n" \
    "ssub16 r6, r6, r10 \n" \
    "push {r4-r9, r11, lr} \n"

/* A row of both squares, from the six columns on the stack, AT bytes into each: 0 2 and 1 3 of the columns 1 to 4 are in
 * r2 to r9. r0 is where it goes, r1 from column to column. */
#define ROW(AT) \
    "ldrd r2, r3, [sp, #128 + " AT "] \n" \
    "ldrd r4, r5, [sp, #96 + " AT "] \n" \
    "ldrd r6, r7, [sp, #64 + " AT "] \n" \
    "ldrd r8, r9, [sp, #32 + " AT "] \n" \
    "sadd16 r10, r2, r4 \n" \
    "sadd16 r11, r6, r8 \n" \
    "sadd16 r12, r3, r5 \n" \
    "sadd16 lr, r7, r9 \n" \
    "stm r0, {r10-r12, lr} \n" \
    "add r0, r0, r1 \n" \
    "ldrd r11, lr, [sp, #" AT "] \n" \
    "ssub16 r10, r2, r6 \n" \
    "ssub16 r12, r3, r7 \n" \
    "ssub16 r11, r6, r11 \n" \
    "ssub16 lr, r7, lr \n" \
    "stm r0, {r10-r12, lr} \n" \
    "add r0, r0, r1 \n" \
    "ldrd r10, r12, [sp, #160 + " AT "] \n" \
    "ssub16 r11, r4, r8 \n" \
    "ssub16 lr, r5, r9 \n" \
    "ssub16 r10, r10, r4 \n" \
    "ssub16 r12, r12, r5 \n" \
    "stm r0, {r10-r12, lr} \n" \
    "add r0, r0, r1 \n" \
    "ssub16 r10, r4, r2 \n" \
    "ssub16 r11, r8, r6 \n" \
    "ssub16 r12, r5, r3 \n" \
    "ssub16 lr, r9, r7 \n" \
    "stm r0, {r10-r12, lr} \n"
#define NEXT_ROW \
    "ldr r10, [sp, #220] \n" \
    "add r0, r0, r10 \n"

/* [sp] rows, 16 pitch, 20 values, 24 column, 28 next, 32 end, 36 bytes of each pixel that are done; below it the six columns,
 * 32 bytes each, the last one first: row 0 of the transformed at 0, row 2 at 8, 3 at 16, 1 at 24. */
__attribute__((naked, noinline)) static void transform(const patch_t *patch __attribute__((unused)))
{
    __asm__ volatile(
        ".syntax unified \n"
        "push {r4-r11, lr} \n"
        "ldm r0, {r0-r8} \n"
        "mov r12, #0 \n"
        "push {r0-r8, r12} \n"
        "1: \n"
        COLUMN("16")
        COLUMN("48")
        COLUMN("80")
        COLUMN("112")
        COLUMN("144")
        COLUMN("176")
        "ldrd r0, r1, [sp, #212] \n"
        ROW("24")
        NEXT_ROW
        ROW("8")
        NEXT_ROW
        ROW("0")
        NEXT_ROW
        ROW("16")
        "add sp, sp, #192 \n"
        "ldrd r4, r12, [sp, #32] \n"
        "ldm sp, {r0-r3} \n"
        "ldr r5, [sp, #20] \n"
        "add r12, r12, #4 \n"
        "add r5, r5, #16 \n"
        "str r5, [sp, #20] \n"
        "str r12, [sp, #36] \n"
        "cmp r5, r4 \n"
        "bne.w 1b \n"
        "add sp, sp, #40 \n"
        "pop {r4-r11, pc} \n");
}

/* Four channels of four filters with both squares: MAC is smlad, or smuad where the sums begin. r0 weights, r1 values; r4 to
 * r11 the sums, of t0 and t1 by turns. r2 and r3 have the first values, r12 and lr the first weights. Each load takes the
 * place of two words that are done, while two others are still to be multiplied. NEXT_WEIGHTS and NEXT_VALUES: those of the
 * next four channels. */
#define FOUR_CHANNELS(MAC, R4, R5, R6, R7, R8, R9, R10, R11, NEXT_WEIGHTS, NEXT_VALUES) \
    MAC " r4, r2, r12" R4 "\n" \
    MAC " r5, r3, r12" R5 "\n" \
    MAC " r6, r2, lr" R6 "\n" \
    MAC " r7, r3, lr" R7 "\n" \
    "ldrd r12, lr, [r0], #8 \n" \
    MAC " r8, r2, r12" R8 "\n" \
    MAC " r9, r3, r12" R9 "\n" \
    MAC " r10, r2, lr" R10 "\n" \
    "ldrd r2, r12, [r0], #8 \n" \
    MAC " r11, r3, lr" R11 "\n" \
    "ldrd lr, r3, [r1], #8 \n" \
    "smlad r4, lr, r2, r4 \n" \
    "smlad r5, r3, r2, r5 \n" \
    "smlad r6, lr, r12, r6 \n" \
    "smlad r7, r3, r12, r7 \n" \
    "ldrd r12, r2, [r0], #8 \n" \
    "smlad r8, lr, r12, r8 \n" \
    "smlad r9, r3, r12, r9 \n" \
    "smlad r10, lr, r2, r10 \n" \
    NEXT_WEIGHTS \
    "smlad r11, r3, r2, r11 \n" \
    NEXT_VALUES
#define WEIGHTS "ldrd r12, lr, [r0], #8 \n"
#define VALUES "ldrd r2, r3, [r1], #8 \n"
#define FIRST_FOUR WEIGHTS VALUES FOUR_CHANNELS("smuad", "", "", "", "", "", "", "", "", "", "")
#define MORE(NEXT_WEIGHTS, NEXT_VALUES) \
    FOUR_CHANNELS("smlad", ", r4", ", r5", ", r6", ", r7", ", r8", ", r9", ", r10", ", r11", NEXT_WEIGHTS, NEXT_VALUES)
#define NEXT_FOUR MORE(WEIGHTS, VALUES) /* 88 bytes of code */
#define FIVE_TIMES(WHAT) WHAT WHAT WHAT WHAT WHAT

/* The rest of an element's products, from the way at WAY on the stack. */
#define RUN(WAY) \
    "adr.w r2, 10f + 1 \n" \
    "str r2, [sp] \n" \
    WEIGHTS \
    VALUES \
    "ldr pc, [sp, #" WAY "] \n" \
    "10: \n"

/* The sums of one filter, r4 to r7: r3 multiplier, r12 rounding, lr shift; r8 to r11 are scratch. */
#define RESCALE \
    "asr r8, r4, #31 \n" \
    "asr r9, r5, #31 \n" \
    "asr r10, r6, #31 \n" \
    "asr r11, r7, #31 \n" \
    "add r8, r12, r8, lsl #1 \n" \
    "add r9, r12, r9, lsl #1 \n" \
    "smmla r4, r4, r3, r8 \n" \
    "add r10, r12, r10, lsl #1 \n" \
    "smmla r5, r5, r3, r9 \n" \
    "add r11, r12, r11, lsl #1 \n" \
    "smmla r6, r6, r3, r10 \n" \
    "smmla r7, r7, r3, r11 \n"

/* Where ties do not show: a negative result is clamped to the output's zero point, rounded up or down. */
#define RESCALE_WITHOUT_TIES \
    "smmla r4, r4, r3, r12 \n" \
    "smmla r5, r5, r3, r12 \n" \
    "smmla r6, r6, r3, r12 \n" \
    "smmla r7, r7, r3, r12 \n"

/* One filter, the four pixels of a row: AT bytes into the sums of each column lies what the row is computed from, at OUT
 * on the stack where they go, from the last to the first. r0 counts filters, r1 sums, r2 bias. */
#define FINISH_ROW(AT, OUT, RESCALE_FOUR) \
    "ldrd r6, r7, [r1, #" AT "] \n" \
    "ldrd r4, r5, [r1, #128 + " AT "] \n" \
    "ldrd r8, r9, [r1, #192 + " AT "] \n" \
    "ldrd r10, r11, [r1, #64 + " AT "] \n" \
    "add r6, r6, r2 \n" \
    "add r7, r7, r2 \n" \
    "add r4, r4, r6 \n" \
    "add r5, r5, r7 \n" \
    "sub r6, r6, r8 \n" \
    "sub r7, r7, r9 \n" \
    "add r4, r4, r8 \n" \
    "add r5, r5, r9 \n" \
    "add r6, r6, r10 \n" \
    "add r7, r7, r11 \n" \
    RESCALE_FOUR \
    "asr r4, r4, lr \n" \
    "asr r5, r5, lr \n" \
    "ldrd r8, r9, [sp, #" OUT "] \n" \
    "ssat r4, #8, r4 \n" \
    "asr r6, r6, lr \n" \
    "ldrd r10, r11, [sp, #8 + " OUT "] \n" \
    "ssat r5, #8, r5 \n" \
    "asr r7, r7, lr \n" \
    "ssat r7, #8, r7 \n" \
    "ssat r6, #8, r6 \n" \
    "strb r7, [r11, r0] \n" \
    "strb r5, [r10, r0] \n" \
    "strb r6, [r9, r0] \n" \
    "strb r4, [r8, r0] \n"

/* Four filters, from r0 on. Of each of the sums a filter takes 8 bytes. */
#define FINISH(RESCALE_FOUR) \
    "11: \n" \
    "ldr r2, [sp, #24] \n" \
    "add r2, r2, r0, lsl #4 \n" \
    "ldm r2, {r2, r3, r12, lr} \n" \
    FINISH_ROW("32", "60", RESCALE_FOUR) \
    FINISH_ROW("0", "44", RESCALE_FOUR) \
    "add r0, r0, #1 \n" \
    "tst r0, #3 \n" \
    "add r1, r1, #8 \n" \
    "bne 11b \n"

/* Of the sums of a column: with M the sums of rows 0 to 3, row 0 is M1 + M2 + M0, and row 1 is 2 M1 - (M1 + M2) + M3. So all
 * but one of the additions are those of the products.
 *
 * [sp] return address of a run, 4 the way into it, 8 the same for four channels less, 12 sums, 16 those of the next column,
 * 20 their end, 24 rescale, 28 filters done, 32 weights of the next ones, 36 weights_end, 40 values, 44 to 72 out, 76 the
 * way to finish, 80 M1 and 112 M1 + M2. The sums, 32 bytes each: of each column row 0 and row 1. Aligned, because adr
 * counts from a word: GCC's -Os and -O0 do not. */
__attribute__((naked, noinline, aligned(4))) static void multiply(const block_t *block __attribute__((unused)))
{
    __asm__ volatile(
        ".syntax unified \n"
        "push {r4-r11, lr} \n"
        "sub sp, sp, #144 \n"
        "ldm r0!, {r1-r7} \n"
        "mov r8, #0 \n"
        "strd r6, r8, [sp, #24] \n"
        "strd r2, r3, [sp, #36] \n"
        "str r5, [sp, #12] \n"
        "add r5, r5, #256 \n"
        "str r5, [sp, #20] \n"
        "adr r2, 9f \n"
        "mov r3, #22 \n" /* code of a channel */
        "mls r2, r4, r3, r2 \n"
        "orr r2, r2, #1 \n"
        "add r3, r2, #88 \n"
        "strd r2, r3, [sp, #4] \n"
        "adr.w r2, 5f + 1 \n"
        "cmp r7, #0 \n"
        "bne 0f \n"
        "adr.w r2, 6f + 1 \n"
        "0: str r2, [sp, #76] \n"
        "ldm r0, {r4-r11} \n"
        "add r0, sp, #44 \n"
        "stm r0, {r4-r11} \n"
        "mov r0, r1 \n"
        "1: ldr r1, [sp, #40] \n"
        "ldr r2, [sp, #12] \n"
        "str r2, [sp, #16] \n"
        "2: \n"
        FIRST_FOUR
        RUN("8")
        "add r2, sp, #80 \n"
        "stm r2, {r4-r11} \n"
        RUN("4")
        "add r2, sp, #112 \n"
        "stm r2, {r4-r11} \n"
        RUN("4")
        "ldr r2, [sp, #16] \n"
        "stm r2!, {r4-r11} \n"
        "str r2, [sp, #16] \n"
        "add r2, sp, #80 \n"
        "ldm r2!, {r4-r11} \n"
        "ldm r2!, {r3, r12, lr} \n"
        "rsb r4, r3, r4, lsl #1 \n"
        "rsb r5, r12, r5, lsl #1 \n"
        "rsb r6, lr, r6, lsl #1 \n"
        "ldm r2!, {r3, r12, lr} \n"
        "rsb r7, r3, r7, lsl #1 \n"
        "rsb r8, r12, r8, lsl #1 \n"
        "rsb r9, lr, r9, lsl #1 \n"
        "ldrd r3, r12, [r2] \n"
        "rsb r10, r3, r10, lsl #1 \n"
        "rsb r11, r12, r11, lsl #1 \n"
        RUN("4")
        "ldrd r2, r3, [sp, #16] \n"
        "stm r2!, {r4-r11} \n"
        "str r2, [sp, #16] \n"
        "cmp r2, r3 \n"
        "bne 2b \n"
        "sub r1, r2, #256 \n"
        "str r0, [sp, #32] \n"
        "ldr r0, [sp, #28] \n"
        "ldr pc, [sp, #76] \n"
        "5: \n"
        FINISH(RESCALE)
        "b 3f \n"
        "6: \n"
        FINISH(RESCALE_WITHOUT_TIES)
        "3: str r0, [sp, #28] \n"
        "ldrd r0, r1, [sp, #32] \n"
        "cmp r0, r1 \n"
        "bne.w 1b \n"
        "add sp, sp, #144 \n"
        "pop {r4-r11, pc} \n"
        FIVE_TIMES(NEXT_FOUR) FIVE_TIMES(NEXT_FOUR) FIVE_TIMES(NEXT_FOUR)
        MORE("", "")
        "ldr.w pc, [sp] \n"
        "nop.w \n"
        "9: sub r0, r0, #8 \n" /* where the first four channels are all */
        "sub r1, r1, #8 \n"
        "ldr pc, [sp] \n");
}

#else

/* Element i of B d. */
static int32_t element(const int32_t d[4], int32_t i)
{
    return i == 0 ? d[0] - d[2] : i == 1 ? d[1] + d[2] : i == 2 ? d[2] - d[1] : d[1] - d[3];
}

static void transform(const patch_t *patch)
{
    static const int32_t row_of[4] = {1, 2, 0, 3}, column_of[4] = {1, 3, 0, 2};
    const int32_t quads = (int32_t)(patch->end - patch->values) / 8;
    for (int32_t c = 0; c < 4 * quads; ++c) {
        for (int32_t square = 0; square < 2; ++square) {
            int32_t d[4][4];
            for (int32_t x = 0; x < 4; ++x) {
                int32_t column[4];
                for (int32_t y = 0; y < ROWS; ++y) {
                    column[y] = patch->rows[y][(2 * square + x) * patch->pitch + c];
                }
                for (int32_t i = 0; i < 4; ++i) {
                    d[i][x] = element(column, row_of[i]);
                }
            }
            int16_t *to = patch->values + c / 4 * 8 + (c & 1) * 4 + 2 * square + (c >> 1 & 1);
            for (int32_t i = 0; i < 4; ++i, to += quads * 8) {
                for (int32_t j = 0; j < 4; ++j) {
                    to[j * patch->column / 2] = (int16_t)element(d[i], column_of[j]);
                }
            }
        }
    }
}

/* One filter from `rescale` on. */
static int8_t rescale(const block_t *block, const int32_t *r, int32_t sum)
{
    const int32_t x = (int32_t)((uint32_t)sum + (uint32_t)r[0]);
    const int32_t high = (int32_t)((int64_t)x * r[1] >> 32);
    const int32_t down = x < 0 && block->ties ? 2 : 0;
    return (int8_t)tinyml_clamp((high + r[2] - down) >> r[3], INT8_MIN, INT8_MAX);
}

static void multiply(const block_t *block)
{
    const int16_t *w = block->weights;
    for (const int32_t *r = block->rescale; w < block->weights_end; r += 16) {
        const int16_t *v = block->values;
        int32_t rows[4][2][8];
        for (int32_t column = 0; column < 4; ++column) {
            int32_t m[4][8] = {{0}};
            for (int32_t row = 0; row < 4; ++row) {
                for (int32_t c = 0; c < block->channels; c += 2, w += 8, v += 4) {
                    for (int32_t i = 0; i < 8; ++i) {
                        const int16_t *a = w + i / 2 * 2, *b = v + i % 2 * 2;
                        m[row][i] += a[0] * b[0] + a[1] * b[1];
                    }
                }
            }
            for (int32_t i = 0; i < 8; ++i) {
                rows[column][0][i] = m[0][i] + m[1][i] + m[2][i];
                rows[column][1][i] = m[0][i] - m[1][i] + m[3][i];
            }
        }
        const int32_t filter = (int32_t)(r - block->rescale) / 4;
        for (int32_t i = 0; i < 4; ++i) {
            for (int32_t pixel = PIXELS - 1; pixel >= 0; --pixel) {
                const int32_t y = pixel / 4, at = 2 * i + pixel % 4 / 2;
                const int32_t one = rows[0][y][at], two = rows[3][y][at];
                const int32_t sum = pixel % 2 == 0 ? one + two + rows[2][y][at] : one - two + rows[1][y][at];
                block->out[pixel][filter + i] = rescale(block, r + 4 * i, sum);
            }
        }
    }
}

#endif

/* Completes what a block sees, of which the image has columns from `col` to `end`: rows that lack some of them, or all, are
 * copied with what is outside around them. */
static void gather(const tinyml_conv_winograd_s8_t *op, const int8_t *rows[ROWS], int32_t col, int32_t end, int8_t *to)
{
    const int32_t channels = op->window.in_channels;
    const uint32_t outside = ((uint32_t)op->outside & UINT32_C(0xff)) * UINT32_C(0x1010101);

    for (int32_t i = 0; i < ROWS; ++i, to += COLS * channels) {
        if (rows[i] != 0 && end - col == COLS) {
            continue;
        }
        const int32_t first = rows[i] != 0 ? col : COLS, last = rows[i] != 0 ? end : COLS;
        tinyml_fill(to, outside, first * channels);
        tinyml_copy(to + first * channels, rows[i], (last - first) * channels);
        tinyml_fill(to + last * channels, outside, (COLS - last) * channels);
        rows[i] = to;
    }
}

/* The pixels of a block, whose first is `at` bytes into each of its rows: of `cols` columns, and one row where the other is
 * null. Those that there are not lie where the first one of their row does, or where the first row does. */
static void find_pixels(int8_t *out[PIXELS], int8_t *const rows[2], int32_t at, int32_t filters, int32_t cols)
{
    const int32_t one = cols > 1 ? filters : 0, two = cols > 2 ? 2 * filters : 0, three = cols > 3 ? 3 * filters : 0;
    for (int32_t i = 0; i < 2; ++i, out += PIXELS / 2) {
        int8_t *const first = (rows[i] != 0 ? rows[i] : rows[0]) + at;
        out[0] = first;
        out[1] = first + one;
        out[2] = first + two;
        out[3] = first + three;
    }
}

void tinyml_conv_winograd_s8_dsp(const tinyml_conv_winograd_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                                 const tinyml_tile_t *tile, void *scratch)
{
    const tinyml_window_t *w = &op->window;
    const int32_t channels = w->in_channels, filters = op->out_channels, pass = op->pass_filters;
    const int32_t end_row = tile->row + tile->rows, end_col = tile->col + tile->cols;
    const int32_t clamped = op->out_min > INT8_MIN || op->out_max < INT8_MAX;
    const int32_t values = 2 * ELEMENTS * channels; /* of a block */
    int16_t *blocks = scratch;
    int8_t *rest = (int8_t *)(blocks + op->pass_blocks * values);
    /* What of the input the tile's outputs need, and the image has. */
    const int32_t needed_rows = end_row + 2 - w->pad_top, needed_cols = end_col + 2 - w->pad_left;
    const int32_t height = needed_rows < w->in_height ? needed_rows : w->in_height;
    const int32_t width = needed_cols < w->in_width ? needed_cols : w->in_width;

    for (int32_t y = tile->row; y < end_row; y += 2) {
        const int8_t *rows[ROWS];
        int8_t *to[2] = {0};
        int32_t inside = 1;
        for (int32_t i = 0; i < ROWS; ++i) {
            const int32_t row = y - w->pad_top + i;
            rows[i] = row >= 0 && row < height ? tinyml_row(in, row) : 0;
            inside &= rows[i] != 0;
        }
        for (int32_t i = 0; i < 2 && y + i < end_row; ++i) {
            to[i] = (int8_t *)tinyml_row(out, y + i) - out->first_col * filters;
        }
        for (int32_t start = tile->col, x = start; start < end_col; start = x) {
            for (int16_t *at = blocks; x < end_col && (int8_t *)at != rest; x += 4, at += values) {
                const int32_t origin = x - w->pad_left;
                const int32_t col = tinyml_clamp(-origin, 0, COLS), end = tinyml_clamp(width - origin, col, COLS);
                patch_t patch = {{0}, channels, at, 16 * channels, -44 * channels, at + 2 * channels};
                for (int32_t i = 0; i < ROWS; ++i) {
                    const int32_t seen = rows[i] != 0 && col < end;
                    patch.rows[i] = seen ? rows[i] + (origin + col - in->first_col) * channels : 0;
                }
                if (!inside || end - col < COLS) {
                    gather(op, patch.rows, col, end, rest);
                }
                transform(&patch);
            }
            for (int32_t filter = 0; filter < filters; filter += pass) {
                const int32_t count = filters - filter < pass ? filters - filter : pass;
                const int16_t *weights = op->weights + filter * ELEMENTS * channels;
                block_t block = {weights, weights + count * ELEMENTS * channels, blocks, channels,
                                 (int32_t *)(void *)rest, op->rescale + 4 * filter, op->ties, {0}};
                for (int32_t at = start; at < x; at += 4, block.values += values) {
                    find_pixels(block.out, to, at * filters + filter, filters, end_col - at);
                    multiply(&block);
                    for (int32_t i = 0; clamped && i < PIXELS; ++i) {
                        for (int32_t c = 0; c < count; ++c) {
                            block.out[i][c] = (int8_t)tinyml_clamp(block.out[i][c], op->out_min, op->out_max);
                        }
                    }
                }
            }
        }
    }
}

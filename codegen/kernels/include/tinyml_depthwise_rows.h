/* The frame of the 3x3 depthwise kernels for SMLAD. SPDX-License-Identifier: Apache-2.0
 *
 * A kernel works on four channels of one row of outputs at a time, or on a part of it. It spreads the three rows that this
 * row reads into planes: a channel each, int16, padding included as the input's zero point. Two neighbouring columns are
 * three words:
 *
 *     rows 0 and 1 of the first column | rows 0 and 1 of the second | row 2 of both
 *
 * So SMLAD multiplies two taps at once in all of them but one, five instructions for nine taps. Nothing is kept from one
 * row to the next, and a tile of one row costs no more for each output than a whole tensor, but for preparing the channels.
 *
 * A source defines TINYML_DEPTHWISE_PAIRS, of columns in a plane, at most, and includes this file.
 */
#ifndef TINYML_DEPTHWISE_ROWS_H
#define TINYML_DEPTHWISE_ROWS_H

#include "tinyml_depthwise_dsp.h"
#include "tinyml_window.h"

enum {
    PAIRS = TINYML_DEPTHWISE_PAIRS,
    PLANE = 3 * PAIRS /* words */
};

/* A channel; of the weights see tinyml_finish_t. The assembly knows the order. */
typedef struct {
    uint32_t weights[5]; /* rows 0 and 1, a column each; row 2: columns 0 and 1, columns 1 and 2 */
    tinyml_finish_t finish;
} channel_t;

/* Neighbouring outputs of a row. The assembly knows the order. */
typedef struct {
    int32_t step;       /* bytes from an output to the next */
    uint32_t fours;     /* bytes of the plane to be passed by four outputs at a time, times 2^20: see TINYML_EVEN */
    uint32_t odd;       /* bit 31: two more, bit 30: and one */
    int32_t next_plane; /* from where a channel ends to the start of the next: plane */
    int32_t next_out;   /* and output */
    int32_t cols;
} block_t;

/* What of three rows goes where. The assembly knows the order. */
typedef struct {
    const int8_t *row[3]; /* from the first column inside the image on */
    int32_t step;         /* bytes from a column to the next */
    uint32_t *to;         /* the pair of columns that these belong to, in the first plane */
    uint32_t *until;      /* the first pair that is not wholly inside the image */
    uint32_t pad;         /* the zero point, four times */
    int32_t head;         /* whether only the second column of the first pair is inside */
    int32_t tail;         /* whether the first column of the pair `until` is inside */
} source_t;

#if TINYML_DEPTHWISE_ASSEMBLY

/* A word of a plane, those of the first from r5 on. */
#define AT(plane, word) "[r5, #(12 * " TEXT(TINYML_DEPTHWISE_PAIRS) " * " #plane " + 4 * " #word ")]"

/* r1 to r3 rows, r4 step, r5 to, r6 until; r7 to r9 the first column, r10 to r12 the second. Of a row outside the image,
 * the register has the zero point. */
#define SPREAD(name, rows, load0, load1, load2) \
    __attribute__((naked)) TINYML_STEP static void name(UNUSED const source_t *source) \
    { \
        __asm__(".syntax unified\n" \
                "mov r12, r0\n push {r0, r4-r11, lr}\n ldm r12!, {r1-r6}\n ldm r12, {r7, r8, r9}\n push {r7, r9}\n" rows \
                "cmp r8, #0\n beq 5f\n mov r8, r7\n mov r9, r7\n b 2f\n" \
                "1:\n " load0("r7") load1("r8") load2("r9") "add r1, r4\n" \
                "2:\n " load0("r10") load1("r11") load2("r12") "add r1, r4\n" \
                "3:\n pkhbt lr, r7, r8, lsl #16\n pkhtb r7, r8, r7, asr #16\n" \
                "pkhbt r8, r10, r11, lsl #16\n pkhtb r10, r11, r10, asr #16\n" \
                "pkhbt r11, r9, r12, lsl #16\n pkhtb r9, r12, r9, asr #16\n" \
                "sxtb16 r12, lr, ror #8\n sxtb16 r0, r8, ror #8\n strd r12, r0, " AT(1, 0) "\n" \
                "sxtb16 r12, r11, ror #8\n str r12, " AT(1, 2) "\n" \
                "sxtb16 r12, r7\n sxtb16 r0, r10\n strd r12, r0, " AT(2, 0) "\n sxtb16 r12, r9\n str r12, " AT(2, 2) "\n" \
                "sxtb16 r12, r7, ror #8\n sxtb16 r0, r10, ror #8\n strd r12, r0, " AT(3, 0) "\n" \
                "sxtb16 r12, r9, ror #8\n str r12, " AT(3, 2) "\n" \
                "sxtb16 r0, lr\n sxtb16 r8, r8\n sxtb16 r11, r11\n stm r5!, {r0, r8, r11}\n" \
                "5:\n cmp r5, r6\n bne 1b\n" \
                "ldr r0, [sp, #4]\n cbz r0, 4f\n movs r0, #0\n str r0, [sp, #4]\n" \
                load0("r7") load1("r8") load2("r9") "ldr r10, [sp]\n mov r11, r10\n mov r12, r10\n add r6, #12\n b 3b\n" \
                "4:\n add sp, #8\n pop {r0, r4-r11, pc}\n"); \
    }
#define AT_ROW_0(to) "ldr " to ", [r1]\n"
#define AT_ROW_1(to) "ldr " to ", [r1, r2]\n"
#define AT_ROW_2(to) "ldr " to ", [r1, r3]\n"
#define NO_ROW_0(to) "mov " to ", r2\n"
#define NO_ROW_2(to) "mov " to ", r3\n"

SPREAD(spread, "sub r2, r1\n sub r3, r1\n", AT_ROW_0, AT_ROW_1, AT_ROW_2)
SPREAD(spread_lower, "mov r1, r2\n mov r2, r7\n sub r3, r1\n", NO_ROW_0, AT_ROW_0, AT_ROW_2)
SPREAD(spread_upper, "sub r2, r1\n mov r3, r7\n", AT_ROW_0, AT_ROW_1, NO_ROW_2)

/* Registers: r0 plane, r1 output, r2 to r6 weights, r7 to r9 and r12 sums, r10, r11 and lr words of the plane. To begin
 * with, r12 is the bias, r10, r11 and lr the first pair of columns, and r0 as far behind it as four outputs go. A last word
 * of row 2 stays in lr: it is the next outputs' first. */
#define DENSE_FOUR \
    "smlad r7, lr, r5, r12\n smlatb r8, lr, r5, r12\n smlad r7, r10, r2, r7\n" \
    "ldrd r10, lr, [r0, #-12]\n" \
    "smlad r7, r11, r3, r7\n smlad r8, r11, r2, r8\n smlad r9, r10, r2, r12\n smlad r7, r10, r4, r7\n smlad r8, r10, r3, r8\n" \
    "ldrd r11, r10, [r0, #-4]\n" \
    "smlad r12, lr, r2, r12\n smlad r9, lr, r3, r9\n smlad r8, lr, r4, r8\n" \
    "smlabt r7, r11, r6, r7\n smlad r8, r11, r6, r8\n smlad r9, r11, r5, r9\n smlatb r12, r11, r5, r12\n" \
    "ldrd r11, lr, [r0, #4]\n" \
    "smlad r9, r10, r4, r9\n smlad r12, r10, r3, r12\n smlad r12, r11, r4, r12\n" \
    "ldrd r10, r11, [sp, #12]\n" \
    "smlabt r9, lr, r6, r9\n smlad r12, lr, r6, r12\n"
#define DENSE_TWO \
    "smlad r7, lr, r5, r12\n smlatb r8, lr, r5, r12\n" \
    "ldr lr, [r0, #-4]\n" \
    "smlad r7, r11, r3, r7\n smlad r8, r11, r2, r8\n smlad r7, r10, r2, r7\n" \
    "ldrd r10, r11, [r0, #-12]\n" \
    "smlabt r7, lr, r6, r7\n smlad r8, lr, r6, r8\n" \
    "smlad r7, r10, r4, r7\n smlad r8, r10, r3, r8\n smlad r8, r11, r4, r8\n"
#define SPARSE_FOUR \
    "smlad r7, lr, r5, r12\n smlad r7, r10, r2, r7\n" \
    "ldrd r10, lr, [r0, #-36]\n" \
    "smlad r7, r11, r3, r7\n smlad r7, r10, r4, r7\n smlad r8, r10, r2, r12\n" \
    "ldrd r11, r10, [r0, #-28]\n" \
    "smlad r8, lr, r3, r8\n smlabt r7, r11, r6, r7\n smlad r8, r11, r5, r8\n" \
    "ldrd r11, lr, [r0, #-20]\n" \
    "smlad r8, r10, r4, r8\n smlad r9, r10, r2, r12\n smlad r9, r11, r3, r9\n" \
    "ldrd r10, r11, [r0, #-12]\n" \
    "smlabt r8, lr, r6, r8\n smlad r9, lr, r5, r9\n smlad r9, r10, r4, r9\n smlad r12, r10, r2, r12\n" \
    "ldrd lr, r10, [r0, #-4]\n" \
    "smlad r12, r11, r3, r12\n smlabt r9, lr, r6, r9\n smlad r12, lr, r5, r12\n" \
    "ldr lr, [r0, #8]\n" \
    "smlad r12, r10, r4, r12\n" \
    "ldrd r10, r11, [sp, #12]\n" \
    "smlabt r12, lr, r6, r12\n"
#define SPARSE_TWO \
    "smlad r7, lr, r5, r12\n smlad r7, r10, r2, r7\n" \
    "ldrd r10, lr, [r0, #-36]\n" \
    "smlad r7, r11, r3, r7\n smlad r7, r10, r4, r7\n smlad r8, r10, r2, r12\n" \
    "ldrd r11, r10, [r0, #-28]\n" \
    "smlad r8, lr, r3, r8\n" \
    "ldr lr, [r0, #-16]\n" \
    "smlabt r7, r11, r6, r7\n smlad r8, r11, r5, r8\n smlad r8, r10, r4, r8\n smlabt r8, lr, r6, r8\n"
#define ONE(first, third) \
    "smlad r7, lr, r5, r12\n ldr lr, [r0, #" third "]\n smlad r7, r10, r2, r7\n ldr r10, [r0, #" first "]\n" \
    "smlad r7, r11, r3, r7\n smlabt r7, lr, r6, r7\n smlad r7, r10, r4, r7\n"

#define SCALED(to, sum) "smmla " to ", " sum ", r10, r11\n"
#define BYTE(sum) "ssat " sum ", #8, " sum ", asr #" TEXT(TINYML_EVEN_SHIFT) "\n"
#define PUT_THREE(last) \
    "strb r8, [r1, r10]\n add r1, r1, r10, lsl #1\n strb r9, [r1]\n" last "strb r7, [r1, r10]\n add r1, r1, r10, lsl #1\n"
/* Not even: -1 where the product is negative is right if there are ties, and hidden if not. lr: shift. */
#define SCALED_ANY(to, sum) \
    "smmulr " to ", " sum ", r10\n add " to ", " to ", " to ", asr #31\n add " to ", r11\n" \
    "asr " to ", lr\n ssat " to ", #8, " to "\n"

/* void name(const uint32_t *planes, const channel_t *channels, int8_t *out, const block_t *block): four channels.
 * On the stack: step, end of the fours in the plane, bias, multiplier, rounding; 20 fours, 24 odd, 28 next_plane, 32 next_out,
 * 36 cols; 40 channel, 44 the end of the channels; 48 plane, output and shift of a channel that is not even.
 * `ahead`, `half`: bytes of the plane of four outputs, of two. */
#define SUMS(name, four, two, one, ahead, half) \
    __attribute__((naked)) TINYML_STEP static void name(UNUSED const uint32_t *planes, UNUSED const channel_t *channels, \
                                                        UNUSED int8_t *out, UNUSED const block_t *block) \
    { \
        __asm__(".syntax unified\n" \
                "push {r4-r11, lr}\n sub sp, #12\n ldm r3, {r4-r9}\n mov r10, r1\n add r11, r1, #144\n push {r5-r11}\n" \
                "sub sp, #20\n str r4, [sp]\n mov lr, r1\n mov r1, r2\n" \
                "1:\n ldm lr!, {r2-r9, r12}\n str lr, [sp, #40]\n strd r7, r8, [sp, #12]\n" \
                "ldr r11, [sp, #20]\n ands r10, r11, r9\n add r11, r0, r11, lsr #20\n strd r11, r12, [sp, #4]\n" \
                "ldr lr, [r0, #8]\n beq 7f\n ldrd r10, r11, [r0], #" ahead "\n" \
                "2:\n" four SCALED("r7", "r7") SCALED("r8", "r8") SCALED("r9", "r9") BYTE("r7") "strb r7, [r1]\n" BYTE("r8") \
                SCALED("r7", "r12") BYTE("r9") "ldm sp, {r10, r11, r12}\n" PUT_THREE(BYTE("r7")) "cmp r0, r11\n" \
                "ldrd r10, r11, [r0], #" ahead "\n bne 2b\n" \
                "3:\n ldr r7, [sp, #24]\n cbnz r7, 5f\n" \
                "4:\n ldrd r10, r11, [sp, #28]\n add r0, r10\n add r1, r11\n" \
                "9:\n ldrd lr, r11, [sp, #40]\n cmp lr, r11\n bne 1b\n add sp, #60\n pop {r4-r11, pc}\n" \
                "5:\n lsls r7, r7, #1\n bcc 6f\n" two "ldrd r10, r11, [sp, #12]\n" SCALED("r7", "r7") SCALED("r8", "r8") \
                "ldr r10, [sp]\n" BYTE("r7") "strb r7, [r1]\n" BYTE("r8") "strb r8, [r1, r10]\n bpl 4b\n" \
                "add r1, r1, r10, lsl #1\n ldrd r10, r11, [r0, #-" half "]\n add r0, #" half "\n" \
                "6:\n" one "ldrd r10, r11, [sp, #12]\n" SCALED("r7", "r7") BYTE("r7") "strb r7, [r1]\n b 4b\n" \
                "7:\n strd r0, r1, [sp, #48]\n str r9, [sp, #56]\n cmp r0, r11\n ldrd r10, r11, [r0], #" ahead "\n bne 8f\n" \
                "cmp r9, #" TEXT(TINYML_EVEN) "\n beq 3b\n b 10f\n" \
                "8:\n" four "ldr lr, [sp, #56]\n" SCALED_ANY("r7", "r7") SCALED_ANY("r8", "r8") SCALED_ANY("r9", "r9") \
                "strb r7, [r1]\n" SCALED_ANY("r7", "r12") "ldm sp, {r10, r11, r12}\n" PUT_THREE("") \
                "ldr lr, [r0, #8]\n cmp r0, r11\n ldrd r10, r11, [r0], #" ahead "\n bne 8b\n" \
                "10:\n ldr r9, [sp, #36]\n ands r9, #3\n beq 12f\n" \
                "11:\n" two "ldrd r10, r11, [sp, #12]\n ldr lr, [sp, #56]\n" SCALED_ANY("r7", "r7") SCALED_ANY("r8", "r8") \
                "ldr r10, [sp]\n strb r7, [r1]\n subs r9, #2\n bmi 12f\n strb r8, [r1, r10]\n beq 12f\n" \
                "add r1, r1, r10, lsl #1\n ldr lr, [r0, #8-" half "]\n ldrd r10, r11, [r0, #-" half "]\n add r0, #" half "\n" \
                "b 11b\n" \
                "12:\n ldrd r0, r1, [sp, #48]\n add r0, #12 * " TEXT(TINYML_DEPTHWISE_PAIRS) "\n add r1, #1\n b 9b\n"); \
    }

SUMS(dense_sums, DENSE_FOUR, DENSE_TWO, ONE("-12", "-4"), "24", "12")
SUMS(sparse_sums, SPARSE_FOUR, SPARSE_TWO, ONE("-36", "-28"), "48", "24")

#else

static void put_pair(uint32_t *to, const int8_t *const a[3], const int8_t *const b[3])
{
    for (int32_t c = 0; c < 4; ++c, to += PLANE) {
        to[0] = ((uint32_t)a[0][c] & UINT32_C(0xffff)) | (uint32_t)a[1][c] << 16;
        to[1] = ((uint32_t)b[0][c] & UINT32_C(0xffff)) | (uint32_t)b[1][c] << 16;
        to[2] = ((uint32_t)a[2][c] & UINT32_C(0xffff)) | (uint32_t)b[2][c] << 16;
    }
}

static void spread_rows(const source_t *s, const int8_t *const rows[3], const int32_t steps[3])
{
    const int8_t *const pad[3] = {(const int8_t *)&s->pad, (const int8_t *)&s->pad, (const int8_t *)&s->pad};
    const int8_t *first[3] = {rows[0], rows[1], rows[2]}, *second[3] = {rows[0], rows[1], rows[2]};

    for (uint32_t *to = s->to; to < s->until; to += 3) {
        const int32_t half = s->head && to == s->to;
        for (int32_t y = 0; y < 3; ++y) {
            second[y] = half ? first[y] : first[y] + steps[y];
        }
        put_pair(to, half ? pad : first, second);
        for (int32_t y = 0; y < 3; ++y) {
            first[y] = second[y] + steps[y];
        }
    }
    if (s->tail) {
        put_pair(s->until, first, pad);
    }
}

static void spread(const source_t *s)
{
    spread_rows(s, s->row, (const int32_t[3]){s->step, s->step, s->step});
}

/* All but the first row. */
static void spread_lower(const source_t *s)
{
    spread_rows(s, (const int8_t *const[3]){(const int8_t *)&s->pad, s->row[1], s->row[2]},
                (const int32_t[3]){0, s->step, s->step});
}

/* All but the last row. */
static void spread_upper(const source_t *s)
{
    spread_rows(s, (const int8_t *const[3]){s->row[0], s->row[1], (const int8_t *)&s->pad},
                (const int32_t[3]){s->step, s->step, 0});
}

static void sums(const uint32_t *planes, const channel_t *channels, int8_t *out, const block_t *block, int32_t stride)
{
    for (int32_t c = 0; c < 4; ++c, planes += PLANE, ++channels) {
        for (int32_t x = 0; x < block->cols; ++x) {
            int32_t sum = channels->finish.bias;
            for (int32_t k = 0; k < 3; ++k) {
                const int32_t column = x * stride + k;
                const uint32_t *pair = planes + column / 2 * 3;
                const uint32_t upper = pair[column % 2];
                sum += tinyml_half(channels->weights[k], 0) * tinyml_half(upper, 0);
                sum += tinyml_half(channels->weights[k], 1) * tinyml_half(upper, 1);
                sum += tinyml_half(channels->weights[3 + k / 2], k != 0) * tinyml_half(pair[2], column % 2);
            }
            out[x * block->step + c] = tinyml_finish(&channels->finish, sum);
        }
    }
}

static void dense_sums(const uint32_t *planes, const channel_t *channels, int8_t *out, const block_t *block)
{
    sums(planes, channels, out, block, 1);
}

static void sparse_sums(const uint32_t *planes, const channel_t *channels, int8_t *out, const block_t *block)
{
    sums(planes, channels, out, block, 2);
}

#endif

/* Writes the zero point over pairs [first, end) of columns, or over those rows of them that are bits of `rows`. */
static void blank(uint32_t *planes, int32_t first, int32_t end, uint32_t rows, uint32_t pad)
{
    const uint32_t upper = (rows & 1 ? UINT32_C(0xffff) : 0) | (rows & 2 ? UINT32_C(0xffff0000) : 0);
    const uint32_t lower = rows & 4 ? UINT32_MAX : 0;
    const uint32_t zeros = (uint32_t)(int8_t)pad & UINT32_C(0xffff), pair = zeros | zeros << 16;

    for (int32_t c = 0; c < 4; ++c, planes += PLANE) {
        for (uint32_t *at = planes + 3 * first; at < planes + 3 * end; at += 3) {
            at[0] = (at[0] & ~upper) | (pair & upper);
            at[1] = (at[1] & ~upper) | (pair & upper);
            at[2] = (at[2] & ~lower) | (pair & lower);
        }
    }
}

/* A block of columns. */
typedef struct {
    block_t block;
    source_t source; /* but for the rows */
    int32_t inside;  /* whether any column of it is inside the image */
    int32_t offset;  /* from the start of a row to its first column inside the image, in bytes */
} region_t;

/* `cols` outputs from column x on; padding left and right is written for all channels and rows. */
static region_t region_of(const tinyml_conv_s8_t *op, const tinyml_rows_t *in, int32_t x, int32_t cols, uint32_t *planes)
{
    const int32_t channels = op->out_channels, stride = op->window.stride_x;
    const int32_t bytes = stride == 1 ? 6 : 12; /* of the plane, an output */
    const int32_t outputs = (cols + 1) & ~1, fours = cols & ~3;
    const int32_t passed = cols % 4 == 3 ? fours + 2 : fours; /* outputs that the sums leave behind */
    const int32_t left = x * stride - op->window.pad_left, needed = (cols - 1) * stride + 3;
    const int32_t first = tinyml_clamp(-left, 0, needed), end = tinyml_clamp(op->window.in_width - left, first, needed);
    region_t r;

    r.block.step = channels;
    r.block.fours = (uint32_t)(fours * bytes) << 20;
    r.block.odd = (uint32_t)cols << 30;
    r.block.next_plane = 4 * PLANE - (passed + 4) * bytes;
    r.block.next_out = 1 - passed * channels;
    r.block.cols = cols;
    r.source.step = channels;
    r.source.to = planes + first / 2 * 3;
    r.source.until = planes + end / 2 * 3;
    r.source.pad = ((uint32_t)-op->in_offset & UINT32_C(0xff)) * UINT32_C(0x1010101);
    r.source.head = first & 1;
    r.source.tail = end & 1;
    r.inside = first < end;
    r.offset = (left + first - in->first_col) * channels;
    blank(planes, 0, first / 2, 7, r.source.pad);
    blank(planes, r.inside ? (end + 1) / 2 : 0, ((outputs - 1) * stride + 4) / 2, 7, r.source.pad);
    return r;
}

/* Spreads rows of the image, some of them perhaps outside. */
static void spread_some(const region_t *r, int32_t first, int32_t end, uint32_t *planes)
{
    if (first == 1 && end == 3) {
        spread_lower(&r->source);
    } else if (first == 0 && end == 2) {
        spread_upper(&r->source);
    } else {
        const uint32_t inside = (UINT32_C(1) << end) - (UINT32_C(1) << first);
        spread(&r->source);
        blank(planes, (int32_t)(r->source.to - planes) / 3, (int32_t)(r->source.until - planes) / 3 + r->source.tail,
              7 & ~inside, r->source.pad);
    }
}

#endif

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
    int32_t fours;      /* bytes of the plane to be passed by four outputs at a time */
    int32_t twos;       /* then by two */
    int32_t last;       /* from the first of the last two outputs to the second: 0 where there is just one */
    int32_t next_plane; /* from the end of a channel to the start of the next: plane */
    int32_t next_out;   /* and output */
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

#define UNUSED __attribute__((unused))

#define TEXT_OF(number) #number
#define TEXT(number) TEXT_OF(number)
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
                "sxtb16 r12, r11\n str r12, [r5, #8]\n sxtb16 r12, lr\n sxtb16 r0, r8\n strd r12, r0, [r5], #12\n" \
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

/* Registers: r0 plane, r1 output, r2 to r6 weights, r7 to r10 sums, the others scratch. */
#define DENSE_FOUR \
    "ldm r0!, {r11, r12, lr}\n" \
    "smlad r7, r11, r2, r10\n smlad r8, r12, r2, r10\n smlad r7, r12, r3, r7\n" \
    "smlatb r8, lr, r5, r8\n smlad r7, lr, r5, r7\n" \
    "ldm r0!, {r11, r12, lr}\n" \
    "smlad r7, r11, r4, r7\n smlad r8, r11, r3, r8\n smlad r9, r11, r2, r10\n smlabt r7, lr, r6, r7\n" \
    "smlad r8, r12, r4, r8\n smlad r9, r12, r3, r9\n smlad r10, r12, r2, r10\n" \
    "smlad r8, lr, r6, r8\n smlad r9, lr, r5, r9\n smlatb r10, lr, r5, r10\n" \
    "ldm r0, {r11, r12, lr}\n" \
    "smlad r9, r11, r4, r9\n smlad r10, r11, r3, r10\n smlabt r9, lr, r6, r9\n" \
    "smlad r10, r12, r4, r10\n smlad r10, lr, r6, r10\n"
#define DENSE_TWO \
    "ldm r0!, {r11, r12, lr}\n" \
    "smlad r7, r11, r2, r8\n smlad r8, r12, r2, r8\n smlad r7, r12, r3, r7\n" \
    "smlatb r8, lr, r5, r8\n smlad r7, lr, r5, r7\n" \
    "ldm r0, {r11, r12, lr}\n" \
    "smlad r7, r11, r4, r7\n smlad r8, r11, r3, r8\n smlabt r7, lr, r6, r7\n" \
    "smlad r8, r12, r4, r8\n smlad r8, lr, r6, r8\n"

#define BEGIN(sum, bias) "smlad " sum ", r11, r2, " bias "\n smlad " sum ", r12, r3, " sum "\n smlad " sum ", lr, r5, " sum "\n"
#define END(sum) "smlad " sum ", r11, r4, " sum "\n smlabt " sum ", lr, r6, " sum "\n"
#define NEXT "ldm r0!, {r11, r12, lr}\n"
#define SPARSE_FOUR \
    NEXT BEGIN("r7", "r10") NEXT END("r7") BEGIN("r8", "r10") NEXT END("r8") BEGIN("r9", "r10") \
    NEXT END("r9") BEGIN("r10", "r10") "ldm r0, {r11, r12, lr}\n" END("r10")
#define SPARSE_TWO NEXT BEGIN("r7", "r8") NEXT END("r7") BEGIN("r8", "r8") "ldm r0, {r11, r12, lr}\n" END("r8")

#define EACH_OF_TWO(what, how) what " r7, r7, " how "\n" what " r8, r8, " how "\n"
#define EACH_OF_FOUR(what, how) EACH_OF_TWO(what, how) what " r9, r9, " how "\n" what " r10, r10, " how "\n"
/* Ties: -1 where the product is negative. */
#define TIE(sum) "smmulr " sum ", " sum ", r11\n add " sum ", " sum ", " sum ", asr #31\n add " sum ", r12\n"

/* void name(const uint32_t *planes, const channel_t *channels, int8_t *out, const block_t *block): four channels.
 * On the stack: multiplier, rounding, shift, bias; 16 step, 20 the end of the plane; 24 fours, 28 twos, 32 last,
 * 36 next_plane, 40 next_out; 44 channel, 48 the end of the channels. */
#define SUMS(name, four, two) \
    __attribute__((naked)) TINYML_STEP static void name(UNUSED const uint32_t *planes, UNUSED const channel_t *channels, \
                                                        UNUSED int8_t *out, UNUSED const block_t *block) \
    { \
        __asm__(".syntax unified\n" \
                "push {r4-r11, lr}\n sub sp, #52\n ldm r3, {r4-r9}\n strd r5, r6, [sp, #24]\n strd r7, r8, [sp, #32]\n" \
                "str r4, [sp, #16]\n str r9, [sp, #40]\n add r9, r1, #144\n str r9, [sp, #48]\n mov r12, r1\n mov r1, r2\n" \
                "1:\n ldm r12!, {r2-r10}\n str r12, [sp, #44]\n stm sp, {r7-r10}\n" \
                "ldr r12, [sp, #24]\n add r12, r0\n str r12, [sp, #20]\n cmp r0, r12\n beq 5f\n" \
                "2:\n ldr r10, [sp, #12]\n" four \
                "ldm sp, {r11, r12, lr}\n cmp lr, #0\n blt 3f\n" EACH_OF_FOUR("smmlar", "r11, r12") \
                "4:\n" EACH_OF_FOUR("asr", "lr") \
                "ssat r7, #8, r7\n ssat r8, #8, r8\n ssat r9, #8, r9\n ssat r10, #8, r10\n" \
                "ldrd r11, r12, [sp, #16]\n strb r7, [r1]\n strb r8, [r1, r11]\n add r1, r1, r11, lsl #1\n" \
                "strb r9, [r1]\n strb r10, [r1, r11]\n add r1, r1, r11, lsl #1\n cmp r0, r12\n bne 2b\n" \
                "5:\n ldr r12, [sp, #28]\n cmp r12, #0\n beq 8f\n add r12, r0\n str r12, [sp, #20]\n" \
                "6:\n ldr r8, [sp, #12]\n" two \
                "ldm sp, {r11, r12, lr}\n cmp lr, #0\n blt 7f\n" EACH_OF_TWO("smmlar", "r11, r12") \
                "9:\n" EACH_OF_TWO("asr", "lr") "ssat r7, #8, r7\n ssat r8, #8, r8\n" \
                "ldrd r11, r12, [sp, #16]\n add lr, r1, r11, lsl #1\n cmp r0, r12\n it eq\n ldreq r11, [sp, #32]\n" \
                "strb r8, [r1, r11]\n strb r7, [r1]\n mov r1, lr\n bne 6b\n" \
                "8:\n ldrd r10, r11, [sp, #36]\n add r0, r10\n add r1, r11\n" \
                "ldrd r12, r11, [sp, #44]\n cmp r12, r11\n bne 1b\n add sp, #52\n pop {r4-r11, pc}\n" \
                "3:\n" TIE("r7") TIE("r8") TIE("r9") TIE("r10") "b 4b\n" \
                "7:\n" TIE("r7") TIE("r8") "b 9b\n"); \
    }

SUMS(dense_sums, DENSE_FOUR, DENSE_TWO)
SUMS(sparse_sums, SPARSE_FOUR, SPARSE_TWO)

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
    const int32_t outputs = (block->fours + block->twos) / (stride == 1 ? 6 : 12);
    const int32_t stored = block->last != 0 ? outputs : outputs - 1;

    for (int32_t c = 0; c < 4; ++c, planes += PLANE, ++channels) {
        for (int32_t x = 0; x < stored; ++x) {
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
    const int32_t left = x * stride - op->window.pad_left, needed = (cols - 1) * stride + 3;
    const int32_t first = tinyml_clamp(-left, 0, needed), end = tinyml_clamp(op->window.in_width - left, first, needed);
    region_t r;

    r.block.step = channels;
    r.block.fours = fours * bytes;
    r.block.twos = (outputs - fours) * bytes;
    r.block.last = cols < outputs ? 0 : channels;
    r.block.next_plane = 4 * PLANE - outputs * bytes;
    r.block.next_out = 1 - outputs * channels;
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

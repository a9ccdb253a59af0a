/* Sum of two int8 tensors of one shape, for SMMULR: four elements at a time. SPDX-License-Identifier: Apache-2.0
 *
 * The operand of the larger scale comes to the common one by a factor of 1/2 and is exact there. So only the other one is
 * rounded, and then the sum.
 */
#include "tinyml_binary_s8.h"
#include "tinyml_dsp.h"
#include "tinyml_requant.h"

/* The assembly knows this order. */
typedef struct {
    int32_t offset; /* the operand that is rounded: (a + offset) << left, times multiplier / 2^32, then the shift */
    int32_t left;
    int32_t multiplier;
    int32_t rounding;
    int32_t shift;
    int32_t half_offset; /* the other: (a + half_offset) << 19 */
    int32_t sum_multiplier;
    int32_t sum_rounding; /* the zero point of the output included */
    int32_t sum_shift;
} factors_t;

static int32_t half_of(int32_t shift)
{
    return 1 << (shift - 1);
}

static factors_t factors_of(const tinyml_binary_s8_t *op, const tinyml_operand_s8_t *half,
                            const tinyml_operand_s8_t *other)
{
    /* A factor of 1/2 on this side, too, has a shift of 0: one more on the left and one on the right change nothing. */
    const int32_t shift = other->shift < 0 ? -other->shift : 1;
    const factors_t f = {
        other->offset, other->shift < 0 ? 21 : 22, other->multiplier, half_of(shift), shift, half->offset, op->multiplier,
        half_of(-op->shift) + op->out_offset * (1 << -op->shift), -op->shift,
    };
    return f;
}

/* round(x * multiplier / 2^(32 + shift)) after half and zero point are added: rounded twice, as tinyml_requantize(). */
static inline int32_t scale(int32_t x, int32_t multiplier, int32_t rounding, int32_t shift)
{
    const int32_t high = (int32_t)(((int64_t)x * multiplier + (INT64_C(1) << 31)) >> 32);
    return (high + (high >> 31) + rounding) >> shift;
}

static inline int32_t add_one(const factors_t *f, int32_t half, int32_t other)
{
    const int32_t x = scale((other + f->offset) * (1 << f->left), f->multiplier, f->rounding, f->shift);
    const int32_t sum = (x + (half + f->half_offset) * (1 << 19)) * 2;
    return tinyml_clamp(scale(sum, f->sum_multiplier, f->sum_rounding, f->sum_shift), -128, 127);
}

#if defined(__ARM_FEATURE_DSP) && (defined(__GNUC__) || defined(__clang__))

#define UNUSED __attribute__((unused))
/* The four elements are in r5, r6, r7 and r4. */
#define ALL(what, how) what " r5, r5, " how "\n" what " r6, r6, " how "\n" \
                       what " r7, r7, " how "\n" what " r4, r4, " how "\n"
#define AWAY "add r5, r5, r5, asr #31\n add r6, r6, r6, asr #31\n add r7, r7, r7, asr #31\n add r4, r4, r4, asr #31\n"

/* Writes [out, end), a multiple of four elements, at least one of them. */
__attribute__((naked)) TINYML_STEP static void add_fours(UNUSED const int8_t *half, UNUSED const int8_t *other,
                                                         UNUSED int8_t *out, UNUSED const factors_t *f,
                                                         UNUSED const int8_t *end)
{
    __asm__(".syntax unified\n"
            "push {r4-r11, lr}\n"
            "1:\n ldr r4, [r1], #4\n ldm r3, {r8-r12}\n"
            "sxtab r5, r8, r4\n sxtab r6, r8, r4, ror #8\n sxtab r7, r8, r4, ror #16\n sxtab r4, r8, r4, ror #24\n"
            ALL("lsl", "r9") ALL("smmulr", "r10") AWAY ALL("add", "r11") ALL("asr", "r12")
            "ldr r8, [r0], #4\n ldrd r9, r10, [r3, #20]\n ldrd r11, r12, [r3, #28]\n"
            "sxtab lr, r9, r8\n add r5, r5, lr, lsl #19\n"
            "sxtab lr, r9, r8, ror #8\n add r6, r6, lr, lsl #19\n"
            "sxtab lr, r9, r8, ror #16\n add r7, r7, lr, lsl #19\n"
            "sxtab lr, r9, r8, ror #24\n add r4, r4, lr, lsl #19\n"
            ALL("lsl", "#1") ALL("smmulr", "r10") AWAY ALL("add", "r11") ALL("asr", "r12")
            "ssat r5, #8, r5\n ssat r6, #8, r6\n ssat r7, #8, r7\n ssat r4, #8, r4\n"
            "bfi r5, r6, #8, #8\n bfi r5, r7, #16, #8\n bfi r5, r4, #24, #8\n str r5, [r2], #4\n"
            "ldr lr, [sp, #36]\n cmp r2, lr\n bne 1b\n pop {r4-r11, pc}\n");
}

#else

static void add_fours(const int8_t *half, const int8_t *other, int8_t *out, const factors_t *f, const int8_t *end)
{
    while (out < end) {
        *out++ = (int8_t)add_one(f, *half++, *other++);
    }
}

#endif

void tinyml_add_s8_dsp(const tinyml_binary_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                       const tinyml_tile_t *tile, void *scratch)
{
    const int32_t swap = op->a.multiplier != 1 << 30 || op->a.shift != 0;
    const tinyml_operand_s8_t *half = swap ? &op->b : &op->a, *other = swap ? &op->a : &op->b;
    const tinyml_rows_t *half_in = swap ? in + 1 : in, *other_in = swap ? in : in + 1;
    const factors_t f = factors_of(op, half, other);
    const int32_t n = tile->cols * op->channels;
    const int32_t limited = op->out_min > -128 || op->out_max < 127;
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        const int8_t *h = (const int8_t *)tinyml_row(half_in, y) + (tile->col - half_in->first_col) * op->channels;
        const int8_t *x = (const int8_t *)tinyml_row(other_in, y) + (tile->col - other_in->first_col) * op->channels;
        int8_t *o = (int8_t *)tinyml_row(out, y) + (tile->col - out->first_col) * op->channels;
        if (n >= 4) {
            add_fours(h, x, o, &f, o + n / 4 * 4);
        }
        for (int32_t i = n / 4 * 4; i < n; ++i) {
            o[i] = (int8_t)add_one(&f, h[i], x[i]);
        }
        for (int32_t i = 0; limited && i < n; ++i) {
            o[i] = (int8_t)tinyml_clamp(o[i], op->out_min, op->out_max);
        }
    }
}

/* Sum of two int8 tensors of one shape, for Helium: eight elements at a time. SPDX-License-Identifier: Apache-2.0
 *
 * The operand of the larger scale comes to the common one by a factor of 1/2 and is exact there. So only the other one is
 * rounded, and then the sum.
 */
#include "tinyml_binary_s8.h"
#include "tinyml_bytes_vector.h"
#include "tinyml_mve.h"
#include "tinyml_requant.h"

/* The assembly knows this order. Shifts are negative. */
typedef struct {
    const int8_t *half;
    const int8_t *other;
    int8_t *out;
    int32_t count;
    int32_t offset; /* (other * factor + offset) is rounded */
    int32_t multiplier;
    int32_t shift;
    int32_t half_offset; /* (half + half_offset) << 19 is not */
    int32_t sum_multiplier;
    int32_t sum_shift;
    int32_t out_offset;
    int32_t factor;
} sum_t;

#if TINYML_HELIUM

/* r0 half, r1 other, r2 out, r4 to r11 what follows in the structure. The sign takes 1 off, for ties to be rounded away from zero. */
#define SCALE(to, from, multiplier, shift)                                                              \
    "vshr.s32 " to ", " from ", #31\n vqrdmlah.s32 " to ", " from ", " multiplier "\n vrshl.s32 " to ", " shift "\n"

/* Of four elements in 32 bits: `other` becomes the sum, `spare` its scaled form. */
#define SUM(sum, other, half, spare)                                                                    \
    "vmlas.s32 " other ", q3, r4\n" SCALE(spare, other, "r5", "r6")                                     \
    "vmla.s32 " spare ", " half ", r12\n" SCALE(sum, spare, "r8", "r9")

TINYML_ASSEMBLY static void add_row(TINYML_UNUSED const sum_t *sum)
{
    __asm__(".syntax unified\n"
            "push {r4-r12, lr}\n vpush {d8-d15}\n"
            "ldm r0, {r0-r11}\n"
            "vdup.32 q3, r11\n mov r12, #0x80000\n"
            "lsr lr, r3, #3\n and r3, r3, #7\n"
            "wls lr, lr, 2f\n"
            "1: vldrb.s16 q0, [r0], #8\n vldrb.s16 q1, [r1], #8\n vadd.i16 q0, q0, r7\n"
            "vmovlb.s16 q4, q0\n vmovlt.s16 q5, q0\n vmovlb.s16 q6, q1\n vmovlt.s16 q7, q1\n"
            SUM("q0", "q6", "q4", "q2") SUM("q1", "q7", "q5", "q2")
            "vqmovnb.s32 q0, q0\n vqmovnt.s32 q0, q1\n vqadd.s16 q0, q0, r10\n vqmovnb.s16 q0, q0\n"
            "vstrb.16 q0, [r2], #8\n"
            "le lr, 1b\n"
            "2: wlstp.32 lr, r3, 4f\n"
            "3: vldrb.s32 q1, [r1], #4\n vldrb.s32 q0, [r0], #4\n vadd.i32 q0, q0, r7\n"
            SUM("q0", "q1", "q0", "q2")
            "vadd.i32 q0, q0, r10\n vqmovnb.s32 q0, q0\n vqmovnb.s16 q0, q0\n"
            "vstrb.32 q0, [r2], #4\n"
            "letp lr, 3b\n"
            "4: vpop {d8-d15}\n pop {r4-r12, pc}\n");
}

#else

static void add_row(const sum_t *sum)
{
    for (int32_t i = 0; i < sum->count; ++i) {
        const int32_t other = tinyml_requantize(sum->other[i] * sum->factor + sum->offset, sum->multiplier, sum->shift);
        const int32_t both = other + (sum->half[i] + sum->half_offset) * (1 << 19);
        const int32_t scaled = tinyml_requantize(both, sum->sum_multiplier, sum->sum_shift) + sum->out_offset;
        sum->out[i] = (int8_t)tinyml_clamp(scaled, INT8_MIN, INT8_MAX);
    }
}

#endif

void tinyml_add_s8_mve(const tinyml_binary_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                       const tinyml_tile_t *tile, void *scratch)
{
    const int32_t swap = op->a.multiplier != 1 << 30 || op->a.shift != 0;
    const tinyml_operand_s8_t *half = swap ? &op->b : &op->a, *other = swap ? &op->a : &op->b;
    const tinyml_rows_t *half_in = swap ? in + 1 : in, *other_in = swap ? in : in + 1;
    /* A factor of 1/2 on the other side, too, has a shift of 0: one more on the left and one on the right change nothing. */
    const int32_t factor = other->shift < 0 ? 1 << 20 : 1 << 21;
    const int32_t n = tile->cols * op->channels;
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        int8_t *o = (int8_t *)tinyml_row(out, y) + (tile->col - out->first_col) * op->channels;
        const sum_t sum = {
            (const int8_t *)tinyml_row(half_in, y) + (tile->col - half_in->first_col) * op->channels,
            (const int8_t *)tinyml_row(other_in, y) + (tile->col - other_in->first_col) * op->channels,
            o, n, other->offset * factor, other->multiplier, other->shift < 0 ? other->shift : -1,
            half->offset, op->multiplier, op->shift, op->out_offset, factor,
        };
        add_row(&sum);
        if (op->out_min > INT8_MIN || op->out_max < INT8_MAX) {
            limit(o, n, op->out_min, op->out_max);
        }
    }
}

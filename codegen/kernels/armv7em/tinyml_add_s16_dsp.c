/* Sum of two int16 tensors of one shape, for SMMULR. SPDX-License-Identifier: Apache-2.0
 *
 * The operand of the larger scale comes to the common one by a factor of 1/2 and is exact there. So only the other one is
 * rounded, and then the sum.
 */
#include "tinyml_binary_s16.h"
#include "tinyml_requant.h"

void tinyml_add_s16_dsp(const tinyml_binary_s16_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                        const tinyml_tile_t *tile, void *scratch)
{
    const int32_t a_is_half = op->a.multiplier == 1 << 30 && op->a.shift == 0;
    const tinyml_operand_s16_t *other = a_is_half ? &op->b : &op->a;
    const tinyml_rows_t *half_in = a_is_half ? in : in + 1, *other_in = a_is_half ? in + 1 : in;
    const int32_t multiplier = other->multiplier, shift = -other->shift, half = shift > 0 ? 1 << (shift - 1) : 0;
    const int32_t away = shift > 0 ? -1 : 0; /* ties of negative numbers are rounded away from zero, where there are any */
    const int32_t sum_multiplier = op->multiplier, sum_shift = -op->shift, sum_half = 1 << (sum_shift - 1);
    const int32_t count = tile->cols * op->channels;
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        const int16_t *h = (const int16_t *)tinyml_row(half_in, y) + (tile->col - half_in->first_col) * op->channels;
        const int16_t *x = (const int16_t *)tinyml_row(other_in, y) + (tile->col - other_in->first_col) * op->channels;
        int16_t *o = (int16_t *)tinyml_row(out, y) + (tile->col - out->first_col) * op->channels;
        for (const int16_t *const end = o + count; o < end;) {
            const int32_t high = tinyml_high_word(*x++ * (1 << 16), multiplier);
            const int32_t scaled = (high + (high >> 31 & away) + half) >> shift;
            const int32_t sum = tinyml_high_word(2 * (scaled + *h++ * (1 << 14)), sum_multiplier);
            *o++ = (int16_t)tinyml_clamp((sum + (sum >> 31) + sum_half) >> sum_shift, op->out_min, op->out_max);
        }
    }
}

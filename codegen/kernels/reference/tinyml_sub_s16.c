/* Difference of two int16 tensors. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_binary_s16.h"
#include "tinyml_requant.h"

static inline int32_t compute(const tinyml_binary_s16_t *op, int32_t a, int32_t b)
{
    const int32_t x = tinyml_requantize(a * (1 << op->left_shift), op->a.multiplier, op->a.shift);
    const int32_t y = tinyml_requantize(b * (1 << op->left_shift), op->b.multiplier, op->b.shift);
    return tinyml_requantize(x - y, op->multiplier, op->shift);
}

void tinyml_sub_s16(const tinyml_binary_s16_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                    const tinyml_tile_t *tile, void *scratch)
{
    const tinyml_rows_t *in_b = op->a.constant ? in : in + 1;
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        const int16_t *a = tinyml_operand_s16(&op->a, in, y, tile->col);
        const int16_t *b = tinyml_operand_s16(&op->b, in_b, y, tile->col);
        int16_t *o = (int16_t *)tinyml_row(out, y) + (tile->col - out->first_col) * op->channels;
        for (int32_t x = 0; x < tile->cols; ++x) {
            for (int32_t c = 0; c < op->channels; ++c) {
                const int32_t r = compute(op, a[c * op->a.channel_stride], b[c * op->b.channel_stride]);
                o[c] = (int16_t)tinyml_clamp(r, op->out_min, op->out_max);
            }
            a += op->a.col_stride;
            b += op->b.col_stride;
            o += op->channels;
        }
    }
}

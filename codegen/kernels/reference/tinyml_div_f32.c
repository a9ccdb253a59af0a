/* Quotient of two float32 tensors. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_binary_f32.h"
#include "tinyml_clamp_f32.h"

void tinyml_div_f32(const tinyml_binary_f32_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                    const tinyml_tile_t *tile, void *scratch)
{
    const tinyml_rows_t *in_b = op->a.constant ? in : in + 1;
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        const float *a = tinyml_operand_f32(&op->a, in, y, tile->col);
        const float *b = tinyml_operand_f32(&op->b, in_b, y, tile->col);
        float *o = (float *)tinyml_row(out, y) + (tile->col - out->first_col) * op->channels;
        for (int32_t x = 0; x < tile->cols; ++x) {
            for (int32_t c = 0; c < op->channels; ++c) {
                const float r = a[c * op->a.channel_stride] / b[c * op->b.channel_stride];
                o[c] = tinyml_clamp_f32(r, op->out_min, op->out_max);
            }
            a += op->a.col_stride;
            b += op->b.col_stride;
            o += op->channels;
        }
    }
}

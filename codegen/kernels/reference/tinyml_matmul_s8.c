/* Product of two matrices, int8. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_matmul.h"
#include "tinyml_requant.h"

void tinyml_matmul_s8(const tinyml_matmul_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                      const tinyml_tile_t *tile, void *scratch)
{
    const tinyml_matrices_t *m = &op->shape;
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        int8_t *o = (int8_t *)tinyml_row(out, y) + (tile->col - out->first_col) * m->cols;
        for (int32_t x = tile->col; x < tile->col + tile->cols; ++x) {
            const int32_t row = y * m->out_cols + x;
            const int8_t *a = (const int8_t *)in[0].base + row * m->depth;
            const int8_t *b = (const int8_t *)in[1].base + row / m->rows * m->b_step;
            for (int32_t c = 0; c < m->cols; ++c) {
                int32_t sum = 0;
                for (int32_t k = 0; k < m->depth; ++k) {
                    sum += (a[k] + op->a_offset) * (b[k * m->cols + c] + op->b_offset);
                }
                sum = tinyml_requantize(sum, op->multiplier, op->shift) + op->out_offset;
                *o++ = (int8_t)tinyml_clamp(sum, -128, 127);
            }
        }
    }
}

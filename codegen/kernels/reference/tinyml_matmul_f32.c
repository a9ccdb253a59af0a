/* Product of two matrices, float32. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_matmul.h"

void tinyml_matmul_f32(const tinyml_matmul_f32_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                       const tinyml_tile_t *tile, void *scratch)
{
    const tinyml_matrices_t *m = &op->shape;
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        float *o = (float *)tinyml_row(out, y) + (tile->col - out->first_col) * m->cols;
        for (int32_t x = tile->col; x < tile->col + tile->cols; ++x) {
            const int32_t row = y * m->out_cols + x;
            const float *a = (const float *)in[0].base + row * m->depth;
            const float *b = (const float *)in[1].base + row / m->rows * m->b_step;
            for (int32_t c = 0; c < m->cols; ++c) {
                float sum = 0.0f;
                for (int32_t k = 0; k < m->depth; ++k) {
                    sum += a[k] * b[k * m->cols + c];
                }
                *o++ = sum;
            }
        }
    }
}

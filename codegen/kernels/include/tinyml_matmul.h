/* Products of matrices that are both computed at run time. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_MATMUL_H
#define TINYML_MATMUL_H

#include "tinyml_types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Matrices [rows, depth] times [depth, cols], one pair behind the other; with b_step 0 all have the same right side, otherwise
 * it is depth * cols. Pixel (y, x) of the output, of out_cols in a row, is row y * out_cols + x of all results. Both inputs
 * lie whole and end to end. */
typedef struct {
    int32_t rows;
    int32_t depth;
    int32_t cols;
    int32_t b_step;
    int32_t out_cols;
} tinyml_matrices_t;

typedef struct {
    tinyml_matrices_t shape;
    int32_t a_offset; /* added to stored numbers */
    int32_t b_offset;
    int32_t multiplier;
    int32_t shift;
    int32_t out_offset;
} tinyml_matmul_s8_t;

void tinyml_matmul_s8(const tinyml_matmul_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                      const tinyml_tile_t *tile, void *scratch);

typedef struct {
    tinyml_matrices_t shape;
} tinyml_matmul_f32_t;

void tinyml_matmul_f32(const tinyml_matmul_f32_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                       const tinyml_tile_t *tile, void *scratch);

#ifdef __cplusplus
}
#endif

#endif

/* Blocks that become pixels. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_resample.h"

void tinyml_space_to_depth(const tinyml_space_to_depth_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                           const tinyml_tile_t *tile, void *scratch)
{
    const int32_t block = op->block, run = block * op->pixel_bytes;
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        uint8_t *const o = (uint8_t *)tinyml_row(out, y) + (tile->col - out->first_col) * block * run;
        for (int32_t k = 0; k < block; ++k) {
            const uint8_t *i = (const uint8_t *)tinyml_row(in, y * block + k) - in->first_col * op->pixel_bytes;
            for (int32_t x = 0; x < tile->cols; ++x) {
                tinyml_copy(o + (x * block + k) * run, i + (tile->col + x) * run, run);
            }
        }
    }
}

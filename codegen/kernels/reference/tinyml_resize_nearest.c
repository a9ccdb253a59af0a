/* Resizing by the nearest pixel. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_resample.h"

void tinyml_resize_nearest(const tinyml_resize_nearest_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                           const tinyml_tile_t *tile, void *scratch)
{
    const uint8_t *before = 0;
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        uint8_t *const o = (uint8_t *)tinyml_row(out, y) + (tile->col - out->first_col) * op->pixel_bytes;
        if (before != 0 && op->rows[y] == op->rows[y - 1]) {
            tinyml_copy(o, before, tile->cols * op->pixel_bytes);
        } else {
            const uint8_t *i = (const uint8_t *)tinyml_row(in, op->rows[y]) - in->first_col * op->pixel_bytes;
            for (int32_t x = 0; x < tile->cols; ++x) {
                tinyml_copy(o + x * op->pixel_bytes, i + op->cols[tile->col + x] * op->pixel_bytes, op->pixel_bytes);
            }
        }
        before = o;
    }
}

/* Padding of any axis with one value. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_movement.h"

void tinyml_pad(const tinyml_pad_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out, const tinyml_tile_t *tile,
                void *scratch)
{
    const uint32_t fill = tinyml_load_word(op->fill);
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        tinyml_fill((uint8_t *)tinyml_row(out, y) + (tile->col - out->first_col) * op->pixel_bytes, fill,
                    tile->cols * op->pixel_bytes);
    }
    tinyml_copy_box(&op->box, op->pixel_bytes, in, out, tile);
}

/* A box of an image. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_movement.h"

void tinyml_slice(const tinyml_slice_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                  const tinyml_tile_t *tile, void *scratch)
{
    const tinyml_box_t *box = &op->box;
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        const uint8_t *from = (const uint8_t *)tinyml_row(in, y + box->row)
                              + (tile->col + box->col - in->first_col) * op->pixel_bytes + box->byte;
        uint8_t *to = (uint8_t *)tinyml_row(out, y) + (tile->col - out->first_col) * box->bytes;
        if (box->bytes == op->pixel_bytes) {
            tinyml_copy(to, from, tile->cols * box->bytes);
            continue;
        }
        for (int32_t x = 0; x < tile->cols; ++x) {
            tinyml_copy(to, from, box->bytes);
            from += op->pixel_bytes;
            to += box->bytes;
        }
    }
}

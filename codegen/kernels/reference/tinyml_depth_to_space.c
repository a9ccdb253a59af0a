/* Pixels that become squares. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_resample.h"

void tinyml_depth_to_space(const tinyml_depth_to_space_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                           const tinyml_tile_t *tile, void *scratch)
{
    const int32_t block = op->block, bytes = op->pixel_bytes, size = op->element_bytes;
    const int32_t square = block * block;
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        const uint8_t *row = (const uint8_t *)tinyml_row(in, y / block) - in->first_col * square * bytes;
        uint8_t *o = (uint8_t *)tinyml_row(out, y) + (tile->col - out->first_col) * bytes;

        for (int32_t x = tile->col; x < tile->col + tile->cols; ++x) {
            const uint8_t *pixel = row + x / block * square * bytes;
            const int32_t place = y % block * block + x % block;
            if (!op->channel_major) {
                tinyml_copy(o, pixel + place * bytes, bytes);
                o += bytes;
                continue;
            }
            for (const uint8_t *end = o + bytes, *i = pixel + place * size; o < end; i += square * size) {
                tinyml_copy(o, i, size);
                o += size;
            }
        }
    }
}

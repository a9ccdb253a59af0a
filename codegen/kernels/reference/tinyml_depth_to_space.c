/* Pixels that become blocks. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_resample.h"

void tinyml_depth_to_space(const tinyml_depth_to_space_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                           const tinyml_tile_t *tile, void *scratch)
{
    const int32_t height = op->block_rows, width = op->block_cols, pixels = height * width;
    const int32_t bytes = op->pixel_bytes, size = op->element_bytes;
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        const uint8_t *row = (const uint8_t *)tinyml_row(in, y / height) - in->first_col * pixels * bytes;
        uint8_t *o = (uint8_t *)tinyml_row(out, y) + (tile->col - out->first_col) * bytes;

        for (int32_t x = tile->col; x < tile->col + tile->cols; ++x) {
            const uint8_t *pixel = row + x / width * pixels * bytes;
            const int32_t place = y % height * width + x % width;
            if (!op->channel_major) {
                tinyml_copy(o, pixel + place * bytes, bytes);
                o += bytes;
                continue;
            }
            for (const uint8_t *end = o + bytes, *i = pixel + place * size; o < end; i += pixels * size) {
                tinyml_copy(o, i, size);
                o += size;
            }
        }
    }
}

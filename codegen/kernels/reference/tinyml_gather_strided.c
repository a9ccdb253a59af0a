/* Transposes and strided slices. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_movement.h"

/* `count` elements, `stride` bytes apart in the input. */
static void gather(uint8_t *to, const uint8_t *from, int32_t stride, int32_t count, int32_t element_bytes)
{
    if (stride == element_bytes) {
        tinyml_copy(to, from, count * element_bytes);
        return;
    }
    for (int32_t i = 0; i < count; ++i) {
        const uint8_t *element = from + i * stride;
        if (element_bytes == 4) {
            tinyml_store_word(to, tinyml_load_word(element));
        } else {
            to[0] = element[0];
            if (element_bytes == 2) {
                to[1] = element[1];
            }
        }
        to += element_bytes;
    }
}

void tinyml_gather_strided(const tinyml_gather_strided_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                           const tinyml_tile_t *tile, void *scratch)
{
    const tinyml_nest_t *nest = &op->nest;
    const int32_t size = op->element_bytes;
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        uint8_t *o = (uint8_t *)tinyml_row(out, y) + (tile->col - out->first_col) * nest->channels * size;
        for (int32_t x = tile->col; x < tile->col + tile->cols; ++x) {
            const uint8_t *from = (const uint8_t *)in->base + tinyml_nest_at(nest, y, x) * size;
            gather(o, from, nest->channel_stride * size, nest->channels, size);
            o += nest->channels * size;
        }
    }
}

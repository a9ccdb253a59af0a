/* uint8 to int8 of the same scale, or back. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_memory.h"
#include "tinyml_quantize.h"

void tinyml_flip_sign(const tinyml_flip_sign_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                      const tinyml_tile_t *tile, void *scratch)
{
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        const uint8_t *x = (const uint8_t *)tinyml_row(in, y) + (tile->col - in->first_col) * op->channels;
        uint8_t *o = (uint8_t *)tinyml_row(out, y) + (tile->col - out->first_col) * op->channels;
        int32_t n = tile->cols * op->channels;
        for (; n >= 8; n -= 8, x += 8, o += 8) {
            const uint32_t first = tinyml_load_word(x), second = tinyml_load_word(x + 4);
            tinyml_store_word(o, first ^ UINT32_C(0x80808080));
            tinyml_store_word(o + 4, second ^ UINT32_C(0x80808080));
        }
        for (; n > 0; --n) {
            *o++ = (uint8_t)(*x++ ^ 0x80);
        }
    }
}

/* Concatenation along any axis. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_movement.h"

void tinyml_concat(const tinyml_concat_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                   const tinyml_tile_t *tile, void *scratch)
{
    (void)scratch;

    for (int32_t i = 0; i < op->count; ++i) {
        const int32_t *b = op->boxes + 7 * i;
        const tinyml_box_t box = {b[0], b[1], b[2], b[3], b[4], b[5]};
        if (b[6] < 0) {
            tinyml_copy_box(&box, op->pixel_bytes, in++, out, tile);
        } else {
            const tinyml_rows_t constant = TINYML_ROWS((void *)(op->constants + b[6]), box.cols * box.bytes, box.rows);
            tinyml_copy_box(&box, op->pixel_bytes, &constant, out, tile);
        }
    }
}

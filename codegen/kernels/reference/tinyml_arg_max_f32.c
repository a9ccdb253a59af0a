/* Index of the largest channel, float32. SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>

typedef float element_t;

#include "tinyml_arg_max_pixels.h"

void tinyml_arg_max_f32(const tinyml_arg_max_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                       const tinyml_tile_t *tile, void *scratch)
{
    (void)scratch;
    arg_max(op, in, out, tile);
}

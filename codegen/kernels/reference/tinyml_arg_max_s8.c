/* Index of the largest channel, int8. SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>

typedef int8_t element_t;

#include "tinyml_arg_max_pixels.h"

void tinyml_arg_max_s8(const tinyml_arg_max_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                       const tinyml_tile_t *tile, void *scratch)
{
    (void)scratch;
    arg_max(op, in, out, tile);
}

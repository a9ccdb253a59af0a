/* int16 to int8 of another scale. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_quantize.h"

typedef int16_t in_t;
typedef int8_t out_t;

#include "tinyml_requantize_elements.h"

void tinyml_requantize_s16_s8(const tinyml_requantize_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                              const tinyml_tile_t *tile, void *scratch)
{
    (void)scratch;
    each_element(op, in, out, tile);
}

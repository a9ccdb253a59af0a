/* float32 to int8. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_quantize.h"

typedef int8_t out_t;

#include "tinyml_quantize_elements.h"

void tinyml_quantize_f32_s8(const tinyml_quantize_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                            const tinyml_tile_t *tile, void *scratch)
{
    (void)scratch;
    each_element(op, in, out, tile);
}

/* uint8 to float32. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_quantize.h"

typedef uint8_t in_t;

#include "tinyml_dequantize_elements.h"

void tinyml_dequantize_u8_f32(const tinyml_dequantize_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                              const tinyml_tile_t *tile, void *scratch)
{
    (void)scratch;
    each_element(op, in, out, tile);
}

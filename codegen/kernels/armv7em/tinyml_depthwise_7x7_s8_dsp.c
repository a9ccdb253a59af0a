/* Depthwise convolution, int8, 7x7, for SMLAD. SPDX-License-Identifier: Apache-2.0 */
#define TINYML_DEPTHWISE_SIZE 7
#include "tinyml_depthwise_planar.h"

void tinyml_depthwise_7x7_s8_dsp(const tinyml_depthwise_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                                 const tinyml_tile_t *tile, void *scratch)
{
    depthwise(op, NULL, in, out, tile, scratch);
}

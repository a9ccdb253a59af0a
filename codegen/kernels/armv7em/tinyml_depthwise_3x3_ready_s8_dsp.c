/* Depthwise convolution, int8, 3x3, for SMLAD, in tiles of few rows. SPDX-License-Identifier: Apache-2.0 */
#define TINYML_DEPTHWISE_PAIRS 9
#include "tinyml_depthwise_ready.h"

void tinyml_depthwise_3x3_ready_s8_dsp(const tinyml_depthwise_ready_s8_t *op, const tinyml_rows_t *in,
                                       const tinyml_rows_t *out, const tinyml_tile_t *tile, void *scratch)
{
    depthwise_ready(op, in, out, tile, scratch);
}

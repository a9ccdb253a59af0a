/* Depthwise convolution, int8, 7x7, for SMLAD, in tiles of few rows. SPDX-License-Identifier: Apache-2.0 */
#define TINYML_DEPTHWISE_SIZE 7
#include "tinyml_depthwise_planar.h"

void tinyml_depthwise_7x7_ready_s8_dsp(const tinyml_depthwise_ready_s8_t *op, const tinyml_rows_t *in,
                                       const tinyml_rows_t *out, const tinyml_tile_t *tile, void *scratch)
{
    depthwise(&op->depthwise, (const uint32_t *)(const void *)op->channels, in, out, tile, scratch);
}

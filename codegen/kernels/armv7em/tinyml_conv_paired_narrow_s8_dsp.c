/* Convolution, int8, two channels a lane, for SMLAD, two outputs at a time. SPDX-License-Identifier: Apache-2.0 */
#define TINYML_COLUMNS 2
#define TINYML_DUAL_ISSUE 0
#include "tinyml_conv_paired_block.h"

void tinyml_conv_paired_narrow_s8_dsp(const tinyml_conv_paired_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                                      const tinyml_tile_t *tile, void *scratch)
{
    conv_paired(op, in, out, tile, scratch);
}

/* Convolution, int8, for Helium. SPDX-License-Identifier: Apache-2.0 */
#define BYTES 1
#define WEIGHTS(q) "vldrb.u8 " q ", [r1], #16\n"
#define SOME_WEIGHTS(q) "vldrb.u8 " q ", [r1]\n add r1, r1, r9\n"

#include "tinyml_conv_vector_runs.h"

void tinyml_conv_s8_mve(const tinyml_conv_vector_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                        const tinyml_tile_t *tile, void *scratch)
{
    convolve(op, in, out, tile, scratch);
}

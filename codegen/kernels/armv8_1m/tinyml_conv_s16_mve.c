/* Convolution, int16 with int8 weights, for Helium. SPDX-License-Identifier: Apache-2.0 */
#define BYTES 2
#define WEIGHTS(q) "vldrb.s16 " q ", [r1], #8\n"
#define SOME_WEIGHTS(q) "vldrb.s16 " q ", [r1]\n add r1, r1, r9\n"

#include "tinyml_conv_vector_runs.h"

void tinyml_conv_s16_mve(const tinyml_conv_vector_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                         const tinyml_tile_t *tile, void *scratch)
{
    convolve(op, in, out, tile, scratch);
}

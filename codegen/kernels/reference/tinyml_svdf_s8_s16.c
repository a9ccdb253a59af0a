/* Singular value decomposition filters, int8 with int16 state. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_svdf_s8.h"

typedef int16_t state_t;
enum { STATE_MIN = INT16_MIN, STATE_MAX = INT16_MAX };

#include "tinyml_svdf_filters.h"

void tinyml_svdf_s8_s16(const tinyml_svdf_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                        const tinyml_tile_t *tile, void *scratch)
{
    (void)scratch;
    svdf(op, in, out, tile);
}

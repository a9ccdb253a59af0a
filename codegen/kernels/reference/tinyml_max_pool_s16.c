/* Maximum of windows, int16. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_pool_s16.h"

typedef int16_t element_t;
enum { LEAST = INT16_MIN };

#include "tinyml_pool_integers.h"
#include "tinyml_max_pool.h"

void tinyml_max_pool_s16(const tinyml_pool_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                         const tinyml_tile_t *tile, void *scratch)
{
    (void)scratch;
    max_pool(op, in, out, tile);
}

/* Maximum of windows, float32. SPDX-License-Identifier: Apache-2.0 */
#include <float.h>

#include "tinyml_clamp_f32.h"
#include "tinyml_pool_f32.h"

typedef float element_t;
typedef tinyml_pool_f32_t op_t;
#define LEAST (-FLT_MAX)

static inline float limit(const op_t *op, float x)
{
    return tinyml_clamp_f32(x, op->out_min, op->out_max);
}

#include "tinyml_max_pool.h"

void tinyml_max_pool_f32(const tinyml_pool_f32_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                         const tinyml_tile_t *tile, void *scratch)
{
    (void)scratch;
    max_pool(op, in, out, tile);
}

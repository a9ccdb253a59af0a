/* Average of windows, float32. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_clamp_f32.h"
#include "tinyml_pool_f32.h"

typedef float element_t, sum_t;
typedef tinyml_pool_f32_t op_t;

static inline float padding(const op_t *op, int32_t taps)
{
    (void)op;
    (void)taps;
    return 0.0f;
}

static inline float average(const op_t *op, float sum, int32_t count)
{
    return tinyml_clamp_f32(sum / (float)count, op->out_min, op->out_max);
}

#include "tinyml_average_pool.h"

void tinyml_average_pool_f32(const tinyml_pool_f32_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                             const tinyml_tile_t *tile, void *scratch)
{
    (void)scratch;
    average_pool(op, in, out, tile);
}

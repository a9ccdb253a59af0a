/* Maximum of windows, int8, four channels at a time. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_pool_dsp.h"

static inline uint32_t larger(uint32_t a, uint32_t b)
{
#if defined(__ARM_FEATURE_DSP)
    (void)__ssub8((int8x4_t)a, (int8x4_t)b);
    return (uint32_t)__sel((uint8x4_t)a, (uint8x4_t)b);
#else
    uint32_t result = 0;
    for (int32_t k = 0; k < 32; k += 8) {
        const int8_t x = (int8_t)(a >> k & 255), y = (int8_t)(b >> k & 255);
        result |= ((uint32_t)(x > y ? x : y) & 255) << k;
    }
    return result;
#endif
}

static void pool_window(const tinyml_pool_s8_t *op, const tinyml_rows_t *in, const int8_t *x, inside_t inside,
                        int8_t *out)
{
    const int32_t step = op->window.in_channels;
    uint32_t most = UINT32_C(0x80808080);

    for (int32_t ky = inside.cols > 0 ? inside.rows : 0; ky > 0; --ky) {
        const int8_t *i = x;
        for (int32_t kx = inside.cols; kx > 0; --kx, i += step) {
            most = larger(tinyml_load_word(i), most);
        }
        x = ky > 1 ? tinyml_row_below(in, x, 1) : x;
    }
    tinyml_store_word(out, most);
    for (int32_t k = 0; k < 4; ++k) {
        out[k] = (int8_t)tinyml_clamp(out[k], op->out_min, op->out_max);
    }
}

void tinyml_max_pool_s8_dsp(const tinyml_pool_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                            const tinyml_tile_t *tile, void *scratch)
{
    (void)scratch;
    pool(op, in, out, tile);
}

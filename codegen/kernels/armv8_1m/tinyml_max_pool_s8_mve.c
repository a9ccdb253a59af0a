/* Maximum of windows, int8, for Helium: 16 channels at a time. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_mve.h"
#include "tinyml_pool_s8.h"
#include "tinyml_requant.h"

#if TINYML_HELIUM
#include <arm_mve.h>

static void start(int8_t *out, int32_t channels)
{
    for (int32_t c = 0; c < channels; c += 16) {
        vstrbq_p_s8(out + c, vdupq_n_s8(INT8_MIN), vctp8q((uint32_t)(channels - c)));
    }
}

/* The largest of what is there and `taps` pixels. */
static void include(int8_t *out, const int8_t *x, int32_t taps, int32_t channels)
{
    for (int32_t c = 0; c < channels; c += 16) {
        const mve_pred16_t some = vctp8q((uint32_t)(channels - c));
        const int8_t *i = x + c;
        int8x16_t most = vldrbq_z_s8(out + c, some);
        for (int32_t t = taps; t > 0; --t, i += channels) {
            most = vmaxq_s8(most, vldrbq_z_s8(i, some));
        }
        vstrbq_p_s8(out + c, most, some);
    }
}

static void limit(const tinyml_pool_s8_t *op, int8_t *out, int32_t channels)
{
    const int8x16_t low = vdupq_n_s8((int8_t)op->out_min), high = vdupq_n_s8((int8_t)op->out_max);
    for (int32_t c = 0; c < channels; c += 16) {
        const mve_pred16_t some = vctp8q((uint32_t)(channels - c));
        vstrbq_p_s8(out + c, vminq_s8(vmaxq_s8(vldrbq_z_s8(out + c, some), low), high), some);
    }
}

#else

static void start(int8_t *out, int32_t channels)
{
    for (int32_t c = 0; c < channels; ++c) {
        out[c] = INT8_MIN;
    }
}

static void include(int8_t *out, const int8_t *x, int32_t taps, int32_t channels)
{
    for (int32_t t = 0; t < taps; ++t, x += channels) {
        for (int32_t c = 0; c < channels; ++c) {
            out[c] = x[c] > out[c] ? x[c] : out[c];
        }
    }
}

static void limit(const tinyml_pool_s8_t *op, int8_t *out, int32_t channels)
{
    for (int32_t c = 0; c < channels; ++c) {
        out[c] = (int8_t)tinyml_clamp(out[c], op->out_min, op->out_max);
    }
}

#endif

void tinyml_max_pool_s8_mve(const tinyml_pool_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                            const tinyml_tile_t *tile, void *scratch)
{
    const tinyml_window_t *w = &op->window;
    const int32_t channels = w->in_channels;
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        int8_t *o = (int8_t *)tinyml_row(out, y) + (tile->col - out->first_col) * channels;
        const tinyml_taps_t rows = tinyml_rows_of_window(w, y);
        for (int32_t x = tile->col; x < tile->col + tile->cols; ++x, o += channels) {
            const tinyml_taps_t cols = tinyml_cols_of_window(w, x);
            start(o, channels);
            for (int32_t ky = rows.first; ky < rows.end; ++ky) {
                const int8_t *row = tinyml_row(in, rows.origin + ky);
                include(o, row + (cols.origin + cols.first - in->first_col) * channels, cols.end - cols.first, channels);
            }
            limit(op, o, channels);
        }
    }
}

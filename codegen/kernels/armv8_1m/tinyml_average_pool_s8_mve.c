/* Average of windows, int8, for Helium: four channels at a time. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_mve.h"
#include "tinyml_pool_s8.h"
#include "tinyml_requant.h"

/* The taps of a window that lie in the image; `count` is what their sum is divided by, `more` what is added to it. */
typedef struct {
    tinyml_taps_t rows;
    tinyml_taps_t cols;
    int32_t count;
    int32_t more;
} window_t;

#if TINYML_HELIUM
#include <arm_mve.h>

/* (2^32 / n, rounded up, times x) / 2^32 is x / n, rounded down, where x < 129 n and n <= 4096: the error is below 1 / n. */
static void average(const tinyml_pool_s8_t *op, const tinyml_rows_t *in, const window_t *window, int8_t *out)
{
    const int32_t channels = op->window.in_channels, n = window->count;
    const int32_t first = (window->cols.origin + window->cols.first - in->first_col) * channels;
    const uint32x4_t reciprocal = vdupq_n_u32(UINT32_MAX / (uint32_t)n + 1u);

    for (int32_t c = 0; c < channels; c += 4) {
        const mve_pred16_t some = vctp32q((uint32_t)(channels - c));
        int32x4_t sum = vdupq_n_s32(window->more);
        for (int32_t ky = window->rows.first; ky < window->rows.end; ++ky) {
            const int8_t *i = (const int8_t *)tinyml_row(in, window->rows.origin + ky) + first + c;
            for (int32_t kx = window->cols.first; kx < window->cols.end; ++kx, i += channels) {
                sum = vaddq_s32(sum, vldrbq_z_s32(i, some));
            }
        }
        uint32x4_t size = vreinterpretq_u32_s32(vaddq_n_s32(vabsq_s32(sum), n / 2));
        if (n > 1) {
            size = vmulhq_u32(size, reciprocal);
        }
        int32x4_t mean = vreinterpretq_s32_u32(size);
        mean = vnegq_m_s32(mean, mean, vcmpltq_n_s32(sum, 0));
        mean = vminq_s32(vmaxq_s32(mean, vdupq_n_s32(op->out_min)), vdupq_n_s32(op->out_max));
        vstrbq_p_s32(out + c, mean, some);
    }
}

#else

static void average(const tinyml_pool_s8_t *op, const tinyml_rows_t *in, const window_t *window, int8_t *out)
{
    const int32_t channels = op->window.in_channels;
    const int32_t first = (window->cols.origin + window->cols.first - in->first_col) * channels;

    for (int32_t c = 0; c < channels; ++c) {
        int32_t sum = window->more;
        for (int32_t ky = window->rows.first; ky < window->rows.end; ++ky) {
            const int8_t *i = (const int8_t *)tinyml_row(in, window->rows.origin + ky) + first + c;
            for (int32_t kx = window->cols.first; kx < window->cols.end; ++kx, i += channels) {
                sum += *i;
            }
        }
        out[c] = (int8_t)tinyml_clamp(tinyml_divide(sum, window->count), op->out_min, op->out_max);
    }
}

#endif

void tinyml_average_pool_s8_mve(const tinyml_pool_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                                const tinyml_tile_t *tile, void *scratch)
{
    const tinyml_window_t *w = &op->window;
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        int8_t *o = (int8_t *)tinyml_row(out, y) + (tile->col - out->first_col) * w->in_channels;
        window_t window = {tinyml_rows_of_window(w, y), {0, 0, 0}, 0, 0};
        for (int32_t x = tile->col; x < tile->col + tile->cols; ++x, o += w->in_channels) {
            window.cols = tinyml_cols_of_window(w, x);
            const int32_t inside = (window.rows.end - window.rows.first) * (window.cols.end - window.cols.first);
            window.count = op->whole_window ? w->kernel_height * w->kernel_width : inside;
            window.more = (window.count - inside) * op->zero_point;
            average(op, in, &window, o);
        }
    }
}

/* Walks the windows of pools, four channels at a time. SPDX-License-Identifier: Apache-2.0
 *
 * A source defines what a window gives, pool_window(), and includes this file.
 */
#ifndef TINYML_POOL_DSP_H
#define TINYML_POOL_DSP_H

#include "tinyml_dsp.h"
#include "tinyml_memory.h"
#include "tinyml_pool_s8.h"
#include "tinyml_requant.h"

/* The taps of a window that lie inside the image. */
typedef struct {
    int32_t rows;
    int32_t cols;
} inside_t;

/* Four channels, whose first tap is at x. */
static void pool_window(const tinyml_pool_s8_t *op, const tinyml_rows_t *in, const int8_t *x, inside_t inside,
                        int8_t *out);

static inline void pool(const tinyml_pool_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                        const tinyml_tile_t *tile)
{
    const tinyml_window_t *w = &op->window;
    const int32_t channels = w->in_channels;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        int8_t *o = (int8_t *)tinyml_row(out, y) + (tile->col - out->first_col) * channels;
        const tinyml_taps_t rows = tinyml_rows_of_window(w, y);
        const int8_t *const top = rows.first < rows.end ? tinyml_row(in, rows.origin + rows.first) : in->base;
        for (int32_t x = tile->col; x < tile->col + tile->cols; ++x, o += channels) {
            const tinyml_taps_t cols = tinyml_cols_of_window(w, x);
            const inside_t inside = {rows.end - rows.first, cols.end - cols.first};
            const int8_t *const corner = top + (cols.origin + cols.first - in->first_col) * channels;
            for (int32_t next = 0; next < channels; next += 4) {
                const int32_t c = next + 4 <= channels ? next : channels - 4; /* the last four once more */
                pool_window(op, in, corner + c, inside, o + c);
            }
        }
    }
}

#endif

/* Sliding windows: what convolutions and pools have in common. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_WINDOW_H
#define TINYML_WINDOW_H

#include "tinyml_types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The window of output position (y, x) starts at input row y * stride_y - pad_top, column x * stride_x - pad_left. */
typedef struct {
    int32_t in_height;
    int32_t in_width;
    int32_t in_channels;
    int32_t kernel_height;
    int32_t kernel_width;
    int32_t stride_y;
    int32_t stride_x;
    int32_t dilation_y;
    int32_t dilation_x;
    int32_t pad_top;
    int32_t pad_left;
} tinyml_window_t;

/* The taps of one axis that fall into the input: first <= tap < end. Tap k reads position origin + k * dilation. */
typedef struct {
    int32_t origin;
    int32_t first;
    int32_t end;
} tinyml_taps_t;

static inline tinyml_taps_t tinyml_taps(int32_t origin, int32_t size, int32_t kernel, int32_t dilation)
{
    tinyml_taps_t taps = {origin, 0, kernel};
    if (origin < 0) {
        taps.first = dilation == 1 ? -origin : (dilation - 1 - origin) / dilation;
    }
    if (origin + (kernel - 1) * dilation >= size) {
        const int32_t room = size > origin ? size - origin : 0;
        taps.end = dilation == 1 ? room : (room + dilation - 1) / dilation;
    }
    if (taps.end < taps.first) {
        taps.end = taps.first;
    }
    return taps;
}

static inline tinyml_taps_t tinyml_rows_of_window(const tinyml_window_t *w, int32_t y)
{
    return tinyml_taps(y * w->stride_y - w->pad_top, w->in_height, w->kernel_height, w->dilation_y);
}

static inline tinyml_taps_t tinyml_cols_of_window(const tinyml_window_t *w, int32_t x)
{
    return tinyml_taps(x * w->stride_x - w->pad_left, w->in_width, w->kernel_width, w->dilation_x);
}

/* The row `step` rows below `row`, around the end of a ring where need be: tinyml_row() without its division.
 * 0 <= step <= map->rows. */
static inline const void *tinyml_row_below(const tinyml_rows_t *map, const void *row, int32_t step)
{
    const int32_t size = map->rows * map->row_bytes;
    int32_t at = (int32_t)((const uint8_t *)row - (const uint8_t *)map->base) + step * map->row_bytes;
    if (at >= size) {
        at -= size;
    }
    return (const uint8_t *)map->base + at;
}

#ifdef __cplusplus
}
#endif

#endif

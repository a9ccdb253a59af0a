/* Softmax of int16. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_functions_s16.h"
#include "tinyml_requant.h"

/* The table of 513 at x, which spans int16. */
static inline int32_t interpolate(const int16_t *table, int32_t x)
{
    const int16_t *at = table + 256 + (x >> 7);
    return at[0] + (((at[1] - at[0]) * (x & 127) + 64) >> 7);
}

static inline int32_t exp_of(const tinyml_softmax_s16_t *op, int32_t diff)
{
    const int32_t scaled = tinyml_requantize(diff, op->multiplier, op->shift);
    return interpolate(op->exp, tinyml_clamp(scaled, INT16_MIN - INT16_MAX, 0) + INT16_MAX);
}

static void softmax(const tinyml_softmax_s16_t *op, const int16_t *x, int16_t *o)
{
    int32_t max = INT16_MIN, sum = 0, headroom = 0;
    for (int32_t c = 0; c < op->channels; ++c) {
        max = x[c] > max ? x[c] : max;
    }
    for (int32_t c = 0; c < op->channels; ++c) {
        sum += exp_of(op, x[c] - max);
    }
    while ((UINT32_C(0x80000000) >> headroom & (uint32_t)sum) == 0) {
        ++headroom;
    }
    const int32_t normal = (int32_t)((((int64_t)sum << (headroom - 1)) + (1 << 13)) >> 14);
    const int32_t position = tinyml_clamp(normal - (1 << 15) - (1 << 16), INT16_MIN, INT16_MAX);
    const int32_t reciprocal = interpolate(op->reciprocal, position);
    const int32_t right = 31 - headroom;
    for (int32_t c = 0; c < op->channels; ++c) {
        const int64_t product = (int64_t)exp_of(op, x[c] - max) * reciprocal;
        o[c] = (int16_t)tinyml_clamp((int32_t)((product + (INT64_C(1) << (right - 1))) >> right), 0, INT16_MAX);
    }
}

void tinyml_softmax_s16(const tinyml_softmax_s16_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                        const tinyml_tile_t *tile, void *scratch)
{
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        const int16_t *x = (const int16_t *)tinyml_row(in, y) + (tile->col - in->first_col) * op->channels;
        int16_t *o = (int16_t *)tinyml_row(out, y) + (tile->col - out->first_col) * op->channels;
        for (int32_t col = 0; col < tile->cols; ++col, x += op->channels, o += op->channels) {
            softmax(op, x, o);
        }
    }
}

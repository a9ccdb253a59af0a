/* Depthwise convolution, int16 with int8 weights, for Helium: eight channels of two outputs at a time, which share
 * weights. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_depthwise_vector_s16.h"
#include "tinyml_mve.h"
#include "tinyml_requant.h"

#define CHANNELS 8
#define RESCALE_WORDS 9 /* of four channels */

/* Two outputs whose windows have the same taps inside the image; both are the same one where there is no second. */
typedef struct {
    const int16_t *row; /* the first tap inside of the first output */
    tinyml_taps_t rows;
    int32_t cols;        /* taps of a row */
    int32_t col_step;    /* from one to the next */
    int32_t next;        /* from the first window to the second */
    const int8_t *weights;
    int32_t weights_step; /* from the end of a row of taps to the next */
    const int32_t *rescale;
    int32_t channels; /* so many of the eight */
    int16_t *out[2];
} outputs_t;

#if TINYML_HELIUM
#include <arm_mve.h>

/* Of four channels, the even or the odd ones of eight: see tinyml_conv_vector.h. */
static inline int32x4_t rescale_four(int32x4_t sum, const int32_t *rescale)
{
    sum = vaddq_s32(sum, vldrwq_s32(rescale));
    sum = vqdmulhq_s32(sum, vldrwq_s32(rescale + 4));
    return vrshlq_s32(sum, vldrbq_s32((const int8_t *)(rescale + 8)));
}

static inline int16x8_t finish(const tinyml_depthwise_vector_s16_t *op, const int32_t *rescale, int32x4_t even, int32x4_t odd)
{
    int16x8_t both = vqmovnbq_s32(vuninitializedq_s16(), rescale_four(even, rescale));
    both = vqmovntq_s32(both, rescale_four(odd, rescale + RESCALE_WORDS));
    return vminq_s16(vmaxq_s16(both, vdupq_n_s16((int16_t)op->out_min)), vdupq_n_s16((int16_t)op->out_max));
}

static void compute(const tinyml_depthwise_vector_s16_t *op, const tinyml_rows_t *in, const outputs_t *two)
{
    const mve_pred16_t some = vctp16q((uint32_t)two->channels);
    const int8_t *weights = two->weights;
    const int16_t *row = two->row;
    int32x4_t even0 = vdupq_n_s32(0), odd0 = even0, even1 = even0, odd1 = even0;

    for (int32_t ky = two->rows.first; ky < two->rows.end; ++ky) {
        const int16_t *x = row;
        for (int32_t kx = 0; kx < two->cols; ++kx) {
            const int16x8_t w = vldrbq_s16(weights);
            const int16x8_t x0 = vldrhq_z_s16(x, some), x1 = vldrhq_z_s16(x + two->next, some);
            even0 = vaddq_s32(even0, vmullbq_int_s16(x0, w));
            odd0 = vaddq_s32(odd0, vmulltq_int_s16(x0, w));
            even1 = vaddq_s32(even1, vmullbq_int_s16(x1, w));
            odd1 = vaddq_s32(odd1, vmulltq_int_s16(x1, w));
            weights += CHANNELS;
            x += two->col_step;
        }
        weights += two->weights_step;
        row = tinyml_row_below(in, row, ky + 1 < two->rows.end ? op->window.dilation_y : 0);
    }
    vstrhq_p_s16(two->out[0], finish(op, two->rescale, even0, odd0), some);
    vstrhq_p_s16(two->out[1], finish(op, two->rescale, even1, odd1), some);
}

#else

static int16_t compute_one(const tinyml_depthwise_vector_s16_t *op, const tinyml_rows_t *in, const outputs_t *two,
                           const int16_t *row, int32_t channel)
{
    const int32_t *rescale = two->rescale + channel % 2 * RESCALE_WORDS;
    const int32_t lane = channel / 2;
    const int32_t shift = -((const int8_t *)(rescale + 8))[lane];
    const int8_t *weights = two->weights + channel;
    int32_t sum = rescale[lane];

    for (int32_t ky = two->rows.first; ky < two->rows.end; ++ky) {
        for (int32_t kx = 0; kx < two->cols; ++kx, weights += CHANNELS) {
            sum += row[kx * two->col_step] * *weights;
        }
        weights += two->weights_step;
        row = tinyml_row_below(in, row, ky + 1 < two->rows.end ? op->window.dilation_y : 0);
    }
    const int32_t product = (int32_t)((int64_t)sum * rescale[4 + lane] >> 31);
    return (int16_t)tinyml_clamp((int32_t)((product + (INT64_C(1) << (shift - 1))) >> shift), op->out_min, op->out_max);
}

static void compute(const tinyml_depthwise_vector_s16_t *op, const tinyml_rows_t *in, const outputs_t *two)
{
    for (int32_t c = 0; c < two->channels; ++c) {
        two->out[0][c] = compute_one(op, in, two, two->row + c, c);
        two->out[1][c] = compute_one(op, in, two, two->row + two->next + c, c);
    }
}

#endif

static int32_t is_whole(const tinyml_window_t *w, int32_t x)
{
    const tinyml_taps_t taps = tinyml_cols_of_window(w, x);
    return taps.first == 0 && taps.end == w->kernel_width;
}

void tinyml_depthwise_s16_mve(const tinyml_depthwise_vector_s16_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                              const tinyml_tile_t *tile, void *scratch)
{
    const tinyml_window_t *w = &op->window;
    const int32_t depth = w->in_channels;
    const int32_t end = tile->col + tile->cols;
    outputs_t two = {0, {0, 0, 0}, 0, w->dilation_x * depth, 0, 0, 0, 0, 0, {0, 0}};
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        two.rows = tinyml_rows_of_window(w, y);
        const int16_t *row = in->base;
        if (two.rows.first < two.rows.end) {
            row = tinyml_row(in, two.rows.origin + two.rows.first * w->dilation_y);
        }
        int16_t *o = (int16_t *)tinyml_row(out, y) + (tile->col - out->first_col) * depth;
        for (int32_t x = tile->col; x < end;) {
            const tinyml_taps_t cols = tinyml_cols_of_window(w, x);
            const int32_t count = x + 1 < end && is_whole(w, x) && is_whole(w, x + 1) ? 2 : 1;
            const int32_t first = (cols.origin + cols.first * w->dilation_x - in->first_col) * depth;
            const int8_t *weights = op->weights + (two.rows.first * w->kernel_width + cols.first) * CHANNELS;
            two.cols = cols.end - cols.first;
            two.weights_step = (w->kernel_width - two.cols) * CHANNELS;
            two.next = (count - 1) * w->stride_x * depth;
            two.rescale = op->rescale;
            for (int32_t c = 0; c < depth; c += CHANNELS) {
                two.channels = depth - c < CHANNELS ? depth - c : CHANNELS;
                two.row = row + first + c;
                two.weights = weights;
                two.out[0] = o + c;
                two.out[1] = o + c + (count - 1) * depth;
                compute(op, in, &two);
                weights += w->kernel_height * w->kernel_width * CHANNELS;
                two.rescale += 2 * RESCALE_WORDS;
            }
            x += count;
            o += count * depth;
        }
    }
}

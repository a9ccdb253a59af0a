/* The windows of a block of outputs, widened to int16 columns. SPDX-License-Identifier: Apache-2.0
 *
 * A source defines TINYML_COLUMNS, the outputs of a block, and includes this file. Two taps of every output lie side by
 * side, the zero point taken off, zero where a tap falls outside the image:
 *
 *     p0 p1  q0 q1 ...  p2 p3  q2 q3 ...        taps of outputs p, q, ...
 *
 * The order of taps: a row of the window is a run of kernel_width * in_channels taps. First come the multiples of four of
 * all runs, each four as 0 2 1 3; then what is left of each run, in order; then a tap of zeros where the number is odd.
 */
#ifndef TINYML_COLUMNS_H
#define TINYML_COLUMNS_H

#include "tinyml_dsp.h"
#include "tinyml_memory.h"
#include "tinyml_window.h"

enum { OUTPUTS = TINYML_COLUMNS }; /* in a block: 2 or 4 */

/* The element of a column for a position in the order of taps. */
static inline int32_t element(int32_t position)
{
    return (position >> 1) * 2 * OUTPUTS + (position & 1);
}

/* Four taps of a column, in the order of the weights. */
static inline void widen_four(int16_t *column, const int8_t *x, int32_t offset)
{
#if defined(__ARM_FEATURE_DSP)
    const int16x2_t both = (int16x2_t)(((uint32_t)offset & UINT32_C(0xffff)) * UINT32_C(0x10001));
    const uint32_t word = tinyml_load_word(x);
    tinyml_store_word(column, (uint32_t)tinyml_add_even(both, word));
    tinyml_store_word(column + 2 * OUTPUTS, (uint32_t)tinyml_add_odd(both, word));
#else
    column[0] = (int16_t)(x[0] + offset);
    column[1] = (int16_t)(x[2] + offset);
    column[2 * OUTPUTS] = (int16_t)(x[1] + offset);
    column[2 * OUTPUTS + 1] = (int16_t)(x[3] + offset);
#endif
}

/* `fours` times four taps of all outputs of a block, from consecutive inputs. */
#if TINYML_COLUMNS == 4 && defined(__ARM_FEATURE_DSP) && (defined(__GNUC__) || defined(__clang__))
__attribute__((naked, noinline)) static void widen_fours(int16_t *column __attribute__((unused)),
                                                         const int8_t *const x[OUTPUTS] __attribute__((unused)),
                                                         int32_t fours __attribute__((unused)),
                                                         int32_t offset __attribute__((unused)))
{
    __asm__ volatile(
        ".syntax unified \n"
        "push {r4-r11, lr} \n"
        "add r10, r0, r2, lsl #5 \n"
        "push {r10} \n"
        "pkhbt r3, r3, r3, lsl #16 \n"
        "ldrd r4, r5, [r1, #8] \n"
        "ldrd r1, r2, [r1] \n"
        "b 2f \n"
        "1: ldr r6, [r1], #4 \n"
        "ldr r7, [r2], #4 \n"
        "ldr r8, [r4], #4 \n"
        "ldr r9, [r5], #4 \n"
        "sxtab16 r10, r3, r6 \n"
        "sxtab16 r11, r3, r7 \n"
        "sxtab16 r12, r3, r8 \n"
        "sxtab16 lr, r3, r9 \n"
        "stm r0!, {r10, r11, r12, lr} \n"
        "ldr r10, [sp] \n"
        "sxtab16 r6, r3, r6, ror #8 \n"
        "sxtab16 r7, r3, r7, ror #8 \n"
        "sxtab16 r8, r3, r8, ror #8 \n"
        "sxtab16 r9, r3, r9, ror #8 \n"
        "stm r0!, {r6-r9} \n"
        "2: cmp r0, r10 \n"
        "bne 1b \n"
        "pop {r3-r11, pc} \n");
}
#else
static inline void widen_fours(int16_t *column, const int8_t *const x[OUTPUTS], int32_t fours, int32_t offset)
{
    const int8_t *p = x[0], *q = x[1];
#if TINYML_COLUMNS == 4
    const int8_t *r = x[2], *s = x[3];
#endif
    for (; fours > 0; --fours, column += 4 * OUTPUTS) {
        widen_four(column, p, offset);
        widen_four(column + 2, q, offset);
        p += 4;
        q += 4;
#if TINYML_COLUMNS == 4
        widen_four(column + 4, r, offset);
        widen_four(column + 6, s, offset);
        r += 4;
        s += 4;
#endif
    }
}
#endif

/* Runs of `count` taps that the outputs of a block have from consecutive inputs: the multiples of four to `column`, what is
 * left to position `rest` of `columns` and those that follow. */
static inline void widen_runs(int16_t *column, int16_t *columns, const int8_t *const x[OUTPUTS], int32_t count, int32_t rest,
                       int32_t offset)
{
    widen_fours(column, x, count / 4, offset);
    for (int32_t k = count & ~3; k < count; ++k, ++rest) {
        int16_t *to = columns + element(rest);
        for (int32_t i = 0; i < OUTPUTS; ++i) {
            to[2 * i] = (int16_t)(x[i][k] + offset);
        }
    }
}

/* The windows of the outputs of a block that lie side by side and inside the image, with no gaps between their columns. x is
 * the first element of each. */
static void widen_windows(const tinyml_window_t *w, int32_t offset, const tinyml_rows_t *in, const int8_t *x[OUTPUTS],
                          int16_t *columns)
{
    const int32_t run = w->kernel_width * w->in_channels, whole = run & ~3;
    int32_t rest = w->kernel_height * whole;

    for (int32_t ky = 0;; rest += run - whole) {
        widen_runs(columns + ky * whole * OUTPUTS, columns, x, run, rest, offset);
        if (++ky == w->kernel_height) {
            return;
        }
        x[0] = tinyml_row_below(in, x[0], w->dilation_y);
        for (int32_t i = 1; i < OUTPUTS; ++i) {
            x[i] = x[i - 1] + w->stride_x * w->in_channels;
        }
    }
}

/* Taps [first, first + count) of row ky of the window, from consecutive inputs. */
static void widen_run(const tinyml_window_t *w, int32_t offset, int16_t *column, int32_t ky, int32_t first,
                      const int8_t *x, int32_t count)
{
    const int32_t run = w->kernel_width * w->in_channels;
    const int32_t whole = run & ~3;
    const int32_t end = first + count;
    const int32_t end_whole = end < whole ? end : whole;
    int16_t *to = column + ky * whole * OUTPUTS;
    int32_t tap = first;

    if (tap % 4 == 0) {
        for (; tap + 4 <= end_whole; tap += 4, x += 4) {
            widen_four(to + tap * OUTPUTS, x, offset);
        }
    }
    for (; tap < end_whole; ++tap) {
        const int32_t within = (tap & 1) * 2 + (tap >> 1 & 1);
        to[element((tap & ~3) + within)] = (int16_t)(*x++ + offset);
    }
    const int32_t rest = w->kernel_height * whole + ky * (run - whole) - whole;
    for (; tap < end; ++tap) {
        column[element(rest + tap)] = (int16_t)(*x++ + offset);
    }
}

/* A window inside the image, with no gaps between its columns, whose first element is at x. */
static void widen_inside(const tinyml_window_t *w, int32_t offset, const tinyml_rows_t *in, const int8_t *x,
                         int16_t *column)
{
    const int32_t run = w->kernel_width * w->in_channels;
    const int32_t rest = run % 4;
    const int32_t whole = run - rest;
    int32_t position = w->kernel_height * whole;

    for (int32_t ky = 0;;) {
        const int8_t *i = x;
        for (; i < x + whole; i += 4, column += 4 * OUTPUTS) {
            widen_four(column, i, offset);
        }
        for (int32_t k = 0; k < rest; ++k, ++position) {
            column[element(position) - (ky + 1) * whole * OUTPUTS] = (int16_t)(i[k] + offset);
        }
        if (++ky == w->kernel_height) {
            return;
        }
        x = tinyml_row_below(in, x, w->dilation_y);
    }
}

/* The rows of the windows of a row of outputs: which taps fall into the image, and where the first of them lies. */
typedef struct {
    tinyml_taps_t taps;
    const int8_t *first;
} window_rows_t;

static window_rows_t find_rows(const tinyml_window_t *w, const tinyml_rows_t *in, int32_t y)
{
    window_rows_t rows = {tinyml_rows_of_window(w, y), in->base};
    if (rows.taps.first < rows.taps.end) {
        rows.first = tinyml_row(in, rows.taps.origin + rows.taps.first * w->dilation_y);
    }
    return rows;
}

/* The window of output x. */
static void widen_window(const tinyml_window_t *w, int32_t offset, const tinyml_rows_t *in, const window_rows_t *rows,
                         int32_t x, int16_t *column)
{
    const int32_t depth = w->in_channels;
    const int32_t inside = rows->taps.end - rows->taps.first == w->kernel_height;
    const int32_t origin = x * w->stride_x - w->pad_left;
    const int8_t *row = rows->first;

    if (inside && origin >= 0 && origin + w->kernel_width <= w->in_width && w->dilation_x == 1) {
        widen_inside(w, offset, in, row + (origin - in->first_col) * depth, column);
        return;
    }
    const tinyml_taps_t cols = tinyml_cols_of_window(w, x);
    const int32_t count = cols.end - cols.first;
    if (!inside || count < w->kernel_width) {
        for (int32_t k = 0; k < w->kernel_height * w->kernel_width * depth; k += 2) {
            tinyml_store_word(column + element(k), 0);
        }
    }
    for (int32_t ky = rows->taps.first; ky < rows->taps.end; ++ky) {
        const int8_t *i = row + (cols.origin + cols.first * w->dilation_x - in->first_col) * depth;
        if (w->dilation_x == 1) {
            widen_run(w, offset, column, ky, cols.first * depth, i, count * depth);
        } else {
            for (int32_t kx = cols.first; kx < cols.end; ++kx, i += w->dilation_x * depth) {
                widen_run(w, offset, column, ky, kx * depth, i, depth);
            }
        }
        row = tinyml_row_below(in, row, ky + 1 < rows->taps.end ? w->dilation_y : 0);
    }
}

/* A walk over the outputs of a tile, block by block. */
typedef struct {
    const tinyml_window_t *window;
    const tinyml_rows_t *in;
    const tinyml_rows_t *out;
    int32_t out_channels;
    int32_t in_offset;
    int32_t first_col;
    int32_t end_col;
    int32_t pointwise; /* no tap of any window is skipped, and each has one */
    int32_t y;
    int32_t x;
    int32_t left; /* outputs to come */
    window_rows_t rows;
    const int8_t *from; /* the first element of the window, where it lies inside the image */
    int8_t *to;
} walk_t;

static inline walk_t walk_of(const tinyml_window_t *w, const tinyml_rows_t *in, const tinyml_rows_t *out,
                             const tinyml_tile_t *tile, int32_t out_channels, int32_t in_offset)
{
    const int32_t end = tile->col + tile->cols;
    walk_t walk = {w, in, out, out_channels, in_offset, tile->col, end, 0, tile->row, end, tile->rows * tile->cols,
                   {{0, 0, 0}, in->base}, in->base, out->base};
    walk.pointwise = w->kernel_height == 1 && w->kernel_width == 1 && w->pad_top == 0 && w->pad_left == 0
                     && (tile->row + tile->rows - 1) * w->stride_y < w->in_height
                     && (end - 1) * w->stride_x < w->in_width;
    return walk;
}

/* Goes on to the next output, and finds its row of the input where it is the first of a row. */
static inline void walk_on(walk_t *walk)
{
    const tinyml_window_t *w = walk->window;

    walk->to += walk->out_channels;
    walk->from += w->stride_x * w->in_channels;
    if (++walk->x >= walk->end_col) {
        walk->x = walk->first_col;
        walk->to = (int8_t *)tinyml_row(walk->out, walk->y) + (walk->x - walk->out->first_col) * walk->out_channels;
        walk->rows = find_rows(w, walk->in, walk->y++);
        walk->from = walk->rows.first + (walk->x * w->stride_x - w->pad_left - walk->in->first_col) * w->in_channels;
    }
}

/* Whether this output and those that fill a block lie in one row. */
static inline int32_t walk_along(const walk_t *walk)
{
    return walk->x + OUTPUTS <= walk->end_col;
}

/* Whether their windows lie side by side and inside the image. */
static inline int32_t walk_inside(const walk_t *walk)
{
    const tinyml_window_t *w = walk->window;
    const int32_t origin = walk->x * w->stride_x - w->pad_left;

    return walk->rows.taps.end - walk->rows.taps.first == w->kernel_height && origin >= 0 && w->dilation_x == 1
           && walk_along(walk) && origin + (OUTPUTS - 1) * w->stride_x + w->kernel_width <= w->in_width;
}

/* Goes on through this row to the end of the block: where each output's window begins and where it lies. */
static inline void walk_block(walk_t *walk, const int8_t *pixels[OUTPUTS], int8_t *start[OUTPUTS])
{
    const int32_t step = walk->window->stride_x * walk->window->in_channels;

    for (int32_t i = 1; i < OUTPUTS; ++i) {
        pixels[i] = walk->from += step;
        start[i] = walk->to += walk->out_channels;
    }
    walk->x += OUTPUTS - 1;
}

/* Widens the windows of the next block, and says where its outputs lie. Their number is a power of two, OUTPUTS or less at
 * the end; a block of OUTPUTS that is not full repeats its last output. There must be some left. */
static inline int32_t widen_block(walk_t *walk, int16_t *columns, int8_t *start[OUTPUTS])
{
    const tinyml_window_t *w = walk->window;
    const int32_t outputs = walk->left > 2 ? OUTPUTS : walk->left;
    const int8_t *pixels[OUTPUTS] = {0};

    walk_on(walk);
    pixels[0] = walk->from;
    start[0] = walk->to;
    if (walk->pointwise && outputs > 1) {
        if (walk_along(walk)) {
            walk_block(walk, pixels, start);
        } else {
            for (int32_t i = 1; i < OUTPUTS; ++i) {
                if (i < walk->left) {
                    walk_on(walk);
                }
                pixels[i] = walk->from;
                start[i] = walk->to;
            }
        }
        widen_runs(columns, columns, pixels, w->in_channels, w->in_channels & ~3, walk->in_offset);
    } else if (outputs == OUTPUTS && walk_inside(walk)) {
        walk_block(walk, pixels, start);
        widen_windows(w, walk->in_offset, walk->in, pixels, columns);
    } else {
        widen_window(w, walk->in_offset, walk->in, &walk->rows, walk->x, columns);
        for (int32_t i = 1; i < OUTPUTS; ++i) {
            if (i < walk->left) {
                walk_on(walk);
            }
            start[i] = walk->to;
            if (i < outputs) {
                widen_window(w, walk->in_offset, walk->in, &walk->rows, walk->x, columns + 2 * i);
            }
        }
    }
    walk->left -= OUTPUTS;
    return outputs;
}

#endif

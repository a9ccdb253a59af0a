/* Depthwise convolution for Helium: what its kernels share. SPDX-License-Identifier: Apache-2.0
 *
 * Eight channels at a time are spread into planes, each of which holds columns of the image end to end: as many rows as
 * block_rows rows of outputs see. A window then is a run of bytes, kernel_height of each column and a gap, and one VMLADAV
 * multiplies 16 of them by weights with zeros in the gaps. The same weights serve all rows of a block, further down.
 * Four sums of a channel, one above the other or side by side, are rescaled together.
 */
#ifndef TINYML_DEPTHWISE_VECTOR_H
#define TINYML_DEPTHWISE_VECTOR_H

#include "tinyml_bytes_vector.h"
#include "tinyml_depthwise_vector_s8.h"
#include "tinyml_memory.h"
#include "tinyml_mve.h"
#include "tinyml_requant.h"
#include "tinyml_widen_w4.h"

#define CHANNELS 8
#define LANES 16
#define VECTORS 4
#define SUMS 4
#define TABLES 160 /* bytes of scratch before the planes */

/* A way to lay out columns. */
typedef struct {
    int32_t rows;                /* of outputs: 4, 2 or 1 */
    int32_t column_rows;         /* of the image */
    const uint8_t *index;        /* which weight stands in each lane */
    int32_t mask[4];             /* a bit for each lane that has one */
    int32_t vectors;             /* that a window takes */
} layout_t;

/* A block of outputs of up to eight channels. The assembly knows this order. */
typedef struct {
    const int8_t *planes;
    int32_t plane_bytes;
    int8_t *out;
    int32_t out_step; /* from four sums to the next */
    const int8_t *weights;
    int32_t taps;
    const int32_t *rescale;
    const uint8_t *index;
    int32_t mask[4];
    int8_t *shifted;          /* 16 bytes after 16 zeros */
    int32_t sum_step[3]; /* in a plane: from the first to the second sum, from the second to the third, from the
                                   last to the next first; from the third to the last as from the first to the second */
    int32_t whole;            /* how often all four sums are outputs */
    int32_t partial;          /* and then how often `lanes` of them are */
    int32_t lanes;
    int32_t channels;
    int32_t out_offset;
    int32_t offsets[4]; /* of four outputs */
    int32_t twice;        /* how often eight sums are outputs, before those that `whole` counts */
    uint16_t *pairs;          /* offsets of each of four outputs and the one out_step further on */
} block_t;

/* A part of the image that is spread, a byte a plane. The assembly knows this order. */
typedef struct {
    const int8_t *from;
    int8_t *to;
    int32_t cols;
    int32_t from_step;
    int32_t to_step;
    int32_t plane_bytes;
    int32_t channels;
    int32_t rows;
    int32_t row_bytes;
} spread_t;

/* compute: what is left over of `twice`, too. */
typedef struct {
    void (*compute)(block_t *block, const layout_t *layout);
    int32_t twice; /* whether it computes eight sums at once, where the clamp hides how negative results round */
} kernel_t;

#if TINYML_HELIUM

/* r8 bias, r10 multiplier, r12 shift, r1 plane, r7 output, r11 from four outputs to the next; q6 offsets of four outputs, q7 the output's
 * zero point. `weights` loads q0 and so on, `sums` leaves four sums in r0 r2 r4 r6; r9, r3 and r5 are theirs. The sign of a sum
 * takes 1 off its product, for ties to be rounded away from zero; where the product is 0, that changes nothing. */
#define RESCALE                                                                                     \
    "vmov q4[2], q4[0], r0, r4\n vmov q4[3], q4[1], r2, r6\n"                                       \
    "vadd.i32 q4, q4, r8\n vshr.s32 q5, q4, #31\n vqrdmlah.s32 q5, q4, r10\n vrshl.s32 q5, r12\n"   \
    "vadd.i32 q5, q5, q7\n vqmovnb.s32 q5, q5\n vqmovnb.s16 q5, q5\n"
#define BLOCK(weights, twice, sums)                                                                        \
    ".syntax unified\n"                                                                             \
    "push {r4-r11, lr}\n vpush {d8-d15}\n push {r0}\n"                                              \
    "ldr r2, [r0, #80]\n vdup.32 q7, r2\n add r2, r0, #84\n vldrw.u32 q6, [r2]\n"                   \
    "ldr r11, [r0, #12]\n"                                                                          \
    "1: ldr r0, [sp]\n"                                                                             \
    "ldr r2, [r0, #28]\n ldrd r3, r4, [r0, #16]\n add r4, r4, r3\n str r4, [r0, #16]\n"             \
    weights                                                                                         \
    "ldr r4, [r0, #24]\n ldrd r8, r10, [r4], #8\n ldr r12, [r4], #4\n str r4, [r0, #24]\n"          \
    "ldrd r1, r2, [r0, #0]\n add r2, r2, r1\n str r2, [r0, #0]\n"                                   \
    "ldr r7, [r0, #8]\n add r2, r7, #1\n str r2, [r0, #8]\n"                                        \
    twice "ldr r2, [r0, #72]\n vctp.32 r2\n ldr r2, [r0, #64]\n wls lr, r2, 3f\n"                         \
    "2:" sums RESCALE "vstrb.32 q5, [r7, q6]\n add r7, r7, r11\n le lr, 2b\n"                       \
    "3: ldr r0, [sp]\n ldr r2, [r0, #68]\n wls lr, r2, 5f\n"                                        \
    "4:" sums RESCALE "vpst\n vstrbt.32 q5, [r7, q6]\n add r7, r7, r11\n le lr, 4b\n"               \
    "5: ldr r0, [sp]\n ldr r2, [r0, #76]\n subs r2, r2, #1\n str r2, [r0, #76]\n bne 1b\n"          \
    "pop {r0}\n vpop {d8-d15}\n pop {r4-r11, pc}\n"

/* Vector number `n` of the weights; r2 index, r3 weights. */
#define WEIGHTS(n)                                                                                  \
    "vldrb.u8 q5, [r2, #16 * " #n "]\n ldr r4, [r0, #32 + 4 * " #n "]\n vmsr p0, r4\n"              \
    "vpst\n vldrbt.u8 q" #n ", [r3, q5]\n"

/* Eight channels need no predicate, and go four pixels at a time. */
TINYML_ASSEMBLY static void spread(TINYML_UNUSED const spread_t *part)
{
    __asm__(".syntax unified\n"
            "push {r4-r11, lr}\n vpush {d8-d9}\n"
            "ldm r0, {r0, r1, r2, r3, r4, r5, r6, r7, r8}\n"
            "mov r10, #0\n vidup.u16 q1, r10, #1\n vmul.i16 q1, q1, r5\n"
            "cmp r6, #8\n bne 6f\n"
            "vadd.i16 q2, q1, r4\n vadd.i16 q3, q2, r4\n vadd.i16 q4, q3, r4\n"
            "lsr r9, r2, #2\n and r2, r2, #3\n lsl r11, r4, #2\n"
            "1: mov r5, r0\n mov r6, r1\n wls lr, r9, 3f\n"
            "2: vldrb.u16 q0, [r5]\n add r5, r5, r3\n vstrb.16 q0, [r6, q1]\n"
            "vldrb.u16 q0, [r5]\n add r5, r5, r3\n vstrb.16 q0, [r6, q2]\n"
            "vldrb.u16 q0, [r5]\n add r5, r5, r3\n vstrb.16 q0, [r6, q3]\n"
            "vldrb.u16 q0, [r5]\n add r5, r5, r3\n vstrb.16 q0, [r6, q4]\n"
            "add r6, r6, r11\n le lr, 2b\n"
            "3: wls lr, r2, 5f\n"
            "4: vldrb.u16 q0, [r5]\n add r5, r5, r3\n vstrb.16 q0, [r6, q1]\n add r6, r6, r4\n le lr, 4b\n"
            "5: add r0, r0, r8\n add r1, r1, #1\n subs r7, r7, #1\n bne 1b\n"
            "b 9f\n"
            "6: vctp.16 r6\n"
            "7: mov r5, r0\n mov r6, r1\n dls lr, r2\n"
            "8: vpstt\n vldrbt.u16 q0, [r5]\n vstrbt.16 q0, [r6, q1]\n add r5, r5, r3\n add r6, r6, r4\n le lr, 8b\n"
            "add r0, r0, r8\n add r1, r1, #1\n subs r7, r7, #1\n bne 7b\n"
            "9: vpop {d8-d9}\n pop {r4-r11, pc}\n");
}

/* The low nibbles of so many bytes, and the high ones. */
TINYML_ASSEMBLY static void widen(TINYML_UNUSED const int8_t *packed, TINYML_UNUSED int8_t *low,
                                  TINYML_UNUSED int8_t *high, TINYML_UNUSED int32_t bytes)
{
    __asm__(".syntax unified\n"
            "push {r4, lr}\n"
            "dlstp.8 lr, r3\n"
            "1: vldrb.u8 q0, [r0], #16\n vshl.i8 q1, q0, #4\n vshr.s8 q1, q1, #4\n vshr.s8 q0, q0, #4\n"
            "vstrb.8 q1, [r1], #16\n vstrb.8 q0, [r2], #16\n letp lr, 1b\n"
            "pop {r4, pc}\n");
}

#else

static void spread(const spread_t *part)
{
    for (int32_t r = 0; r < part->rows; ++r) {
        for (int32_t x = 0; x < part->cols; ++x) {
            const int8_t *from = part->from + r * part->row_bytes + x * part->from_step;
            for (int32_t c = 0; c < part->channels; ++c) {
                part->to[r + x * part->to_step + c * part->plane_bytes] = from[c];
            }
        }
    }
}

static void widen(const int8_t *packed, int8_t *low, int8_t *high, int32_t bytes)
{
    tinyml_widen_w4(packed, 0, bytes / 4, low);
    tinyml_widen_w4(packed, 4, bytes / 4, high);
}

static void compute_four(const block_t *block, const layout_t *layout, const int8_t *at, int8_t *out, int32_t lanes)
{
    for (int32_t i = 0; i < SUMS; ++i) {
        int32_t sum = block->rescale[0];
        for (int32_t lane = 0; lane < layout->vectors * LANES; ++lane) {
            if (block->mask[lane / LANES] >> lane % LANES & 1) {
                sum += at[lane] * block->weights[block->index[lane]];
            }
        }
        sum = tinyml_requantize(sum, block->rescale[1], block->rescale[2]);
        if (i < lanes) {
            out[block->offsets[i]] = (int8_t)tinyml_clamp(sum + block->out_offset, INT8_MIN, INT8_MAX);
        }
        at += block->sum_step[i < SUMS - 1 ? i % 2 : 2];
    }
}

static void compute_portably(block_t *block, const layout_t *layout)
{
    for (; block->channels > 0; --block->channels) {
        const int32_t four = 2 * block->sum_step[0] + block->sum_step[1] + block->sum_step[2];
        for (int32_t i = 0; i < block->whole + block->partial; ++i) {
            const int32_t lanes = i < block->whole ? SUMS : block->lanes;
            compute_four(block, layout, block->planes + i * four, block->out + i * block->out_step, lanes);
        }
        block->planes += block->plane_bytes;
        block->out += 1;
        block->weights += block->taps;
        block->rescale += 3;
    }
}

#endif

/* index: 64 bytes */
static layout_t lay_out(const tinyml_window_t *w, int32_t rows, uint8_t *index)
{
    const int32_t column_rows = w->kernel_height + (rows - 1) * w->stride_y;
    const int32_t lanes = (w->kernel_width - 1) * column_rows + w->kernel_height;
    layout_t layout = {rows, column_rows, index, {0, 0, 0, 0}, (lanes + LANES - 1) / LANES};
    uint8_t weight = 0;
    for (int32_t kx = 0; kx < w->kernel_width; ++kx) {
        for (int32_t ky = 0; ky < w->kernel_height; ++ky) {
            const int32_t lane = kx * column_rows + ky;
            index[lane] = weight++;
            layout.mask[lane / LANES] |= 1 << lane % LANES;
        }
    }
    return layout;
}

/* What a tile of outputs sees of the image, for the first channel: up to two parts, for a ring may end in between. Writes
 * the input's zero point where the windows reach beyond the image; there it stays, whatever is spread. */
static int32_t prepare_planes(const tinyml_depthwise_vector_s8_t *op, const layout_t *layout, const tinyml_rows_t *in,
                              const tinyml_tile_t *tile, int8_t *planes, int32_t plane_bytes, spread_t parts[2])
{
    const tinyml_window_t *w = &op->window;
    const int32_t width = (tile->cols - 1) * w->stride_x + w->kernel_width;
    const int32_t height = w->kernel_height + (tile->rows - 1) * w->stride_y;
    const int32_t left = tile->col * w->stride_x - w->pad_left;
    const int32_t top = tile->row * w->stride_y - w->pad_top;
    const tinyml_taps_t cols = tinyml_taps(left, w->in_width, width, 1);
    const tinyml_taps_t rows = tinyml_taps(top, w->in_height, height, 1);
    const int32_t seen_cols = cols.end - cols.first, seen_rows = rows.end - rows.first;

    if (seen_cols < width || seen_rows < height) {
        fill(planes, op->in_zero_point, CHANNELS * plane_bytes);
    }
    if (seen_cols == 0 || seen_rows == 0) {
        return 0;
    }
    const int32_t start = (top + rows.first - in->first_row) % in->rows;
    const int32_t together = in->rows - start < seen_rows ? in->rows - start : seen_rows;
    const int32_t skipped = (left + cols.first - in->first_col) * w->in_channels;
    const spread_t part = {
        (const int8_t *)in->base + start * in->row_bytes + skipped,
        planes + cols.first * layout->column_rows + rows.first,
        seen_cols, w->in_channels, layout->column_rows, plane_bytes, 0, together, in->row_bytes,
    };
    parts[0] = parts[1] = part;
    parts[1].from = (const int8_t *)in->base + skipped;
    parts[1].to += together;
    parts[1].rows = seen_rows - together;
    return together < seen_rows ? 2 : 1;
}

/* Eight sums at once as far as there are as many, if 16 bits have room for their offsets. */
static void take_twice(block_t *block)
{
    for (int32_t i = 0; i < SUMS; ++i) {
        if (block->offsets[i] < 0 || block->offsets[i] + block->out_step > UINT16_MAX) {
            return;
        }
        block->pairs[2 * i] = (uint16_t)block->offsets[i];
        block->pairs[2 * i + 1] = (uint16_t)(block->offsets[i] + block->out_step);
    }
    block->twice = block->whole / 2;
    block->whole %= 2;
}

/* Outputs of a tile no larger than a block. */
static void compute_block(const tinyml_depthwise_vector_s8_t *op, const layout_t *layout, const tinyml_rows_t *in,
                          const tinyml_rows_t *out, const tinyml_tile_t *tile, int8_t *scratch, const kernel_t *kernel)
{
    const tinyml_window_t *w = &op->window;
    const int32_t depth = w->in_channels, taps = w->kernel_width * w->kernel_height;
    const int8_t *packed = op->weights; /* where they are narrow */
    int8_t *const wide = scratch + TABLES, *const planes = wide + (op->narrow ? CHANNELS * taps : 0);
    const int32_t col_step = w->stride_x * layout->column_rows;
    const int32_t abreast = SUMS / layout->rows; /* sums of a row at a time */
    const int32_t plane_bytes = ((tile->cols + abreast - 1) / abreast * abreast - 1) * col_step
                                + (layout->rows - 1) * w->stride_y + layout->vectors * LANES;
    int8_t *const first = tinyml_row(out, tile->row);
    int8_t *const to = first + (tile->col - out->first_col) * depth;
    uint16_t pairs[2 * SUMS];
    block_t block = {
        planes, plane_bytes, to, 0, op->weights, taps, op->rescale, layout->index,
        {layout->mask[0], layout->mask[1], layout->mask[2], layout->mask[3]}, scratch + 16,
        {w->stride_y, w->stride_y, 0}, 0, 0, tile->rows, 0, op->out_offset, {0, 0, 0, 0}, 0, pairs,
    };
    if (layout->rows == 4) {
        for (int32_t i = 1; i < tile->rows; ++i) {
            block.offsets[i] = (int32_t)((int8_t *)tinyml_row(out, tile->row + i) - first);
        }
        block.out_step = depth;
        block.sum_step[2] = col_step - 3 * w->stride_y;
        block.whole = tile->rows == 4 ? tile->cols : 0;
        block.partial = tile->cols - block.whole;
    } else if (layout->rows == 2) {
        const int32_t below = (int32_t)((int8_t *)tinyml_row(out, tile->row + 1) - first);
        block.offsets[1] = below;
        block.offsets[2] = depth;
        block.offsets[3] = below + depth;
        block.out_step = 2 * depth;
        block.sum_step[1] = block.sum_step[2] = col_step - w->stride_y;
        block.whole = tile->cols / 2;
        block.partial = tile->cols % 2;
    } else {
        block.offsets[1] = depth;
        block.offsets[2] = 2 * depth;
        block.offsets[3] = 3 * depth;
        block.out_step = 4 * depth;
        block.sum_step[0] = block.sum_step[1] = block.sum_step[2] = col_step;
        block.whole = tile->cols / 4;
        block.partial = tile->cols % 4 != 0;
        block.lanes = tile->cols % 4;
    }
    if (kernel->twice && op->out_min >= op->out_offset) {
        take_twice(&block);
    }
    spread_t parts[2];
    const int32_t count = prepare_planes(op, layout, in, tile, planes, plane_bytes, parts);
    for (int32_t left = depth; left > 0; left -= CHANNELS) {
        block.channels = left < CHANNELS ? left : CHANNELS;
        block.planes = planes;
        if (op->narrow) {
            widen(packed, wide, wide + 4 * taps, 4 * taps);
            packed += 4 * taps;
            block.weights = wide;
        }
        for (int32_t i = 0; i < count; ++i) {
            parts[i].channels = block.channels;
            spread(&parts[i]);
            parts[i].from += CHANNELS;
        }
        kernel->compute(&block, layout); /* which leaves the block at the next channels */
    }
}

static void depthwise(const tinyml_depthwise_vector_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                      const tinyml_tile_t *tile, int8_t *scratch, const kernel_t *kernel)
{
    /* Three rows that are left over go as four, of which one is not kept; two or one in ways of their own. */
    const int32_t rest = tile->rows % op->block_rows;
    layout_t high = {0, 0, 0, {0, 0, 0, 0}, 0}, low = high;
    if (tile->rows >= op->block_rows || rest == 3) {
        high = lay_out(&op->window, op->block_rows, (uint8_t *)scratch + 32);
    }
    if (rest == 1 || rest == 2) {
        low = lay_out(&op->window, rest, (uint8_t *)scratch + 96);
    }
    const int32_t end = tile->row + tile->rows, end_col = tile->col + tile->cols;

    tinyml_fill(scratch, 0, 16);
    for (int32_t col = tile->col; col < end_col; col += op->block_cols) {
        const int32_t cols = end_col - col < op->block_cols ? end_col - col : op->block_cols;
        for (int32_t row = tile->row; row < end;) {
            const layout_t *layout = end - row >= op->block_rows || end - row == 3 ? &high : &low;
            const int32_t rows = end - row < layout->rows ? end - row : layout->rows;
            const tinyml_tile_t part = {row, rows, col, cols};
            compute_block(op, layout, in, out, &part, scratch, kernel);
            row += rows;
        }
    }
    if (op->out_min > INT8_MIN || op->out_max < INT8_MAX) {
        for (int32_t y = tile->row; y < end; ++y) {
            int8_t *to = (int8_t *)tinyml_row(out, y) + (tile->col - out->first_col) * op->window.in_channels;
            limit(to, tile->cols * op->window.in_channels, op->out_min, op->out_max);
        }
    }
}

#endif

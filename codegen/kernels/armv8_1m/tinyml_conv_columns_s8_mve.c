/* Convolution, int8, 3x3, for Helium: neighbouring outputs share the columns that they see. SPDX-License-Identifier: Apache-2.0
 *
 * 2 filters x 4 outputs at a time. 16 channels of a row of the window are 6 vectors of weights, which stay in registers while the 6
 * columns (9 with stride 2) of four windows are loaded once each: 12 loads for 24 VMLADAV, where windows on their own take 18.
 * For that, the columns of a row of outputs are laid out in scratch: [16 channels][column][3 rows][channel]. For the next row of
 * outputs all of it begins one row of the image, 16 bytes, further on: what is kept stays in place, and the new row of each column takes
 * the place of the oldest row of the next one. SLIDES such steps have room.
 */
#include "tinyml_bytes_vector.h"
#include "tinyml_conv_vector_pairs.h"
#include "tinyml_memory.h"
#include "tinyml_requant.h"

#define LANES 16
#define SIZE 3 /* of the window */
#define COLUMN (SIZE * LANES)
#define SLIDES 4
#define OUTPUTS 4
#define FILTERS 2
#define TAPS (FILTERS * SIZE * COLUMN) /* of 16 channels */

/* Two filters and a row of outputs. The assembly knows this order. */
typedef struct {
    pair_t pair;
    int32_t biases[FILTERS][OUTPUTS]; /* the kernel's */
    const int8_t *weights;
    const int8_t *columns;
    int32_t steps;      /* of 16 channels */
    int32_t step_bytes; /* columns of a step */
    int8_t *out;
    int32_t left; /* twice the outputs */
    int32_t column_step; /* from four outputs to the next */
    int32_t out_step;
    int32_t stride;
} row_t;

typedef void (*compute_t)(row_t *row);

#if TINYML_HELIUM

/* Adds a column to the sums of output `o`, as column `k` of its window. */
#define TAP(o, k) "vmladava.s8 " A##o ", q7, " WEIGHTS_A##k "\n vmladava.s8 " B##o ", q7, " WEIGHTS_B##k "\n"
#define A0 "r0"
#define A1 "r2"
#define A2 "r4"
#define A3 "r6"
#define B0 "r8"
#define B1 "r10"
#define B2 "r12"
#define B3 "r14"
#define WEIGHTS_A0 "q0"
#define WEIGHTS_A1 "q1"
#define WEIGHTS_A2 "q2"
#define WEIGHTS_B0 "q3"
#define WEIGHTS_B1 "q4"
#define WEIGHTS_B2 "q5"

#define SEEN(y, x) "vldrw.u32 q7, [r3, #48 * " #x " + 16 * " #y "]\n"
#define WEIGHTS                                                                                         \
    "vldrb.u8 q0, [r1], #16\n vldrb.u8 q1, [r1], #16\n vldrb.u8 q2, [r1], #16\n"                        \
    "vldrb.u8 q3, [r1], #16\n vldrb.u8 q4, [r1], #16\n vldrb.u8 q5, [r1], #16\n"
#define ROW(y)                                                                                          \
    WEIGHTS SEEN(y, 0) TAP(0, 0) SEEN(y, 1) TAP(0, 1) TAP(1, 0) SEEN(y, 2) TAP(0, 2) TAP(1, 1) TAP(2, 0)  \
    SEEN(y, 3) TAP(1, 2) TAP(2, 1) TAP(3, 0) SEEN(y, 4) TAP(2, 2) TAP(3, 1) SEEN(y, 5) TAP(3, 2)
#define ROW_STRIDE_2(y)                                                                                 \
    WEIGHTS SEEN(y, 0) TAP(0, 0) SEEN(y, 1) TAP(0, 1) SEEN(y, 2) TAP(0, 2) TAP(1, 0)                    \
    SEEN(y, 3) TAP(1, 1) SEEN(y, 4) TAP(1, 2) TAP(2, 0) SEEN(y, 5) TAP(2, 1)                            \
    SEEN(y, 6) TAP(2, 2) TAP(3, 0) SEEN(y, 7) TAP(3, 1) SEEN(y, 8) TAP(3, 2)

/* r1 weights, r3 columns, r9 biases, r11 the row; `out` points to outputs, `left` counts them twice. */
#define BEGIN                                                                                           \
    ".syntax unified\n"                                                                                 \
    "push {r4-r11, lr}\n vpush {d8-d15}\n mov r11, r0\n vldrh.u16 q6, [r11, #28]\n"                         \
    "add r9, r11, #44\n ldr r0, [r11]\n ldr r2, [r11, #12]\n"                                           \
    "vdup.32 q0, r0\n vdup.32 q1, r2\n vstrw.32 q0, [r9]\n vstrw.32 q1, [r9, #16]\n"
#define BIASES "ldm r9, {r0, r2, r4, r6, r8, r10, r12, r14}\n"
#define STORE(q, out, left) "vctp.16 " left "\n vpst\n vstrbt.16 " q ", [" out ", q6]\n"
#define END "bgt 1b\n vpop {d8-d15}\n pop {r4-r11, pc}\n"

/* r5 steps, r7 step_bytes. */
#define STORE_ROW(q) "ldrd r3, r5, [r11, #92]\n" STORE(q, "r3", "r5")
#define STEPS(row)                                                                                      \
    __asm__(BEGIN "ldr r7, [r11, #88]\n"                                                                \
            "1: ldrd r1, r3, [r11, #76]\n ldr r5, [r11, #84]\n" BIASES                                  \
            "2:" row(0) row(1) row(2) "add r3, r3, r7\n subs r5, r5, #1\n bne 2b\n"                     \
            SUMS_TO_LANES FACTORS SCALE_PAIR_TIES(STORE_ROW)                                            \
            "ldrd r0, r2, [r11, #100]\n add r3, r3, r2\n subs r5, r5, #8\n strd r3, r5, [r11, #92]\n"   \
            "ldr r2, [r11, #80]\n add r2, r2, r0\n str r2, [r11, #80]\n" END)

/* One step: r5 left, r7 out. */
#define STORE_STEP(q) STORE(q, "r7", "r5")
#define STEP(row, column_step)                                                                          \
    __asm__(BEGIN "ldrd r1, r3, [r11, #76]\n ldrd r7, r5, [r11, #92]\n"                                 \
            "1:" BIASES row(0) row(1) row(2) SUMS_TO_LANES FACTORS SCALE_PAIR_TIES(STORE_STEP)          \
            "ldr r0, [r11, #104]\n add r7, r7, r0\n add r3, r3, #" #column_step "\n sub r1, r1, #288\n"  \
            "subs r5, r5, #8\n" END)

TINYML_ASSEMBLY static void compute_steps(TINYML_UNUSED row_t *row)
{
    STEPS(ROW);
}

TINYML_ASSEMBLY static void compute_steps_stride_2(TINYML_UNUSED row_t *row)
{
    STEPS(ROW_STRIDE_2);
}

TINYML_ASSEMBLY static void compute_step(TINYML_UNUSED row_t *row)
{
    STEP(ROW, 192);
}

TINYML_ASSEMBLY static void compute_step_stride_2(TINYML_UNUSED row_t *row)
{
    STEP(ROW_STRIDE_2, 384);
}

static compute_t compute_for(int32_t steps, int32_t stride)
{
    static const compute_t of[2][2] = {{compute_step, compute_step_stride_2}, {compute_steps, compute_steps_stride_2}};
    return of[steps > 1][stride - 1];
}

/* 16 channels of neighbouring pixels. */
TINYML_ASSEMBLY static void copy_channels(TINYML_UNUSED int8_t *to, TINYML_UNUSED const int8_t *from,
                                          TINYML_UNUSED int32_t from_step, TINYML_UNUSED int32_t count)
{
    __asm__(".syntax unified\n"
            "push {r4, lr}\n wls lr, r3, 2f\n"
            "1: vldrb.u8 q0, [r1]\n add r1, r1, r2\n vstrb.8 q0, [r0], #48\n le lr, 1b\n"
            "2: pop {r4, pc}\n");
}

#else

static int32_t sum_of(const row_t *row, const int8_t *column, int32_t filter)
{
    int32_t sum = row->pair.factors[3 * filter];
    for (int32_t i = 0; i < row->steps * SIZE * COLUMN; ++i) {
        const int32_t step = i / (SIZE * COLUMN), y = i / COLUMN % SIZE, x = i / LANES % SIZE, c = i % LANES;
        const int32_t weight = row->weights[step * TAPS + (y * FILTERS + filter) * COLUMN + x * LANES + c];
        sum += weight * column[step * row->step_bytes + x * COLUMN + y * LANES + c];
    }
    return sum;
}

static void compute_portably(row_t *row)
{
    for (int32_t i = 0; i < row->left / 2; ++i) {
        for (int32_t f = 0; f < FILTERS; ++f) {
            const int32_t *factors = row->pair.factors + 3 * f;
            const int32_t sum = sum_of(row, row->columns + i * row->stride * COLUMN, f);
            const int32_t scaled = tinyml_requantize(sum, factors[1], factors[2]) + row->pair.factors[6];
            row->out[i / OUTPUTS * row->out_step + row->pair.offsets[2 * (i % OUTPUTS) + f]] =
                (int8_t)tinyml_clamp(scaled, INT8_MIN, INT8_MAX);
        }
    }
}

static compute_t compute_for(int32_t steps, int32_t stride)
{
    (void)steps;
    (void)stride;
    return compute_portably;
}

static void copy_channels(int8_t *to, const int8_t *from, int32_t from_step, int32_t count)
{
    for (int32_t i = 0; i < count; ++i) {
        tinyml_copy(to + i * COLUMN, from + i * from_step, LANES);
    }
}

#endif

/* Row `ky` of the columns that the windows of outputs [x, x + cols) of row y see; `step_bytes` for each 16 channels. */
static void lay_out(const tinyml_conv_vector_t *op, const tinyml_rows_t *in, int32_t y, int32_t ky, int32_t x, int32_t cols,
                    int32_t step_bytes, int8_t *columns)
{
    const tinyml_window_t *w = &op->window;
    const int32_t depth = w->in_channels, width = (cols - 1) * w->stride_x + SIZE;
    const int32_t first = x * w->stride_x - w->pad_left;
    const int32_t row = y * w->stride_y - w->pad_top + ky * w->dilation_y;
    tinyml_taps_t inside = tinyml_taps(first, w->in_width, width, 1);
    const int8_t *from = in->base;
    int8_t padding[LANES];
    fill(padding, op->in_zero_point, LANES);

    if (row < 0 || row >= w->in_height || inside.first == inside.end) {
        inside.first = inside.end = width;
    } else {
        from = (const int8_t *)tinyml_row(in, row) + (first + inside.first - in->first_col) * depth;
    }
    columns += ky * LANES;
    for (int32_t c = 0; c < depth; c += LANES, columns += step_bytes) {
        copy_channels(columns, padding, 0, inside.first);
        copy_channels(columns + inside.first * COLUMN, from + c, depth, inside.end - inside.first);
        copy_channels(columns + inside.end * COLUMN, padding, 0, width - inside.end);
    }
}

/* A row of outputs whose columns are laid out. */
static void compute_outputs(const tinyml_conv_vector_t *op, row_t *row, compute_t compute, int8_t *columns, int8_t *out,
                            int32_t cols)
{
    const int32_t *rescale = op->rescale;
    row->weights = op->weights;
    for (int32_t left = op->out_channels; left > 0; left -= 2 * FILTERS, rescale += RESCALE_WORDS) {
        for (int32_t a = 0; a < 2 * FILTERS && a < left; a += FILTERS, out += FILTERS) {
            take_factors(&row->pair, rescale, a);
            row->columns = columns;
            row->out = out;
            row->left = 2 * cols;
            compute(row);
            row->weights += row->steps * TAPS;
        }
    }
}

void tinyml_conv_columns_s8_mve(const tinyml_conv_vector_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                                const tinyml_tile_t *tile, void *scratch)
{
    const tinyml_window_t *w = &op->window;
    const int32_t channels = op->out_channels, steps = w->in_channels / LANES;
    const int32_t end = tile->row + tile->rows, end_col = tile->col + tile->cols;
    const int32_t slides = w->dilation_y == 1 && w->stride_y < SIZE ? SLIDES / w->stride_y : 0;
    const compute_t compute = compute_for(steps, w->stride_x);
    row_t row;
    row.steps = steps;
    row.column_step = OUTPUTS * w->stride_x * COLUMN;
    row.out_step = OUTPUTS * channels;
    row.stride = w->stride_x;
    place_outputs(&row.pair, channels, op->out_offset);

    for (int32_t x = tile->col; x < end_col; x += op->block_cols) {
        const int32_t cols = end_col - x < op->block_cols ? end_col - x : op->block_cols;
        const int32_t whole = (cols + OUTPUTS - 1) / OUTPUTS * OUTPUTS;
        row.step_bytes = ((whole - 1) * w->stride_x + SIZE) * COLUMN + SLIDES * LANES;
        for (int32_t y = tile->row, slid = slides; y < end; ++y) {
            slid = slid < slides ? slid + 1 : 0;
            int8_t *const columns = (int8_t *)scratch + slid * w->stride_y * LANES;
            for (int32_t ky = slid == 0 ? 0 : SIZE - w->stride_y; ky < SIZE; ++ky) {
                lay_out(op, in, y, ky, x, cols, row.step_bytes, columns);
            }
            int8_t *const to = (int8_t *)tinyml_row(out, y) + (x - out->first_col) * channels;
            compute_outputs(op, &row, compute, columns, to, cols);
            if (op->out_min > INT8_MIN || op->out_max < INT8_MAX) {
                limit(to, cols * channels, op->out_min, op->out_max);
            }
        }
    }
}

/* Convolution, int8, for Helium: 4 filters x 2 outputs at a time. SPDX-License-Identifier: Apache-2.0
 *
 * A step is 16 taps: 2 loads of inputs, 4 of weights, 8 VMLADAV of 16 multiply-accumulates each into 8 registers. A window
 * lies end to end in memory: as the image has it for 1x1, else in scratch, where each column of the image is laid out
 * once for a row of outputs, its kernel_height pixels one after the other. Neighbouring windows then overlap, and moving
 * one column on takes kernel_height pixels and not a whole window.
 */
#include "tinyml_conv_vector_s8.h"
#include "tinyml_memory.h"
#include "tinyml_mve.h"
#include "tinyml_requant.h"

#define STEP 16
#define FILTERS 4
#define RESCALE_WORDS 9

/* Neighbouring outputs, two at a time. The assembly knows this order. */
typedef struct {
    const int8_t *pixel[2]; /* first bytes of the windows */
    int8_t *out[2];
    int32_t pixel_step; /* from one pair of windows to the next */
    int32_t out_step;   /* the same for outputs, minus the channels of whole fours of filters */
    int32_t pairs;
    const int8_t *weights;
    const int32_t *rescale;
    int32_t channels;
    int32_t first; /* taps of the first step */
    int32_t steps; /* all of them */
    int32_t out_offset;
    int32_t out_min;
    int32_t out_max;
    int32_t left; /* channels, counted down */
    const int32_t *rescale_end;
} run_t;

/* Columns of an image that are laid out for windows. The assembly knows this order. */
typedef struct {
    int8_t *to;
    const int8_t *from;
    int32_t bytes; /* of a pixel */
    int32_t count;
    int32_t to_step;
    int32_t together;       /* pixels of a vector; 1 where they are too large */
    const uint8_t *offsets; /* of the bytes of so many pixels */
} columns_t;

#if TINYML_HELIUM

#define LOAD_WEIGHTS(q) "vldrb.u8 " q ", [r1], #16\n"
#define STEP_OF(mac, load) \
    load("q2") mac " r0, q0, q2\n" load("q3") mac " r8, q1, q2\n" \
    mac " r2, q0, q3\n" load("q2") mac " r10, q1, q3\n" \
    mac " r4, q0, q2\n" load("q3") mac " r12, q1, q2\n" \
    mac " r6, q0, q3\n" mac " r14, q1, q3\n"
#define NEXT_STEP "vldrb.u8 q0, [r3], #16\n vldrb.u8 q1, [r5], #16\n" STEP_OF("vmladava.s8", LOAD_WEIGHTS)
#define BOTH(what, how) what " q4, q4, " how "\n" what " q5, q5, " how "\n"

/* Sums of the first output are in r0 r2 r4 r6, of the second in r8 r10 r12 r14; r7 rescaling, r11 the run, q6 and q7 bounds.
 * TIES rounds them away from zero: where the product is negative, 1 is taken off before the shift rounds up. */
#define TIES "vshr.s32 q2, q4, #31\n vshr.s32 q3, q5, #31\n vadd.i32 q4, q4, q2\n vadd.i32 q5, q5, q3\n"
#define RESCALE(ties)                                                                               \
    "vmov q4[2], q4[0], r0, r4\n vmov q4[3], q4[1], r2, r6\n"                                       \
    "vmov q5[2], q5[0], r8, r12\n vmov q5[3], q5[1], r10, r14\n"                                    \
    "vldrw.u32 q2, [r7], #16\n vldrw.u32 q3, [r7], #16\n"                                           \
    BOTH("vadd.i32", "q2") BOTH("vqrdmulh.s32", "q3") ties                                          \
    "vldrb.s32 q2, [r7], #4\n ldr r6, [r11, #48]\n"                                                \
    BOTH("vrshl.s32", "q2") BOTH("vadd.i32", "r6") BOTH("vmax.s32", "q6") BOTH("vmin.s32", "q7")

/* For each pair of outputs. `pair` starts with r1 weights and r7 rescaling; where it ends, r2 and r4 are past the outputs. */
#define RUN(pair)                                                                                   \
    ".syntax unified\n"                                                                             \
    "push {r4-r11, lr}\n vpush {d8-d15}\n"                                                          \
    "mov r11, r0\n"                                                                                 \
    "ldrd r0, r2, [r11, #52]\n vdup.32 q6, r0\n vdup.32 q7, r2\n"                                   \
    "1: ldrd r1, r7, [r11, #28]\n"                                                                  \
    pair                                                                                            \
    "ldrd r0, r6, [r11, #16]\n ldrd r3, r5, [r11, #0]\n"                                            \
    "add r2, r2, r6\n add r4, r4, r6\n strd r2, r4, [r11, #8]\n"                                    \
    "add r3, r3, r0\n add r5, r5, r0\n strd r3, r5, [r11, #0]\n"                                    \
    "ldr r0, [r11, #24]\n subs r0, r0, #1\n str r0, [r11, #24]\n bne 1b\n"                          \
    "vpop {d8-d15}\n pop {r4-r11, pc}\n"

/* r3 and r5 windows, r9 half the steps that are left. `first_step` leaves r1, r3 and r5 where the second one starts. */
#define FOURS(first_step, ties, store)                                                              \
    "ldr r0, [r11, #36]\n str r0, [r11, #60]\n"                                                     \
    "2: ldrd r3, r5, [r11, #0]\n"                                                                   \
    first_step                                                                                      \
    "ldr r9, [r11, #44]\n lsrs r9, r9, #1\n bcc 4f\n beq 5f\n"                                      \
    "3:" NEXT_STEP                                                                                  \
    "4:" NEXT_STEP                                                                                  \
    "subs r9, r9, #1\n bne 3b\n"                                                                    \
    "5:" RESCALE(ties)                                                                              \
    "ldrd r2, r4, [r11, #8]\n" store "strd r2, r4, [r11, #8]\n bgt 2b\n"

#define FIRST_WHOLE "vldrb.u8 q0, [r3], #16\n vldrb.u8 q1, [r5], #16\n" STEP_OF("vmladav.s8", LOAD_WEIGHTS)
#define STORE_WHOLE                                                                                 \
    "ldr r0, [r11, #60]\n vstrb.32 q4, [r2], #4\n vstrb.32 q5, [r4], #4\n"                          \
    "subs r0, r0, #4\n str r0, [r11, #60]\n"

/* Whole steps, whole fours of filters. */
TINYML_ASSEMBLY static void run_whole(TINYML_UNUSED run_t *run)
{
    __asm__(RUN(FOURS(FIRST_WHOLE, TIES, STORE_WHOLE)));
}

/* The same where the clamp hides how negative results round. */
TINYML_ASSEMBLY static void run_whole_clamped(TINYML_UNUSED run_t *run)
{
    __asm__(RUN(FOURS(FIRST_WHOLE, "", STORE_WHOLE)));
}

#define LOAD_SOME_WEIGHTS(q) "vldrb.u8 " q ", [r1]\n add r1, r1, r9\n"
#define LOAD_SOME "vctp.8 r9\n vpstt\n vldrbt.u8 q0, [r3]\n vldrbt.u8 q1, [r5]\n"

/* Any number of taps and filters. Inputs past the window read as zero, whatever weights meet them there. */
TINYML_ASSEMBLY static void run_any(TINYML_UNUSED run_t *run)
{
    __asm__(RUN(FOURS("ldr r9, [r11, #40]\n" LOAD_SOME
                      "add r3, r3, r9\n add r5, r5, r9\n" STEP_OF("vmladav.s8", LOAD_SOME_WEIGHTS),
                      TIES,
                      "ldr r0, [r11, #60]\n vctp.32 r0\n vpstt\n"
                      "vstrbt.32 q4, [r2], #4\n vstrbt.32 q5, [r4], #4\n"
                      "subs r0, r0, #4\n str r0, [r11, #60]\n")));
}

/* One step of any number of taps, whole fours of filters, clamped: the inputs stay in q0 and q1, r3 and r5 are outputs. */
TINYML_ASSEMBLY static void run_short_clamped(TINYML_UNUSED run_t *run)
{
    __asm__(RUN("ldrd r3, r5, [r11, #0]\n ldr r9, [r11, #40]\n" LOAD_SOME "ldrd r3, r5, [r11, #8]\n"
                "2:" STEP_OF("vmladav.s8", LOAD_SOME_WEIGHTS) RESCALE("")
                "ldr r0, [r11, #64]\n vstrb.32 q4, [r3], #4\n vstrb.32 q5, [r5], #4\n"
                "cmp r7, r0\n bne 2b\n"
                "mov r2, r3\n mov r4, r5\n"));
}

static void compute(run_t *run)
{
    const int32_t whole = run->channels % FILTERS == 0;
    const int32_t clamped = run->out_min >= run->out_offset;
    if (whole && clamped && run->steps == 1) {
        run_short_clamped(run);
    } else if (!whole || run->first < STEP) {
        run_any(run);
    } else if (clamped) {
        run_whole_clamped(run);
    } else {
        run_whole(run);
    }
}

/* Of pixels smaller than half a vector, as many as it holds at a time. */
TINYML_ASSEMBLY static void copy_columns(TINYML_UNUSED const columns_t *columns)
{
    __asm__(".syntax unified\n"
            "push {r4-r8, lr}\n"
            "ldm r0, {r0, r1, r2, r3, r4, r5, r6}\n"
            "cmp r5, #1\n bgt 4f\n"
            "cmp r2, #16\n bgt 2f\n"
            "vctp.8 r2\n dls lr, r3\n"
            "1: vpstt\n vldrbt.u8 q0, [r1]\n vstrbt.8 q0, [r0]\n add r1, r1, r2\n add r0, r0, r4\n le lr, 1b\n"
            "pop {r4-r8, pc}\n"
            "2: mov r5, r0\n mov r6, r1\n"
            "dlstp.8 lr, r2\n"
            "3: vldrb.u8 q0, [r6], #16\n vstrb.8 q0, [r5], #16\n letp lr, 3b\n"
            "add r1, r1, r2\n add r0, r0, r4\n subs r3, r3, #1\n bne 2b\n"
            "pop {r4-r8, pc}\n"
            "4: vldrb.u8 q1, [r6]\n"
            "udiv r7, r3, r5\n mls r3, r7, r5, r3\n mul r3, r3, r2\n"
            "mul r2, r2, r5\n mul r4, r4, r5\n vctp.8 r2\n"
            "wls lr, r7, 6f\n"
            "5: vpstt\n vldrbt.u8 q0, [r1]\n vstrbt.8 q0, [r0, q1]\n add r1, r1, r2\n add r0, r0, r4\n le lr, 5b\n"
            "6: vctp.8 r3\n vpstt\n vldrbt.u8 q0, [r1]\n vstrbt.8 q0, [r0, q1]\n"
            "pop {r4-r8, pc}\n");
}

#else

static int32_t dot(const int8_t *x, const int8_t *w, int32_t taps)
{
    int32_t sum = 0;
    for (int32_t i = 0; i < taps; ++i) {
        sum += x[i] * w[i];
    }
    return sum;
}

static void compute_one(const run_t *run, const int8_t *x, int8_t *out)
{
    const int8_t *w = run->weights;
    const int32_t *rescale = run->rescale;
    for (int32_t c = 0; c < run->channels; c += FILTERS, rescale += RESCALE_WORDS) {
        int32_t sum[FILTERS] = {rescale[0], rescale[1], rescale[2], rescale[3]};
        const int8_t *shift = (const int8_t *)(rescale + 8);
        const int8_t *from = x;
        int32_t taps = run->first;
        for (int32_t s = 0; s < run->steps; ++s, taps = STEP) {
            for (int32_t f = 0; f < FILTERS; ++f, w += taps) {
                sum[f] += dot(from, w, taps);
            }
            from += taps;
        }
        for (int32_t f = 0; f < FILTERS && c + f < run->channels; ++f) {
            const int32_t scaled = tinyml_requantize(sum[f], rescale[4 + f], shift[f]) + run->out_offset;
            out[c + f] = (int8_t)tinyml_clamp(scaled, run->out_min, run->out_max);
        }
    }
}

static void compute(run_t *run)
{
    const int32_t out_step = run->out_step + (run->channels + FILTERS - 1) / FILTERS * FILTERS;
    for (int32_t i = 0; i < run->pairs; ++i) {
        compute_one(run, run->pixel[0] + i * run->pixel_step, run->out[0] + i * out_step);
        compute_one(run, run->pixel[1] + i * run->pixel_step, run->out[1] + i * out_step);
    }
}

static void copy_columns(const columns_t *columns)
{
    for (int32_t i = 0; i < columns->count; ++i) {
        tinyml_copy(columns->to + i * columns->to_step, columns->from + i * columns->bytes, columns->bytes);
    }
}

#endif

/* `count` outputs whose windows are `step` bytes apart. */
static void run_of(const tinyml_conv_vector_s8_t *op, const int8_t *pixel, int32_t step, int8_t *out, int32_t count)
{
    const int32_t channels = op->out_channels;
    const int32_t taps = op->window.kernel_width * op->window.kernel_height * op->window.in_channels;
    const int32_t steps = (taps + STEP - 1) / STEP;
    const int32_t whole = (channels + FILTERS - 1) / FILTERS * FILTERS;
    run_t run = {
        {pixel, pixel + step}, {out, out + channels}, 2 * step, 2 * channels - whole, count / 2,
        op->weights, op->rescale, channels, taps - (steps - 1) * STEP, steps,
        op->out_offset, op->out_min, op->out_max, 0, op->rescale + whole / FILTERS * RESCALE_WORDS,
    };
    if (run.pairs > 0) {
        compute(&run);
    }
    if (count % 2 != 0) { /* the last one alone, twice */
        run.pixel[0] = run.pixel[1] = pixel + (count - 1) * step;
        run.out[0] = run.out[1] = out + (count - 1) * channels;
        run.pairs = 1;
        compute(&run);
    }
}

static void fill_columns(int8_t *to, int32_t value, int32_t bytes, int32_t count, int32_t to_step)
{
    for (; count > 0; --count, to += to_step) {
        tinyml_fill(to, (uint32_t)(value & 0xFF) * 0x01010101u, bytes);
    }
}

/* Where the bytes of neighbouring pixels go, and of how many pixels. */
static int32_t offsets_of(const tinyml_window_t *w, uint8_t offsets[STEP])
{
    const int32_t depth = w->in_channels;
    const int32_t step = w->kernel_height * depth;
    int32_t count = 1;
    while ((count + 1) * depth <= STEP && count * step + depth <= UINT8_MAX) {
        ++count;
    }
    for (int32_t i = 0; count > 1 && i < count * depth; ++i) {
        offsets[i] = (uint8_t)(i / depth * step + i % depth);
    }
    return count;
}

/* The columns of the image that the windows of outputs [x, x + cols) of row y see. */
static void lay_out(const tinyml_conv_vector_s8_t *op, const tinyml_rows_t *in, int32_t y, int32_t x, int32_t cols,
                    columns_t columns, int8_t *scratch)
{
    const tinyml_window_t *w = &op->window;
    const int32_t depth = w->in_channels;
    const int32_t step = w->kernel_height * depth;
    const int32_t width = (cols - 1) * w->stride_x + w->kernel_width;
    const int32_t first = x * w->stride_x - w->pad_left;
    const tinyml_taps_t inside = tinyml_taps(first, w->in_width, width, 1);
    const tinyml_taps_t rows = tinyml_rows_of_window(w, y);

    for (int32_t ky = 0; ky < w->kernel_height; ++ky) {
        int8_t *to = scratch + ky * depth;
        if (ky < rows.first || ky >= rows.end || inside.first == inside.end) {
            fill_columns(to, op->in_zero_point, depth, width, step);
            continue;
        }
        const int8_t *row = tinyml_row(in, rows.origin + ky * w->dilation_y);
        columns.to = to + inside.first * step;
        columns.from = row + (first + inside.first - in->first_col) * depth;
        columns.count = inside.end - inside.first;
        fill_columns(to, op->in_zero_point, depth, inside.first, step);
        copy_columns(&columns);
        fill_columns(to + inside.end * step, op->in_zero_point, depth, width - inside.end, step);
    }
}

/* Whether rows [y, y + count) lie end to end, `bytes` each. */
static int32_t end_to_end(const tinyml_rows_t *map, int32_t y, int32_t count, int32_t bytes)
{
    return map->row_bytes == bytes && (y - map->first_row) % map->rows + count <= map->rows;
}

void tinyml_conv_s8_mve(const tinyml_conv_vector_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                        const tinyml_tile_t *tile, void *scratch)
{
    const tinyml_window_t *w = &op->window;
    const int32_t end = tile->row + tile->rows;
    const int32_t pointwise = w->kernel_height == 1 && w->kernel_width == 1 && w->pad_top == 0 && w->pad_left == 0
                              && (end - 1) * w->stride_y < w->in_height
                              && (tile->col + tile->cols - 1) * w->stride_x < w->in_width;
    uint8_t offsets[STEP] = {0};
    const columns_t columns = {
        scratch, in->base, w->in_channels, 0, w->kernel_height * w->in_channels, pointwise ? 1 : offsets_of(w, offsets),
        offsets,
    };
    int32_t rows = 1; /* that are computed as one */
    if (pointwise && w->stride_y == 1 && w->stride_x == 1
        && end_to_end(in, tile->row, tile->rows, tile->cols * w->in_channels)
        && end_to_end(out, tile->row, tile->rows, tile->cols * op->out_channels)) {
        rows = tile->rows;
    }
    for (int32_t y = tile->row; y < end; y += rows) {
        int8_t *to = (int8_t *)tinyml_row(out, y) + (tile->col - out->first_col) * op->out_channels;
        if (pointwise) {
            const int8_t *from = tinyml_row(in, y * w->stride_y);
            run_of(op, from + (tile->col * w->stride_x - in->first_col) * w->in_channels,
                   w->stride_x * w->in_channels, to, rows * tile->cols);
            continue;
        }
        for (int32_t x = 0; x < tile->cols; x += op->block_cols) {
            const int32_t cols = tile->cols - x < op->block_cols ? tile->cols - x : op->block_cols;
            lay_out(op, in, y, tile->col + x, cols, columns, scratch);
            run_of(op, scratch, w->stride_x * w->kernel_height * w->in_channels, to + x * op->out_channels, cols);
        }
    }
}

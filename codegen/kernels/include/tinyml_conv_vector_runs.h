/* Convolution for Helium, 4 filters x 2 outputs at a time: what its kernels share. SPDX-License-Identifier: Apache-2.0
 *
 * A step is 16 bytes of each window: 2 loads of inputs, 4 of weights, 8 VMLADAV into 8 registers. A window
 * lies end to end in memory: as the image has it for 1x1, else in scratch, where each column of the image is laid out
 * once for a row of outputs, its kernel_height pixels one after the other. Neighbouring windows then overlap, and moving
 * one column on takes kernel_height pixels and not a whole window.
 *
 * Windows of int8 that are one or two steps go 2 filters x 4 outputs at a time: see tinyml_conv_vector_resident.h.
 *
 * Before a kernel includes this, it defines
 *
 *   BYTES                      of an input, and of an output: 1 or 2
 *   WEIGHTS, SOME_WEIGHTS      of a vector, to a register
 *
 * and, where filters share vectors of weights,
 *
 *   STEP_OF(mac, weights)      the sums of inputs in q0 and q1 with four filters, r0 r2 r4 r6 and r8 r10 r12 r14; weights at r1
 *   SEPARATE, SEPARATE_LANES   what makes the four sums of these, before and after they are in the lanes of q4 and q5
 *   add_step()                 the same in C
 *   PAIR_OF_WEIGHTS(a, b)      those of two filters to registers, from r1 and r2, predicated
 *   PAIR_BYTES(taps)           that those of two filters take
 */
#ifndef TINYML_CONV_VECTOR_RUNS_H
#define TINYML_CONV_VECTOR_RUNS_H

#include "tinyml_bytes_vector.h"
#include "tinyml_conv_vector.h"
#include "tinyml_conv_vector_pairs.h"
#include "tinyml_memory.h"
#include "tinyml_mve.h"
#include "tinyml_requant.h"

#define STEP 16 /* bytes of inputs */
#define FILTERS 4
#define SLACK 16 /* bytes of scratch before columns, where vectors of short steps may begin */

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
    int32_t shifts_left;
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

#define BOTH(what, how) what " q4, q4, " how "\n" what " q5, q5, " how "\n"
#define INPUTS "vldrb.u8 q0, [r3], #16\n vldrb.u8 q1, [r5], #16\n"

#if BYTES == 1
#define MULTIPLY "vmladav.s8"
#define MULTIPLY_AND_ADD "vmladava.s8"
#define SOME_INPUTS "vctp.8 r9\n vpstt\n vldrbt.u8 q0, [r3]\n vldrbt.u8 q1, [r5]\n"
#define PAST_SOME_INPUTS "add r3, r3, r9\n add r5, r5, r9\n"
#define STORE(condition, to, from) "vstrb" condition ".32 " from ", [" to "], #4\n"
#else
#define MULTIPLY "vmladav.s16"
#define MULTIPLY_AND_ADD "vmladava.s16"
#define SOME_INPUTS "vctp.16 r9\n vpstt\n vldrht.u16 q0, [r3]\n vldrht.u16 q1, [r5]\n"
#define PAST_SOME_INPUTS "add r3, r3, r9, lsl #1\n add r5, r5, r9, lsl #1\n"
#define STORE(condition, to, from) "vstrh" condition ".32 " from ", [" to "], #8\n"
#endif

#ifndef STEP_OF
#define STEP_OF(mac, weights)                                       \
    weights("q2") mac " r0, q0, q2\n" weights("q3") mac " r8, q1, q2\n" \
    mac " r2, q0, q3\n" weights("q2") mac " r10, q1, q3\n"          \
    mac " r4, q0, q2\n" weights("q3") mac " r12, q1, q2\n"          \
    mac " r6, q0, q3\n" mac " r14, q1, q3\n"
#define SEPARATE ""
#define SEPARATE_LANES ""
#define PAIR_OF_WEIGHTS(a, b) "vpstt\n vldrbt.u8 " a ", [r1]\n vldrbt.u8 " b ", [r2]\n"
#define PAIR_BYTES(taps) (2 * (taps))
#endif

#define NEXT_STEP INPUTS STEP_OF(MULTIPLY_AND_ADD, WEIGHTS)

/* Sums of the first output are in r0 r2 r4 r6, of the second in r8 r10 r12 r14; r7 rescaling, r11 the run, q6 and q7 bounds. */
#define TO_LANES                                                                                    \
    SEPARATE                                                                                        \
    "vmov q4[2], q4[0], r0, r4\n vmov q4[3], q4[1], r2, r6\n"                                       \
    "vmov q5[2], q5[0], r8, r12\n vmov q5[3], q5[1], r10, r14\n" SEPARATE_LANES

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
#define FOURS(first_step, rescale, store)                                                           \
    "ldr r0, [r11, #36]\n str r0, [r11, #60]\n"                                                     \
    "2: ldrd r3, r5, [r11, #0]\n"                                                                   \
    first_step                                                                                      \
    "ldr r9, [r11, #44]\n lsrs r9, r9, #1\n bcc 4f\n beq 5f\n"                                      \
    "3:" NEXT_STEP                                                                                  \
    "4:" NEXT_STEP                                                                                  \
    "subs r9, r9, #1\n bne 3b\n"                                                                    \
    "5:" rescale                                                                                    \
    "ldrd r2, r4, [r11, #8]\n" store "strd r2, r4, [r11, #8]\n bgt 2b\n"

/* Whole steps, whole fours of filters. */
#define WHOLE(rescale)                                                                              \
    RUN(FOURS(INPUTS STEP_OF(MULTIPLY, WEIGHTS), rescale,                                           \
              "ldr r0, [r11, #60]\n" STORE("", "r2", "q4") STORE("", "r4", "q5")                    \
              "subs r0, r0, #4\n str r0, [r11, #60]\n"))

/* Any number of taps and filters. Inputs past the window read as zero, whatever weights meet them there. */
#define ANY(rescale)                                                                                \
    RUN(FOURS("ldr r9, [r11, #40]\n" SOME_INPUTS PAST_SOME_INPUTS STEP_OF(MULTIPLY, SOME_WEIGHTS), rescale, \
              "ldr r0, [r11, #60]\n vctp.32 r0\n vpstt\n" STORE("t", "r2", "q4") STORE("t", "r4", "q5") \
              "subs r0, r0, #4\n str r0, [r11, #60]\n"))

/* One step of any number of taps, whole fours of filters: the inputs stay in q0 and q1, r3 and r5 are outputs. */
#define SHORT(rescale)                                                                              \
    RUN("ldrd r3, r5, [r11, #0]\n ldr r9, [r11, #40]\n" SOME_INPUTS "ldrd r3, r5, [r11, #8]\n"      \
        "2:" STEP_OF(MULTIPLY, SOME_WEIGHTS) rescale                                                \
        "ldr r0, [r11, #64]\n" STORE("", "r3", "q4") STORE("", "r5", "q5")                          \
        "cmp r7, r0\n bne 2b\n"                                                                     \
        "mov r2, r3\n mov r4, r5\n")

#if BYTES == 1

/* TIES rounds them away from zero: where the product is negative, 1 is taken off before the shift rounds up. */
#define TIES "vshr.s32 q2, q4, #31\n vshr.s32 q3, q5, #31\n vadd.i32 q4, q4, q2\n vadd.i32 q5, q5, q3\n"
#define LIMIT "ldr r6, [r11, #48]\n" BOTH("vadd.i32", "r6") BOTH("vmax.s32", "q6") BOTH("vmin.s32", "q7")
#define RESCALE(ties)                                                                               \
    TO_LANES                                                                                        \
    "vldrw.u32 q2, [r7], #16\n vldrw.u32 q3, [r7], #16\n"                                           \
    BOTH("vadd.i32", "q2") BOTH("vqrdmulh.s32", "q3") ties                                          \
    "vldrb.s32 q2, [r7], #4\n" BOTH("vrshl.s32", "q2") LIMIT

/* Shifts in either direction: 1 is taken off where the shift is negative, too. */
#define RESCALE_BOTH_WAYS                                                                           \
    TO_LANES                                                                                        \
    "vldrb.s32 q2, [r7, #32]\n vmov.i32 q3, #0\n vmax.s32 q0, q2, q3\n vmin.s32 q1, q2, q3\n"       \
    "vldrw.u32 q2, [r7], #16\n vldrw.u32 q3, [r7], #20\n"                                           \
    BOTH("vadd.i32", "q2") BOTH("vshl.s32", "q0") BOTH("vqrdmulh.s32", "q3")                        \
    "vand q2, q4, q1\n vand q3, q5, q1\n vshr.s32 q2, q2, #31\n vshr.s32 q3, q3, #31\n"            \
    "vadd.i32 q4, q4, q2\n vadd.i32 q5, q5, q3\n" BOTH("vrshl.s32", "q1") LIMIT

TINYML_ASSEMBLY static void run_whole(TINYML_UNUSED run_t *run)
{
    __asm__(WHOLE(RESCALE(TIES)));
}

/* The same where the clamp hides how negative results round. */
TINYML_ASSEMBLY static void run_whole_clamped(TINYML_UNUSED run_t *run)
{
    __asm__(WHOLE(RESCALE("")));
}

TINYML_ASSEMBLY static void run_any(TINYML_UNUSED run_t *run)
{
    __asm__(ANY(RESCALE(TIES)));
}

TINYML_ASSEMBLY static void run_short_clamped(TINYML_UNUSED run_t *run)
{
    __asm__(SHORT(RESCALE("")));
}

TINYML_ASSEMBLY static void run_both_ways(TINYML_UNUSED run_t *run)
{
    __asm__(ANY(RESCALE_BOTH_WAYS));
}

static void compute(run_t *run)
{
    const int32_t whole = run->channels % FILTERS == 0;
    const int32_t clamped = run->out_min >= run->out_offset;
    if (run->shifts_left) {
        run_both_ways(run);
    } else if (whole && clamped && run->steps == 1) {
        run_short_clamped(run);
    } else if (!whole || run->first < STEP) {
        run_any(run);
    } else if (clamped) {
        run_whole_clamped(run);
    } else {
        run_whole(run);
    }
}

#else

#define RESCALE                                                                                     \
    TO_LANES                                                                                        \
    "vldrw.u32 q2, [r7], #16\n vldrw.u32 q3, [r7], #16\n"                                           \
    BOTH("vadd.i32", "q2") BOTH("vqdmulh.s32", "q3")                                                \
    "vldrb.s32 q2, [r7], #4\n" BOTH("vrshl.s32", "q2") BOTH("vmax.s32", "q6") BOTH("vmin.s32", "q7")

TINYML_ASSEMBLY static void run_whole(TINYML_UNUSED run_t *run)
{
    __asm__(WHOLE(RESCALE));
}

TINYML_ASSEMBLY static void run_any(TINYML_UNUSED run_t *run)
{
    __asm__(ANY(RESCALE));
}

TINYML_ASSEMBLY static void run_short(TINYML_UNUSED run_t *run)
{
    __asm__(SHORT(RESCALE));
}

static void compute(run_t *run)
{
    const int32_t whole = run->channels % FILTERS == 0;
    if (whole && run->steps == 1) {
        run_short(run);
    } else if (!whole || run->first < STEP / BYTES) {
        run_any(run);
    } else {
        run_whole(run);
    }
}

#endif

#if BYTES == 1 && TINYML_HELIUM
#include "tinyml_conv_vector_resident.h"
#endif

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

#if BYTES == 1
typedef int8_t input_t;
#else
typedef int16_t input_t;
#endif

#ifndef STEP_OF
static const int8_t *add_step(const void *from, const int8_t *w, int32_t taps, int32_t sum[FILTERS])
{
    const input_t *x = from;
    for (int32_t f = 0; f < FILTERS; ++f, w += taps) {
        for (int32_t i = 0; i < taps; ++i) {
            sum[f] += x[i] * w[i];
        }
    }
    return w;
}
#endif

#if BYTES == 1

static void finish(const run_t *run, const int32_t *rescale, int32_t filter, int32_t sum, int8_t *out, int32_t channel)
{
    const int8_t *shift = (const int8_t *)(rescale + 8);
    const int32_t scaled = tinyml_requantize(sum + rescale[filter], rescale[4 + filter], shift[filter]);
    out[channel] = (int8_t)tinyml_clamp(scaled + run->out_offset, run->out_min, run->out_max);
}

#else

static void finish(const run_t *run, const int32_t *rescale, int32_t filter, int32_t sum, int8_t *out, int32_t channel)
{
    const int32_t shift = -((const int8_t *)(rescale + 8))[filter];
    const int32_t product = (int32_t)((int64_t)(sum + rescale[filter]) * rescale[4 + filter] >> 31);
    const int32_t scaled = (int32_t)((product + (INT64_C(1) << (shift - 1))) >> shift);
    ((int16_t *)(void *)out)[channel] = (int16_t)tinyml_clamp(scaled, run->out_min, run->out_max);
}

#endif

static void compute_one(const run_t *run, const int8_t *x, int8_t *out)
{
    const int8_t *w = run->weights;
    const int32_t *rescale = run->rescale;
    for (int32_t c = 0; c < run->channels; c += FILTERS, rescale += RESCALE_WORDS) {
        int32_t sum[FILTERS] = {0, 0, 0, 0};
        const int8_t *from = x;
        int32_t taps = run->first;
        for (int32_t s = 0; s < run->steps; ++s, taps = STEP / BYTES) {
            w = add_step(from, w, taps, sum);
            from += taps * BYTES;
        }
        for (int32_t f = 0; f < FILTERS && c + f < run->channels; ++f) {
            finish(run, rescale, f, sum[f], out, c + f);
        }
    }
}

static void compute(run_t *run)
{
    const int32_t out_step = run->out_step + (run->channels + FILTERS - 1) / FILTERS * FILTERS * BYTES;
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
static void compute_pairs(run_t *run, const int8_t *pixel, int32_t step, int8_t *out, int32_t count)
{
    const int32_t out_pixel = run->channels * BYTES;
    run->pairs = count / 2;
    if (run->pairs > 0) {
        run->pixel[0] = pixel;
        run->pixel[1] = pixel + step;
        run->out[0] = out;
        run->out[1] = out + out_pixel;
        compute(run);
    }
    if (count % 2 != 0) { /* the last one alone, twice */
        run->pixel[0] = run->pixel[1] = pixel + (count - 1) * step;
        run->out[0] = run->out[1] = out + (count - 1) * out_pixel;
        run->pairs = 1;
        compute(run);
    }
}

/* The same; `before` bytes before the first window may be read. */
static void run_of(const tinyml_conv_vector_t *op, const int8_t *pixel, int32_t step, int8_t *out, int32_t count,
                   int32_t before)
{
    const int32_t channels = op->out_channels;
    const int32_t taps = op->window.kernel_width * op->window.kernel_height * op->window.in_channels;
    const int32_t steps = (taps * BYTES + STEP - 1) / STEP;
    const int32_t whole = (channels + FILTERS - 1) / FILTERS * FILTERS;
    run_t run = {
        {pixel, pixel}, {out, out}, 2 * step, (2 * channels - whole) * BYTES, 0,
        op->weights, op->rescale, channels, taps - (steps - 1) * (STEP / BYTES), steps,
        op->out_offset, op->out_min, op->out_max, 0, op->rescale + whole / FILTERS * RESCALE_WORDS, op->shifts_left,
    };
    int32_t done = 0;
#if BYTES == 1 && TINYML_HELIUM
    const int32_t missing = bytes_before(&run, step) - before;
    const int32_t lead = missing > 0 ? (missing + step - 1) / step : 0;
    const int32_t groups = (count - lead) / 4;
    if (groups > 0 && may_be_resident(&run)) {
        done = lead + 4 * groups;
        compute_resident(&run, pixel + lead * step, step, out + lead * channels, groups);
        compute_pairs(&run, pixel, step, out, lead);
    }
#else
    (void)before;
#endif
    compute_pairs(&run, pixel + done * step, step, out + done * channels * BYTES, count - done);
}

/* Where the bytes of neighbouring pixels go, and of how many pixels. */
static int32_t offsets_of(const tinyml_window_t *w, uint8_t offsets[STEP])
{
    const int32_t pixel = w->in_channels * BYTES;
    const int32_t step = w->kernel_height * pixel;
    int32_t count = 1;
    while ((count + 1) * pixel <= STEP && count * step + pixel <= UINT8_MAX) {
        ++count;
    }
    for (int32_t i = 0; count > 1 && i < count * pixel; ++i) {
        offsets[i] = (uint8_t)(i / pixel * step + i % pixel);
    }
    return count;
}

/* The columns of the image that the windows of outputs [x, x + cols) of row y see. */
static void lay_out(const tinyml_conv_vector_t *op, const tinyml_rows_t *in, int32_t y, int32_t x, int32_t cols,
                    columns_t columns, int8_t *scratch)
{
    const tinyml_window_t *w = &op->window;
    const int32_t pixel = w->in_channels * BYTES;
    const int32_t step = w->kernel_height * pixel;
    const int32_t width = (cols - 1) * w->stride_x + w->kernel_width;
    const int32_t first = x * w->stride_x - w->pad_left;
    const tinyml_taps_t inside = tinyml_taps(first, w->in_width, width, 1);
    const tinyml_taps_t rows = tinyml_rows_of_window(w, y);

    if (inside.end - inside.first < width || rows.end - rows.first < w->kernel_height) {
        fill(scratch, op->in_zero_point, width * step);
    }
    columns.count = inside.end - inside.first;
    for (int32_t ky = rows.first; columns.count > 0 && ky < rows.end; ++ky) {
        const int8_t *row = tinyml_row(in, rows.origin + ky * w->dilation_y);
        columns.to = scratch + ky * pixel + inside.first * step;
        columns.from = row + (first + inside.first - in->first_col) * pixel;
        copy_columns(&columns);
    }
}

/* Whether rows [y, y + count) lie end to end, `bytes` each. */
static int32_t end_to_end(const tinyml_rows_t *map, int32_t y, int32_t count, int32_t bytes)
{
    return map->row_bytes == bytes && (y - map->first_row) % map->rows + count <= map->rows;
}

/* What a kernel does. */
static void convolve(const tinyml_conv_vector_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                     const tinyml_tile_t *tile, int8_t *scratch)
{
    const tinyml_window_t *w = &op->window;
    const int32_t pixel = w->in_channels * BYTES, out_pixel = op->out_channels * BYTES;
    const int32_t end = tile->row + tile->rows;
    const int32_t pointwise = w->kernel_height == 1 && w->kernel_width == 1 && w->pad_top == 0 && w->pad_left == 0
                              && (end - 1) * w->stride_y < w->in_height
                              && (tile->col + tile->cols - 1) * w->stride_x < w->in_width;
    uint8_t offsets[STEP] = {0};
    const columns_t columns = {
        scratch, in->base, pixel, 0, w->kernel_height * pixel, pointwise ? 1 : offsets_of(w, offsets),
        offsets,
    };
    int32_t rows = 1; /* that are computed as one */
    if (pointwise && w->stride_y == 1 && w->stride_x == 1
        && end_to_end(in, tile->row, tile->rows, tile->cols * pixel)
        && end_to_end(out, tile->row, tile->rows, tile->cols * out_pixel)) {
        rows = tile->rows;
    }
    for (int32_t y = tile->row; y < end; y += rows) {
        int8_t *to = (int8_t *)tinyml_row(out, y) + (tile->col - out->first_col) * out_pixel;
        if (pointwise) {
            const int8_t *from = tinyml_row(in, y * w->stride_y);
            run_of(op, from + (tile->col * w->stride_x - in->first_col) * pixel,
                   w->stride_x * pixel, to, rows * tile->cols, 0);
            continue;
        }
        for (int32_t x = 0; x < tile->cols; x += op->block_cols) {
            const int32_t cols = tile->cols - x < op->block_cols ? tile->cols - x : op->block_cols;
            lay_out(op, in, y, tile->col + x, cols, columns, scratch + SLACK);
            run_of(op, scratch + SLACK, w->stride_x * w->kernel_height * pixel, to + x * out_pixel, cols, SLACK);
        }
    }
}

#endif

/* Convolution for Helium, windows of one or two steps: the weights of two filters stay in registers.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A part of tinyml_conv_vector_runs.h. The first step, where it has fewer than 16 taps, is a vector that ends where its taps end:
 * what stands before them is multiplied by zero. Where windows of 8 taps lie end to end, a vector holds two.
 */
#ifndef TINYML_CONV_VECTOR_RESIDENT_H
#define TINYML_CONV_VECTOR_RESIDENT_H

/* The assembly knows this order. */
typedef struct {
    pair_t pair;
    const int8_t *inputs; /* of the first window, the vector of its first step */
    int8_t *out;
    int32_t groups; /* of four outputs */
    int32_t pixel_step;
    int32_t out_step;
    struct {
        int32_t lanes; /* a bit for each that has a tap */
        const int8_t *a; /* weights of the two filters; of 4 bits, a byte is that of both */
        const int8_t *b;
    } steps[2]; /* or windows of a vector, the second one first */
} resident_t;

typedef void (*resident_of_t)(resident_t *resident);

/* Four windows, r7 bytes apart or end to end. */
#define STEP_APART(q) "vldrb.u8 " q ", [r1]\n add r1, r1, r7\n"
#define STEPS_APART(q, p) "vldrb.u8 " q ", [r1]\n vldrb.u8 " p ", [r1, #16]\n add r1, r1, r7\n"
#define STEP_ALONG(q) "vldrb.u8 " q ", [r1], #16\n"
#define STEPS_ALONG(q, p) "vldrb.u8 " q ", [r1], #16\n vldrb.u8 " p ", [r1], #16\n"

#define ONE_STEP(load)                                                                                  \
    load("q4") load("q5") "vmladav.s8 r0, q4, q0\n vmladav.s8 r8, q4, q1\n"                             \
    load("q4") "vmladav.s8 r2, q5, q0\n vmladav.s8 r10, q5, q1\n"                                       \
    load("q5") "vmladav.s8 r4, q4, q0\n vmladav.s8 r12, q4, q1\n"                                       \
    "vmladav.s8 r6, q5, q0\n vmladav.s8 r14, q5, q1\n"
#define TWO_STEPS_OF(a, b, load)                                                                        \
    load("q4", "q5") "vmladav.s8 " a ", q4, q0\n vmladav.s8 " b ", q4, q1\n"                            \
    "vmladava.s8 " a ", q5, q2\n vmladava.s8 " b ", q5, q3\n"
#define TWO_STEPS(load)                                                                                 \
    TWO_STEPS_OF("r0", "r8", load) TWO_STEPS_OF("r2", "r10", load)                                      \
    TWO_STEPS_OF("r4", "r12", load) TWO_STEPS_OF("r6", "r14", load)

#define TWO_WINDOWS_OF(q, a, b, c, d)                                                                   \
    "vmladav.s8 " a ", " q ", q2\n vmladav.s8 " b ", " q ", q3\n vmladav.s8 " c ", " q ", q0\n vmladav.s8 " d ", " q ", q1\n"
#define TWO_WINDOWS                                                                                     \
    STEPS_ALONG("q4", "q5") TWO_WINDOWS_OF("q4", "r0", "r8", "r2", "r10") TWO_WINDOWS_OF("q5", "r4", "r12", "r6", "r14")

#define STORE_PAIR(q) "vstrb.16 " q ", [r3, q6]\n"
#define RESIDENT(weights, sums, scale)                                                                  \
    __asm__(".syntax unified\n"                                                                         \
            "push {r4-r11, lr}\n vpush {d8-d15}\n mov r11, r0\n"                                        \
            "add r0, r11, #64\n ldm r0, {r0, r1, r2}\n vmsr p0, r0\n" PAIR_OF_WEIGHTS("q0", "q1")       \
            weights                                                                                     \
            "add r0, r11, #28\n vldrh.u16 q6, [r0]\n"                                                   \
            "ldrd r1, r3, [r11, #44]\n ldrd r5, r7, [r11, #52]\n ldr r9, [r11, #60]\n"                  \
            "1:" sums SUMS_TO_LANES FACTORS ADD_BIASES scale(STORE_PAIR)                                       \
            "add r3, r3, r9\n subs r5, r5, #1\n bne 1b\n"                                              \
            "vpop {d8-d15}\n pop {r4-r11, pc}\n")
#define SECOND_WEIGHTS "add r0, r11, #76\n ldm r0, {r0, r1, r2}\n vmsr p0, r0\n" PAIR_OF_WEIGHTS("q2", "q3")

TINYML_ASSEMBLY static void one_step(TINYML_UNUSED resident_t *resident)
{
    RESIDENT("", ONE_STEP(STEP_APART), SCALE_PAIR_TIES);
}

TINYML_ASSEMBLY static void one_step_clamped(TINYML_UNUSED resident_t *resident)
{
    RESIDENT("", ONE_STEP(STEP_APART), SCALE_PAIR);
}

TINYML_ASSEMBLY static void one_step_along(TINYML_UNUSED resident_t *resident)
{
    RESIDENT("", ONE_STEP(STEP_ALONG), SCALE_PAIR_TIES);
}

TINYML_ASSEMBLY static void one_step_along_clamped(TINYML_UNUSED resident_t *resident)
{
    RESIDENT("", ONE_STEP(STEP_ALONG), SCALE_PAIR);
}

TINYML_ASSEMBLY static void two_steps(TINYML_UNUSED resident_t *resident)
{
    RESIDENT(SECOND_WEIGHTS, TWO_STEPS(STEPS_APART), SCALE_PAIR_TIES);
}

TINYML_ASSEMBLY static void two_steps_clamped(TINYML_UNUSED resident_t *resident)
{
    RESIDENT(SECOND_WEIGHTS, TWO_STEPS(STEPS_APART), SCALE_PAIR);
}

TINYML_ASSEMBLY static void two_steps_along(TINYML_UNUSED resident_t *resident)
{
    RESIDENT(SECOND_WEIGHTS, TWO_STEPS(STEPS_ALONG), SCALE_PAIR_TIES);
}

TINYML_ASSEMBLY static void two_steps_along_clamped(TINYML_UNUSED resident_t *resident)
{
    RESIDENT(SECOND_WEIGHTS, TWO_STEPS(STEPS_ALONG), SCALE_PAIR);
}

TINYML_ASSEMBLY static void two_windows(TINYML_UNUSED resident_t *resident)
{
    RESIDENT(SECOND_WEIGHTS, TWO_WINDOWS, SCALE_PAIR_TIES);
}

TINYML_ASSEMBLY static void two_windows_clamped(TINYML_UNUSED resident_t *resident)
{
    RESIDENT(SECOND_WEIGHTS, TWO_WINDOWS, SCALE_PAIR);
}

/* Whether a vector has two windows. */
static int32_t are_halves(const run_t *run, int32_t pixel_step)
{
    return run->steps == 1 && run->first == STEP / 2 && pixel_step == STEP / 2;
}

static resident_of_t resident_for(const run_t *run, int32_t pixel_step)
{
    static const resident_of_t of[5][2] = {
        {one_step, one_step_clamped}, {one_step_along, one_step_along_clamped},
        {two_steps, two_steps_clamped}, {two_steps_along, two_steps_along_clamped},
        {two_windows, two_windows_clamped},
    };
    const int32_t along = pixel_step == run->steps * STEP;
    return of[are_halves(run, pixel_step) ? 4 : 2 * (run->steps - 1) + along][run->out_min >= run->out_offset];
}

/* Bytes before the first window that are read. */
static int32_t bytes_before(const run_t *run, int32_t pixel_step)
{
    return are_halves(run, pixel_step) ? 0 : STEP - run->first;
}

static int32_t may_be_resident(const run_t *run)
{
    return run->steps <= 2 && run->channels % FILTERS == 0 && run->channels <= MOST_CHANNELS && !run->shifts_left;
}

/* `groups` of four outputs, windows `pixel_step` bytes apart. */
static void compute_resident(const run_t *run, const int8_t *pixel, int32_t pixel_step, int8_t *out, int32_t groups)
{
    const resident_of_t compute_pair = resident_for(run, pixel_step);
    const int32_t missing = STEP - run->first, first_bytes = PAIR_BYTES(run->first);
    const int32_t rest_bytes = run->steps == 1 ? 0 : PAIR_BYTES(STEP);
    const int8_t *weights = run->weights;
    const int32_t *rescale = run->rescale;
    resident_t resident;
    resident.inputs = pixel - bytes_before(run, pixel_step);
    resident.out = out;
    resident.groups = groups;
    resident.pixel_step = pixel_step;
    resident.out_step = 4 * run->channels;
    resident.steps[0].lanes = 0xFFFF << missing;
    resident.steps[1].lanes = 0xFFFF >> (run->steps == 1 ? missing : 0);
    place_outputs(&resident.pair, run->channels, run->out_offset);

    for (; resident.out < out + run->channels; weights += 2 * (first_bytes + rest_bytes), rescale += RESCALE_WORDS) {
        for (int32_t second = 0; second < 2; ++second, resident.out += 2) {
            const int8_t *first = weights + second * first_bytes;
            const int8_t *rest = run->steps == 1 ? first : weights + 2 * first_bytes + second * rest_bytes;
            resident.steps[0].a = first - missing;
            resident.steps[0].b = first - missing + run->first;
            resident.steps[1].a = rest;
            resident.steps[1].b = rest + (run->steps == 1 ? run->first : STEP);
            take_factors(&resident.pair, rescale, 2 * second);
            compute_pair(&resident);
        }
    }
    if (run->out_min > INT8_MIN || run->out_max < INT8_MAX) {
        limit(out, 4 * groups * run->channels, run->out_min, run->out_max);
    }
}

#endif

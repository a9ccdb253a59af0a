/* Fully connected layers for Helium, four outputs at a time: what their kernels share. SPDX-License-Identifier: Apache-2.0 */
#ifndef TINYML_FULLY_CONNECTED_VECTOR_RUNS_H
#define TINYML_FULLY_CONNECTED_VECTOR_RUNS_H

#include "tinyml_fully_connected_vector.h"
#include "tinyml_mve.h"
#include "tinyml_requant.h"

#define STEP 16 /* bytes of inputs */
#define OUTPUTS 4
#define RESCALE_WORDS 13

/* A row of the output. The assembly knows this order. */
typedef struct {
    const void *x;
    const int8_t *weights;
    const int32_t *rescale;
    void *out;
    int32_t outputs;
    int32_t first; /* inputs of the first step */
    int32_t steps; /* after it */
    int32_t out_min;
    int32_t out_max;
    int32_t *sums; /* where they are kept, bias apart */
} product_t;

static inline product_t product_of(const tinyml_fully_connected_vector_t *op, const tinyml_rows_t *in,
                                   const tinyml_rows_t *out, int32_t row, int32_t *sums)
{
    const int32_t steps = (op->depth - 1) / STEP;
    const product_t product = {
        (const int8_t *)in->base + row * op->depth, op->weights, op->rescale, tinyml_row(out, row), op->out_channels,
        op->depth - steps * STEP, steps, op->out_min, op->out_max, sums,
    };
    return product;
}

#if TINYML_HELIUM

#define WEIGHTS(q) "vldrb.u8 " q ", [r1], #16\n"
#define SOME_WEIGHTS(q) "vldrb.u8 " q ", [r1]\n add r1, r1, r9\n"
#define SOME_INPUTS "vctp.8 r9\n vpst\n vldrbt.u8 q0, [r3]\n add r3, r3, r9\n"
#define INPUTS(number) "vldr" number " q0, [r3], #16\n"
#define TO_LANES "vmov q0[2], q0[0], r0, r4\n vmov q0[3], q0[1], r2, r6\n"

/* r1 weights, r3 inputs, r5 rescaling, r7 output, r9 inputs of the first step, r11 other steps, r12 outputs that are left; on the stack
 * the first input, and where sums are kept. `first` and `next` add up four sums in r0 r2 r4 r6. */
#define PRODUCT(first, next, finish)                                                                \
    ".syntax unified\n"                                                                             \
    "push {r4-r11, lr}\n"                                                                           \
    "ldrd r3, r1, [r0, #0]\n ldrd r5, r7, [r0, #8]\n ldrd r12, r9, [r0, #16]\n"                     \
    "ldrd r11, r8, [r0, #24]\n ldrd r10, r0, [r0, #32]\n"                                           \
    "push {r0, r3}\n"                                                                               \
    "1: ldr r3, [sp, #4]\n" first                                                                   \
    "wls lr, r11, 3f\n"                                                                             \
    "2:" next "le lr, 2b\n"                                                                         \
    "3:" finish                                                                                     \
    "subs r12, r12, #4\n bgt 1b\n"                                                                  \
    "pop {r0, r3}\n pop {r4-r11, pc}\n"

#define KEEP "ldr r0, [sp]\n vstrw.32 q0, [r0], #16\n str r0, [sp]\n"
#define RESCALE                                                                                     \
    "vldrw.u32 q1, [r5], #16\n vldrw.u32 q2, [r5], #16\n vldrw.u32 q3, [r5], #16\n"                 \
    "vadd.i32 q0, q0, q1\n vqdmulh.s32 q0, q0, q2\n vldrb.s32 q1, [r5], #4\n"                       \
    "vadd.i32 q0, q0, q3\n vshl.s32 q0, q0, q1\n"                                                   \
    "vdup.32 q1, r8\n vdup.32 q2, r10\n vmax.s32 q0, q0, q1\n vmin.s32 q0, q0, q2\n"                \
    "vctp.32 r12\n vpst\n vstrbt.32 q0, [r7], #4\n"

#else

/* Four outputs, some of which may be past the last. */
static inline void rescale_four(const product_t *product, int32_t first, const int32_t sum[OUTPUTS])
{
    const int32_t *rescale = product->rescale + first / OUTPUTS * RESCALE_WORDS;
    for (int32_t i = 0; i < OUTPUTS && first + i < product->outputs; ++i) {
        const int32_t shift = -((const int8_t *)(rescale + 12))[i];
        const int32_t scaled = (int32_t)(2 * (int64_t)(sum[i] + rescale[i]) * rescale[4 + i] >> 32);
        ((int8_t *)product->out)[first + i] =
            (int8_t)tinyml_clamp((scaled + rescale[8 + i]) >> shift, product->out_min, product->out_max);
    }
}

#endif

#endif

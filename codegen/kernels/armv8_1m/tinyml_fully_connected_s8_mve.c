/* Fully connected layer, int8, for Helium: four outputs at a time. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_fully_connected_vector_s8.h"
#include "tinyml_mve.h"
#include "tinyml_requant.h"

#define STEP 16
#define OUTPUTS 4
#define RESCALE_WORDS 13

/* A row of the output. The assembly knows this order. */
typedef struct {
    const int8_t *x;
    const int8_t *weights;
    const int32_t *rescale;
    int8_t *out;
    int32_t outputs;
    int32_t first; /* inputs of the first step */
    int32_t steps; /* after it */
    int32_t out_min;
    int32_t out_max;
} product_t;

#if TINYML_HELIUM

#define FIRST(sum) "vldrb.u8 q1, [r1]\n add r1, r1, r9\n vmladav.s8 " sum ", q0, q1\n"
#define WEIGHTS(q) "vldrb.u8 " q ", [r1], #16\n"

/* r1 weights, r3 inputs, r5 rescaling, r7 output, r9 inputs of the first step, r11 other steps, r12 outputs that are left. */
TINYML_ASSEMBLY static void multiply(TINYML_UNUSED const product_t *product)
{
    __asm__(".syntax unified\n"
            "push {r4-r11, lr}\n"
            "ldrd r3, r1, [r0, #0]\n ldrd r5, r7, [r0, #8]\n ldrd r12, r9, [r0, #16]\n"
            "ldrd r11, r8, [r0, #24]\n ldr r10, [r0, #32]\n"
            "push {r3}\n"
            "1: ldr r3, [sp]\n vctp.8 r9\n vpst\n vldrbt.u8 q0, [r3]\n add r3, r3, r9\n"
            FIRST("r0") FIRST("r2") FIRST("r4") FIRST("r6")
            "wls lr, r11, 3f\n"
            "2: vldrb.u8 q0, [r3], #16\n" WEIGHTS("q1") WEIGHTS("q2") "vmladava.s8 r0, q0, q1\n"
            WEIGHTS("q3") "vmladava.s8 r2, q0, q2\n" WEIGHTS("q1") "vmladava.s8 r4, q0, q3\n"
            "vmladava.s8 r6, q0, q1\n le lr, 2b\n"
            "3: vmov q0[2], q0[0], r0, r4\n vmov q0[3], q0[1], r2, r6\n"
            "vldrw.u32 q1, [r5], #16\n vldrw.u32 q2, [r5], #16\n vldrw.u32 q3, [r5], #16\n"
            "vadd.i32 q0, q0, q1\n vqdmulh.s32 q0, q0, q2\n vldrb.s32 q1, [r5], #4\n"
            "vadd.i32 q0, q0, q3\n vshl.s32 q0, q0, q1\n"
            "vdup.32 q1, r8\n vdup.32 q2, r10\n vmax.s32 q0, q0, q1\n vmin.s32 q0, q0, q2\n"
            "vctp.32 r12\n vpst\n vstrbt.32 q0, [r7], #4\n"
            "subs r12, r12, #4\n bgt 1b\n"
            "pop {r3}\n pop {r4-r11, pc}\n");
}

#else

static int8_t finish(const product_t *product, const int32_t *rescale, int32_t i, int32_t sum)
{
    const int32_t shift = -((const int8_t *)(rescale + 12))[i];
    const int32_t scaled = (int32_t)(2 * (int64_t)(sum + rescale[i]) * rescale[4 + i] >> 32);
    return (int8_t)tinyml_clamp((scaled + rescale[8 + i]) >> shift, product->out_min, product->out_max);
}

static void multiply(const product_t *product)
{
    const int8_t *w = product->weights;
    const int32_t *rescale = product->rescale;
    for (int32_t c = 0; c < product->outputs; c += OUTPUTS, rescale += RESCALE_WORDS) {
        int32_t sum[OUTPUTS] = {0, 0, 0, 0};
        const int8_t *x = product->x;
        int32_t inputs = product->first;
        for (int32_t s = 0; s <= product->steps; ++s) {
            for (int32_t i = 0; i < OUTPUTS; ++i) {
                for (int32_t k = 0; k < inputs; ++k) {
                    sum[i] += *w++ * x[k];
                }
            }
            x += inputs;
            inputs = STEP;
        }
        for (int32_t i = 0; i < OUTPUTS && c + i < product->outputs; ++i) {
            product->out[c + i] = finish(product, rescale, i, sum[i]);
        }
    }
}

#endif

void tinyml_fully_connected_s8_mve(const tinyml_fully_connected_vector_s8_t *op, const tinyml_rows_t *in,
                                   const tinyml_rows_t *out, const tinyml_tile_t *tile, void *scratch)
{
    const int32_t steps = (op->depth - 1) / STEP;
    (void)scratch;

    for (int32_t y = tile->row; y < tile->row + tile->rows; ++y) {
        const product_t product = {
            (const int8_t *)in->base + y * op->depth, op->weights, op->rescale, tinyml_row(out, y), op->out_channels,
            op->depth - steps * STEP, steps, op->out_min, op->out_max,
        };
        multiply(&product);
    }
}

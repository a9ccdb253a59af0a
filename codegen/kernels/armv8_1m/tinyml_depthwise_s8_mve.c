/* Depthwise convolution, int8, for Helium: any window of up to 64 lanes. SPDX-License-Identifier: Apache-2.0 */
#include "tinyml_depthwise_vector.h"

#if TINYML_HELIUM

/* One sum, of 1 to 4 vectors, to `sum`; then r1 moves on to the next. */
#define SUM_1(sum, step) "vldrb.u8 q4, [r1]\n add r1, r1, " step "\n vmladav.s8 " sum ", q4, q0\n"
#define SUM_2(sum, step)                                                                           \
    "vldrb.u8 q4, [r1]\n vldrb.u8 q5, [r1, #16]\n vmladav.s8 " sum ", q4, q0\n add r1, r1, " step "\n"  \
    "vmladava.s8 " sum ", q5, q1\n"
#define SUM_3(sum, step)                                                                           \
    "vldrb.u8 q4, [r1]\n vldrb.u8 q5, [r1, #16]\n vmladav.s8 " sum ", q4, q0\n"                    \
    "vldrb.u8 q4, [r1, #32]\n vmladava.s8 " sum ", q5, q1\n add r1, r1, " step "\n"                \
    "vmladava.s8 " sum ", q4, q2\n"
#define SUM_4(sum, step)                                                                           \
    "vldrb.u8 q4, [r1]\n vldrb.u8 q5, [r1, #16]\n vmladav.s8 " sum ", q4, q0\n"                    \
    "vldrb.u8 q4, [r1, #32]\n vmladava.s8 " sum ", q5, q1\n"                                       \
    "vldrb.u8 q5, [r1, #48]\n vmladava.s8 " sum ", q4, q2\n add r1, r1, " step "\n"                \
    "vmladava.s8 " sum ", q5, q3\n"
#define FOUR(sum) sum("r0", "r9") sum("r2", "r3") sum("r4", "r9") sum("r6", "r5")
#define STEPS "ldrd r9, r3, [r0, #52]\n ldr r5, [r0, #60]\n"

TINYML_ASSEMBLY static void compute_1(TINYML_UNUSED block_t *block)
{
    __asm__(BLOCK(WEIGHTS(0) STEPS, "", FOUR(SUM_1)));
}

TINYML_ASSEMBLY static void compute_2(TINYML_UNUSED block_t *block)
{
    __asm__(BLOCK(WEIGHTS(0) WEIGHTS(1) STEPS, "", FOUR(SUM_2)));
}

TINYML_ASSEMBLY static void compute_3(TINYML_UNUSED block_t *block)
{
    __asm__(BLOCK(WEIGHTS(0) WEIGHTS(1) WEIGHTS(2) STEPS, "", FOUR(SUM_3)));
}

TINYML_ASSEMBLY static void compute_4(TINYML_UNUSED block_t *block)
{
    __asm__(BLOCK(WEIGHTS(0) WEIGHTS(1) WEIGHTS(2) WEIGHTS(3) STEPS, "", FOUR(SUM_4)));
}

static void compute(block_t *block, const layout_t *layout)
{
    static void (*const by_vectors[VECTORS])(block_t *) = {compute_1, compute_2, compute_3, compute_4};
    by_vectors[layout->vectors - 1](block);
}

#else
#define compute compute_portably
#endif

void tinyml_depthwise_s8_mve(const tinyml_depthwise_vector_s8_t *op, const tinyml_rows_t *in, const tinyml_rows_t *out,
                             const tinyml_tile_t *tile, void *scratch)
{
    static const kernel_t kernel = {compute, 0};
    depthwise(op, in, out, tile, scratch, &kernel);
}

/* Sums of two filters with four outputs, rescaled and stored together, for Helium. SPDX-License-Identifier: Apache-2.0
 *
 * The sums of the first filter, a, are in r0 r2 r4 r6, those of the second, b, in r8 r10 r12 r14: the even registers, which are all that
 * VMLADAV adds up into. Their factors are scalars. Results are narrowed with saturation; limits beyond those of int8 are for limit().
 */
#ifndef TINYML_CONV_VECTOR_PAIRS_H
#define TINYML_CONV_VECTOR_PAIRS_H

#include "tinyml_conv_vector.h"
#include "tinyml_mve.h"

#define RESCALE_WORDS 9     /* of four filters */
#define MOST_CHANNELS 20000 /* of which offsets have 16 bits */

/* Where two filters x four outputs go, and how they are rescaled. The assembly knows this order. */
typedef struct {
    int32_t factors[7];  /* bias, multiplier and shift of a, the same of b, the output's zero point */
    uint16_t offsets[8]; /* of a0 b0 a1 b1 a2 b2 a3 b3 */
} pair_t;

#if TINYML_HELIUM

#define SUMS_TO_LANES                                                                                   \
    "vmov q4[2], q4[0], r0, r4\n vmov q4[3], q4[1], r2, r6\n"                                           \
    "vmov q5[2], q5[0], r8, r12\n vmov q5[3], q5[1], r10, r14\n"

/* r11 pair_t, q6 its offsets, r3 outputs; uses q7. TIES rounds them away from zero: the sign of a sum takes 1 off its product. */
#define FACTORS "ldm r11, {r0, r2, r4, r6, r8, r10, r12}\n"
#define ADD_BIASES "vadd.i32 q4, q4, r0\n vadd.i32 q5, q5, r6\n"
#define NARROWED(a, b)                                                                                  \
    "vrshl.s32 " a ", r4\n vrshl.s32 " b ", r10\n"                                                      \
    "vqmovnb.s32 " a ", " a "\n vqmovnt.s32 " a ", " b "\n vqadd.s16 " a ", " a ", r12\n vqmovnb.s16 " a ", " a "\n"
#define SCALE_PAIR(store) "vqrdmulh.s32 q4, q4, r2\n vqrdmulh.s32 q5, q5, r8\n" NARROWED("q4", "q5") store("q4")
#define SCALE_PAIR_TIES(store)                                                                             \
    "vshr.s32 q7, q4, #31\n vqrdmlah.s32 q7, q4, r2\n vshr.s32 q4, q5, #31\n vqrdmlah.s32 q4, q5, r8\n" \
    NARROWED("q7", "q4") store("q7")

#endif

static inline void place_outputs(pair_t *pair, int32_t channels, int32_t out_offset)
{
    for (int32_t i = 0; i < 4; ++i) {
        pair->offsets[2 * i] = (uint16_t)(i * channels);
        pair->offsets[2 * i + 1] = (uint16_t)(i * channels + 1);
    }
    pair->factors[6] = out_offset;
}

/* The filters `a` and a + 1 of four. */
static inline void take_factors(pair_t *pair, const int32_t *rescale, int32_t a)
{
    const int8_t *shift = (const int8_t *)(rescale + 8);
    for (int32_t i = 0; i < 2; ++i) {
        pair->factors[3 * i] = rescale[a + i];
        pair->factors[3 * i + 1] = rescale[4 + a + i];
        pair->factors[3 * i + 2] = shift[a + i];
    }
}

#endif

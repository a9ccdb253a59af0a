/* How sums become outputs in the assembly of convolutions with channels in lanes, for SMLAD.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Registers: r2 2 * bias, r3 multiplier, r12 rounding, lr shift; r1 is scratch. SHIFT doubles what was summed.
 *
 * The order lets a Cortex-M7 issue two instructions in most cycles: behind a multiplication comes one that needs neither its
 * result nor the multiplier.
 */
#ifndef TINYML_RESCALE_DSP_H
#define TINYML_RESCALE_DSP_H

#define ADD_BIAS(SUM, SHIFT) "add " SUM ", r2, " SUM ", " SHIFT "\n"
#define ROUND_TIES(SUM) "add r1, r12, " SUM ", asr #31 \n"
#define SCALE(SUM, ROUNDING) "smmlar " SUM ", " SUM ", r3, " ROUNDING "\n"
#define SHIFT_RIGHT(SUM) "asr " SUM ", " SUM ", lr \n"
#define SATURATE(SUM) "ssat " SUM ", #8, " SUM "\n"

#define RESCALE(SUM, SHIFT) ADD_BIAS(SUM, SHIFT) ROUND_TIES(SUM) SCALE(SUM, "r1") SHIFT_RIGHT(SUM) SATURATE(SUM)
#define RESCALE_TWO(A, B, SHIFT) \
    ADD_BIAS(A, SHIFT) ADD_BIAS(B, SHIFT) ROUND_TIES(A) SCALE(A, "r1") ROUND_TIES(B) SCALE(B, "r1") SHIFT_RIGHT(A) \
    SATURATE(A) SHIFT_RIGHT(B) SATURATE(B)

#define RESCALE_FOUR(A, B, C, D, SHIFT) \
    ADD_BIAS(A, SHIFT) ADD_BIAS(B, SHIFT) ROUND_TIES(A) SCALE(A, "r1") ROUND_TIES(B) SCALE(B, "r1") ADD_BIAS(C, SHIFT) \
    ROUND_TIES(C) ADD_BIAS(D, SHIFT) SCALE(C, "r1") ROUND_TIES(D) SCALE(D, "r1") SHIFT_RIGHT(A) SATURATE(A) \
    SHIFT_RIGHT(B) SATURATE(B) SHIFT_RIGHT(C) SATURATE(C) SHIFT_RIGHT(D) SATURATE(D)

/* Where ties do not show: a negative result is clamped to the output's zero point, rounded up or down. */
#define RESCALE_FOUR_WITHOUT_TIES(A, B, C, D, SHIFT) \
    ADD_BIAS(A, SHIFT) ADD_BIAS(B, SHIFT) SCALE(A, "r12") ADD_BIAS(C, SHIFT) SCALE(B, "r12") ADD_BIAS(D, SHIFT) \
    SCALE(C, "r12") SHIFT_RIGHT(A) SCALE(D, "r12") SHIFT_RIGHT(B) SATURATE(A) SHIFT_RIGHT(C) SATURATE(B) SHIFT_RIGHT(D) \
    SATURATE(C) SATURATE(D)

#endif

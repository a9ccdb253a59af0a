/* Dot products of int8 with two multiply-accumulates an instruction. SPDX-License-Identifier: Apache-2.0
 *
 * Only for compilers that define __ARM_FEATURE_DSP: Cortex-M4, M7, M33.
 */
#ifndef TINYML_DSP_H
#define TINYML_DSP_H

#if defined(__ARM_FEATURE_DSP)

#include <arm_acle.h>

#include "tinyml_memory.h"

/* Bytes 0 and 2 of a word as two int16; bytes 1 and 3. */
static inline int16x2_t tinyml_even(uint32_t word)
{
    return __sxtb16((int8x4_t)word);
}

static inline int16x2_t tinyml_odd(uint32_t word)
{
    return __sxtb16((int8x4_t)((word >> 8) | (word << 24)));
}

#endif

#endif

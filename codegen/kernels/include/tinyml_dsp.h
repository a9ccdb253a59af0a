/* Two multiply-accumulates an instruction. SPDX-License-Identifier: Apache-2.0
 *
 * Only for compilers that define __ARM_FEATURE_DSP: Cortex-M4, M7, M33.
 */
#ifndef TINYML_DSP_H
#define TINYML_DSP_H

#if defined(__ARM_FEATURE_DSP)

#include <arm_acle.h>

#include "tinyml_memory.h"

/* Bytes 0 and 2 of a word as two int16. */
static inline int16x2_t tinyml_even(uint32_t word)
{
    return __sxtb16((int8x4_t)word);
}

/* Bytes 1 and 3. The instruction rotates for nothing, but GCC 12 does not know that. */
static inline int16x2_t tinyml_odd(uint32_t word)
{
#if defined(__GNUC__)
    int16x2_t pair;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(pair) : "r"(word));
    return pair;
#else
    return __sxtb16((int8x4_t)__ror(word, 8));
#endif
}

/* The same, added to two int16. */
static inline int16x2_t tinyml_add_even(int16x2_t pair, uint32_t word)
{
    return __sxtab16(pair, (int8x4_t)word);
}

static inline int16x2_t tinyml_add_odd(int16x2_t pair, uint32_t word)
{
#if defined(__GNUC__)
    int16x2_t sum;
    __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(sum) : "r"(pair), "r"(word));
    return sum;
#else
    return __sxtab16(pair, (int8x4_t)__ror(word, 8));
#endif
}

/* Four bytes from a multiple of four. */
static inline uint32_t tinyml_load_aligned(const void *at)
{
#if defined(__GNUC__)
    return tinyml_load_word(__builtin_assume_aligned(at, 4));
#else
    return tinyml_load_word(at);
#endif
}

#endif

#endif

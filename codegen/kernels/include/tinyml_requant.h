/* Exact fixed-point requantisation. SPDX-License-Identifier: Apache-2.0
 *
 * A real factor is kept as multiplier * 2^(shift - 31) with 2^30 <= multiplier < 2^31 (or 0), or with all bits of a double.
 * TFLite's reference kernels round in two ways, and both are here bit for bit. Right shifts of negative numbers are arithmetic on every compiler
 * that we know; C99 leaves that to the implementation.
 */
#ifndef TINYML_REQUANT_H
#define TINYML_REQUANT_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

static inline int32_t tinyml_clamp(int32_t x, int32_t lo, int32_t hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

/* round(a * b / 2^31), ties towards plus infinity. b must not be INT32_MIN together with a. */
static inline int32_t tinyml_high_mul(int32_t a, int32_t b)
{
    return (int32_t)(((int64_t)a * b + (INT64_C(1) << 30)) >> 31);
}

/* The high word of a product, rounded, ties towards plus infinity. */
static inline int32_t tinyml_high_word(int32_t x, int32_t factor)
{
#if defined(__ARM_FEATURE_DSP) && (defined(__GNUC__) || defined(__clang__))
    int32_t high;
    __asm__("smmulr %0, %1, %2" : "=r"(high) : "r"(x), "r"(factor));
    return high;
#else
    return (int32_t)(((int64_t)x * factor + (INT64_C(1) << 31)) >> 32);
#endif
}

/* round(x / 2^exponent), ties away from zero; 0 <= exponent <= 31. */
static inline int32_t tinyml_divide_pow2(int32_t x, int32_t exponent)
{
    const int32_t mask = (int32_t)((UINT32_C(1) << exponent) - 1u);
    const int32_t threshold = (mask >> 1) + (x < 0 ? 1 : 0);
    return (x >> exponent) + ((x & mask) > threshold ? 1 : 0);
}

/* round(x / n), ties away from zero; n > 0. */
static inline int32_t tinyml_divide(int32_t x, int32_t n)
{
    return (x > 0 ? x + n / 2 : x - n / 2) / n;
}

/* x * 2^exponent modulo 2^32. */
static inline int32_t tinyml_shift_left(int32_t x, int32_t exponent)
{
    return (int32_t)((uint32_t)x << exponent);
}

/* x times the factor, rounded twice: after the multiplication and after the shift. Convolutions, add, mul and nearly
 * everything else. */
static inline int32_t tinyml_requantize(int32_t x, int32_t multiplier, int32_t shift)
{
    const int32_t left = shift > 0 ? shift : 0;
    const int32_t right = shift > 0 ? 0 : -shift;
    return tinyml_divide_pow2(tinyml_high_mul(tinyml_shift_left(x, left), multiplier), right);
}

/* x times a factor of double precision, rounded once, ties away from zero: LiteRT's reference fully connected layer.
 * factor = (high * 2^31 + low) / 2^(31 + exponent), 0 <= high < 2^22, 0 <= low < 2^31, 1 <= exponent <= 63. */
static inline int32_t tinyml_requantize_once(int32_t x, int32_t high, int32_t low, int32_t exponent)
{
    const uint32_t sign = x < 0 ? UINT32_MAX : 0u;
    const uint32_t magnitude = ((uint32_t)x ^ sign) - sign;
    /* The 31 lowest bits of the product cannot reach the rounding. */
    const uint64_t product = (uint64_t)magnitude * (uint32_t)high + ((uint64_t)magnitude * (uint32_t)low >> 31);
    const uint32_t rounded = ((uint32_t)(product >> (exponent - 1)) + 1u) >> 1;
    return (int32_t)((rounded ^ sign) - sign);
}

#ifdef __cplusplus
}
#endif

#endif

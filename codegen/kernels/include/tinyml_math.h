/* Elementary functions in single precision, for targets without a mathematical library.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Errors are at most 2 units in the last place (tests/kernels/test_kernels_f32.py). The polynomials are fits of least
 * maximum error, made for these intervals.
 */
#ifndef TINYML_MATH_H
#define TINYML_MATH_H

#include <stdint.h>

#include "tinyml_memory.h"

#ifdef __cplusplus
extern "C" {
#endif

static inline float tinyml_from_bits(uint32_t bits)
{
    float x;
    tinyml_store_word(&x, bits);
    return x;
}

/* 2^n for -126 <= n <= 127. */
static inline float tinyml_pow2(int32_t n)
{
    return tinyml_from_bits((uint32_t)(n + 127) << 23);
}

/* exp(x) = 2^n * exp(r) with |r| <= ln(2) / 2; ln(2) in two parts, the first exact when multiplied with n. */
static inline float tinyml_exp(float x)
{
    if (!(x < 88.75f)) {
        return x + tinyml_from_bits(UINT32_C(0x7f800000)); /* infinity, or not-a-number if x is */
    }
    if (x < -104.0f) {
        return 0.0f;
    }
    const float scaled = x * 1.44269504f;
    const int32_t n = (int32_t)(scaled + (scaled < 0.0f ? -0.5f : 0.5f));
    const float r = (x - (float)n * 0.693359375f) + (float)n * 2.12194440e-4f;
    float p = 1.99075667e-4f;
    p = p * r + 1.39336501e-3f;
    p = p * r + 8.33328603e-3f;
    p = p * r + 4.16664649e-2f;
    p = p * r + 0.166666668f;
    p = p * r + 0.5f;
    p = p * (r * r) + r + 1.0f;
    /* Two factors: 2^n itself may be out of range where the result is not. */
    const int32_t half = n / 2;
    return p * tinyml_pow2(half) * tinyml_pow2(n - half);
}

/* A polynomial around 0, where 1 - 2 / (exp(2x) + 1) would cancel. */
static inline float tinyml_tanh(float x)
{
    const float magnitude = x < 0.0f ? -x : x;
    if (magnitude < 0.625f) {
        const float z = x * x;
        float p = -6.06222e-3f;
        p = p * z + 2.097501e-2f;
        p = p * z - 5.384669e-2f;
        p = p * z + 0.13332746f;
        p = p * z - 0.33333329f;
        return x + x * (p * z);
    }
    const float y = 1.0f - 2.0f / (tinyml_exp(2.0f * magnitude) + 1.0f);
    return x < 0.0f ? -y : y;
}

/* A polynomial around 0, exp(-x^2) times one of 1 / (1 + x / 2) beyond. */
static inline float tinyml_erf(float x)
{
    const float magnitude = x < 0.0f ? -x : x;
    if (magnitude < 1.0f) {
        const float z = x * x;
        float p = 7.8824974e-5f;
        p = p * z - 8.018855e-4f;
        p = p * z + 5.1893123e-3f;
        p = p * z - 2.6854329e-2f;
        p = p * z + 0.11283597f;
        p = p * z - 0.37612626f;
        p = p * z + 0.12837917f;
        return x + x * p;
    }
    const float t = 1.0f / (1.0f + 0.5f * magnitude);
    float p = -5.3540617e-2f;
    p = p * t - 5.7338737e-2f;
    p = p * t + 0.40383837f;
    p = p * t + 0.10126825f;
    p = p * t + 0.33084068f;
    p = p * t + 0.27361816f;
    p = p * t + 6.0640875e-4f;
    const float y = magnitude < 4.0f ? 1.0f - tinyml_exp(-magnitude * magnitude) * p : 1.0f;
    return x < 0.0f ? -y : y;
}

/* Newton's iteration from half the exponent; 0 for negative x. Tiny x are scaled to have an exponent to halve. */
static inline float tinyml_sqrt(float x)
{
    if (!(x > 0.0f)) {
        return x < 0.0f ? 0.0f : x;
    }
    if (x > 3.402823466e38f) {
        return x;
    }
    const int32_t tiny = x < 1e-30f;
    const float scaled = tiny ? x * 1152921504606846976.0f : x; /* 2^60 */
    float y = tinyml_from_bits((tinyml_load_word(&scaled) >> 1) + UINT32_C(0x1fbd1df5));
    y = 0.5f * (y + scaled / y);
    y = 0.5f * (y + scaled / y);
    y = 0.5f * (y + scaled / y);
    return tiny ? y * 9.31322574615478515625e-10f : y; /* 2^-30 */
}

#ifdef __cplusplus
}
#endif

#endif
